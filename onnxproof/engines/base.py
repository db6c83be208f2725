"""What an engine is, and the engines by name."""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError
from typing import TYPE_CHECKING, Any, Protocol

from onnxproof._internal.names import unknown

if TYPE_CHECKING:
    from onnxproof._internal.trees import Array

GROUP = "onnxproof.engines"
"""The entry points by which other packages add engines."""


class EngineError(Exception):
    """An engine refused a file or its inputs; the engine's own exception is the cause."""


class Session(Protocol):
    """A model in an engine."""

    def run(self, inputs: "Mapping[str, Array]") -> "dict[str, Array]":
        """The outputs by name, of inputs by name; shapes and dtypes are those of the file or the model.

        Raises `EngineError` for inputs that the engine refuses.
        """
        ...


class Engine(Protocol):
    """What runs ONNX files.

    One whose `forkable` is true runs in a process of its own, where it may crash or hang.
    """

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


@dataclass(frozen=True)
class Place:
    """Where an engine's class is, what it needs to be imported, and the packages that may bring that.

    `options` say what may follow its name after a colon, "" if nothing does.
    """

    kind: str
    module: str
    packages: tuple[str, ...]
    install: str
    options: str = ""


_OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")

_PLACES = {
    "onnxruntime": Place(
        "onnxproof.engines.onnxruntime:OnnxRuntime",
        "onnxruntime",
        ("onnxruntime", "onnxruntime-gpu"),
        "pip install onnxruntime",
        "an execution provider, such as CUDAExecutionProvider",
    ),
    "reference": Place("onnxproof.engines.reference:ReferenceEvaluator", "onnx", ("onnx",), "pip install onnx"),
    "openvino": Place(
        "onnxproof.engines.openvino:OpenVINO",
        "openvino",
        ("openvino",),
        "pip install openvino",
        "a device, such as GPU",
    ),
    "opencv": Place(
        "onnxproof.engines.opencv:OpenCV",
        "cv2",
        _OPENCV,
        "pip install opencv-python-headless",
        "classic or new, an engine of OpenCV 5",
    ),
    "tract": Place("onnxproof.engines.tract:Tract", "tract", ("tract",), "pip install tract"),
}

NAMES: tuple[str, ...] = tuple(_PLACES)
"""The engines of this package; `engine_names` has those of others, too."""


def engine_names() -> list[str]:
    """The engines that `engine` knows, installed or not; nothing is imported."""
    return list(dict.fromkeys([*NAMES, *(found.name for found in _entry_points())]))


def how_to_install(name: str) -> str:
    """The command that installs an engine, "" for one that is."""
    base = _base(name)
    place = _PLACES.get(base)
    return place.install if place and not _is_there(place.module) else ""


def options_of(name: str) -> str:
    """What may follow an engine's name after a colon; "" if that is not known."""
    place = _PLACES.get(_base(name))
    return place.options if place else ""


def version_of(name: str) -> str:
    """The installed version of an engine's package, "" if there is none; nothing is imported."""
    base = _base(name)
    if base in _PLACES:
        return next(filter(None, map(_version, _PLACES[base].packages)), "")
    return next((found.dist.version for found in _entry_points() if found.name == base and found.dist), "")


def engine(name: str) -> Engine:
    """An engine by its name, which may have an option after a colon: `onnxruntime:CUDAExecutionProvider`.

    Raises `EngineError` for a name that is not known, an engine that is not installed, and an option that it does not
    have.
    """
    base, _, option = name.partition(":")
    if missing := how_to_install(base):
        raise EngineError(f"{base} is not installed: {missing}")
    return ask(name, lambda: _kind(base)(*([option] if option else [])))  # type: ignore[no-any-return]


def _kind(base: str) -> Callable[..., Engine]:
    if base in _PLACES:
        module, _, kind = _PLACES[base].kind.partition(":")
        return getattr(importlib.import_module(module), kind)  # type: ignore[no-any-return]
    for found in _entry_points():
        if found.name == base:
            return found.load()  # type: ignore[no-any-return]
    raise EngineError(f"the engine {unknown(base, engine_names())}")


def _base(name: str) -> str:
    return name.partition(":")[0]


def _entry_points() -> tuple[EntryPoint, ...]:
    return tuple(importlib.metadata.entry_points(group=GROUP))


def _is_there(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except PackageNotFoundError:
        return ""


def threads() -> int:
    """As many threads as torch has; as `OMP_NUM_THREADS` says, or the process has cores, where it is not imported."""
    if torch := sys.modules.get("torch"):
        return torch.get_num_threads()  # type: ignore[no-any-return]
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(asked) if asked.isdecimal() and int(asked) else len(os.sched_getaffinity(0))


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
