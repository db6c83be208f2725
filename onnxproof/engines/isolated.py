"""An ONNX file in a separate process that cannot import torch, from a copy of the files that it names."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.engines.onnxruntime import without_source
from onnxproof.graph.load import copy_with_data

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
    return without_source(" ".join(ran.stderr.split()))[:500] or f"onnxruntime ended with status {ran.returncode}"
