"""The arithmetic that a PyTorch model runs in: each operation in float64, rounded another way, or counted.

All are dispatch modes: they see the operations that a model calls, and change neither the model nor its weights.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from onnxproof.engines.decisions import Call, operator_name, plain
from onnxproof.engines.interpolation import interpolated_otherwise
from onnxproof.engines.logistic import logistic_otherwise
from onnxproof.engines.moved import ROUNDINGS
from onnxproof.engines.summation import normalized_otherwise, units
from onnxproof.engines.ties import ordered_otherwise
from onnxproof.engines.work import LOOPS, PER_VALUE, Work

FLOPS: dict[Any, Callable[..., Any]] = {}
"""How many operations the products of an operation are, from its arguments."""

_OTHERWISE = normalized_otherwise, interpolated_otherwise, logistic_otherwise

_PICKS = frozenset(
    [
        *("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "amax", "amin", "aminmax", "clamp"),
        *("clamp_max", "clamp_min", "cummax", "cummin", "gather", "index_select", "kthvalue", "masked_select", "max"),
        *("max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool2d_with_indices", "max_pool3d"),
        *("max_pool3d_with_indices", "maximum", "min", "minimum", "msort", "relu", "sort", "take_along_dim", "topk"),
        "where",
    ]
)
"""Operations that pick values and round nothing: a model finds its peaks by values that are equal to the largest."""

MOST_PATCHES = 2**26
"""The bytes of patches that a float64 convolution lays side by side."""

with contextlib.suppress(ImportError):  # torch 2.0 and 2.1 count no products
    from torch.utils.flop_counter import flop_registry

    FLOPS.update(flop_registry)

_NARROW = torch.float32, torch.float16, torch.bfloat16


@contextlib.contextmanager
def in_float64(call: Call = plain) -> Iterator[None]:
    """Runs every operation in float64; weights are converted where they are used, one operation at a time.

    `call` is how an operation is called, see `Decisions`.
    """
    with _without_compiling(), _Arithmetic(partial(_result_in_float64, call)):
        yield


@contextlib.contextmanager
def as_it_is(call: Call) -> Iterator[None]:
    """Runs every operation as it is, by `call`."""
    with _without_compiling(), _Arithmetic(call):
        yield


@contextlib.contextmanager
def rounded_at_random(seed: int, call: Call = plain) -> Iterator[None]:
    """Moves every result by a few units in its last place: what the same model gives in another order of rounding.

    `seed` chooses the order, and `call` is how an operation is called. Integral results stay, since every engine has
    the same.
    """
    random = torch.Generator().manual_seed(seed)
    with _without_compiling(), _Arithmetic(partial(_moved_result, call, random)):
        yield


@contextlib.contextmanager
def stored_in(dtype: torch.dtype) -> Iterator[None]:
    """Rounds every float32 result to a narrower dtype: what the model costs at least that is stored in it."""
    with _without_compiling(), _Arithmetic(partial(_stored_result, dtype)):
        yield


@contextlib.contextmanager
def tied_otherwise(call: Call = plain) -> Iterator[None]:
    """Gives equal values each other's places in sorts that need not be stable; see `Decisions` for `call`."""
    with _without_compiling(), _Arithmetic(partial(ordered_otherwise, call, 1)):
        yield


@contextlib.contextmanager
def counted(work: Work) -> Iterator[None]:
    """Adds up the work of every operation: products, and `PER_VALUE` for each value of a result."""
    apart = torch.inference_mode(False), torch.no_grad()  # inference mode shows a convolution whole, without its work
    with apart[0], apart[1], _without_compiling(), _Arithmetic(partial(_counted_result, work)):
        yield


