"""Faults, and the decorators that add one to the tables."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import onnx
from onnx import ModelProto

from onnxproof.case import Case
from onnxproof.graph.load import load_model


class Unsuited(ValueError):  # noqa: N818 - not an error: the file has nothing that the fault could break
    """Raised when a fault does not apply to a good file; the message says what the file lacks."""


@dataclass(frozen=True)
class Fault:
    """A way to break a good ONNX file.

    `apply` takes the good file, which it does not change, and an empty folder. It writes the broken file to the folder
    and returns its path, or raises `Unsuited` if the file has nothing to break. The check `caught_by` must catch it.
    """

    id: str
    sentence: str
    caught_by: str
    apply: Callable[[Path, Path], Path]


@dataclass(frozen=True)
class ModelFault:
    """A model whose conversion goes wrong, or an input that cannot show whether it does.

    `make` returns the case. Its conversion goes wrong with each of `exporters`, at `opset` if one is given.
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

FAULTS: list[Fault] = []
LOSSY_FAULTS: list[Fault] = []
MODEL_FAULTS: list[ModelFault] = []


def file_fault(*, caught_by: str, among: list[Fault] = FAULTS) -> Callable[[Apply], Apply]:
    """Adds a function that breaks a file to `FAULTS`. Its name is the id, its docstring the sentence."""

    def register(apply: Apply) -> Apply:
        among.append(Fault(*_id_and_sentence(apply), caught_by, apply))
        return apply

    return register


def lossy_fault(*, caught_by: str) -> Callable[[Edit], Edit]:
    """Adds a function that edits a quantized or narrowed model to `LOSSY_FAULTS`; the rest is `fault`."""
    return fault(caught_by=caught_by, among=LOSSY_FAULTS)


def fault(*, caught_by: str, among: list[Fault] = FAULTS) -> Callable[[Edit], Edit]:
    """Adds a function that edits a model in place to `FAULTS`. Its name is the id, its docstring the sentence."""

    def register(edit: Edit) -> Edit:
        @file_fault(caught_by=caught_by, among=among)
        @wraps(edit)
        def apply(good: Path, folder: Path) -> Path:
            model, edited = load_model(good), load_model(good)
            edit(edited)
            if edited == model:
                raise Unsuited("the file is already as the fault would make it")
            broken = folder / good.name
            onnx.save(edited, broken)
            return broken

        return edit

    return register


def model_fault(*, caught_by: str, exporters: tuple[str, ...], opset: int | None = None) -> Callable[[Make], Make]:
    """Adds a function that makes a case to `MODEL_FAULTS`. Its name is the id, its docstring the sentence."""

    def register(make: Make) -> Make:
        MODEL_FAULTS.append(ModelFault(*_id_and_sentence(make), caught_by, exporters, make, opset))
        return make

    return register


def _id_and_sentence(function: Callable[..., object]) -> tuple[str, str]:
    return function.__name__.replace("_", "-"), " ".join((function.__doc__ or "").split())
