"""Chapter g.op, convolutions: a Conv with its attributes, with a bias and without."""

import numpy as np
import pytest
from torch.nn.functional import conv2d, pad

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import ExportError
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference

CONV = {"kernel_shape_i": [3, 5], "strides_i": [2, 1], "pads_i": [1, 2, 0, 4]}  # pads: top, left, bottom, right


def convolved(image, weight, bias=None):
    """What `CONV` describes, in torch."""
    return conv2d(pad(image, (2, 4, 1, 0)), weight, bias, stride=(2, 1))  # pad: left, right, top, bottom


@pytest.fixture
def weight():
    return np.random.default_rng(1).normal(size=(4, 3, 3, 5)).astype(np.float32)


class TestConv:
    """`g.op` writes a Conv with kernel_shape, strides and pads."""

    @pytest.mark.claim("gop-conv")
    def test_node_has_the_attributes(self, conv_export):
        """The only node is a Conv of three inputs with exactly these attributes."""
        (conv,) = conv_export.graph.nodes
        assert (conv.op_type, conv.inputs) == ("Conv", ("image", "weight", "bias"))
        assert conv.attributes == {"kernel_shape": [3, 5], "strides": [2, 1], "pads": [1, 2, 0, 4]}

    @pytest.mark.claim("gop-conv")
    def test_output_is_torchs(self, conv_export, conv, with_bias):
        """ONNX Runtime gives what torch's `conv2d` gives: the pads are first those before both axes, then after."""
        assert_same(OnnxRuntime().open(conv_export.path).run(with_bias), reference(conv, with_bias), "conv")

    @pytest.fixture
    def conv(self):
        return srcnn.Operator(convolved, lambda g, *inputs: g.op("Conv", *inputs, **CONV))

    @pytest.fixture
    def conv_export(self, export_like, conv, with_bias):
        return export_like(conv, with_bias)

    @pytest.fixture
    def with_bias(self, small_face, weight):
        return {"image": small_face, "weight": weight, "bias": np.array([100, -200, 300, -400], np.float32)}


class TestWithoutBias:
    """A Conv that has no bias."""

    @pytest.mark.claim("gop-conv-no-bias")
    def test_constant_zero_stands_in(self, export_like, constant_bias, without_bias):
        """With `g.constant(0)` as the bias, ONNX Runtime returns what `conv2d` does without one."""
        output = OnnxRuntime().open(export_like(constant_bias, without_bias).path).run(without_bias)
        assert_same(output, reference(constant_bias, without_bias), "conv-constant-bias")

    @pytest.mark.instead("gop-conv-no-bias")
    def test_graph_has_no_constant(self, export_like, constant_bias, without_bias):
        """The export fails with an AttributeError: `g` has no `constant`."""
        with pytest.raises(ExportError, match="no attribute 'constant'") as refused:
            export_like(constant_bias, without_bias)
        assert isinstance(refused.value.__cause__, AttributeError)

    @pytest.mark.instead("gop-conv-no-bias")
    def test_bias_may_be_left_out(self, export_like, without_bias):
        """A Conv of two inputs needs no bias, and returns what `conv2d` does without one."""
        conv = srcnn.Operator(convolved, lambda g, *inputs: g.op("Conv", *inputs, **CONV))
        made = export_like(conv, without_bias)
        assert made.graph.nodes[0].inputs == ("image", "weight")
        assert_same(OnnxRuntime().open(made.path).run(without_bias), reference(conv, without_bias), "conv-no-bias")

    @pytest.fixture
    def constant_bias(self):
        return srcnn.Operator(convolved, lambda g, *inputs: g.op("Conv", *inputs, g.constant(0), **CONV))

    @pytest.fixture
    def without_bias(self, small_face, weight):
        return {"image": small_face, "weight": weight}
