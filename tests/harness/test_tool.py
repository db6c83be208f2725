"""What a tool did wrong: a loss, a constant, an optimizer of ONNX Runtime, and the first value that departs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from onnxproof.case import Case
from onnxproof.checks import CHECKS, judge
from onnxproof.faults import edits
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from tests.harness.tools import onnxruntime_basic
from tests.harness.two_files import compared, write

INTEGERS = """
<ir_version: 8, opset_import: ["": 17]>
g (int64[n] x, int64[n] y, float[n] w) => (float[n] z) <int64 one = {1}>
{
    inverse = Div (one, x)
    share = Mul (inverse, y)
    wide = Cast <to = 1> (share)
    z = Mul (wide, w)
}
"""
NUMBERS = {
    "x": np.array([2, 3, 1, 2, 1]),
    "y": np.array([6, 6, 6, 7, 5]),
    "w": np.array([0.5, 1.5, 2.5, 3.5, -0.5], np.float32),
}


def same_values(conversion):
    finding = judge(CHECKS["same-values"], conversion)
    assert finding.verdict == "fails"
    return finding


class TestOptimizer:
    """ONNX Runtime takes (1 / x) * y for y / x, of integers, too."""

    @pytest.fixture
    def optimized(self, tmp_path):
        """A file that ONNX Runtime optimized, against the original."""
        before = write(tmp_path / "before.onnx", INTEGERS)
        onnxruntime_basic(before, tmp_path / "after.onnx")
        return Conversion(ReferenceModel(Case(before, NUMBERS)), GivenFile(tmp_path / "after.onnx"))

    def test_named(self, optimized):
        """The optimizer whose absence mends it is named, with its level."""
        finding = same_values(optimized)
        assert "ONNX Runtime's optimizer DivMulFusion: at the level basic the original is right" in finding.problem
        assert "disabled_optimizers" in finding.advice

    def test_original_is_not_blamed(self, optimized):
        """The original is right, although ONNX Runtime's default makes it wrong."""
        conversion = optimized.of_file(optimized.case.file)
        assert "only with optimization off" in judge(CHECKS["optimizer-neutral"], conversion).problem
        finding = same_values(conversion)
        assert finding.problem.endswith(
            "ONNX Runtime's optimizer DivMulFusion: at the level basic the values are right without it alone"
        )
        assert 'disabled_optimizers=["DivMulFusion"]' in finding.advice

    def test_without_float64(self, tmp_path):
        """The spread of the original's outputs does not take the optimizer's fault for rounding."""
        before = write(tmp_path / "before.onnx", INTEGERS)
        onnxruntime_basic(before, tmp_path / "after.onnx")
        model = ReferenceModel(Case(before, NUMBERS), budget=0)
        assert model.traced.reference.exact is None
        assert "DivMulFusion" in same_values(Conversion(model, GivenFile(tmp_path / "after.onnx"))).problem


PICTURE = {"x": np.random.default_rng(0).normal(size=(1, 1, 6, 6)).astype(np.float32)}


class TestOtherEngine:
    """The original may mean something else in another engine itself, which is no tool's fault."""

    CROPS = """
    <ir_version: 8, opset_import: ["": 18]>
    g (float[1, 1, 6, 6] x) => (float[1, 1, 6, 6] y)
    <float[8] middle = {0, 0, 0.25, 0.25, 1, 1, 0.75, 0.75}, float[4] scales = {1, 1, 1, 1}>
    { y = Resize <mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize"> (x, middle, scales) }
    """

    def test_not_judged(self, tmp_path):
        """`engines-agree` says so."""
        finding = judge(CHECKS["engines-agree"], compared(tmp_path, lambda model: None, self.CROPS, PICTURE))
        assert finding.verdict == "not judged"
        assert finding.problem == "the original itself has another result in the reference evaluator"

    def test_by_itself(self, tmp_path):
        """A file that is compared with itself fails."""
        path = write(tmp_path / "own.onnx", self.CROPS)
        finding = judge(CHECKS["engines-agree"], Conversion(ReferenceModel(Case(path, PICTURE)), GivenFile(path)))
        assert "the reference evaluator has another result" in finding.problem
        assert finding.verdict == "fails"


class TestLoss:
    """A file that computes in less is not equal, and the finding says what to do."""

    @staticmethod
    def in_float16(model) -> None:
        """A MatMul in float16, between casts, as a converter writes it with `keep_io_types=True`."""
        node = edits.nodes(model, "MatMul")[0]
        for index, name in enumerate(list(node.input)):
            edits.before(model, node, "Cast", [name], f"narrow_{index}", to=TensorProto.FLOAT16)
            node.input[index] = f"narrow_{index}"
        edits.after(model, node.output[0], "Cast", to=TensorProto.FLOAT)

    def test_float16(self, tmp_path):
        """It says that float16 is why, and how to state the loss."""
        finding = same_values(compared(tmp_path, self.in_float16))
        assert "the file computes in float16, unlike the original: they cannot be equal" in finding.problem
        assert '`--loss "agrees >= 99%" --samples DIR`' in finding.advice

    def test_inputs(self, tmp_path):
        """Inputs that became float16 are named, with the converter's option that keeps them."""

        def narrow(model) -> None:
            for info in (model.graph.input[0], *model.graph.output):
                info.type.tensor_type.elem_type = TensorProto.FLOAT16
            for tensor in list(model.graph.initializer):
                if tensor.data_type == TensorProto.FLOAT:
                    value = onnx.numpy_helper.to_array(tensor).astype(np.float16)
                    tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))

        conversion = compared(tmp_path, narrow)
        for check in ("inputs-kept", "outputs-kept"):
            finding = judge(CHECKS[check], conversion)
            assert "is float16, the model's is float32" in finding.problem
            assert "keep_io_types=True" in finding.advice


