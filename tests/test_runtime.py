"""Chapter runtime: the exported file in ONNX Runtime, and its picture beside torch's."""

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.parity.images import to_picture
from tests.references import compare_with_picture


@pytest.fixture(scope="module")
def session(fixed_export):
    """The file as a user loads it, without this project."""
    return onnxruntime.InferenceSession(str(fixed_export.path), providers=["CPUExecutionProvider"])


class TestLoads:
    """ONNX Runtime loads the file."""

    @pytest.mark.claim("runtime-loads")
    def test_session_has_the_files_names(self, session):
        """The session has the input and output of the file."""
        assert [value.name for value in session.get_inputs()] == ["input"]
        assert [value.name for value in session.get_outputs()] == ["output"]

    @pytest.mark.claim("runtime-loads")
    def test_truncated_file_is_refused(self, fixed_export, tmp_path):
        """Half of the file is refused."""
        half = tmp_path / "half.onnx"
        half.write_bytes(fixed_export.path.read_bytes()[: fixed_export.path.stat().st_size // 2])
        with pytest.raises(EngineError, match="onnxruntime"):
            OnnxRuntime().open(half)


class TestRun:
    """`run` takes the names of the outputs wanted and an array per input name."""

    @pytest.mark.claim("runtime-run")
    def test_outputs_are_chosen_by_name(self, session, face, fixed_output):
        """A list of names selects the outputs."""
        (output,) = session.run(["output"], {"input": face})
        np.testing.assert_array_equal(output, fixed_output)

    @pytest.mark.claim("runtime-run")
    def test_none_asks_for_every_output(self, session, face):
        """`None` in place of names selects all outputs."""
        assert [output.shape for output in session.run(None, {"input": face})] == [(1, 3, 768, 768)]

    @pytest.mark.claim("runtime-run")
    def test_values_are_arrays(self, small_session, eyes):
        """A float32 array is taken, and the output is one, too."""
        (output,) = small_session.run(["output"], {"input": eyes})
        assert (type(output), output.dtype) == (np.ndarray, np.float32)

    @pytest.mark.claim("runtime-run")
    def test_tensor_is_refused(self, small_session, eyes):
        """A torch tensor is refused, even one that shares the array's memory."""
        with pytest.raises(RuntimeError, match="single numpy array for input 'input'"):
            small_session.run(["output"], {"input": torch.from_numpy(eyes)})

    @pytest.mark.claim("runtime-run")
    def test_float64_is_refused(self, small_session, eyes):
        """An array of another dtype is refused, and both dtypes are named."""
        with pytest.raises(InvalidArgument, match=r"tensor\(double\).*expected: \(tensor\(float\)\)"):
            small_session.run(["output"], {"input": eyes.astype(np.float64)})

    @pytest.mark.claim("runtime-run")
    def test_list_stands_for_its_array(self, small_session, eyes):
        """A nested list of numbers is taken for the array that numpy makes of it, in the file's dtype."""
        (output,) = small_session.run(["output"], {"input": eyes.tolist()})
        np.testing.assert_array_equal(output, small_session.run(["output"], {"input": eyes})[0])

    @pytest.fixture
    def small_session(self, small_export, target):
        return onnxruntime.InferenceSession(str(small_export(target).path), providers=["CPUExecutionProvider"])


class TestNames:
    """The names are those given at export."""

    @pytest.mark.claim("runtime-names")
    def test_unknown_input_is_refused(self, fixed_export, face):
        """An input under another name is refused."""
        with pytest.raises(EngineError, match="image"):
            OnnxRuntime().open(fixed_export.path).run({"image": face})

    @pytest.mark.claim("runtime-names")
    def test_unknown_output_is_refused(self, session, face):
        """An output under another name is refused."""
        with pytest.raises(InvalidArgument, match=r"(?i)invalid output name:picture"):
            session.run(["picture"], {"input": face})


class TestSamePicture:
    """At ×3 ONNX Runtime's picture is torch's."""

    @pytest.mark.claim("runtime-same-picture")
    def test_pictures_are_the_very_same(self, fixed_output, face_reference):
        """Every value of the two pictures is equal."""
        assert np.array_equal(to_picture(fixed_output), to_picture(face_reference(3).values["output"]))

    @pytest.mark.instead("runtime-same-picture")
    def test_only_truncation_edges_differ(
        self, fixed_output, face_reference, face_pictures, keep_picture, target, onnx_record_comparison
    ):
        """The floats pass the referee, and the pictures differ only in a few values at truncation edges."""
        parity, pixels = compare_with_picture(fixed_output, face_reference(3), f"face-x3-{target}")
        kept = {"ONNX Runtime": keep_picture(fixed_output, "face_ort.png", target)}
        onnx_record_comparison(parity, pixels, face_pictures(3, "face_torch.png") | kept)
        assert pixels.same
        assert pixels.edges <= 2e-4 * pixels.values
