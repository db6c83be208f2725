"""The rounding of an ONNX original, seen in how far its own outputs are apart when it runs in other ways."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.parity.compare import Reference, usual_rounding
from onnxproof.parity.rounding import SLACK, TOLERANCES

ORDERS = 3
"""How often every result is moved before an output is refused."""


class Spread(Mapping[str, float]):
    """How far a file's outputs on some inputs are from those with every result moved in its last place.

    Each is the largest distance as a share of the output's largest value. The file runs when one is first asked for.
    """

    def __init__(self, model: OnnxModel, inputs: Mapping[str, Array]) -> None:
        self._model, self._inputs = model, inputs

    def __getitem__(self, name: str) -> float:
        return self._shares[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)

    @cached_property
    def _shares(self) -> dict[str, float]:
        values = self._model.run(self._inputs)
        try:
            return shares(values, self._model.run_rounded_at_random(self._inputs))
        except RefusalError:  # an operator of another domain
            ways = [shares(values, way) for way in self._model.runs_in_other_ways(self._inputs)]
            return {name: max(way.get(name, 0.0) for way in ways) for name in (values if ways else ())}


def shares(values: Mapping[str, Array], run: Mapping[str, Array]) -> dict[str, float]:
    """How far another run is from `values`, as a share of the largest value of each floating-point output."""
    return usual_rounding(Reference(values, run)) if list(run) == list(values) else {}


def other_ways(
    model: OnnxModel, inputs: Mapping[str, Array], values: Mapping[str, Array], usual: Mapping[str, float]
) -> Callable[[], tuple[Mapping[str, Array], ...]]:
    """The file's outputs in the other ways that it can run in, once they are asked for.

    The ways are every result moved, graph optimization, one thread, and a second engine. One that is more than `SLACK`
    times as far as is `usual` is not rounding, but a fault of an optimizer or of an engine, and left out.
    """

    @cache
    def others() -> tuple[Mapping[str, Array], ...]:
        try:
            moved = [model.run_rounded_at_random(inputs) for _ in range(ORDERS)]
        except RefusalError:
            moved = []
        more = [way for way in model.runs_in_other_ways(inputs) if _is_rounding(values, way, usual)]
        return (*moved, *more)

    return others


def _is_rounding(values: Mapping[str, Array], way: Mapping[str, Array], usual: Mapping[str, float]) -> bool:
    """Whether every value of another way is within `SLACK` times the usual rounding."""
    pairs = [(values[name], way[name], SLACK * usual.get(name, 0.0)) for name in values if name in way]
    return len(pairs) == len(values) and all(_is_near(own, other, share) for own, other, share in pairs)


def _is_near(own: Array, other: Array, share: float) -> bool:
    if own.shape != other.shape or own.dtype != other.dtype:
        return False
    if str(own.dtype) not in TOLERANCES:
        return bool(np.array_equal(own, other))
    a, b = own.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(a)
    bound = share * np.abs(a[finite]).max(initial=0)
    return bool(
        np.array_equal(a[~finite], b[~finite], equal_nan=True) and (np.abs(a[finite] - b[finite]) <= bound).all()
    )
