"""An ONNX file as onnx's own message: complete, with its external data, and safe for an engine."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TypeVar

import onnx
from google.protobuf.message import DecodeError, Message
from onnx import ModelProto, NodeProto, TensorProto
from onnx.external_data_helper import uses_external_data

from onnxproof._internal.files import is_file

Found = TypeVar("Found", bound=Message)
_Id = tuple[str, str, str]

DEFAULT_DOMAIN = ""

_UNREADABLE = (
    DecodeError,
    onnx.checker.ValidationError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    OSError,
    UserWarning,
)
"""What onnx raises for a file that is not ONNX, data that does not fit its tensor, and an unknown dtype.

If warnings are errors, it also raises for an unknown entry of external data.
"""


class GraphError(Exception):
    """A file that cannot be read as ONNX; the message names the file and what to do."""


def load_model(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file with its external data, which has to be named by a path within the file's folder.

    Raises `GraphError` when the file, or its data, cannot be read.
    """
    with reading(path):
        model = load_structure(path)
        folder = Path(path).parent
        for name in _locations(model):
            if is_outside(name, folder):
                raise GraphError(f"{path}: its external data {name} leads out of its folder; put it beside the file")
            if not is_file(folder / name):
                raise GraphError(f"{path}: its external data {name} is missing in its folder; put it there")
        onnx.load_external_data_for_model(model, str(folder))
    return model


def external_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The external-data files that an ONNX file names, as it names them: relative to its own folder.

    Raises `GraphError` when the ONNX file cannot be read; the files that it names may be missing.
    """
    with reading(path):
        return _locations(load_structure(path))


def is_outside(name: Path, folder: Path) -> bool:
    """Whether external data that a file in `folder` names leads out of it: by an absolute path, `..`, or a link."""
    leads_out = name.is_absolute() or ".." in Path(os.path.normpath(name)).parts
    return leads_out or not (folder / name).resolve().is_relative_to(folder.resolve())


def copy_with_data(path: Path, folder: Path) -> str:
    """Copies a file to `folder/model.onnx` with the external data that it names within its own folder.

    Returns the problem with other data that it names, in one line, or "". Raises `GraphError` for a file that cannot
    be read.
    """
    shutil.copyfile(path, folder / "model.onnx")
    with reading(path):
        amiss = {name: _amiss(name, path.parent) for name in external_files(path)}
    for name in (name for name, problem in amiss.items() if not problem):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path.parent / name, folder / name)
    return next(filter(None, amiss.values()), "")


def _amiss(name: Path, folder: Path) -> str:
    if is_outside(name, folder):
        return f"its external data {name} leads out of the file's folder"
    return "" if is_file(folder / name) else f"its external data {name} is missing"


@contextlib.contextmanager
def reading(source: str | os.PathLike[str] | ModelProto) -> Iterator[None]:
    """Turns whatever onnx raises for a file that is not ONNX, or is damaged, into a `GraphError`."""
    name = "the model" if isinstance(source, ModelProto) else source
    try:
        yield
    except FileNotFoundError as error:
        raise GraphError(f"{name}: no such file") from error
    except IsADirectoryError as error:
        raise GraphError(f"{name}: a folder; name an ONNX file in it") from error
    except _UNREADABLE as error:
        raise GraphError(f"{name}: not a readable ONNX file ({error}); copy or make it again") from error


def canonical_domain(domain: str) -> str:
    """The one name of a domain: `ai.onnx` is the default one written out."""
    return DEFAULT_DOMAIN if domain == "ai.onnx" else domain


def utf8(name: str | bytes) -> str:
    """A name; protobuf returns one that is not UTF-8 as bytes. Raises `ValueError` for it."""
    if isinstance(name, bytes):
        raise ValueError(f"the name {name!r} is not UTF-8")
    return name


def refuse_recursion(model: ModelProto) -> None:
    """Raises `ValueError` for functions that call themselves, at which onnxruntime 1.26 and older end the process."""
    calls: dict[_Id, set[_Id]] = {}
    for function in model.functions:
        calls.setdefault(_called(function), set()).update(map(_called, _within(function, NodeProto)))
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        names = " calls ".join(utf8(name) for _, name, _ in reversed(error.args[1]))
        raise ValueError(f"a function calls itself: {names}") from error


def operators_without_body(path: str | os.PathLike[str]) -> list[str]:
    """The operators in a file that neither onnx nor ONNX Runtime defines, and no function of the file."""
    model = load_model(path)
    bodies = set(map(_called, model.functions))
    return sorted(
        {
            f"{node.domain}:{node.op_type}"
            for node in _within(model, NodeProto)
            if not (_called(node) in bodies or onnx.defs.has(*_called(node)[1::-1]) or _is_of_onnxruntime(node))
        }
    )


def _is_of_onnxruntime(node: NodeProto) -> bool:
    return utf8(node.domain).startswith("com.microsoft")


def load_structure(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file, without its external data; call it within `reading`."""
    model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)
    if not (model.graph.output and model.opset_import):
        raise GraphError(f"{path}: not a whole ONNX model, it has no output or no opset; copy or make it again")
    return model


def _locations(model: ModelProto) -> tuple[Path, ...]:
    tensors = filter(uses_external_data, _within(model, TensorProto))
    locations = {utf8(entry.value) for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return tuple(Path(location) for location in sorted(locations))


def _called(message: onnx.FunctionProto | NodeProto) -> _Id:
    """The domain, name and overload under which a node finds a function; onnx before 1.16 has no overloads."""
    name = message.op_type if isinstance(message, NodeProto) else message.name
    return canonical_domain(message.domain), name, getattr(message, "overload", "")


def _within(message: Message, kind: type[Found]) -> Iterator[Found]:
    """Every message of a kind that lies in another one, however deep: also in subgraphs and in functions."""
    for field, value in message.ListFields():
        if field.message_type:
            for inner in [value] if isinstance(value, Message) else value:
                if isinstance(inner, kind):
                    yield inner
                if not isinstance(inner, TensorProto):  # in which there are only values
                    yield from _within(inner, kind)
