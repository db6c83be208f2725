"""Chapter custom operator, its premise: `interpolate` alone takes no factor at run time."""

import numpy as np
import pytest

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from tests.inputs import DYNAMIC_SIZE, scales


@pytest.fixture(scope="module")
def plain_export(exported, trained, noise, target):
    """The network of a factor tensor that has no operator, with a free size; traced at ×2."""
    inputs = {"input": noise(1, 3, 24, 20), "factor": scales(2)}
    return exported("plain", trained(srcnn.PlainFactorNet()), inputs, target, dynamic=DYNAMIC_SIZE)


@pytest.fixture(scope="module")
def plain_size_export(exported, trained, noise, target):
    """The network of a size tensor that has no operator, with a free size; traced at 48 × 40."""
    inputs = {"input": noise(1, 3, 24, 20), "size": np.array([48, 40])}
    return exported("plain-size", trained(srcnn.PlainSizeNet()), inputs, target, dynamic=DYNAMIC_SIZE)


class TestConstantScales:
    """`interpolate` becomes a Resize with constant scales alone."""

    @pytest.mark.claim("resize-scales-only-constant")
    def test_resize_takes_constants(self, plain_export):
        """Whatever the factor was in the model, all that the Resize takes beside the image is constant."""
        (resize,) = plain_export.graph.nodes_of("Resize")
        assert {*resize.inputs[1:]} - {""} <= {*plain_export.graph.constants}

    @pytest.mark.instead("resize-scales-only-constant")
    def test_factor_is_an_input(self, plain_export):
        """The file has the inputs `input` and `factor`, one Resize, and ONNX's own operators alone."""
        graph = plain_export.graph
        assert graph.input_names == ("input", "factor")
        assert len(graph.nodes_of("Resize")) == 1
        assert {node.domain for node in graph.nodes} == {""}

    @pytest.mark.instead("resize-scales-only-constant")
    @pytest.mark.parametrize("factor", [(2, 2), (3, 3), (4, 4), (2.5, 2.5), (2.5, 3)], ids="x{0[0]}-x{0[1]}".format)
    def test_output_is_torchs(self, plain_export, trained, small_face, factor, target):
        """At factors that make whole lengths of a size that was not traced, the output is torch's."""
        inputs = {"input": small_face[:, :, :12, :16], "factor": scales(*factor)}
        expected = reference(trained(srcnn.StrangeSuperResolutionNet()), inputs)
        assert_same(OnnxRuntime().open(plain_export.path).run(inputs), expected, f"plain-x{factor[0]}-{target}")

    @pytest.mark.instead("resize-scales-only-constant")
    @pytest.mark.parametrize("size", [(37, 53), (9, 60)], ids="{0[0]}x{0[1]}".format)
    def test_output_has_the_size_asked_for(self, plain_size_export, trained, small_face, size, target):
        """With a size in place of the factor, the file scales to any size as torch does."""
        inputs = {"input": small_face[:, :, :12, :16], "size": np.array(size)}
        expected = reference(trained(srcnn.PlainSizeNet()), inputs)
        assert expected.values["output"].shape[2:] == size
        assert_same(OnnxRuntime().open(plain_size_export.path).run(inputs), expected, f"plain-size-{target}")
