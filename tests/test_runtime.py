"""Chapter runtime: the exported file in ONNX Runtime, and its picture beside torch's."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
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


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # from here on, importing torch raises ImportError
import numpy, onnxruntime
_, model, image, output = sys.argv
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
numpy.save(output, session.run(["output"], {"input": numpy.load(image)})[0])
"""


class TestNoTorch:
    """The file, ONNX Runtime and a few lines are all that a user needs."""

    @pytest.mark.claim("runtime-no-torch")
    def test_file_runs_where_torch_cannot_be_imported(self, fixed_export, face, fixed_output, tmp_path):
        """A process that cannot import torch has the same output, bit for bit."""
        np.save(tmp_path / "face.npy", face)
        paths = [str(path) for path in (fixed_export.path, tmp_path / "face.npy", tmp_path / "output.npy")]
        subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *paths], check=True, timeout=120)
        np.testing.assert_array_equal(np.load(tmp_path / "output.npy"), fixed_output)


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
