"""One call, many engines: torch, ONNX Runtime, the ONNX reference evaluator, OpenCV and OpenVINO, on named numpy
arrays.
"""

import contextlib
import copy
import functools
import importlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime
import torch
from torch import nn

from onnxproof.graph import read_graph
from onnxproof.model_file import load_model
from onnxproof.names import suggestion
from onnxproof.parity import Reference
from onnxproof.trees import Array, is_named_tuple, leaves, map_leaves, to_array, to_tensor


class EngineError(Exception):
    """An engine refused a file or its inputs; the engine's own exception is the cause."""


@dataclass(frozen=True)
class Engine:
    """A model in an engine. `run(**inputs)` takes an array per input name and gives an array per output name.

    Shapes and dtypes are those that the model or the file declares. Raises `EngineError` for inputs that it refuses.
    """

    name: str
    run: Callable[..., dict[str, Array]]


def torch_engine(
    model: nn.Module,
    input_names: Sequence[str],
    output_names: Sequence[str] = ("output",),
    dtype: torch.dtype | None = None,
) -> Engine:
    """`model` itself, called with its inputs in the order of `input_names`; they and its outputs may be nested.

    Outputs that the model does not name are called by `output_names`, see `named_outputs`. With a `dtype` a copy of the
    model runs, and its floating-point inputs are given, in that dtype; the model is not changed. It is given copies of
    the arrays, since it may work in place. Raises `EngineError` at run time for inputs of other names.
    """
    if dtype:
        with torch.no_grad():
            model = copy.deepcopy(model).to(dtype)

    def tensor(_: str, value: Any) -> Any:
        made = to_tensor(value)
        return made.to(dtype) if dtype and isinstance(made, torch.Tensor) and made.is_floating_point() else made

    def run(**inputs: Any) -> dict[str, Array]:
        _check_names("torch", inputs, input_names)
        tensors = map_leaves(tensor, {name: inputs[name] for name in input_names})
        with torch.inference_mode():
            outputs = model(*tensors.values())
        return {name: to_array(value) for name, value in named_outputs(outputs, output_names).items()}

    return Engine("torch", run)


