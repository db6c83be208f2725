"""ONNX Runtime."""

import contextlib
import ctypes
import functools
import io
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime

from onnxproof._internal.names import suggestion
from onnxproof._internal.trees import Array
from onnxproof.engines.base import EngineError, Session, ask, threads

_NAME, _CPU = "onnxruntime", "CPUExecutionProvider"

_FELL_BACK = "fallback to CPU EP has been explicitly disabled"
_BOTH = f"Where a part may run on the CPU, ask for both providers: PROVIDER,{_CPU}."

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

    By default it has as many threads as torch. Every node must run in the `provider`; with
    `"CUDAExecutionProvider,CPUExecutionProvider"` those may run on the CPU that it leaves, and one at least must not.
    `session_options` sets further options on a session's own, as the program sets them that is deployed; such an engine
    needs a `name` of its own.
    """

    provider: str = _CPU
    optimize: bool = True
    threads: int = 0
    session_options: Callable[[onnxruntime.SessionOptions], object] | None = field(default=None, compare=False)
    name: str = ""

    version = onnxruntime.__version__

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", _NAME if self.provider == _CPU else f"{_NAME}:{self.provider}")

    @property
    def forkable(self) -> bool:
        """Whether its sessions can be in a forked process: the state of a GPU would not be there."""
        return self.provider == _CPU

    def require(self) -> None:
        """Raises `EngineError` for a provider that ONNX Runtime does not have."""
        for provider in self.provider.split(","):
            require_provider(provider)

    def open(self, path: str | os.PathLike[str] | bytes) -> Session:
        """A file, or a model's bytes. Raises `EngineError` for what ONNX Runtime refuses, for a provider that it does
        not have, and for one that leaves to the CPU what it was asked for.
        """
        self.require()
        asked = self.provider.split(",")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what it logs as an error it raises as well
        options.intra_op_num_threads = self.threads or threads()
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if self.optimize else level.ORT_DISABLE_ALL
        if _CPU not in asked:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        elif len(asked) > 1:
            options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if self.session_options:
            ask(self.name, self.session_options, options)
        # at an error, its fallback prints it on stdout and takes the CPU; 1.22 and older have no argument for that
        more: dict[str, Any] = {"providers": asked, "enable_fallback": 0}
        with contextlib.redirect_stdout(io.StringIO()):
            session = _ask(self.name, onnxruntime.InferenceSession, os.fspath(path), options, **more)
        _require_use(self.name, asked, session)
        return _Session(self.name, session)


def _require_use(name: str, asked: Sequence[str], session: onnxruntime.InferenceSession) -> None:
    """Raises `EngineError` for a session that does not use the first provider asked for."""
    if asked[0] not in session.get_providers():
        raise EngineError(f"{name}: the session runs in {', '.join(session.get_providers())}")
    if len(asked) == 1:
        return
    if not hasattr(session, "get_provider_graph_assignment_info"):
        raise EngineError(f"{name}: onnxruntime {onnxruntime.__version__} does not say what runs where; name one alone")
    used = {part.ep_name for part in session.get_provider_graph_assignment_info()}
    if asked[0] not in used:
        raise EngineError(f"{name}: no node of the file runs in {asked[0]}, all of them in {', '.join(used)}")


class _Session:
    def __init__(self, name: str, session: onnxruntime.InferenceSession) -> None:
        self._name = name
        self.output_names = [output.name for output in session.get_outputs()]
        types = {value.type for value in (*session.get_inputs(), *session.get_outputs())}
        self._call = functools.partial(_run_with_bfloat16, session) if _BFLOAT16 in types else session.run

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        found = dict(zip(self.output_names, _ask(self._name, self._call, None, dict(inputs)), strict=True))
        for name, output in found.items():
            if not isinstance(output, np.ndarray) or output.dtype == object:
                raise EngineError(f"{self._name}: the output {name} is not a tensor of numbers")
        return found


def _ask(name: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    try:
        return ask(name, call, *args, **options)
    except EngineError as error:
        text = without_source(str(error))
        raise EngineError(f"{text} {_BOTH}" if _FELL_BACK in text else text) from error.__cause__


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
    return [_bfloat16(value) if value.data_type() == _BFLOAT16 else value.numpy() for value in outputs]


def _bfloat16(value: onnxruntime.OrtValue) -> Array:
    bits = bytearray(ctypes.string_at(value.data_ptr(), 2 * math.prod(value.shape())))
    return np.frombuffer(bits, ml_dtypes.bfloat16).reshape(value.shape())
