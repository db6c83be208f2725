"""Which of a model's inputs are passed by position, and which by name."""

import inspect
from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def bound(
    model: "nn.Module", inputs: Mapping[str, Any], kwargs: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The inputs passed by position, and those passed by name, in the order of the signature as exporters take them.

    Inputs named like parameters of the model are meant for these, in whatever order they are given. Raises `ValueError`
    if one is not at its parameter's place, and others have names of their own.
    """
    names, by_name_alone = _parameters(model)
    positional = [name for name in inputs if name not in kwargs and name not in by_name_alone]
    moved = [name for place, name in enumerate(positional) if name in names and names.index(name) != place]
    if moved and not set(positional) <= set(names):
        raise ValueError(
            f"the input {moved[0]!r} is not at the place of the model's parameter {moved[0]!r}; name all inputs as the "
            f"parameters, {', '.join(names)}, or none"
        )
    if moved:
        in_order = sorted(positional, key=names.index)
        positional = [
            name for name, _ in takewhile(lambda pair: pair[0] == pair[1], zip(in_order, names, strict=False))
        ]
    found = {**inputs, **kwargs}
    by_name = [name for name in found if name not in positional]
    by_name.sort(key=lambda name: names.index(name) if name in names else len(names))
    return {name: found[name] for name in positional}, {name: found[name] for name in by_name}


def _parameters(model: "nn.Module") -> tuple[list[str], set[str]]:
    """The names of the parameters of `forward`, and of those that are passed by name alone.

    None if it has no signature, as that of a scripted module.
    """
    try:
        found = inspect.signature(model.forward).parameters
    except ValueError:
        return [], set()
    return list(found), {name for name, parameter in found.items() if parameter.kind is parameter.KEYWORD_ONLY}
