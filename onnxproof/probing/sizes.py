"""Other sizes of a case's dynamic dimensions: drawn, and tried on the model."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

import numpy as np

from onnxproof._internal.trees import leaves
from onnxproof.case import Case
from onnxproof.probing.probes import Probe, resized

Answer = TypeVar("Answer")
Sizes = Mapping[str, int]

GROWTH = 4
"""How many times the values of the example the large draw has, unless that is more than `MOST_VALUES`."""

MOST_VALUES = 2**16
"""A float64 run of a model at tens of millions of values takes gigabytes: larger examples are judged once as they are,
and in other values and sizes on less. If the model takes no smaller ones, a probe has up to twice the example's."""

LONG = 251
"""The long side of a picture. Behind a sixteenfold reduction a convolution of dilation 12 meets padding alone, and does
what one of dilation 24 does, until a side is longer than 192. It is prime."""

MOST_REFUSED = 48
"""How many sizes are tried that the model refuses."""

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
    if sides and kinds["large"][sides[-1]] < LONG:
        ends = {symbol: 1 for symbol in own if symbol not in sides} | {sides[-1]: LONG}
        wide, narrow = (_different(case, kinds[kind] | ends) for kind in ("odd", "prime"))
        kinds["long"] = wide if count(case, wide) <= MOST_VALUES // 2 else narrow
    return kinds | {"smallest": {symbol: dim.smallest for symbol, dim in dims.items()}}


def count(case: Case, sizes: Sizes) -> int:
    """The values of the largest array at other sizes."""
    shapes = {name: list(np.shape(leaf)) for name, leaf in leaves(case.inputs).items()}
    for name, axes in case.dynamic.items():
        for axis, dim in axes.items():
            shapes[name][axis] = sizes[str(dim)]
    return max(1, *map(math.prod, shapes.values()))


