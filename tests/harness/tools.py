"""The tools that make an ONNX file of another one, as their users call them."""

from collections.abc import Callable
from pathlib import Path

import onnx
import onnxruntime

from onnxproof.graph.facts import opsets_of


def onnxsim(before: Path, after: Path) -> None:
    import onnxsim

    model, _ = onnxsim.simplify(onnx.load(before))
    onnx.save(model, after)


def onnxslim(before: Path, after: Path) -> None:
    import onnxslim

    onnx.save(onnxslim.slim(str(before)), after)


def onnxruntime_basic(before: Path, after: Path) -> None:
    _optimize(before, after, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC)


def onnxruntime_extended(before: Path, after: Path) -> None:
    _optimize(before, after, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)


def version_converter(before: Path, after: Path) -> None:
    model = onnx.load(before)
    onnx.save(onnx.version_converter.convert_version(model, opsets_of(model)[""] + 1), after)


def _optimize(before: Path, after: Path, level: onnxruntime.GraphOptimizationLevel) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(after)
    onnxruntime.InferenceSession(before, options, providers=["CPUExecutionProvider"])


TOOLS: dict[str, Callable[[Path, Path], None]] = {
    "onnxsim": onnxsim,
    "onnxslim": onnxslim,
    "onnxruntime-basic": onnxruntime_basic,
    "onnxruntime-extended": onnxruntime_extended,
    "version-converter": version_converter,
}
