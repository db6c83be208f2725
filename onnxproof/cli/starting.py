"""The parts of a starting case: the model, inputs that it takes, and dimensions that it takes in other sizes."""

import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import Array
from onnxproof.case import Case, CaseError
from onnxproof.cli.error import CommandError
from onnxproof.cli.guess import Inputs, expressions, free_dimensions, made
from onnxproof.cli.load import load_module, of_the_user
from onnxproof.graph.facts import Value, read_graph
from onnxproof.graph.load import GraphError
from onnxproof.graph.record import shape_text
from onnxproof.probing.drawn import drawn_inputs

MOST_TRIED = 200
"""The most combinations of inputs that a model is tried on."""

SHIPPED = "the weights and inputs that you ship"
DYNAMIC = "in `dynamic` the dimensions that must stay dynamic."


@dataclass(frozen=True)
class Start:
    """The parts of a starting case, as source; `todo` is what the user has to fill in."""

    question: str
    model: str
    todo: str
    inputs: Mapping[str, str]
    imports: str = ""
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    options: Sequence[str] = ()


def of_module(place: str, name: str = "") -> Start:
    """The start of a case for the model in a Python file or module. Raises `CommandError` if there is none."""
    if place.endswith(".py") and not Path(place).stem.isidentifier():
        raise CommandError(f"{place}: give the file a name that Python can import, such as my_models.py")
    module = load_module(place)
    known = _models(module)
    if name and name not in known:
        raise CommandError(f"{place} has no model {name!r}; it has {', '.join(known) or 'none'}")
    if not known:
        raise CommandError(f"{place} has no torch.nn.Module of its own; name the file that defines the model")
    cases = [name for name, found in vars(module).items() if isinstance(found, Case)]
    if cases and not name:
        raise CommandError(f"{place} has a case already: onnxproof check {place}:{cases[0]}")
    models = {each: _instance(place, found) for each, found in known.items()}
    chosen = name or _outermost(models)
    return _of_model(module.__name__, chosen, known[chosen], models[chosen])


def of_file(place: str) -> Start:
    """The start of a case for an ONNX file, which is judged by itself. Raises `CommandError` for a broken file."""
    try:
        inputs = read_graph(place).inputs
    except GraphError as error:
        raise CommandError(one_line(error)) from error
    todo = (
        f"Fill in: the inputs that you ship; to judge {Path(place).name} by the torch.nn.Module that it was made from, "
    )
    todo += "give that in eval mode instead of the path."
    try:
        drawn: Mapping[str, Array] = drawn_inputs(place)
    except CaseError as error:
        asked = ", ".join(f"{value.name} ({f'{value.dtype} {shape_text(value.shape)}'.strip()})" for value in inputs)
        drawn, todo = {}, f"Fill in: {asked}, as the file takes them: {shorten(one_line(error), 240, placeholder=' …')}"
    return Start(
        f"Whether {Path(place).name} is complete, and computes the same in each engine.",
        quoted(place),
        todo,
        {value.name: _like(drawn[value.name]) if drawn else "..." for value in inputs},
        dynamic={value.name: axes for value in inputs if (axes := _symbols(value))},
        options=("--onnx", place),
    )


def quoted(text: str) -> str:
    """Source of a text, which may come from a file."""
    return json.dumps(text, ensure_ascii=False)


def _question(name: str) -> str:
    return f"Whether the ONNX file of {name} does what the model does."


def _models(module: ModuleType) -> dict[str, Any]:
    """The modules that a Python module makes, and the classes of modules that it defines, in its order."""
    found = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    models = {name: value for name, value in found.items() if isinstance(value, nn.Module)}
    return models or {
        name: value
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module.__name__
    }


def _instance(place: str, found: Any) -> nn.Module | None:
    """The model; None for a class that takes arguments."""
    if isinstance(found, nn.Module):
        return found
    return None if _missing(found) else of_the_user(place, found)


def _missing(found: type[nn.Module]) -> list[str]:
    """The arguments that a class cannot do without."""
    parameters = inspect.signature(found).parameters.values()
    return [each.name for each in parameters if each.default is each.empty and each.kind not in _ANY]


_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _outermost(models: Mapping[str, nn.Module | None]) -> str:
    """The last model that is not a part of another one."""
    parts = {type(part) for model in models.values() if model for part in list(model.modules())[1:]}
    return [name for name, model in models.items() if type(model) not in parts][-1]


def _of_model(module: str, name: str, found: Any, model: nn.Module | None) -> Start:
    imports = f"from {module} import {name}"
    if model is None:
        gaps = _missing(found)
        given = ", ".join(f"{gap}=..." for gap in gaps)
        names = [each.name for each in _parameters(found.forward)][1:]
        return Start(
            _question(name),
            f"{name}({given}).eval()",
            f"Fill in: instead of the dots {', '.join(gaps)} of {name}, inputs that it takes, and {DYNAMIC}",
            dict.fromkeys(names, "random.random((2, 3, 64, 64), np.float32)"),
            imports,
        )
    inputs, problem = _accepted(model.eval())
    return Start(
        _question(name),
        f"{name}.eval()" if isinstance(found, nn.Module) else f"{name}().eval()",
        f"Fill in: {f'inputs that {name} takes (it refuses these: {problem})' if problem else SHIPPED}, and {DYNAMIC}",
        inputs,
        imports,
        {} if problem else free_dimensions(lambda inputs: _run(model, inputs), made(inputs)),
    )


def _parameters(forward: Any) -> list[inspect.Parameter]:
    """The arguments that a call needs; the first one if all have defaults."""
    found = [each for each in inspect.signature(forward).parameters.values() if each.kind not in _ANY]
    return [each for each in found if each.default is each.empty] or found[:1]


def _accepted(model: nn.Module) -> tuple[Inputs, str]:
    """Inputs that suit the layers of a model and that it takes; else the likeliest, and why it refuses them."""
    names = [each.name for each in _parameters(model.forward)]
    combined = itertools.product(*(expressions(model, name) for name in names))
    problems: list[str] = []
    for codes in itertools.islice(combined, MOST_TRIED):
        inputs = dict(zip(names, codes, strict=True))
        if not (problem := _run(model, made(inputs))):
            return inputs, ""
        problems.append(problem)
    return {name: expressions(model, name)[0] for name in names}, problems[0] if problems else ""


def _run(model: nn.Module, inputs: Mapping[str, Any]) -> str:
    """Why a model does not take inputs; "" if it does."""
    try:
        with torch.inference_mode():
            model(**{name: torch.from_numpy(array) for name, array in inputs.items()})
    except Exception as error:
        return f"{type(error).__name__}: {one_line(error):.100}"
    return ""


def _symbols(value: Value) -> dict[int, str]:
    """The names of an input's dynamic dimensions, by axis."""
    return {axis: str(size or f"{value.name}_{axis}") for axis, size in _dynamic(value)}


def _dynamic(value: Value) -> Iterator[tuple[int, str | None]]:
    return ((axis, size) for axis, size in enumerate(value.shape or ()) if not isinstance(size, int))


def _like(drawn: Array) -> str:
    """Source of values like those that were drawn."""
    shape, dtype = drawn.shape, drawn.dtype.name
    if dtype != "bool" and np.unique(drawn).size > 1:
        if drawn.dtype.kind in "iu":
            return f'random.integers(0, {drawn.max() + 1}, {shape}).astype("{dtype}")'
        return f'random.{"random" if drawn.min() >= 0 else "normal"}(size={shape}).astype("{dtype}")'
    return f'np.ones({shape}, "{dtype}")'
