"""What is installed and what it can do; the only place that compares versions.

torch, onnx and onnxruntime are imported when an exporter's opsets are asked for: the pytest plugin is loaded in every
project of an environment, also where there is nothing to export.
"""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

PACKAGES = ("torch", "onnx", "onnxscript", "onnx-ir", "onnxruntime", "numpy", "opencv-python-headless")


def release(package: str) -> tuple[int, ...]:
    """The release of an installed package as numbers: `2.13.0+cpu` is (2, 13, 0); () when it is not installed."""
    try:
        return Version(version(package)).release
    except PackageNotFoundError:
        return ()


TORCH, ONNX, ONNXRUNTIME = release("torch"), release("onnx"), release("onnxruntime")
OPENCV = release("opencv-python-headless")

TORCHSCRIPT = "torchscript"
TORCH_EXPORT = "torch.export"

torch_export_is_available = TORCH >= (2, 9) and release("onnxscript") != ()
"""Before it is the default it is a preview: that of torch 2.6 refuses sizes that depend on values."""
torchscript_ties_output_dims = TORCH >= (2, 4)
torch_counts_operations = TORCH >= (2, 1)
torch_resets_compilations = TORCH >= (2, 1)
torch_has_half_on_cpu = TORCH >= (2, 2)
torch_export_writes_kernel_shape = release("onnxscript") >= (0, 7, 2)
convolutions_are_summed_alike = TORCH >= (2, 2)
"""torch 2.0 and onnxruntime 1.15 are 4.2e-3 apart on the face, whatever scales it."""
bicubic_coordinates_are_rounded_alike = TORCH >= (2, 6)
"""torch 2.0 rounds a coordinate at ×0.3 and at ×2.7 otherwise, and is 1e-2 of 255 apart there; 2.6 is not."""
torch_is_ready_after_a_failed_print = TORCH >= (2, 1)
"""torch 2.0 prints at the end of each export; where that fails, it takes every later one for a nested one."""
onnx_converts_resize_down = ONNX >= (1, 23)
"""Up to 1.22 its converter does not take a Resize from opset 18 to a lower one, and torch.export leaves it at 18."""
reference_evaluator_takes_an_empty_roi = ONNX >= (1, 22)
reference_evaluator_gives_inner_values = ONNX >= (1, 17)
onnx_has_4_bit_integers = ONNX >= (1, 16)
onnx_reads_bfloat16 = not (1, 17) <= ONNX < (1, 19)
onnx_checks_external_data = ONNX >= (1, 21)
onnx_splits_external_data_in_attributes = ONNX >= (1, 16)
onnxruntime_takes_bfloat16 = ONNXRUNTIME >= (1, 22)
opencv_runs_dynamic_shapes = OPENCV >= (5,)

EXPORTERS = (TORCHSCRIPT, TORCH_EXPORT) if torch_export_is_available else (TORCHSCRIPT,)
"""The exporters of the installed torch: `dynamo=False` is torchscript, `dynamo=True` is torch.export."""

LOWEST_OPSET = {TORCHSCRIPT: 11, TORCH_EXPORT: 18}
"""The first opset in which torchscript writes a bicubic Resize, and the one that torch.export translates into."""


@lru_cache
def opsets(exporter: str) -> range:
    """Every opset that `exporter` writes, from its lowest on, and that the installed onnxruntime loads.

    torchscript has a highest opset of its own; torch.export converts up to the newest one of the installed onnx.
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
