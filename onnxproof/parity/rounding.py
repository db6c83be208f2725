"""How much error rounding explains: by the model's own rounding or, without a float64 run, by a table.

Fixed tolerances fail both ways (a right ×3 SRCNN on 0..255 differs by more than most of them allow, a wrong one by
less), so the model itself says what rounding costs: its float64 outputs are taken as exact, and an engine may be
`SLACK` times as far from them as the model's own float32 outputs are. Where float32 and float64 part ways by more than
rounding explains (a branch, an index, a step), nothing is judged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onnxproof._internal.trees import Array

SLACK = 4
"""How much farther from exact than torch an engine may be: both round, in another order.

Right SRCNN exports were seen at up to 2.1 times torch's largest error, over 4 pictures and 8 factors.
"""

BIAS = 2
"""How large the mean error may be, as a multiple of torch's root mean square error: 1.4 was seen on these exports."""

CEILING = 2**13
"""The largest error that rounding explains, in units of the last place of the largest value: 0.1 % of it in float32."""

MOST = 0.9
"""The share of values that float32 and float64 have to agree on, unless all others are a step away."""

STEP = 8
"""How many times nearer than the ceiling the agreeing values are, where the others are a step away."""

GAP = 8
"""Slices of an output whose largest values are this many times apart, boxes and scores, are judged each by their own
rounding."""

LEAST = 2
"""What is allowed at least beside values of another scale, in units of the last place of 1: ONNX Runtime's sigmoid is
off by 1.2 of them, however small its value is."""

FEW = 16
"""A slice of fewer values says too little of rounding to be judged by its own."""


@dataclass(frozen=True)
class Tolerance:
    """The tolerance for a dtype without an exact output: `rtol` of each value and `atol` of the largest one."""

    rtol: float
    atol: float
    why: str


TOLERANCES = {
    "float64": Tolerance(1e-12, 1e-12, "the order of summation moves a few thousand units in the last place"),
    "float32": Tolerance(
        1.3e-6, 3e-5, "bicubic source coordinates in float32 move SRCNN by 2.1e-5 of its largest value"
    ),
    "float16": Tolerance(1e-3, 4e-3, "every layer stores 11 significant bits; four roundings of the largest value"),
    "bfloat16": Tolerance(1.6e-2, 3.2e-2, "every layer stores 8 significant bits; four roundings of the largest value"),
}


@dataclass(frozen=True)
class Ruling:
    """What the values of a part of an output are held to.

    `part` is where it lies in the output. Its values may be `bounds` from `center`, the mean of their errors
    `mean_bound` from 0; only those in `judged` are compared. `referee` is "float64", "tolerance" or "rounding".
    """

    part: Any
    center: Array
    bounds: Array
    mean_bound: float
    judged: Array
    referee: str

    def whole_index(self, index: Sequence[np.intp]) -> tuple[int, ...]:
        """Where in the output a value of the part lies."""
        slices = self.part[-1]
        axis = len(self.part) - 1
        return tuple(int(slices[i]) if at == axis and slices is not ... else int(i) for at, i in enumerate(index))


def rulings(
    own: Array,
    exact: Array | None,
    others: Sequence[Array],
    dtype: np.dtype[Any],
    usual: Callable[[], float | None] = lambda: None,
) -> Iterator[Ruling]:
    """The ruling on each part of an output `own`: parts are slices of one scale.

    `own`, `exact` (the same in float64) and `others` (the same in other orders of rounding) are finite float64 arrays
    of one shape; `dtype` is the one that the output came in, one of `TOLERANCES`. `usual` gives the `rounding` seen on
    other inputs; it is called where there is no `exact`, or none that can judge.
    """
    found = parts(own)
    least = LEAST * _ulp(1.0, dtype) if len(found) > 1 else 0.0
    for part in found:
        values = own[part]
        rest = [other[part] for other in others]
        ruling = None if exact is None else _by_float64(part, values, exact[part], rest, dtype, least)
        yield ruling or _by_own_rounding(part, values, rest, dtype, usual())


def without_moved(ruling: Ruling, runs: Sequence[tuple[Array, Array]]) -> Ruling:
    """The ruling without the values that discrete decisions move, if they move one by more than rounding does.

    `runs` are pairs of outputs that are rounded alike: of a run with decisions of its own, and with those of the
    model's own run.
    """
    pairs = [(one[ruling.part], other[ruling.part]) for one, other in runs]
    if all((np.abs(moved - ruling.center) <= ruling.bounds / 2)[ruling.judged].all() for moved, _ in pairs):
        return ruling
    same = np.logical_and.reduce([moved == unmoved for moved, unmoved in pairs])
    return replace(ruling, judged=ruling.judged & same)


