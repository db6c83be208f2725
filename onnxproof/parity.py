"""Two outputs compared: the float64 referee, the tolerance rungs for what cannot be refereed, and the pixel rule.

Fixed tolerances fail both ways (a right ×3 SRCNN on 0..255 differs by more than most of them allow, a wrong one by less), so
the model itself says what rounding costs: its float64 outputs are taken as exact, and an engine may be `SLACK` times as far
from them as the model's own float32 outputs are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxproof.images import Floats, Picture

Array = NDArray[Any]

SLACK = 4
"""How much farther from exact than torch an engine may be: both round, in another order.

Right SRCNN exports were seen at up to 2.1 times torch's largest error, over 4 pictures and 8 factors.
"""

LEAN = 2
"""How large the mean error may be, as a multiple of torch's root-mean-square error: 1.4 was seen on the same exports."""


@dataclass(frozen=True)
class Rung:
    """The tolerance for a dtype where the model cannot run in float64: `rtol` of each value and `atol` of the largest one."""

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
class Reference:
    """What outputs are compared with: the model's own `values` and, where it can run in float64, `exact` ones; by name."""

    values: Mapping[str, Array]
    exact: Mapping[str, Array] | None = None


@dataclass(frozen=True)
class Parity:
    """How one output compares with its reference.

    `difference` is the largest distance from the model's own output, `error` the largest from the exact one, which passes up to
    `bound`; `mean` is the signed mean error, which passes up to `mean_bound`. `problem` says what differs, and is "" for the same.
    """

    case: str
    output: str
    problem: str = ""
    difference: float = 0.0
    error: float = 0.0
    bound: float = 0.0
    mean: float = 0.0
    mean_bound: float = 0.0

    @property
    def same(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class PixelParity:
    """Two pictures of `values` values: `edges` differ because truncation turned a last-bit difference into a level, `wrong` by more."""

    values: int
    edges: int
    wrong: int

    @property
    def same(self) -> bool:
        return self.wrong == 0


def compare(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """Every output against its reference, in the order count, names, dtype, shape, finite, values.

    `case` is the id under which a failure is reported. Wrong counts or names are one Parity of the output "*".
    """
    expected = reference.values
    if len(actual) != len(expected):
        return (
            Parity(case, "*", f"{len(actual)} outputs {tuple(actual)}, expected {len(expected)} {tuple(expected)}"),
        )
    if tuple(actual) != tuple(expected):
        return (Parity(case, "*", f"outputs are named {tuple(actual)}, expected {tuple(expected)}"),)
    exact = reference.exact or {}
    return tuple(_compare_output(actual[name], expected[name], exact.get(name), case, name) for name in expected)


def assert_same(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """`compare`, with an AssertionError that names the case for the outputs that are not the same."""
    __tracebackhide__ = True
    parities = compare(actual, reference, case)
    problems = [f"{parity.case}: output {parity.output}: {parity.problem}" for parity in parities if not parity.same]
    if problems:
        raise AssertionError("\n".join(problems))
    return parities


def compare_pictures(pictures: tuple[Picture, Picture], outputs: tuple[Floats, Floats], parity: Parity) -> PixelParity:
    """The pixel rule: two (H, W, C) pictures, the (1, C, H, W) floats that they were made from, and how those floats compare.

    A value that differs is at a truncation edge when the floats pass, an integer lies between the two (or at one of them), and
    the levels are one apart. Every other difference is wrong, and so are pictures of different shape.
    """
    first, second = pictures
    if first.shape != second.shape:
        return PixelParity(first.size, 0, first.size)
    levels = np.abs(first.astype(np.int16) - second)
    differs = levels > 0
    a, b = (np.clip(output[0].transpose(1, 2, 0)[differs], 0, 255) for output in outputs)
    crosses = np.floor(np.maximum(a, b)) >= np.minimum(a, b)
    edges = int(np.count_nonzero(crosses & (levels[differs] == 1))) if parity.same else 0
    return PixelParity(first.size, edges, int(np.count_nonzero(differs)) - edges)


def _compare_output(actual: Array, expected: Array, exact: Array | None, case: str, name: str) -> Parity:
    if actual.dtype != expected.dtype:
        return Parity(case, name, f"dtype {actual.dtype}, expected {expected.dtype}")
    if actual.shape != expected.shape:
        return Parity(case, name, f"shape {actual.shape}, expected {expected.shape}")
    if not actual.size:
        return Parity(case, name)
    if not _is_float(expected):
        return _compare_exactly(actual, expected, case, name)
    finite = np.isfinite(expected)
    strange = ~finite & ~_identical(actual, expected) | finite & ~np.isfinite(actual)
    if strange.any():
        return Parity(
            case,
            name,
            f"{int(strange.sum())} values are not finite where they were, or the other way round: {_at(strange, actual, expected)}",
        )
    if not finite.any():
        return Parity(case, name)
    return _compare_values(actual, expected, exact, finite, case, name)


def _compare_exactly(actual: Array, expected: Array, case: str, name: str) -> Parity:
    differs = actual != expected
    if not differs.any():
        return Parity(case, name)
    worst = float(np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max())
    problem = f"{int(differs.sum())} of {actual.size} values differ: {_at(differs, actual, expected)}"
    return Parity(case, name, problem, difference=worst, error=worst)


def _compare_values(
    actual: Array, expected: Array, exact: Array | None, finite: NDArray[np.bool_], case: str, name: str
) -> Parity:
    values, own = np.where(finite, actual, 0).astype(np.float64), np.where(finite, expected, 0).astype(np.float64)
    judge = own if exact is None else np.where(finite, exact, 0).astype(np.float64)
    errors = values - judge
    distance = np.abs(errors)
    largest = float(np.abs(judge).max())
    if exact is None:
        rung = RUNGS[str(expected.dtype)]
        bounds = rung.atol * largest + rung.rtol * np.abs(judge)
        mean_bound = float(bounds.max())
    else:
        bounds, mean_bound = _referee(own - judge, _ulp(largest, expected.dtype))
    worst = np.unravel_index(int(np.argmax(distance - bounds)), distance.shape)
    error, bound, mean = (
        float(distance[worst]),
        float(np.broadcast_to(bounds, distance.shape)[worst]),
        float(errors.mean()),
    )
    problem = ""
    if error > bound:
        where = tuple(map(int, worst))
        problem = f"{actual[worst]} at {where}, expected {judge[worst]}: {error:.3g} apart, {bound:.3g} allowed"
    elif abs(mean) > mean_bound:
        problem = f"the mean error is {mean:.3g}, {mean_bound:.3g} allowed: every value is within {bound:.3g}, but they lean one way"
    difference = float(np.abs(values - own).max())
    return Parity(case, name, problem, difference, error, bound, mean, mean_bound)


def _referee(rounding: Floats, ulp: float) -> tuple[Floats, float]:
    """What rounding explains of the errors and of their mean, given torch's own `rounding` in float32.

    The mean may be `LEAN` times torch's root mean square, however many values there are: a rounded coordinate or a rounded
    norm moves many values the same way. Half a unit in the last place is for outputs that torch happens to hit exactly.
    """
    bound = SLACK * float(np.abs(rounding).max()) + ulp
    mean_bound = LEAN * float(np.sqrt(np.mean(np.square(rounding)))) + ulp / 2
    return np.asarray(bound), mean_bound


def _is_float(array: Array) -> bool:
    return str(array.dtype) in RUNGS


def _ulp(value: float, dtype: np.dtype[Any]) -> float:
    """The distance from `value` to the next larger number of `dtype`; bfloat16 has 16 bits less than float32."""
    if str(dtype) == "bfloat16":
        return float(np.spacing(np.float32(value))) * 2**16
    return float(np.spacing(np.asarray(value, dtype)))


def _identical(a: Array, b: Array) -> NDArray[np.bool_]:
    return (a == b) | (np.isnan(a) & np.isnan(b))


def _at(mask: NDArray[np.bool_], actual: Array, expected: Array) -> str:
    index = tuple(int(i) for i in np.argwhere(mask)[0])
    return f"{actual[index]} at {index}, expected {expected[index]}"
