"""Chapter listings, 1 to 7: the document's code, run in order as a reader runs it, from the network to `.item()`."""

import numpy as np
import pytest

from onnxproof.graph.facts import Value
from onnxproof.parity.images import to_picture

pytestmark = pytest.mark.xdist_group("listings")  # one process waits for them, and the others go on


@pytest.fixture(scope="module")
def torch_picture(face_reference):
    """What this suite makes of the face at ×3 in torch."""
    return to_picture(face_reference(3).values["output"])


class TestPicture:
    """Listing 1 writes the face at ×3."""

    @pytest.mark.claim("listing-picture")
    def test_picture_is_written(self, listings, torch_picture):
        """face_torch.png has torch's output, clipped and truncated; on other threads a few values are a level apart."""
        levels = np.abs(listings["picture"].picture("face_torch.png").astype(np.int16) - torch_picture)
        assert levels.max() <= 1
        assert np.count_nonzero(levels) <= 2e-4 * levels.size


class TestExport:
    """Listing 2 exports the network at opset 11."""

    @pytest.mark.claim("listing-export")
    def test_names_are_those_given(self, listings):
        """srcnn.onnx takes `input`, a picture of 256 × 256, and gives `output`, one of 768 × 768."""
        graph = listings["export"].graph("srcnn.onnx")
        assert graph.inputs == (Value("input", "float32", (1, 3, 256, 256)),)
        assert graph.outputs == (Value("output", "float32", (1, 3, 768, 768)),)

    @pytest.mark.claim("listing-export")
    def test_opset_is_11(self, listings):
        """The file has the opset that the call asks for."""
        assert listings["export"].graph("srcnn.onnx").opset == 11

    @pytest.mark.instead("listing-export")
    def test_opset_is_18(self, listings):
        """The file has opset 18, and the export raises nothing."""
        assert listings["export"].graph("srcnn.onnx").opset == 18

    @pytest.mark.claim("listing-export")
    def test_one_file_is_written(self, listings):
        """srcnn.onnx is all that is written."""
        assert listings["export"].files == ["srcnn.onnx"]

    @pytest.mark.instead("listing-export")
    def test_weights_are_a_second_file(self, listings):
        """The weights lie beside it in srcnn.onnx.data, and hold most of the bytes."""
        model, data = map(listings["export"].written, ["srcnn.onnx", "srcnn.onnx.data"])
        assert data.stat().st_size > model.stat().st_size


class TestCheck:
    """Listing 3 checks the file."""

    @pytest.mark.claim("listing-check")
    def test_file_is_right(self, listings):
        """onnx loads the file, and its checker accepts it."""
        assert (listings["check"].printed, listings["check"].error) == ("srcnn.onnx is right\n", "")


class TestRuntime:
    """Listing 4 runs the file in ONNX Runtime."""

    @pytest.mark.claim("listing-runtime")
    def test_picture_is_written(self, listings, fixed_output):
        """face_ort.png has the output of ONNX Runtime that this suite has, bit for bit."""
        np.testing.assert_array_equal(listings["runtime"].picture("face_ort.png"), to_picture(fixed_output))

    @pytest.mark.claim("listing-runtime")
    def test_picture_is_torchs(self, listings, torch_picture):
        """face_ort.png is the same picture as face_torch.png."""
        np.testing.assert_array_equal(listings["runtime"].picture("face_ort.png"), torch_picture)

    @pytest.mark.instead("listing-runtime")
    def test_few_values_are_one_level_apart(self, listings, torch_picture):
        """No value is more than one level from face_torch.png's, and less than one in 5,000 is."""
        levels = np.abs(listings["runtime"].picture("face_ort.png").astype(int) - torch_picture)
        assert levels.max() == 1
        assert levels.mean() < 2e-4


class TestIntFactor:
    """Listing 5 passes the factor as an int."""

    @pytest.mark.claim("listing-int-factor")
    def test_picture_is_the_first(self, listings):
        """face_torch_2.png is the same picture as face_torch.png."""
        first = listings["picture"].picture("face_torch.png")
        np.testing.assert_array_equal(listings["int_factor"].picture("face_torch_2.png"), first)


class TestIntExport:
    """Listing 6 exports the network with an int."""

    @pytest.mark.claim("listing-int-export")
    def test_export_is_a_type_error(self, listings):
        """upsample_bicubic2d refuses (Tensor, NoneType, bool, list), and no file is written."""
        error, _, _ = listings["int_export"].error.partition(", but expected")
        got = "an invalid combination of arguments - got (Tensor, NoneType, bool, list)"
        assert error == f"TypeError: upsample_bicubic2d() received {got}"
        assert listings["int_export"].files == []

    @pytest.mark.instead("listing-int-export")
    def test_file_has_the_int_built_in(self, listings):
        """Nothing is raised, no warning names the factor, and the only input of srcnn2.onnx is the picture."""
        assert listings["int_export"].graph("srcnn2.onnx").input_names == ("input",)
        assert not [warning for warning in listings["int_export"].warnings if "factor" in warning]


class TestItem:
    """Listing 7 takes the factor out of a tensor."""

    @pytest.mark.claim("listing-item")
    def test_factor_is_no_input(self, listings):
        """Two input names are given, and srcnn2.onnx has the first alone."""
        assert listings["item"].graph("srcnn2.onnx").input_names == ("input",)

    @pytest.mark.claim("listing-item")
    def test_tracer_warns(self, listings):
        """The file is written with one TracerWarning: a tensor became a Python number."""
        assert listings["item"].written("srcnn2.onnx").exists()
        (warning,) = listings["item"].warnings_of("TracerWarning")
        assert "Converting a tensor to a Python number" in warning

    @pytest.mark.instead("listing-item")
    def test_export_is_refused(self, listings):
        """The export raises a TorchExportError, and writes no file: srcnn2.onnx is still that of listing 6."""
        assert listings["item"].error.startswith("TorchExportError: ")
        assert listings["item"].files == []
