"""What a fault is, and the decorators that put one into the table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import ModelProto

from onnxproof.case import Case
from onnxproof.model_file import load_model


class Unsuited(ValueError):  # noqa: N818 - no error of anyone's: the file has nothing that the fault could break
    """A good file that a fault cannot be applied to; the message says what it lacks."""


@dataclass(frozen=True)
class Fault:
    """A way to break a good ONNX file.

    `apply` takes the good file, which it leaves as it is, and an empty folder, and returns the broken file in that
    folder; it raises `Unsuited` for a file that has nothing to break. `caught_by` is the id of the check named for it.
    """

    id: str
    sentence: str
    caught_by: str
    apply: Callable[[Path, Path], Path]


@dataclass(frozen=True)
class ModelFault:
    """A model whose conversion goes wrong, or an input on which it cannot be judged.

    `make` gives the case; it goes wrong through each of `exporters`, at `opset` where one is given.
    """

    id: str
    sentence: str
    caught_by: str
    exporters: tuple[str, ...]
    make: Callable[[], Case]
    opset: int | None = None


Apply = Callable[[Path, Path], Path]
Edit = Callable[[ModelProto], None]
Make = Callable[[], Case]

registered: list[Fault] = []
registered_models: list[ModelFault] = []


def file_fault(id: str, *, caught_by: str) -> Callable[[Apply], Apply]:
    """A fault of the files themselves; its docstring is the sentence."""

    def register(apply: Apply) -> Apply:
        registered.append(Fault(id, _sentence(apply), caught_by, apply))
        return apply

    return register


def fault(id: str, *, caught_by: str) -> Callable[[Edit], Edit]:
    """A fault of the model in a file, made by an edit in place; its docstring is the sentence."""

    def register(edit: Edit) -> Edit:
        def apply(good: Path, folder: Path) -> Path:
            model = load_model(good)
            edit(model)
            broken = folder / good.name
            onnx.save(model, broken)
            return broken

        registered.append(Fault(id, _sentence(edit), caught_by, apply))
        return edit

    return register


def model_fault(
    id: str, *, caught_by: str, exporters: tuple[str, ...], opset: int | None = None
) -> Callable[[Make], Make]:
    """A fault of the conversion of a model; its docstring is the sentence."""

    def register(make: Make) -> Make:
        registered_models.append(ModelFault(id, _sentence(make), caught_by, exporters, make, opset))
        return make

    return register


def _sentence(function: Callable[..., object]) -> str:
    return " ".join((function.__doc__ or "").split())
