"""ONNX Runtime."""

import contextlib
import functools
import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import torch

from onnxproof._internal.names import suggestion
from onnxproof._internal.trees import Array, to_array
from onnxproof.engines.base import EngineError, Session, ask

_BFLOAT16 = "tensor(bfloat16)"

_SOURCE = re.compile(r"\S*/onnxruntime/core/\S+:\d+ .*?\)(?: const)? ")
"""A place in ONNX Runtime's source, and the signature of its function."""


def without_source(text: str) -> str:
    """A message of ONNX Runtime without the places in its source, which stand before what is wrong."""
    return _SOURCE.sub("", text)


def require_provider(name: str) -> None:
    """Raises `EngineError` for an execution provider that the installed ONNX Runtime does not have."""
    available = onnxruntime.get_available_providers()
    if name not in available:
        near = suggestion(name, available, 0.9)  # all end alike
        raise EngineError(f"onnxruntime has no {name}; it has {', '.join(available)}{near}")


@dataclass(frozen=True)
class OnnxRuntime:
    """ONNX Runtime with an execution provider and its graph optimization on or off.

    By default it has as many threads as torch.
    """

    provider: str = "CPUExecutionProvider"
    optimize: bool = True
    threads: int = 0

    name = "onnxruntime"
    version = onnxruntime.__version__

    @property
    def forkable(self) -> bool:
        """Whether its sessions can be in a forked process: the state of a GPU would not be there."""
        return self.provider == "CPUExecutionProvider"

    def open(self, path: str | os.PathLike[str] | bytes) -> Session:
        """A file, or a model's bytes. Raises `EngineError` for what ONNX Runtime refuses, and for a provider that it
        does not have.
        """
        require_provider(self.provider)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it logs as an error it raises as well
        options.intra_op_num_threads = self.threads or torch.get_num_threads()
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if self.optimize else level.ORT_DISABLE_ALL
        # at an error, its fallback prints it on stdout and takes the CPU; 1.22 and older have no argument for that
        asked: dict[str, Any] = {"providers": [self.provider], "enable_fallback": 0}
        with contextlib.redirect_stdout(io.StringIO()):
            session = _ask(onnxruntime.InferenceSession, os.fspath(path), options, **asked)
        return _Session(session)


class _Session:
    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.output_names = [output.name for output in session.get_outputs()]
        types = {value.type for value in (*session.get_inputs(), *session.get_outputs())}
        self._call = functools.partial(_run_with_bfloat16, session) if _BFLOAT16 in types else session.run

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(self.output_names, _ask(self._call, None, dict(inputs)), strict=True))


def _ask(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return ask(OnnxRuntime.name, call, *args, **options)
    except EngineError as error:
        raise EngineError(without_source(str(error))) from error.__cause__


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
