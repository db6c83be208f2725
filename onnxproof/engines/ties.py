"""Sorts that need not be stable, with equal values in another order than the model's own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from onnxproof.engines.decisions import SORTS, Call, arguments_of, chosen, operator_name


def ordered_otherwise(call: Call, shift: int, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of an operation, called by `call`; of a sort with equal values `shift` places on among themselves."""
    given = arguments_of(func, args, kwargs) if operator_name(func) in SORTS else {}
    if not given or given.get("stable") or given["self"].numel() < 2:
        return call(func, args, kwargs)
    dim, values = given["dim"], given["self"]
    is_descending = given.get("largest", given.get("descending", False))
    order = _own_order(func, args, kwargs, values, dim, is_descending)
    places = _other_places(values, order, dim, shift)
    found = call(func, (-places if is_descending else places, *args[1:]), kwargs)
    if isinstance(found, Tensor):
        return found
    return chosen(func, args, kwargs, list(found)).to(values.dtype), found[1]


def _own_order(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], values: Tensor, dim: int, is_descending: bool
) -> Tensor:
    """The indices of all values in the order that the operation gives them, those that it leaves out behind."""
    taken = _indices(func(*args, **kwargs))
    if taken.shape == values.shape:
        return taken
    order = torch.sort(values, dim=dim, descending=is_descending).indices
    places = values.shape[dim] + torch.empty_like(order).scatter(dim, order, _counted(order, dim))
    return places.scatter(dim, taken, _counted(taken, dim)).argsort(dim)


def _indices(found: Any) -> Tensor:
    return found if isinstance(found, Tensor) else found[1]


def _other_places(values: Tensor, order: Tensor, dim: int, shift: int) -> Tensor:
    """A place for each value, in this order but for equal ones, which are `shift` places on, as floats."""
    own, ranked = _counted(order, dim), values.gather(dim, order).movedim(dim, 0)
    is_first = torch.ones_like(own, dtype=torch.bool)
    is_first.movedim(dim, 0)[1:] = ranked[1:] != ranked[:-1]
    first = torch.where(is_first, own, 0).cummax(dim).values
    is_last = is_first.roll(-1, dim)
    last = torch.where(is_last, own, own.shape[dim]).flip(dim).cummin(dim).values.flip(dim)
    others = first + (own - first + shift) % (last - first + 1)
    return torch.empty_like(own).scatter(dim, order, others).double()


def _counted(like: Tensor, dim: int) -> Tensor:
    """0, 1, 2 and so on along a dimension."""
    shape = [-1 if axis == dim % like.dim() else 1 for axis in range(like.dim())]
    return torch.arange(like.shape[dim], device=like.device).reshape(shape).expand(like.shape)
