"""One call, many engines: torch, ONNX Runtime and the ONNX reference evaluator, on named numpy arrays."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx.reference
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import nn

from onnxproof.graph import load_model
from onnxproof.parity import Reference

Array = NDArray[Any]


class EngineError(Exception):
    """An engine refused a file or its inputs; the engine's own exception is the cause."""


@dataclass(frozen=True)
class Engine:
    """A model in an engine. `run(**inputs)` takes an array per input name and gives an array per output name."""

    name: str
    run: Callable[..., dict[str, Array]]


def torch_engine(
    model: nn.Module,
    input_names: Sequence[str],
    output_names: Sequence[str] = ("output",),
    dtype: torch.dtype | None = None,
) -> Engine:
    """`model` itself, called with its inputs in the order of `input_names`.

    With a `dtype` a copy of the model runs, and its floating-point inputs are given, in that dtype; the model is not
    changed. It is given copies of the arrays, since it may work in place. Raises `EngineError` at run time for inputs
    of other names.
    """
    model = copy.deepcopy(model).to(dtype) if dtype else model

    def run(**inputs: Array) -> dict[str, Array]:
        _check_names("torch", inputs, input_names)
        tensors = [torch.tensor(inputs[name]) for name in input_names]
        if dtype:
            tensors = [tensor.to(dtype) if tensor.is_floating_point() else tensor for tensor in tensors]
        with torch.inference_mode():
            outputs = model(*tensors)
        values = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
        return {name: value.numpy(force=True) for name, value in zip(output_names, values, strict=True)}

    return Engine("torch", run)


def reference(model: nn.Module, inputs: Mapping[str, Array], output_names: Sequence[str] = ("output",)) -> Reference:
    """What a file is judged by on `inputs`: the model's outputs, and those of a copy of it in float64."""
    values = torch_engine(model, tuple(inputs), output_names).run(**inputs)
    exact = torch_engine(model, tuple(inputs), output_names, torch.float64).run(**inputs)
    return Reference(values, exact)


def onnxruntime_engine(
    path: str | os.PathLike[str], *, provider: str = "CPUExecutionProvider", optimize: bool = True
) -> Engine:
    """An ONNX file in ONNX Runtime, with its graph optimization on or off, on as many threads as torch has.

    Raises `EngineError` for a file that it refuses, an unknown provider, and at run time for inputs that it refuses.
    """
    available = onnxruntime.get_available_providers()
    if provider not in available:
        raise EngineError(f"onnxruntime has no {provider}; it has {', '.join(available)}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it logs as an error it raises as well
    options.intra_op_num_threads = torch.get_num_threads()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    session = _ask("onnxruntime", onnxruntime.InferenceSession, os.fspath(path), options, providers=[provider])
    output_names = [output.name for output in session.get_outputs()]

    def run(**inputs: Array) -> dict[str, Array]:
        return dict(zip(output_names, _ask("onnxruntime", session.run, None, inputs), strict=True))

    return Engine("onnxruntime", run)


def reference_engine(path: str | os.PathLike[str]) -> Engine:
    """An ONNX file in the reference evaluator of the onnx package: slow, and written to be read.

    Raises `EngineError` for a file that it refuses, and at run time for inputs of other names or that fit no operator.
    """
    evaluator = _ask("onnx reference", lambda: onnx.reference.ReferenceEvaluator(load_model(path)))

    def run(**inputs: Array) -> dict[str, Array]:
        _check_names("onnx reference", inputs, evaluator.input_names)
        return dict(zip(evaluator.output_names, _ask("onnx reference", evaluator.run, None, inputs), strict=True))

    return Engine("onnx reference", run)


def _check_names(engine: str, inputs: Mapping[str, Array], names: Sequence[str]) -> None:
    if set(inputs) != set(names):
        raise EngineError(f"{engine}: the inputs are {', '.join(names)}, got {', '.join(inputs)}")


def _ask(engine: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return call(*args, **options)
    except Exception as error:
        raise EngineError(f"{engine}: {error}") from error
