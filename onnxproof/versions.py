"""What is installed and what it can do.

torch, onnx and onnxruntime are imported when an exporter's opsets are asked for: the pytest plugin is loaded in every
project of an environment, also where there is nothing to export.
"""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from packaging.version import Version

PACKAGES = ("torch", "onnx", "onnxscript", "onnx-ir", "onnxruntime", "numpy", "opencv-python-headless")


def release(package: str) -> tuple[int, ...]:
    """The release of an installed package as numbers: `2.13.0+cpu` is (2, 13, 0); () if it is not installed."""
    try:
        return Version(version(package)).release
    except PackageNotFoundError:
        return ()


TORCH = release("torch")

TORCHSCRIPT = "torchscript"
TORCH_EXPORT = "torch.export"

torch_export_is_available = TORCH >= (2, 9) and release("onnxscript") != ()
"""Before torch 2.9 it is a preview: that of torch 2.6 refuses sizes that depend on values."""

EXPORTERS = (TORCHSCRIPT, TORCH_EXPORT) if torch_export_is_available else (TORCHSCRIPT,)
"""The exporters of the installed torch: `dynamo=False` is torchscript, `dynamo=True` is torch.export."""

LOWEST_OPSET = {TORCHSCRIPT: 11, TORCH_EXPORT: 18}
"""The first opset in which torchscript writes a bicubic Resize, and the one that torch.export translates into."""


@lru_cache
def default_opset(exporter: str) -> int:
    """The opset that torch.onnx.export writes by default, or the newest that the installed onnxruntime loads."""
    from torch.onnx import _constants

    return min(_constants.ONNX_DEFAULT_OPSET, opsets(exporter)[-1])


@lru_cache
def opsets(exporter: str) -> range:
    """Every opset that `exporter` writes, from its lowest on, and that the installed onnxruntime loads.

    torchscript has its own highest opset; torch.export converts up to the newest one of the installed onnx.
    """
    import onnx
    from torch.onnx import _constants

    if exporter == TORCHSCRIPT:
        highest = getattr(_constants, "ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET", _constants.ONNX_MAX_OPSET)
    else:
        highest = onnx.defs.onnx_opset_version()
    while not _loads(highest):
        highest -= 1
    return range(LOWEST_OPSET[exporter], highest + 1)


@lru_cache
def torch_folder() -> Path:
    """The folder of the installed torch, which is not imported for it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torch is not installed")
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """Python's and the packages' versions, as they decide outcomes; a package that is missing is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _loads(opset: int) -> bool:
    """Whether onnxruntime accepts a file of this opset, shown on a single Identity node."""
    import onnxruntime
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, [1])
    same = helper.make_tensor_value_info("same", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["value"], ["same"])], "identity", [value], [same])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:
        return False
    return True
