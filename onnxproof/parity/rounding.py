"""How much error rounding explains: by the model's own rounding or, without a float64 run, by a table.

Fixed tolerances fail both ways (a right ×3 SRCNN on 0..255 differs by more than most of them allow, a wrong one by
less), so the model itself says what rounding costs: its float64 outputs are taken as exact, and an engine may be
`SLACK` times as far from them as the model's own float32 outputs are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from onnxproof._internal.trees import Array

SLACK = 4
"""How much farther from exact than torch an engine may be: both round, in another order.

Right SRCNN exports were seen at up to 2.1 times torch's largest error, over 4 pictures and 8 factors.
"""

BIAS = 2
"""How large the mean error may be, as a multiple of torch's root mean square error: 1.4 was seen on these exports."""


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


FEW = 16
"""An output of fewer values can cancel, or be exact by chance: what is usual is then taken at its usual size."""


@dataclass(frozen=True)
class Rounding:
    """The distance of a model's own output from the exact one, as a share of its largest value, the `scale`."""

    largest: float = 0.0
    rms: float = 0.0
    scale: float = 0.0

    @classmethod
    def between(cls, own: Array, exact: Array) -> "Rounding":
        """The distance between two float64 arrays of finite values; zero if `own` is all zeros or empty."""
        scale = float(np.abs(own).max(initial=0))
        largest, rms = _errors(own, exact)
        return cls(largest / scale, rms / scale, scale) if scale else cls()


def median(found: Sequence[Rounding]) -> Rounding:
    """The median of several; zero if the list is empty."""
    if not found:
        return Rounding()
    return Rounding(*(float(np.median([getattr(one, each.name) for one in found])) for each in fields(Rounding)))


def by_tolerance(own: Array, dtype: np.dtype[Any]) -> tuple[Array, float]:
    """The bound on the error of each value of an output `own`, and on their mean, without an exact one.

    `own` is float64 and finite, `dtype` the one that the output came in, one of `TOLERANCES`.
    """
    tolerance = TOLERANCES[str(dtype)]
    bounds = tolerance.atol * np.abs(own).max() + tolerance.rtol * np.abs(own)
    return bounds, float(bounds.max())


def by_rounding(own: Array, exact: Array, usual: Rounding, dtype: np.dtype[Any]) -> tuple[Array, float]:
    """The bound on the error of each value of an output `own`, and on their mean, from an exact one.

    Both are float64 and finite, `dtype` the one that the output came in. What torch's own rounding explains, or the
    `usual` one where that is larger, is allowed.

    The mean may be `BIAS` times torch's root mean square, however many values there are: a rounded coordinate or norm
    moves many values the same way. Half a unit in the last place is for outputs that torch happens to hit exactly, and
    the mean of a few values may be as large as chance makes it.
    """
    scale = float(np.abs(own).max())
    ulp = _ulp(scale, dtype)
    largest, rms = _errors(own, exact)
    usual_scale = max(scale, usual.scale) if own.size < FEW else scale
    bound = SLACK * max(largest, usual_scale * usual.largest) + ulp
    mean_bound = max(BIAS * max(rms, usual_scale * usual.rms) + ulp / 2, bound / own.size)
    return np.full_like(own, bound), mean_bound


def _errors(own: Array, exact: Array) -> tuple[float, float]:
    """The largest error and the root of the mean square, whatever their size: no square overflows or vanishes."""
    error = np.abs(own - exact)
    largest = float(error.max(initial=0))
    if not largest:
        return 0.0, 0.0
    return largest, largest * float(np.sqrt(np.mean(np.square(error / largest))))


def _ulp(value: float, dtype: np.dtype[Any]) -> float:
    """The distance from `value` to the next larger number of `dtype`, taken at half of it: the largest has no next."""
    return 2 * float(np.spacing(np.asarray(value / 2, dtype)))