def rounding(own: Array, exact: Array, dtype: np.dtype[Any]) -> float:
    """The model's largest error as a share of the largest value, in the part of the output where it is largest."""
    found = [ruling for ruling in rulings(own, exact, (), dtype) if ruling.referee == "float64"]
    errors = [np.abs(own[ruling.part] - ruling.center)[ruling.judged].max(initial=0) for ruling in found]
    scales = [_scale(own[ruling.part]) for ruling in found]
    return max((float(error / scale) for error, scale in zip(errors, scales, strict=True) if scale), default=0.0)


def parts(own: Array) -> list[Any]:
    """Where an output falls apart into slices of other scales, along one axis; all of it where it does not."""
    best: list[Any] = [(...,)]
    largest_gap = float(GAP)
    for axis, count in enumerate(own.shape):
        if count < 2 or own.size // count < FEW:
            continue
        scales = np.abs(own).max(axis=tuple(other for other in range(own.ndim) if other != axis))
        order = np.argsort(scales, kind="stable")
        ranked = scales[order]
        gaps = ranked[1:] / np.where(ranked[:-1] > 0, ranked[:-1], np.inf)
        if gaps.max() >= largest_gap:
            largest_gap = float(gaps.max())
            split = np.split(order, np.flatnonzero(gaps >= GAP) + 1)
            best = [(slice(None),) * axis + (np.sort(slices),) for slices in split]
    return best


def _by_float64(
    part: Any, own: Array, exact: Array, others: Sequence[Array], dtype: np.dtype[Any], least: float
) -> Ruling | None:
    """What float64 says; None where float32 and float64 part ways at more than single steps."""
    scale = _scale(own)
    ceiling = CEILING * _ulp(scale, dtype)
    errors = np.abs(own - exact)
    agree = errors <= ceiling
    nearest = errors[agree].max(initial=0)
    if not agree.any() or (agree.mean() < MOST and nearest > ceiling / STEP):
        return None
    judged = np.logical_and.reduce([agree, *(np.abs(other - exact) <= ceiling for other in others)])
    samples = [_errors(found[judged], exact[judged]) for found in (own, *others)]
    largest, rms = (max(figures) for figures in zip(*samples, strict=True))
    ulp = max(_ulp(scale, dtype), least)
    bound = SLACK * largest + ulp
    mean_bound = max(BIAS * rms + ulp / 2, bound / max(1, judged.sum()))
    return Ruling(part, exact, np.full_like(own, bound), mean_bound, judged, "float64")


def _by_own_rounding(
    part: Any, own: Array, others: Sequence[Array], dtype: np.dtype[Any], usual: float | None
) -> Ruling:
    """Without float64: the rounding that is usual, else the table; and how far other orders of rounding are apart."""
    tolerance, scale = TOLERANCES[str(dtype)], _scale(own)
    bounds = tolerance.atol * scale + tolerance.rtol * np.abs(own)
    if usual is not None:
        bounds = np.full_like(own, (SLACK + 1) * usual * scale + _ulp(scale, dtype))
    ceiling = CEILING * _ulp(scale, dtype)
    judged = np.logical_and.reduce([np.ones(own.shape, bool), *(np.abs(other - own) <= ceiling for other in others)])
    spread = max((_errors(other[judged], own[judged])[0] for other in others), default=0.0)
    bounds = np.maximum(bounds, SLACK * spread)
    referee = "tolerance" if usual is None and not others else "rounding"
    return Ruling(part, own, bounds, float(bounds.max(initial=0)), judged, referee)


def _scale(values: Array) -> float:
    return float(np.abs(values).max(initial=0))


def _errors(found: Array, exact: Array) -> tuple[float, float]:
    """The largest error and the root of the mean square, whatever their size: no square overflows or vanishes."""
    error = np.abs(found - exact)
    largest = float(error.max(initial=0))
    if not largest:
        return 0.0, 0.0
    return largest, largest * float(np.sqrt(np.mean(np.square(error / largest))))


def _ulp(value: float, dtype: np.dtype[Any]) -> float:
    """The distance from `value` to the next larger number of `dtype`, taken at half of it: the largest has no next."""
    return 2 * float(np.spacing(np.asarray(value / 2, dtype)))