def named_outputs(outputs: Any, names: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """The tensors that a model gave, in order, each under its name.

    They are called by `names`; without any, a dict or a named tuple names them itself, and others are `output`, or
    `output_0` and so on. Raises `EngineError` for what is no tensor, and `ValueError` for more or fewer names.
    """
    named = isinstance(outputs, Mapping) or is_named_tuple(outputs)
    found = leaves(outputs if isinstance(outputs, Mapping) else {"": outputs})
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            what = f"output {name.lstrip('.')}".strip()
            raise EngineError(
                f"torch: the model's {what} is a {type(value).__name__}; an ONNX file gives tensors alone"
            )
    if not names and named:
        names = [name.removeprefix(".") for name in found]
    elif not names:
        names = ["output"] if len(found) == 1 else [f"output_{index}" for index in range(len(found))]
    return dict(zip(names, found.values(), strict=True))


def reference(model: nn.Module, inputs: Mapping[str, Array], output_names: Sequence[str] = ("output",)) -> Reference:
    """What a file is judged by on `inputs`: the model's outputs, and those of a copy of it in float64.

    `inputs` are arrays by name, in the order of the model's arguments. What the model raises is raised.
    """
    values = torch_engine(model, tuple(inputs), output_names).run(**inputs)
    exact = torch_engine(model, tuple(inputs), output_names, torch.float64).run(**inputs)
    return Reference(values, exact)


def require_provider(name: str) -> None:
    """Raises `EngineError` for an execution provider that the installed ONNX Runtime does not have."""
    available = onnxruntime.get_available_providers()
    if name not in available:
        near = suggestion(name, available)
        raise EngineError(f"onnxruntime has no {name}; it has {', '.join(available)}{near}")


def onnxruntime_engine(
    path: str | os.PathLike[str], *, provider: str = "CPUExecutionProvider", optimize: bool = True
) -> Engine:
    """An ONNX file in ONNX Runtime, with its graph optimization on or off, on as many threads as torch has.

    Raises `EngineError` for a file that it refuses, an unknown provider, and at run time for inputs that it refuses.
    """
    require_provider(provider)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it logs as an error it raises as well
    options.intra_op_num_threads = torch.get_num_threads()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    # at an error, its fallback prints it on stdout and takes the CPU instead; 1.22 and older know no argument for that
    asked: dict[str, Any] = {"providers": [provider], "enable_fallback": 0}
    with contextlib.redirect_stdout(io.StringIO()):
        session = _ask("onnxruntime", onnxruntime.InferenceSession, os.fspath(path), options, **asked)
    output_names = [output.name for output in session.get_outputs()]
    types = {value.type for value in (*session.get_inputs(), *session.get_outputs())}
    call = functools.partial(_run_with_bfloat16, session) if _BFLOAT16 in types else session.run

    def run(**inputs: Array) -> dict[str, Array]:
        return dict(zip(output_names, _ask("onnxruntime", call, None, inputs), strict=True))

    return Engine("onnxruntime", run)


_BFLOAT16 = "tensor(bfloat16)"


def _run_with_bfloat16(
    session: onnxruntime.InferenceSession, output_names: Sequence[str] | None, inputs: Mapping[str, Array]
) -> list[Array]:
    """`session.run` for a file whose inputs or outputs are bfloat16, which ONNX Runtime knows no numpy type for."""

    def ort_value(array: Array) -> Any:
        make = onnxruntime.OrtValue
        if array.dtype == ml_dtypes.bfloat16:
            bits = np.ascontiguousarray(array).view(np.uint16)
            return make.ortvalue_from_numpy_with_onnx_type(bits, onnx.TensorProto.BFLOAT16)
        return make.ortvalue_from_numpy(array)

    values = {name: ort_value(array) for name, array in inputs.items()}
    outputs = session.run_with_ort_values(output_names, values)
    return [
        to_array(torch.utils.dlpack.from_dlpack(value._ortvalue.to_dlpack()))
        if value.data_type() == _BFLOAT16
        else value.numpy()
        for value in outputs
    ]


def reference_engine(path: str | os.PathLike[str]) -> Engine:
    """An ONNX file in the reference evaluator of the onnx package: slow, and written to be read.

    Raises `EngineError` for a file that it refuses, and at run time for inputs of other names or that fit no operator.
    """
    evaluator = _ask("onnx reference", lambda: onnx.reference.ReferenceEvaluator(load_model(path)))

    def run(**inputs: Array) -> dict[str, Array]:
        _check_names("onnx reference", inputs, evaluator.input_names)
        with np.errstate(all="ignore"):
            return dict(zip(evaluator.output_names, _ask("onnx reference", evaluator.run, None, inputs), strict=True))

    return Engine("onnx reference", run)


def opencv_engine(path: str | os.PathLike[str]) -> Engine:
    """An ONNX file in OpenCV's DNN module, on the engine that OpenCV chooses.

    Raises `EngineError` for a file that it refuses, and at run time for inputs of other names or that it refuses.
    """
    graph = _ask("opencv", read_graph, path)
    net = _ask("opencv", _silent_opencv, cv2.dnn.readNetFromONNX, os.fspath(path))

    def forward(inputs: Mapping[str, Array]) -> Sequence[Array]:
        for name in graph.input_names:
            net.setInput(inputs[name], name)
        return net.forward(graph.output_names)  # type: ignore[no-any-return]

    def run(**inputs: Array) -> dict[str, Array]:
        _check_names("opencv", inputs, graph.input_names)
        return dict(zip(graph.output_names, _ask("opencv", _silent_opencv, forward, inputs), strict=True))

    return Engine("opencv", run)


def openvino_engine(path: str | os.PathLike[str]) -> Engine:
    """An ONNX file in OpenVINO on the CPU, in float32: left alone, it takes bfloat16 where the processor has it.

    Raises `EngineError` where OpenVINO is not installed, for a file that it refuses, and at run time for inputs of
    other names or that it refuses.
    """
    openvino = _ask("openvino", importlib.import_module, "openvino")
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = _ask("openvino", lambda: openvino.Core().compile_model(os.fspath(path), "CPU", options))
    graph = _ask("openvino", read_graph, path)

    def run(**inputs: Array) -> dict[str, Array]:
        _check_names("openvino", inputs, graph.input_names)
        outputs = _ask("openvino", compiled, inputs)
        return {name: outputs[name] for name in graph.output_names}

    return Engine("openvino", run)


def _silent_opencv(call: Callable[..., Any], *args: Any) -> Any:
    """What it logs as an error it raises as well."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions at its top
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        return call(*args)
    finally:
        log.setLogLevel(level)


def _check_names(engine: str, inputs: Mapping[str, Array], names: Sequence[str]) -> None:
    if set(inputs) != set(names):
        raise EngineError(f"{engine}: the inputs are {', '.join(names)}, got {', '.join(inputs)}")


def _ask(engine: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return call(*args, **options)
    except Exception as error:
        raise EngineError(f"{engine}: {error}") from error
