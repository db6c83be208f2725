"""Chapter listings, 8 to 14: the document's code, run in order as a reader runs it, its operator and `g.op`."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.graph.facts import Value
from onnxproof.parity.images import to_picture
from tests.inputs import scales

pytestmark = pytest.mark.xdist_group("listings")  # one process waits for them, and the others go on


class TestOperator:
    """Listing 8 scales through an operator with a symbolic."""

    @pytest.mark.claim("listing-operator")
    def test_picture_is_the_first(self, listings):
        """face_torch_3.png is the same picture as face_torch.png."""
        first, third = listings["picture"].picture("face_torch.png"), listings["operator"].picture("face_torch_3.png")
        np.testing.assert_array_equal(third, first)


class TestOperatorExport:
    """Listing 9 exports the network of the operator."""

    @pytest.mark.claim("listing-operator-export")
    def test_inputs_are_image_and_factor(self, listings):
        """srcnn3.onnx has opset 11, and takes the picture and a factor of four numbers."""
        graph = listings["operator_export"].graph("srcnn3.onnx")
        assert graph.inputs == (Value("input", "float32", (1, 3, 256, 256)), Value("factor", "float32", (4,)))
        assert graph.opset == 11

    @pytest.mark.claim("listing-operator-export")
    def test_one_file_is_written(self, listings):
        """srcnn3.onnx is all that is written."""
        path = listings["operator_export"].written("srcnn3.onnx")
        assert list(path.parent.glob("srcnn3*")) == [path]

    @pytest.mark.instead("listing-operator-export")
    def test_operator_is_refused(self, listings):
        """The export raises a TorchExportError, and writes no file."""
        assert listings["operator_export"].error.startswith("TorchExportError: ")
        assert listings["operator_export"].files == []


class TestOperatorRuntime:
    """Listing 10 runs the file of the operator at ×4."""

    @pytest.mark.claim("listing-operator-runtime")
    def test_picture_has_four_times_the_sides(self, listings):
        """face_ort_3.png is a picture of 1024 × 1024."""
        assert listings["operator_runtime"].picture("face_ort_3.png").shape == (1024, 1024, 3)

    @pytest.mark.claim("listing-operator-runtime")
    def test_picture_is_this_suites(self, listings, two_input_export, face):
        """face_ort_3.png has the output of ONNX Runtime that this suite has, bit for bit."""
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(4)})["output"]
        np.testing.assert_array_equal(listings["operator_runtime"].picture("face_ort_3.png"), to_picture(output))

    @pytest.mark.instead("listing-operator-runtime")
    def test_there_is_no_file(self, listings):
        """ONNX Runtime raises NoSuchFile, which names srcnn3.onnx."""
        assert listings["operator_runtime"].error.startswith("NoSuchFile: ")
        assert "srcnn3.onnx" in listings["operator_runtime"].error


class TestAdd:
    """Listing 11 writes an Add with `g.op`."""

    @pytest.mark.claim("listing-gop-add")
    def test_file_adds(self, listings):
        """add.onnx is one Add, and ONNX Runtime gives the sum."""
        (add,) = listings["gop_add"].graph("add.onnx").nodes
        numbers = {"a": np.array([1, 2, 3], np.float32), "b": np.array([10, 20, 30], np.float32)}
        output = OnnxRuntime().open(listings["gop_add"].written("add.onnx")).run(numbers)["output"]
        assert (add.op_type, output.tolist()) == ("Add", [11, 22, 33])


class TestConv:
    """Listing 12 writes a Conv with `g.op`."""

    @pytest.mark.claim("listing-gop-conv")
    def test_attributes_are_those_given(self, listings):
        """conv.onnx is one Conv of three inputs with its kernel shape, strides and pads."""
        (conv,) = listings["gop_conv"].graph("conv.onnx").nodes
        assert (conv.op_type, conv.inputs) == ("Conv", ("image", "weight", "bias"))
        assert conv.attributes == {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}

    @pytest.mark.claim("listing-gop-conv")
    def test_output_is_torchs(self, listings, whole_numbers):
        """On whole numbers, ONNX Runtime gives what torch's `conv2d` gives."""
        output = OnnxRuntime().open(listings["gop_conv"].written("conv.onnx")).run(whole_numbers)["output"]
        expected = conv2d(*map(torch.from_numpy, whole_numbers.values()), stride=1, padding=1)
        np.testing.assert_array_equal(output, expected.numpy())

    @pytest.fixture
    def whole_numbers(self):
        draw = np.random.default_rng(1).integers
        shapes = {"image": (1, 3, 24, 20), "weight": (4, 3, 3, 3), "bias": (4,)}
        return {name: draw(-9, 9, shape).astype(np.float32) for name, shape in shapes.items()}


class TestConvWithoutBias:
    """Listing 13 writes the Conv without a bias."""

    @pytest.mark.claim("listing-gop-conv-no-bias")
    def test_missing_bias_is_a_constant(self, listings):
        """The Conv of conv_no_bias.onnx has a constant 0 as its bias."""
        graph = listings["gop_conv_no_bias"].graph("conv_no_bias.onnx")
        assert graph.constants[graph.nodes_of("Conv")[0].inputs[2]] == 0

    @pytest.mark.instead("listing-gop-conv-no-bias")
    def test_missing_bias_is_an_error(self, listings):
        """The export raises an AttributeError, and writes no file."""
        assert listings["gop_conv_no_bias"].error.startswith("AttributeError: ")
        assert listings["gop_conv_no_bias"].files == []


class TestResize:
    """Listing 14 writes a Resize with `g.op`."""

    @pytest.mark.claim("listing-gop-resize")
    def test_roi_is_an_empty_constant(self, listings):
        """The Resize of resize.onnx is nearest, has an empty roi, and takes the scales of the graph's second input."""
        graph = listings["gop_resize"].graph("resize.onnx")
        (resize,) = graph.nodes_of("Resize")
        assert resize.attributes["mode"] == "nearest"
        assert graph.constants[resize.inputs[1]].shape == (0,)
        assert resize.inputs[2] == graph.input_names[1]

    @pytest.mark.claim("listing-gop-resize")
    def test_file_doubles(self, listings, eyes):
        """At ×2 ONNX Runtime gives what torch's nearest `interpolate` gives."""
        path = listings["gop_resize"].written("resize.onnx")
        output = OnnxRuntime().open(path).run({"image": eyes, "scales": scales(2)})["output"]
        np.testing.assert_array_equal(output, interpolate(torch.from_numpy(eyes), scale_factor=2).numpy())