class TestRefused:
    """A file that ONNX Runtime does not run because of what it is, is no fault of ONNX Runtime."""

    def test_dtype(self, tmp_path):
        """Inputs of another dtype are named, though the reference evaluator takes any."""
        conversion = compared(tmp_path, _in_float16, PLAIN, {"x": np.ones((2, 4), np.float32)})
        assert "its inputs have other dtypes than the case's: see inputs-kept" in same_values(conversion).problem
        found = judge(CHECKS["engines-agree"], conversion)
        assert (found.verdict, found.problem) == (
            "not judged",
            "its inputs have other dtypes than the case's: see inputs-kept",
        )

    def test_ill_formed(self, tmp_path):
        """So is what onnx's checker refuses, too."""

        def old_axes(model) -> None:
            model.opset_import[0].version = 18

        conversion = compared(tmp_path, old_axes, MEAN, {"x": np.ones((2, 4), np.float32)})
        found = same_values(conversion)
        assert "onnx's checker refuses the file, too: see well-formed" in found.problem
        assert found.advice.startswith("Make it again, or report the model to the tool")
        assert judge(CHECKS["engines-agree"], conversion).verdict == "not judged"


PLAIN = """
<ir_version: 8, opset_import: ["": 17]>
g (float[n, 4] x) => (float[n, 4] y) { y = Sqrt (x) }
"""
MEAN = """
<ir_version: 8, opset_import: ["": 17]>
g (float[n, 4] x) => (float[n, 1] y) { y = ReduceMean <axes = [1]> (x) }
"""


def _in_float16(model) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


class TestDeparting:
    """The first value that the original does not have is found by values: names may change."""

    @staticmethod
    def renamed(model) -> None:
        """Every inner value has another name."""
        for node in model.graph.node[:-1]:
            if node.output[0] != "mean":
                edits.rename(model, node.output[0], f"{node.output[0]}_of_the_tool")

    def test_first(self, tmp_path):
        """It names the node that went wrong, and what it was made of."""

        def negated(model) -> None:
            edits.after(model, "row", "Neg")
            self.renamed(model)

        finding = same_values(compared(tmp_path, negated))
        wanted = (
            "The first value that the original does not have is row_of_the_tool of Neg, made of row_changed_of_the_"
        )
        assert wanted in finding.evidence
        assert (finding.where.nodes, finding.node) == (("row_of_the_tool",), "row_of_the_tool")
        assert "it is wrong in the reference evaluator too" in finding.problem

    def test_same_numbers_in_another_order(self, tmp_path):
        """A value whose numbers stand in another order is another one."""
        reverse = [helper.make_node("Slice", ["mixed", "from", "to", "axis", "step"], ["turned"])]

        def turned(model) -> None:
            numbers = {"from": [-1], "to": [-(2**62)], "axis": [1], "step": [-1]}
            for name, value in numbers.items():
                model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value), name))
            at = next(index for index, node in enumerate(model.graph.node) if node.op_type == "Add")
            edits.use_instead(model, "mixed", "turned")
            model.graph.node.insert(at, reverse[0])

        finding = same_values(compared(tmp_path, turned))
        assert "is turned of Slice, made of mixed." in finding.evidence

    def test_rounding_is_no_departure(self, tmp_path):
        """A value that is rounded in another way is found in the original."""

        def halved(model) -> None:
            edits.set_array(model, "weight", edits.array(model, "weight") / np.float32(3))
            edits.after(model, "mixed", "Mul", edits.constant(model, 3))
            edits.after(model, "scores", "Neg")

        finding = same_values(compared(tmp_path, halved))
        assert "is scores of Neg" in finding.evidence or "is mixed_changed of MatMul" in finding.evidence

    def test_constant(self, tmp_path):
        """A constant whose own value mends the file is named first."""

        def edited(model) -> None:
            edits.set_array(model, "table", edits.array(model, "table") + np.float32(0.1))
            edits.set_array(model, "table", edits.array(model, "table") * np.float32(1.1))

        finding = same_values(compared(tmp_path, edited))
        assert "with its own table the file is right" in finding.problem
        assert "is row of Gather, made of label." in finding.evidence

    def test_old_opset(self, tmp_path):
        """Where the operators are missing there is no such sentence."""
        text = (
            '<ir_version: 8, opset_import: ["": 9]> g (float[n, 4] x) => (float[n, 4] y) { a = Relu (x) y = Exp (a) }'
        )
        wrong = compared(
            tmp_path,
            lambda model: edits.become(model.graph.node[0], "Neg"),
            text,
            {"x": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)},
        )
        assert same_values(wrong).evidence == ""
