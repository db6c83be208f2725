"""Chapter runtime, without torch: what a user needs to run the exported file."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from onnxproof.engines.base import EngineError
from onnxproof.engines.isolated import run_without_torch
from onnxproof.engines.onnxruntime import OnnxRuntime

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


class TestOneFile:
    """The .onnx file that torch writes by default runs alone."""

    @pytest.mark.claim("runtime-no-torch")
    def test_default_file_is_enough(self, file_alone, eyes):
        """In a folder without other files, it runs in a process that cannot import torch."""
        assert run_without_torch(file_alone, {"input": eyes}, "CPUExecutionProvider") == ""

    @pytest.mark.instead("runtime-no-torch")
    def test_default_file_needs_its_data(self, file_alone, default_export, eyes):
        """It is refused without the second file that torch writes, and runs beside it."""
        with pytest.raises(EngineError, match=r"model\.onnx\.data"):
            OnnxRuntime().open(file_alone)
        assert run_without_torch(default_export.path, {"input": eyes}, "CPUExecutionProvider") == ""

    @pytest.fixture
    def file_alone(self, default_export, tmp_path):
        return Path(shutil.copy(default_export.path, tmp_path))