class _Arithmetic(TorchDispatchMode):
    """Gives every operation to `result`, torch.cond and torch.while_loop as one each."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch wraps the mode against its compiler, for which it imports all of that: nothing is compiled."""
        return False

    def __init__(self, result: Callable[..., Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._result = result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return self._result(func, args, dict(kwargs or {}))


def _result_in_float64(call: Call, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    wide_args, wide_kwargs = tree_map(_widened, (args, kwargs))
    if func is torch.ops.aten.conv2d.default:
        return _convolved(*wide_args, **wide_kwargs)
    found = tree_map(_widened, call(func, wide_args, wide_kwargs))
    for argument, narrow, wide in zip(_arguments(func), args, wide_args, strict=False):
        if argument.alias_info and argument.alias_info.is_write and narrow is not wide:
            narrow.copy_(wide)
    return found


def _convolved(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """A float64 convolution, some rows at a time: torch lays all patches of the rows side by side."""
    (down, across), (above, beside), (apart, aside) = (_both(each) for each in (stride, padding, dilation))
    padded = torch.nn.functional.pad(image, (0, 0, above, above))
    reach, wide = apart * (weight.shape[-2] - 1) + 1, aside * (weight.shape[-1] - 1) + 1
    is_narrowing = 2 * len(weight) <= weight.shape[1] and groups == down == across == 1 and beside < wide
    rows = (padded.shape[-2] - reach) // down + 1
    patch = weight[:, 0] if is_narrowing else weight[0]
    bytes_a_row = patch.numel() * (image.shape[-1] // across + 1) * image.element_size()
    count = max(1, MOST_PATCHES // bytes_a_row)
    tiles = []
    for first in range(0, rows, count):
        last = min(rows, first + count) - 1
        tile = padded[..., first * down : last * down + reach, :]
        if is_narrowing:
            tiles.append(_convolved_by_outputs(tile, weight, bias, (reach - 1, wide - 1 - beside), (apart, aside)))
        else:
            tiles.append(torch.conv2d(tile, weight, bias, (down, across), (0, beside), dilation, groups))
    return torch.cat(tiles, dim=-2)


def _convolved_by_outputs(
    image: Tensor, weight: Tensor, bias: Tensor | None, cut: tuple[int, int], dilation: tuple[int, int]
) -> Tensor:
    """A convolution to few channels as the transposed one of the mirrored kernel, without `cut` pixels at the borders:
    its patches are those of the output, and the product with them is some ten times as fast.
    """
    mirrored = weight.transpose(0, 1).flip(-1, -2)
    return torch.conv_transpose2d(image, mirrored, bias, padding=cut, dilation=dilation)


def _both(sizes: Sequence[int]) -> tuple[int, int]:
    """The sizes for height and width, of which a convolution may state one for both."""
    return sizes[0], sizes[-1]


def _stored_result(dtype: torch.dtype, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = func(*args, **kwargs)
    if any(argument.alias_info and argument.alias_info.is_write for argument in _arguments(func)):
        for value in filter(_is_stored, tree_flatten(found)[0]):
            value.copy_(rounded_to(dtype, value))
        return found
    return tree_map(lambda value: rounded_to(dtype, value) if _is_stored(value) else value, found)


def rounded_to(dtype: torch.dtype, value: Tensor) -> Tensor:
    """The values of a tensor that a narrower dtype has."""
    return value.to(dtype).to(value.dtype)


def _is_stored(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.float32


def _counted_result(work: Work, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = func(*args, **kwargs)
    count = FLOPS.get(getattr(func, "overloadpacket", None))
    work.flops += count(*args, **kwargs, out_val=found) if count else 0
    values = sum(value.numel() for value in tree_flatten(found)[0] if isinstance(value, Tensor))
    work.flops += PER_VALUE * values
    work.loops += LOOPS.get(operator_name(func), 0) * values
    return found


def _widened(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _in_double(value) if value.dtype in _NARROW else value
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value


def _in_double(value: Tensor) -> Tensor:
    """A weight's copy is one that gradients could be made of, as the weight is: torch makes no other views of it."""
    if value.is_inference():
        return value.double()
    with torch.inference_mode(False), torch.no_grad():
        return value.double()


def _arguments(func: Any) -> list[Any]:
    """The declared arguments of an operation; none of torch.cond's and its like."""
    return func._schema.arguments if hasattr(func, "_schema") else []


def _moved_result(call: Call, random: torch.Generator, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result, moved if it is a new one: views, arguments that are changed in place, and picked values stay."""
    others = (otherwise(func, args, kwargs, random) for otherwise in _OTHERWISE)
    found = next((other for other in others if other is not None), None)
    found = ordered_otherwise(call, random.initial_seed() + 1, func, args, kwargs) if found is None else found
    stays = operator_name(func) in _PICKS or any(argument.alias_info for argument in _arguments(func))
    return found if stays else tree_map(partial(_moved, random, func, args), found)


def _moved(random: torch.Generator, func: Any, args: tuple[Any, ...], value: Any) -> Any:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    moved_by = units(func, args, value)
    size = max(ROUNDINGS / 2, moved_by) * torch.finfo(value.dtype).eps
    by = torch.empty_like(value).uniform_(-size, size, generator=random)
    if moved_by and not _is_integral(args[0]).all():
        return value + value * by
    return value + (value * by).masked_fill_(_is_integral(value), 0)


def _is_integral(value: Tensor) -> Tensor:
    return value == value.round() if value.is_floating_point() else torch.ones_like(value, dtype=torch.bool)


@contextlib.contextmanager
def _without_compiling() -> Iterator[None]:
    """Runs compiled parts as they are: the compiler would remember for the next run that a mode was on."""
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is None:
        yield
    elif hasattr(torch, "compiler") and hasattr(torch.compiler, "set_stance"):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield
        dynamo.reset()