class SizeTrials(Generic[Answer]):
    """The sizes that were drawn for a case: those that the model accepts, with its answers, and those that it refuses.

    `ask` answers a probe, or returns None if the model refuses it. The dimensions are drawn together. Where the model
    refuses that, halves and doubles are tried, and then each dimension by itself, in steps that grow until it accepts
    one, the dimension's entry in `steps`.
    """

    def __init__(self, case: Case, ask: Callable[[Probe], Answer | None]) -> None:
        self.case = case
        self.accepted: list[tuple[Probe, Answer]] = []
        self.refused: list[Sizes] = []
        self.steps: dict[str, int] = {}
        self._ask = ask
        self._own, self._dims = case.sizes, case.dims
        self._known = {tuple(self._own.items()): True}
        draws = joint_draws(case)
        for sizes in draws.values():
            self._accepts(sizes)
        if "long" in draws and not self._accepts(draws["long"]):
            self._accepts_long_side(draws["long"])
        self._explored = bool(self.refused) and (self._is_lacking() or self._is_promised())
        if self._explored:
            self._explore(draws)

    @property
    def small(self) -> Probe | None:
        """An accepted probe of up to `MOST_VALUES` values that is not tiny; None if there is none."""
        found = [probe for probe, _ in self.accepted if count(self.case, probe.sizes) <= MOST_VALUES]
        return min(found, key=lambda probe: _distance(count(self.case, probe.sizes)), default=None)

    @property
    def beside(self) -> dict[str, list[int]]:
        """Two sizes beside the example's for each dimension, which the model accepts if it is known to accept any."""
        steps = self.steps if self._explored else {symbol: dim.multiple_of for symbol, dim in self._dims.items()}
        sizes = {s: [size + more * steps[s] for more in (1, 3, -1, -2) if s in steps] for s, size in self._own.items()}
        return {
            symbol: [size for size in found if self._dims[symbol].allows(size)][:2] for symbol, found in sizes.items()
        }

    def others(self, symbol: str) -> list[int]:
        """The accepted sizes of a dimension other than the example's."""
        return sorted({probe.sizes[symbol] for probe, _ in self.accepted} - {self._own[symbol]})

    def refused_alone(self, symbol: str) -> list[int]:
        """The sizes of a dimension that the model refuses where it accepts another one beside the same others."""
        fine = {_without(symbol, sizes) for sizes in (self._own, *(probe.sizes for probe, _ in self.accepted))}
        return sorted({sizes[symbol] for sizes in self.refused if _without(symbol, sizes) in fine})

    def rule(self, symbol: str) -> tuple[int, int]:
        """A divisor, and the remainder that every accepted size above 1 of a dimension has, unlike refused ones.

        The divisor is 1 if there is no such rule.
        """
        step, own = self.steps.get(symbol, 1), self._own[symbol]
        remainders = {size % step for size in {own, *self.others(symbol)} - {1}}
        follows = len(remainders) == 1 and any(size % step not in remainders for size in self.refused_alone(symbol))
        return (step, own % step) if follows else (1, 0)

    @property
    def rules(self) -> dict[str, list[str]]:
        """The dimensions whose accepted sizes follow a rule, by the rule."""
        found: dict[str, list[str]] = {}
        for symbol in self._own:
            divisor, remainder = self.rule(symbol)
            if divisor > 1:
                text = f"{divisor}n + {remainder}" if remainder else f"multiples of {divisor}"
                found.setdefault(text, []).append(symbol)
        return found

    def fits(self, sizes: Sizes) -> bool:
        """Whether sizes are promised and follow the rules. Of a single row a network of multiples makes many."""
        rules = {symbol: self.rule(symbol) for symbol in sizes}
        follows = all(sizes[symbol] % divisor == remainder for symbol, (divisor, remainder) in rules.items())
        return follows and all(self._dims[symbol].allows(size) for symbol, size in sizes.items())

    def _is_lacking(self) -> bool:
        """Whether fewer than two draws were accepted, or a dimension in no other size above 1."""
        larger = [probe for probe, _ in self.accepted if any(size > 1 for size in probe.sizes.values())]
        return len(larger) < 2 or any(not {*self.others(symbol)} - {1} for symbol in self._own)

    def _is_promised(self) -> bool:
        return any(dim.is_stated for dim in self._dims.values())

    def _accepts(self, sizes: Sizes) -> bool:
        """Whether the model accepts sizes, which are asked once; others than the promised ones are not asked."""
        key = tuple(sizes.items())
        if key not in self._known and self._may_ask(sizes):
            probe = resized(self.case, sizes)
            answer = self._ask(probe)
            self._known[key] = answer is not None
            if answer is None:
                self.refused.append(sizes)
            else:
                self.accepted.append((probe, answer))
        return self._known.get(key, False)

    def _accepts_long_side(self, sizes: Sizes) -> bool:
        """Whether the model accepts a long side beside the example's other sizes."""
        longer = self._own | {
            symbol: size for symbol, size in sizes.items() if size > max(LONG // 2, self._own[symbol])
        }
        return count(self.case, longer) <= MOST_VALUES and self._accepts(longer)

    def _may_ask(self, sizes: Sizes) -> bool:
        most = MOST_VALUES if self.small else max(MOST_VALUES, 2 * count(self.case, self._own))
        promised = all(self._dims[symbol].allows(size) for symbol, size in sizes.items())
        return promised and count(self.case, sizes) <= most and len(self.refused) < MOST_REFUSED

    def _explore(self, draws: Mapping[str, Sizes]) -> None:
        for sizes in tuple(self.refused):
            self._find_broken_promise(sizes)
        coarse = list(_coarse(self.case))
        base = next((sizes for sizes in coarse if self._accepts(sizes)), self._own)
        for symbol in base:
            if base != self._own or any(
                self._accepts(base | {symbol: size}) for size in _apart(base[symbol], _unit(self.case, symbol))
            ):
                self._find_step(base, symbol)
        if len(self.steps) < len(base):  # sizes that the model ties together
            any(self._accepts(sizes) for sizes in coarse if sizes != base)
        start = self._own if count(self.case, self._own) <= MOST_VALUES else base
        more = {symbol: size + 1 for symbol, size in start.items()}
        least = [
            {s: max(3, size) for s, size in more.items()},
            {s: size if size > 2 else 1 for s, size in more.items()},
        ]
        any(self._accepts(_on_grid(sizes, base, self.steps)) for sizes in least)
        if "long" in draws:
            self._accepts(_on_grid(draws["long"], base, self.steps))
        self.accepted = [found for found in self.accepted if self.fits(found[0].sizes)]

    def _find_step(self, base: dict[str, int], symbol: str) -> None:
        size = base[symbol]
        for step in _steps(size, self._dims[symbol].multiple_of):
            larger, smaller = (base | {symbol: other} for other in (size + step, size - step))
            if self._accepts(larger if self._may_ask(larger) else smaller):
                self.steps[symbol] = step
                return

    def _find_broken_promise(self, sizes: Sizes) -> None:
        for symbol, size in sizes.items():
            if self._dims[symbol].is_stated and not self._accepts(self._own | {symbol: size}):
                return


def _is_side(case: Case, symbol: str) -> bool:
    """Whether a dimension is a side of pictures or of features, behind the batch and the channels."""
    return any(axis > 1 and str(dim) == symbol for axes in case.dynamic.values() for axis, dim in axes.items())


def _distance(values: int) -> float:
    """How far a number of values is from a quarter of `MOST_VALUES`, in orders of magnitude."""
    return abs(math.log(4 * values / MOST_VALUES))


def _without(symbol: str, sizes: Sizes) -> tuple[int, ...]:
    return tuple(size for other, size in sizes.items() if other != symbol)


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


def _on_grid(least: Sizes, base: Sizes, steps: Sizes) -> dict[str, int]:
    """The smallest sizes of at least others, whole steps away from those of `base`; different where there is a step."""
    found: dict[str, int] = {}
    for symbol, size in base.items():
        if step := steps.get(symbol, 0):
            size += -((size - least[symbol]) // step) * step
            while size in found.values():
                size += step
        found[symbol] = size
    return found


def _coarse(case: Case) -> Iterator[dict[str, int]]:
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
    yield {symbol: size + _unit(case, symbol) for symbol, size in own.items()}
    yield {symbol: 2 * size for symbol, size in own.items()}


def _scaled(size: int, scale: float) -> int:
    """The size made smaller, still a multiple of its power of two, or else of the largest one below."""
    unit = size & -size
    while unit > size * scale and unit > 1:
        unit //= 2
    return max(1, math.floor(size * scale) // unit * unit)


def _apart(size: int, unit: int) -> list[int]:
    """Sizes of a single dimension that a network of many stages accepts beside this one."""
    return [size + unit, *([] if size % 2 else [size // 2]), size + 64, 2 * size]


def _steps(size: int, multiple_of: int) -> list[int]:
    """Powers of two, and the divisors of a size: a network whose stages divide it by a number takes its multiples."""
    powers = {multiple_of * 2**exponent for exponent in range((max(size, 64) // multiple_of).bit_length())}
    return sorted(powers | {step for step in range(1, size + 1) if size % step == 0})


def _unit(case: Case, symbol: str) -> int:
    """The largest power of two that divides the example's size, and the promised multiple of it."""
    size = case.sizes[symbol]
    return math.lcm(size & -size or 1, case.dims[symbol].multiple_of)
