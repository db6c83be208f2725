"""What an engine is, and the engines by name."""

import importlib
import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from onnxproof._internal.trees import Array


class EngineError(Exception):
    """An engine refused a file or its inputs; the engine's own exception is the cause."""


class Session(Protocol):
    """A model in an engine."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name, of inputs by name; shapes and dtypes are those of the file or the model.

        Raises `EngineError` for inputs that the engine refuses.
        """
        ...


class Engine(Protocol):
    """What runs ONNX files."""

    @property
    def name(self) -> str:
        """What the engine is called in texts."""
        ...

    @property
    def version(self) -> str:
        """The installed version."""
        ...

    def open(self, path: str | os.PathLike[str]) -> Session:
        """The ONNX file in the engine. Raises `EngineError` for a file that it refuses."""
        ...


_ENGINES = {
    "onnxruntime": "onnxproof.engines.onnxruntime:OnnxRuntime",
    "reference": "onnxproof.engines.reference:ReferenceEvaluator",
    "opencv": "onnxproof.engines.opencv:OpenCV",
    "openvino": "onnxproof.engines.openvino:OpenVINO",
}

NAMES: tuple[str, ...] = tuple(_ENGINES)
"""The engines that `engine` knows."""


def engine(name: str, **options: Any) -> Engine:
    """One of the engines in `NAMES`, with its own options. Raises `EngineError` if it is not installed."""
    module, _, kind = _ENGINES[name].partition(":")
    return ask(name, lambda: getattr(importlib.import_module(module), kind)(**options))  # type: ignore[no-any-return]


def require_names(engine: str, inputs: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises `EngineError` for inputs of other names."""
    if set(inputs) != set(names):
        raise EngineError(f"{engine}: the inputs are {', '.join(names)}, got {', '.join(inputs)}")


def ask(engine: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The result of a call to an engine; whatever it raises is an `EngineError`."""
    try:
        return call(*args, **options)
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"{engine}: {error}") from error
