"""What the original reacts to: its inputs' values, and the sizes of their dynamic dimensions, one at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from onnxproof._internal.trees import Array, leaves
from onnxproof.case import DATA_SIZE, Case
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.probes import Probe, other_values, replaced, resized


@dataclass(frozen=True)
class Change:
    """A change that the model reacts to: of the values of an input, or of the size of a dimension."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"the input {self.name}" if self.kind == "input" else f"the size of {self.name}"


Shown: TypeAlias = tuple[dict[str, Any], Mapping[str, Array]]
"""Inputs to which the original reacts, and its outputs on them."""

Reactions: TypeAlias = Mapping[Change, Sequence[Shown]]
"""What shows a reaction, by what is changed; nothing where there is none."""


def reactions(
    case: Case,
    base: Probe,
    own: Reference,
    beside: Mapping[str, Sequence[int]],
    ask: Callable[[Mapping[str, Any]], Mapping[str, Array] | None],
    ask_in_float64: Callable[[Mapping[str, Any]], Mapping[str, Array] | None],
) -> Reactions:
    """The inputs that change one input's values or one dimension's size, with outputs that differ from `own`.

    `own` are the outputs on `base`, `beside` the sizes to try, by dimension. `ask` gives the outputs on other inputs,
    or None where they are refused, and `ask_in_float64` the same in float64.
    """
    at_base = replace(case, inputs=base.inputs, kwargs={name: base.inputs[name] for name in case.kwargs})
    away = {symbol: base.sizes[symbol] - size for symbol, size in case.sizes.items()}
    changes = {
        Change("input", name): [replaced(base.inputs, name, value) for value in other_values(at_base, name)]
        for name in at_base.required_inputs
    } | {
        Change("size", symbol): [
            dict(resized(at_base, {**base.sizes, symbol: size + away[symbol]}).inputs) for size in sizes
        ]
        for symbol, sizes in beside.items()
    }

    def reacting(change: Change, found: Sequence[dict[str, Any]]) -> Iterator[Shown]:
        """Each of a parameter's, one of data and of sizes."""
        for inputs in found:
            values = ask(inputs)
            if values and differ(values, own, partial(ask_in_float64, inputs)):
                yield inputs, values
                if change.kind == "size" or np.size(leaves(base.inputs)[change.name]) > DATA_SIZE:
                    return

    return {change: list(reacting(change, found)) for change, found in changes.items()}


def differ(values: Mapping[str, Array], own: Reference, in_float64: Callable[[], Mapping[str, Array] | None]) -> bool:
    """Whether outputs differ by more than the rounding that is seen in one run.

    What is within the tolerance of the dtype has to differ `in_float64` as well: the sum of the same values in another
    order does not.
    """
    seen = Reference(own.values, own.exact, usual=own.usual)
    if _agree(values, seen):
        return False
    if not _agree(values, Reference(own.values)):
        return True
    exact = in_float64()
    if exact is None or list(exact) != list(values):
        return True
    return not _agree({name: exact[name].astype(values[name].dtype) for name in values}, seen)


def _agree(values: Mapping[str, Array], own: Reference) -> bool:
    return all(parity.same for parity in compare(values, own, ""))
