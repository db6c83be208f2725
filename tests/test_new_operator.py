"""Chapter new operators: an ONNX operator of our own, exported as a bare node and then given a body."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import srcnn_models as srcnn
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import Export
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.inputs import scales

NETS = {TORCHSCRIPT: srcnn.NewOperatorNet, TORCH_EXPORT: srcnn.PortableSuperResolutionNet}
UNSEEN = {
    "37x53-x3-x3": (37, 53, 3, 3),
    "37x53-x0.5-x0.75": (37, 53, 0.5, 0.75),
    "16x30-x1.5-x4": (16, 30, 1.5, 4),
    "9x11-x2-x3": (9, 11, 2, 3),
}
EMPTY = helper.make_tensor("roi", TensorProto.FLOAT, [0], [])


def body(opset: int, coefficient: float) -> onnx.FunctionProto:
    """`srcnn::InterpolateBicubic` as a function: one Resize with the document's attributes and an empty roi."""
    nodes = [
        helper.make_node("Constant", [], ["roi"], value=EMPTY),
        helper.make_node(
            "Resize",
            ["image", "roi", "factor"],
            ["scaled"],
            coordinate_transformation_mode="pytorch_half_pixel",
            cubic_coeff_a=coefficient,
            mode="cubic",
            nearest_mode="floor",
        ),
    ]
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_function("srcnn", "InterpolateBicubic", ["image", "factor"], ["scaled"], nodes, opsets)


@pytest.fixture(scope="session")
def node_export(exported, trained, noise, target) -> Export:
    """The two-input file with the new operator in place of the Resize, traced at ×2."""
    return exported(
        "new-operator",
        trained(NETS[target.exporter]()),
        {"input": noise(1, 3, 24, 20), "factor": scales(2)},
        target,
        dynamic={"input": {2: "height", 3: "width"}},
        translations=srcnn.new_operator_translations(),
    )


@pytest.fixture
def with_body(node_export, tmp_path):
    """Adds a body with a coefficient to the exported file."""

    def write(coefficient):
        model = onnx.load(node_export.path)
        model.functions.append(body(node_export.opset, coefficient))
        model.ir_version = max(model.ir_version, 8)  # the first in which a model may hold functions
        onnx.save(model, tmp_path / "with-body.onnx")
        return tmp_path / "with-body.onnx"

    return write


class TestNode:
    """A new operator is exported as a node in its own domain."""

    @pytest.mark.claim("new-operator")
    def test_node_stands_in_its_domain(self, node_export):
        """The file has one srcnn::InterpolateBicubic of the image and the factor, and no Resize."""
        (node,) = node_export.graph.nodes_of("InterpolateBicubic")
        assert (node.domain, node.inputs) == ("srcnn", ("input", "factor"))
        assert node_export.graph.nodes_of("Resize") == ()

    @pytest.mark.claim("new-operator")
    def test_domain_has_a_version(self, node_export):
        """Beside ONNX's own opset, the file imports version 1 of the domain."""
        assert node_export.graph.opsets == {"": node_export.opset, "srcnn": 1}

    @pytest.mark.claim("new-operator")
    def test_checker_accepts_the_node(self, node_export):
        """The file passes the full check: onnx ignores a domain that it does not know."""
        onnx.checker.check_model(onnx.load(node_export.path), full_check=True)

    @pytest.mark.claim("new-operator")
    def test_onnxruntime_refuses_the_node(self, node_export):
        """ONNX Runtime does not load the file: nothing says what the operator computes."""
        with pytest.raises(EngineError, match=r"srcnn:InterpolateBicubic.* is not a registered function/op"):
            OnnxRuntime().open(node_export.path)


class TestBody:
    """With a body, a function inside the model, the new operator runs in ONNX Runtime."""

    @pytest.mark.claim("new-operator")
    def test_checker_accepts_the_body(self, with_body):
        """The file passes the full check, and holds one function."""
        model = onnx.load(with_body(-0.75))
        onnx.checker.check_model(model, full_check=True)
        assert [(function.domain, function.name) for function in model.functions] == [("srcnn", "InterpolateBicubic")]

    @pytest.mark.claim("new-operator")
    @pytest.mark.parametrize("case", UNSEEN)
    def test_output_is_torchs(self, with_body, trained, small_face, case, target, onnx_record_comparison):
        """At sizes and factors that were not traced, ONNX Runtime's output is torch's."""
        height, width, *factor = UNSEEN[case]
        inputs = {"input": np.ascontiguousarray(small_face[:, :, :height, :width]), "factor": scales(*factor)}
        expected = reference(trained(srcnn.StrangeSuperResolutionNet()), inputs)
        output = OnnxRuntime().open(with_body(-0.75)).run(inputs)
        (parity,) = assert_same(output, expected, f"new-operator-{case}-{target}")
        onnx_record_comparison(parity)

    @pytest.mark.claim("new-operator")
    def test_other_body_is_another_operator(self, with_body, trained, small_face):
        """With the coefficient -0.5 in its body, the file's output is not torch's."""
        inputs = {"input": small_face[:, :, :9, :11], "factor": scales(3)}
        output = OnnxRuntime().open(with_body(-0.5)).run(inputs)
        with pytest.raises(AssertionError, match="apart"):
            assert_same(output, reference(trained(srcnn.StrangeSuperResolutionNet()), inputs), "coefficient")
