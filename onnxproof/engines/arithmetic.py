"""The arithmetic that a PyTorch model runs in: each operation in float64, or with its results rounded another way.

Both are dispatch modes: they see the operations that a model calls, and change neither the model nor its weights.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

ROUNDINGS = 4
"""How far a result is moved at most, in units of its last place: half a unit is what one rounding costs, and a sum over
hundreds of products has about eight of them."""

_NARROW = torch.float32, torch.float16, torch.bfloat16


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """Runs every operation in float64; weights are converted where they are used, one operation at a time."""
    with _without_compiling(), _Arithmetic(_result_in_float64):
        yield


@contextlib.contextmanager
def rounded_at_random(seed: int) -> Iterator[None]:
    """Moves every result by a few units in its last place: what the same model gives in another order of rounding.

    `seed` chooses the order. Integral results stay, since every engine has the same.
    """
    random = torch.Generator().manual_seed(seed)
    with _without_compiling(), _Arithmetic(partial(_moved_result, random)):
        yield


class _Arithmetic(TorchDispatchMode):
    """Gives every operation to `result`, torch.cond and torch.while_loop as one each."""

    supports_higher_order_operators = True

    def __init__(self, result: Callable[..., Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._result = result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._result(func, args, dict(kwargs or {}))


def _result_in_float64(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    wide_args, wide_kwargs = tree_map(_widened, (args, kwargs))
    found = tree_map(_widened, func(*wide_args, **wide_kwargs))
    for argument, narrow, wide in zip(_arguments(func), args, wide_args, strict=False):
        if argument.alias_info and argument.alias_info.is_write and narrow is not wide:
            narrow.copy_(wide)
    return found


def _widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype in _NARROW else value
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value


def _arguments(func: Any) -> list[Any]:
    """The declared arguments of an operation; none of torch.cond's and its like."""
    return func._schema.arguments if hasattr(func, "_schema") else []


def _moved_result(random: torch.Generator, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result, moved if it is a new one: views and arguments that are changed in place stay."""
    found = func(*args, **kwargs)
    is_new = not any(argument.alias_info for argument in _arguments(func))
    return tree_map(partial(_moved, random), found) if is_new else found


def _moved(random: torch.Generator, value: Any) -> Any:
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    size = ROUNDINGS * torch.finfo(value.dtype).eps / 2
    by = torch.empty_like(value).uniform_(-size, size, generator=random)
    return value + (value * by).masked_fill_(value == value.round(), 0)


@contextlib.contextmanager
def _without_compiling() -> Iterator[None]:
    """Runs compiled parts as they are: the compiler would remember for the next run that a mode was on."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
    elif hasattr(torch.compiler, "set_stance"):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
        dynamo.reset()
