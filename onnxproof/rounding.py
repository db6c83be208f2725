"""How much error rounding explains: by the model's own rounding or, where nothing is exact, by the rung of the dtype.

Fixed tolerances fail both ways (a right ×3 SRCNN on 0..255 differs by more than most of them allow, a wrong one by
less), so the model itself says what rounding costs: its float64 outputs are taken as exact, and an engine may be
`SLACK` times as far from them as the model's own float32 outputs are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SLACK = 4
"""How much farther from exact than torch an engine may be: both round, in another order.

Right SRCNN exports were seen at up to 2.1 times torch's largest error, over 4 pictures and 8 factors.
"""

LEAN = 2
"""How large the mean error may be, as a multiple of torch's root mean square error: 1.4 was seen on these exports."""


@dataclass(frozen=True)
class Rung:
    """The tolerance for a dtype where there is no exact output: `rtol` of each value and `atol` of the largest one."""

    rtol: float
    atol: float
    why: str


RUNGS = {
    "float64": Rung(1e-12, 1e-12, "the order of summation moves a few thousand units in the last place"),
    "float32": Rung(1.3e-6, 3e-5, "bicubic source coordinates in float32 move SRCNN by 2.1e-5 of its largest value"),
    "float16": Rung(1e-3, 4e-3, "every layer stores 11 significant bits; four roundings of the largest value"),
    "bfloat16": Rung(1.6e-2, 3.2e-2, "every layer stores 8 significant bits; four roundings of the largest value"),
}


@dataclass(frozen=True)
class Rounding:
    """The distance of a model's own output from the exact one, as a share of its largest value."""

    largest: float = 0.0
    rms: float = 0.0

    @classmethod
    def between(cls, own: Array, exact: Array) -> "Rounding":
        """What lies between two float64 arrays of finite values; none where all of `own` is 0, or nothing."""
        scale = float(np.abs(own).max(initial=0))
        largest, rms = _errors(own, exact)
        return cls(largest / scale, rms / scale) if scale else cls()


def median(found: Sequence[Rounding]) -> Rounding:
    """The usual one of several; none where there are none."""
    if not found:
        return Rounding()
    return Rounding(float(np.median([one.largest for one in found])), float(np.median([one.rms for one in found])))


def by_rung(own: Array, dtype: np.dtype[Any]) -> tuple[Array, float]:
    """The bound on the error of each value of an output `own`, and on their mean, where there is no exact one.

    `own` is float64 and finite, `dtype` the one that the output came in, one of `RUNGS`.
    """
    rung = RUNGS[str(dtype)]
    bounds = rung.atol * np.abs(own).max() + rung.rtol * np.abs(own)
    return bounds, float(bounds.max())


def by_rounding(own: Array, exact: Array, usual: Rounding, dtype: np.dtype[Any]) -> tuple[Array, float]:
    """The bound on the error of each value of an output `own`, and on their mean, where there is an exact one.

    Both are float64 and finite, `dtype` the one that the output came in. What torch's own rounding explains, or the
    `usual` one where that is larger, is allowed.

    The mean may be `LEAN` times torch's root mean square, however many values there are: a rounded coordinate or norm
    moves many values the same way. Half a unit in the last place is for outputs that torch happens to hit exactly, and
    the mean of a few values may be as large as chance makes it.
    """
    scale = float(np.abs(own).max())
    ulp = _ulp(scale, dtype)
    largest, rms = _errors(own, exact)
    bound = SLACK * max(largest, scale * usual.largest) + ulp
    mean_bound = max(LEAN * max(rms, scale * usual.rms) + ulp / 2, bound / own.size)
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
