"""An ONNX file run in a process of its own, where torch cannot be imported, from a copy of the files that it names."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onnxproof.files import is_file
from onnxproof.model_file import external_files, is_outside, reading
from onnxproof.trees import Array

SECONDS = 300

_SCRIPT = """
import sys
sys.path[:] = filter(None, sys.path)  # the file's data lies in this folder: no numpy.py of its is imported
sys.modules["torch"] = None
import numpy, onnxruntime
names, provider = sys.argv[2:], sys.argv[1]
with numpy.load("inputs.npz") as inputs:
    arrays = {name: inputs[f"arr_{index}"] for index, name in enumerate(names)}
make = onnxruntime.OrtValue
feeds = {
    name: make.ortvalue_from_numpy(array)
    if array.dtype != "V2"
    else make.ortvalue_from_numpy_with_onnx_type(array.view("uint16"), 16)  # numpy keeps bfloat16 as two bytes
    for name, array in arrays.items()
}
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
try:
    onnxruntime.InferenceSession("model.onnx", options, providers=[provider]).run_with_ort_values(None, feeds)
except Exception as error:
    sys.exit(str(error))
"""


def copy_with_data(path: Path, folder: Path) -> str:
    """Copies a file to `folder/model.onnx` with the external data that it names within its own folder.

    Returns what is amiss with other data that it names, in one line; "" when nothing is. Raises `GraphError` for a
    file that cannot be read.
    """
    shutil.copyfile(path, folder / "model.onnx")
    with reading(path):
        amiss = {name: _amiss(name, path.parent) for name in external_files(path)}
    for name in (name for name, problem in amiss.items() if not problem):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.parent / name, folder / name)
    return next(filter(None, amiss.values()), "")


def _amiss(name: Path, folder: Path) -> str:
    if is_outside(name, folder):
        return f"its external data {name} leads out of the file's folder"
    return "" if is_file(folder / name) else f"its external data {name} is missing"


def run_without_torch(path: Path, inputs: Mapping[str, Array], provider: str) -> str:
    """Why the file does not run alone, in one line; "" when it does.

    The file is copied with the external data that it names to an empty folder, and run in a new Python process. Data
    that leads out of the file's own folder is not copied. Raises `GraphError` for a file that cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        amiss = copy_with_data(path, Path(folder))
        if amiss:
            return amiss
        np.savez(Path(folder, "inputs.npz"), *inputs.values())
        try:
            ran = subprocess.run(
                [sys.executable, "-c", _SCRIPT, provider, *inputs],
                cwd=folder,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"it runs for more than {SECONDS} s"
    if not ran.returncode:
        return ""
    return " ".join(ran.stderr.split())[:300] or f"onnxruntime ended with status {ran.returncode}"
