"""Other sizes of a case's dynamic dimensions, tried on a model."""

import math
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from onnxproof.case import Case
from onnxproof.probing.draws import (
    LONG,
    MOST_VALUES,
    Sizes,
    apart,
    coarse_draws,
    count,
    joint_draws,
    steps_from,
    unit_of,
)
from onnxproof.probing.probes import Probe, resized

Answer = TypeVar("Answer")

MOST_REFUSED = 48
"""How many sizes are tried that the model refuses."""


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
        for kind, sizes in draws.items():
            if not self._accepts(sizes) and kind.startswith("long"):
                self._accepts_long_side(sizes)
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
        refused = {sizes[symbol] for sizes in self.refused if _without(symbol, sizes) in fine}
        return sorted(refused - {self._own[symbol], *self.others(symbol)})

    @property
    def broken(self) -> dict[tuple[str, ...], list[Sizes]]:
        """Promised sizes that the model refuses beside the example's others, by dimensions; single ones are first."""
        found: dict[tuple[str, ...], list[Sizes]] = {}
        for sizes in self.refused:
            other = {symbol: size for symbol, size in sizes.items() if size != self._own[symbol]}
            if all(self._dims[symbol].is_stated for symbol in other):
                found.setdefault(tuple(other), []).append(other)
        return dict(sorted(found.items(), key=lambda item: len(item[0])))

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
        coarse = list(coarse_draws(self.case))
        base = next((sizes for sizes in coarse if self._accepts(sizes)), self._own)
        for symbol in base:
            if base != self._own or any(
                self._accepts(base | {symbol: size}) for size in apart(base[symbol], unit_of(self.case, symbol))
            ):
                self._find_step(base, symbol)
        for symbol, step in self.steps.items():
            if not {*self.others(symbol)} - {1}:  # the step was from 1 to the example's size
                self._accepts(base | {symbol: self._own[symbol] + step})
        if len(self.steps) < len(base):  # sizes that the model ties together
            any(self._accepts(sizes) for sizes in coarse if sizes != base)
        start = self._own if count(self.case, self._own) <= MOST_VALUES else base
        more = {symbol: size + 1 for symbol, size in start.items()}
        least = [
            {s: max(3, size) for s, size in more.items()},
            {s: size if size > 2 else 1 for s, size in more.items()},
        ]
        any(self._accepts(_on_grid(sizes, base, self.steps)) for sizes in least)
        for sizes in (sizes for kind, sizes in draws.items() if kind.startswith("long")):
            self._accepts(_on_grid(sizes, base, self.steps))
        self.accepted = [found for found in self.accepted if self.fits(found[0].sizes)]

    def _find_step(self, base: dict[str, int], symbol: str) -> None:
        size = base[symbol]
        for step in steps_from(size, self._dims[symbol].multiple_of):
            larger, smaller = (base | {symbol: other} for other in (size + step, size - step))
            if self._accepts(larger if self._may_ask(larger) else smaller):
                self.steps[symbol] = step
                return

    def _find_broken_promise(self, sizes: Sizes) -> None:
        """Tries the promised ones among refused sizes beside the example's others, and then each by itself."""
        stated = {symbol: size for symbol, size in sizes.items() if self._dims[symbol].is_stated}
        if not self._accepts(self._own | stated):
            any(not self._accepts(self._own | {symbol: size}) for symbol, size in stated.items())


def _distance(values: int) -> float:
    """How far a number of values is from a quarter of `MOST_VALUES`, in orders of magnitude."""
    return abs(math.log(4 * values / MOST_VALUES))


def _without(symbol: str, sizes: Sizes) -> tuple[int, ...]:
    return tuple(size for other, size in sizes.items() if other != symbol)


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
