"""onnxruntime-web under node as an engine of onnxproof; `npm install onnxruntime-web` in the folder of the run."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

from onnxproof.engines import EngineError

_SCRIPT = Path(__file__).with_name("session.mjs")
_DTYPES = {"float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}


class OnnxRuntimeWeb:
    """onnxruntime-web on its WebAssembly kernels, or on the execution provider that follows the colon."""

    forkable = True

    def __init__(self, provider="wasm"):
        self.provider = provider
        self.name = "onnxruntime-web" if provider == "wasm" else f"onnxruntime-web:{provider}"

    @property
    def version(self):
        """That of the npm package, of which there may be none."""
        return _ask("version")["version"]

    def require(self):
        """Raises `EngineError` where node or the npm package is missing."""
        _ask("version")

    def open(self, path):
        """The file in a process of node, which ends with the session."""
        return Session(path, self.provider)


class Session:
    """A line of JSON goes in, a line comes out."""

    def __init__(self, path, provider):
        self._process = _start("session", str(path), provider)
        self._read()

    def run(self, inputs):
        """The outputs, arrays by name."""
        self._process.stdin.write(json.dumps({name: _packed(array) for name, array in inputs.items()}) + "\n")
        self._process.stdin.flush()
        return {name: _array(each) for name, each in self._read().items()}

    def _read(self):
        line = self._process.stdout.readline()
        found = json.loads(line) if line else {"error": f"node ended with status {self._process.wait()}"}
        if "error" in found:
            raise EngineError(f"onnxruntime-web: {found['error']}")
        return found

    def __del__(self):
        self._process.kill()


def _packed(array):
    kind = "bool" if array.dtype == bool else array.dtype.name
    if kind not in _DTYPES | {"bool"}:
        raise EngineError(f"onnxruntime-web takes no {kind}")
    return {"type": kind, "dims": array.shape, "data": base64.b64encode(np.ascontiguousarray(array)).decode()}


def _array(each):
    return np.frombuffer(base64.b64decode(each["data"]), each["type"]).reshape(each["dims"])


def _start(*arguments):
    node = shutil.which("node")
    if node is None:
        raise EngineError("onnxruntime-web needs node: https://nodejs.org/en/download")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([node, str(_SCRIPT), *arguments], **pipes)


def _ask(*arguments):
    found = json.loads(_start(*arguments).communicate()[0] or "{}")
    if "version" not in found:
        raise EngineError("onnxruntime-web is not installed here: npm install onnxruntime-web")
    return found
