"""The discrete decisions that a run takes from floats, such as TopK's indices or a mask, for other runs to take too."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

Call = Callable[[Any, tuple[Any, ...], Mapping[str, Any]], Any]


SORTS = ("argsort", "sort", "topk")
"""Operations that decide the order of equal values, integers too, unless they are asked to keep it."""


def plain(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Calls an operation."""
    return func(*args, **kwargs)


def operator_name(func: Any) -> str:
    """An operation of torch's without namespace and overload, such as "conv2d"; any other one in full."""
    text = str(func)
    return text.split(".")[1] if text.startswith("aten.") else text


def arguments_of(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an operation by name, with those that it has by default; none of torch.cond's and its like."""
    declared = func._schema.arguments if hasattr(func, "_schema") else []
    given = {each.name: each.default_value for each in declared if each.has_default_value()}
    return given | dict(zip((each.name for each in declared), args, strict=False)) | dict(kwargs)


class Decisions:
    """The integers and booleans that the operations of a run made of floats, in their order."""

    def __init__(self) -> None:
        self._taken: list[tuple[Any, Tensor]] = []

    def __bool__(self) -> bool:
        return bool(self._taken)

    def clear(self) -> None:
        """Forgets those that were recorded."""
        self._taken.clear()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decisions):
            return NotImplemented
        pairs = zip(self._taken, other._taken, strict=False)
        return len(self._taken) == len(other._taken) and all(
            ours is theirs and torch.equal(value, another) for (ours, value), (theirs, another) in pairs
        )

    __hash__ = None  # type: ignore[assignment]

    def recorded(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Calls an operation, and keeps what it decides."""
        found = func(*args, **kwargs)
        self._taken += [(func, value.clone()) for value in _decided(func, args, kwargs, found)]
        return found

    def again(self) -> Call:
        """Calls the operations of another run, of which each decides what it did in this one.

        Raises `ValueError` where the other run calls other operations, or on other shapes.
        """
        left = iter(self._taken)

        def call(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            found = func(*args, **kwargs)
            values, form = tree_flatten(found)
            decided = _decided(func, args, kwargs, found)
            for place, value in enumerate(values):
                if any(value is each for each in decided):
                    values[place] = _next(left, func, value)
            if decided and len(values) == 2 and values[0] is not decided[0]:
                values[0] = chosen(func, args, kwargs, values)
            return tree_unflatten(values, form)

        return call


def _next(left: Iterator[tuple[Any, Tensor]], func: Any, value: Tensor) -> Tensor:
    made_by, taken = next(left, (None, value))
    if made_by is not func or taken.shape != value.shape:
        raise ValueError("the run calls other operations")
    return taken.clone()


def _decided(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], found: Any) -> list[Tensor]:
    """The results that are integers or booleans, of an operation on floats, or a sort, that calculates new ones."""
    inputs = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    is_exact = not any(value.is_floating_point() for value in inputs) and operator_name(func) not in SORTS
    if is_exact or "empty" in str(func):
        return []
    results = [value for value in tree_flatten(found)[0] if isinstance(value, Tensor)]
    return [
        value
        for value in results
        if not (value.is_floating_point() or value.is_complex()) and not any(value is each for each in inputs)
    ]


def chosen(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], found: list[Tensor]) -> Tensor:
    """The values at the indices, for an operation that returns both along a dimension: TopK, a sort, a maximum."""
    values, indices = found
    given = arguments_of(func, args, kwargs)
    if "dim" not in given:
        return values
    of, dim = given["self"], given["dim"]
    if indices.ndim < of.ndim:
        return torch.take_along_dim(of, indices.unsqueeze(dim), dim).squeeze(dim).to(values.dtype)
    return torch.take_along_dim(of, indices, dim).to(values.dtype)
