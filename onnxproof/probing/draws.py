"""Other sizes of a case's dynamic dimensions: promised ones, and few values."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from onnxproof._internal.trees import leaves
from onnxproof.case import Case

Sizes = Mapping[str, int]

GROWTH = 4
"""How many times the values of the example the large draw has, unless that is more than `MOST_VALUES`."""

MOST_VALUES = 2**16
"""A float64 run of a model at tens of millions of values takes gigabytes: larger examples are judged once as they are,
and in other values and sizes on less. If the model takes no smaller ones, a probe has up to twice the example's."""

LONG = 251
"""The long side of a picture. Behind a sixteenfold reduction a convolution of dilation 12 meets padding alone, and does
what one of dilation 24 does, until a side is longer than 192. It is prime."""

_PRIMES = (7, 11, 13, 5, 17, 3)


def joint_draws(case: Case) -> dict[str, dict[str, int]]:
    """Promised sizes of each kind by dimension, different along each dimension, so that swapped dimensions show."""
    own, dims = case.sizes, case.dims
    if not own:
        return {}
    large = _different(case, _grown(case))
    ends = {symbol: dims[symbol].largest or size for symbol, size in large.items()}
    kinds = {
        "prime": _different(case, dict(zip(own, _PRIMES * len(own), strict=False)), odd=True),
        "odd": _different(case, {symbol: max(3, size // 4 * 2 + 1) for symbol, size in large.items()}, odd=True),
        "large": ends if count(case, ends) <= MOST_VALUES else large,
    }
    sides = [symbol for symbol in own if _is_side(case, symbol)]
    short = [symbol for symbol in sides if kinds["large"][symbol] <= own[symbol] < LONG // 2]
    for side in dict.fromkeys([*short, *sides[-1:]]):
        if kinds["large"][side] < LONG:
            kinds[f"long {side}"] = _long(case, kinds, side)
    return kinds | {"smallest": {symbol: dim.smallest for symbol, dim in dims.items()}}


def _long(case: Case, kinds: Mapping[str, Sizes], side: str) -> dict[str, int]:
    """A picture with one long side: the longest promised one, if that is affordable."""
    batch = {symbol: 1 for symbol in case.sizes if not _is_side(case, symbol)}
    longest = (case.dims[side].largest or LONG, LONG)
    found = [_different(case, {**kinds[kind], **batch, side: size}) for size in longest for kind in ("odd", "prime")]
    return next((sizes for sizes in found if count(case, sizes) <= MOST_VALUES // 2), found[-1])


def count(case: Case, sizes: Sizes) -> int:
    """The values of the largest array at other sizes."""
    shapes = {name: list(np.shape(leaf)) for name, leaf in leaves(case.inputs).items()}
    for name, axes in case.dynamic.items():
        for axis, dim in axes.items():
            shapes[name][axis] = sizes[str(dim)]
    return max(1, *map(math.prod, shapes.values()))


def _is_side(case: Case, symbol: str) -> bool:
    """Whether a dimension is a side of pictures or of features, behind the batch and the channels."""
    return any(axis > 1 and str(dim) == symbol for axes in case.dynamic.values() for axis, dim in axes.items())


def _grown(case: Case) -> dict[str, int]:
    """The example's sizes times one factor, so that it has up to `GROWTH` times its values, or `MOST_VALUES`."""
    factor = GROWTH ** (1 / len(case.sizes))
    while True:
        grown = {symbol: max(2, math.floor(size * factor)) for symbol, size in case.sizes.items()}
        if count(case, grown) <= MOST_VALUES or all(size == 2 for size in grown.values()):
            return grown
        factor *= 0.9


def _different(case: Case, sizes: Sizes, odd: bool = False) -> dict[str, int]:
    """The nearest promised sizes, each raised until no earlier one is the same, if the promise has such a size.

    Odd multiples show whether a multiple of less than was promised is enough: the model may need twice that.
    """
    found: dict[str, int] = {}
    for symbol, dim in case.dims.items():
        unit = dim.multiple_of
        nearest = size = dim.nearest(sizes[symbol])
        size += unit if odd and unit > 1 and size // unit % 2 == 0 else 0
        while size in found.values():
            size += 2 * unit if odd or unit == 1 else unit
        found[symbol] = size if dim.allows(size) else nearest
    return found


def coarse_draws(case: Case) -> Iterator[dict[str, int]]:
    """Sizes that networks of many stages accept: halves, multiples of the example's power of two, doubles."""
    own = smaller = case.sizes
    while (halves := {symbol: size if size % 2 else size // 2 for symbol, size in smaller.items()}) != smaller:
        smaller = halves
        if count(case, smaller) <= MOST_VALUES // 2:
            yield smaller
            break
    scale = (MOST_VALUES / 2 / count(case, own)) ** (1 / max(1, sum(size > 1 for size in own.values())))
    if scale < 1:
        yield {symbol: _scaled(size, scale) for symbol, size in own.items()}
    yield {symbol: size + unit_of(case, symbol) for symbol, size in own.items()}
    yield {symbol: 2 * size for symbol, size in own.items()}


def _scaled(size: int, scale: float) -> int:
    """The size made smaller, still a multiple of its power of two, or else of the largest one below."""
    unit = size & -size or 1
    while unit > size * scale and unit > 1:
        unit //= 2
    return max(1, math.floor(size * scale) // unit * unit)


def apart(size: int, unit: int) -> list[int]:
    """Sizes of a single dimension that a network of many stages accepts beside this one."""
    return [size + unit, *([] if size % 2 else [size // 2]), size + 64, 2 * size]


def steps_from(size: int, multiple_of: int) -> list[int]:
    """Powers of two, and the divisors of a size: a network whose stages divide it by a number takes its multiples."""
    powers = {multiple_of * 2**exponent for exponent in range((max(size, 64) // multiple_of).bit_length())}
    return sorted(powers | {step for step in range(1, size + 1) if size % step == 0})


def unit_of(case: Case, symbol: str) -> int:
    """The largest power of two that divides the example's size, and the promised multiple of it."""
    size = case.sizes[symbol]
    return math.lcm(size & -size or 1, case.dims[symbol].multiple_of)
