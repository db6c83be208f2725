"""Outputs against those of a model, within what its rounding explains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.parity.rounding import TOLERANCES, Rounding, by_rounding, by_tolerance, median
from onnxproof.results import Parity


@dataclass(frozen=True)
class Reference:
    """What outputs are compared with, by name: the model's own `values` and, where it runs in float64, `exact` ones.

    `values` have the model's shapes and dtypes, `exact` the same shapes in float64. `rounding` is what the model's
    rounding is on other inputs, by output: on a few values it can happen to be none.
    """

    values: Mapping[str, Array]
    exact: Mapping[str, Array] | None = None
    rounding: Mapping[str, Rounding] = field(default_factory=dict)


def compare(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """Every output against its reference, in the order count, names, dtype, shape, finite, values.

    `case` is the id under which a failure is reported. Wrong counts or names are one Parity of the output "*". Nothing
    is raised for outputs that differ. Integers and booleans have to be equal; floats as `Parity` tells.
    """
    expected = reference.values
    if len(actual) != len(expected):
        return (
            Parity(case, "*", f"{len(actual)} outputs {tuple(actual)}, expected {len(expected)} {tuple(expected)}"),
        )
    if tuple(actual) != tuple(expected):
        return (Parity(case, "*", f"outputs are named {tuple(actual)}, expected {tuple(expected)}"),)
    exact = reference.exact or {}
    return tuple(
        _compare_output(
            actual[name], expected[name], exact.get(name), reference.rounding.get(name, Rounding()), case, name
        )
        for name in expected
    )


def pooled(references: Sequence[Reference]) -> list[Reference]:
    """References of one model on several inputs, each knowing the rounding that is usual on all of them: the median."""
    names = {name for reference in references for name in reference.exact or {}}
    usual = {
        name: _usual([reference for reference in references if name in (reference.exact or {})], name) for name in names
    }
    return [replace(reference, rounding=usual) for reference in references]


def assert_same(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """`compare`; raises `AssertionError` where an output is not the same, with the case, the worst index and values."""
    __tracebackhide__ = True
    parities = compare(actual, reference, case)
    problems = [f"{parity.case}: output {parity.output}: {parity.problem}" for parity in parities if not parity.same]
    if problems:
        raise AssertionError("\n".join(problems))
    return parities


def _compare_output(
    actual: Array, expected: Array, exact: Array | None, usual: Rounding, case: str, name: str
) -> Parity:
    if actual.dtype != expected.dtype:
        return Parity(case, name, f"dtype {actual.dtype}, expected {expected.dtype}")
    if actual.shape != expected.shape:
        return Parity(case, name, f"shape {actual.shape}, expected {expected.shape}")
    if not actual.size:
        return Parity(case, name)
    if str(expected.dtype) not in TOLERANCES:
        return _compare_exactly(actual, expected, case, name)
    finite = np.isfinite(expected)
    both_nan = np.isnan(actual) & np.isnan(expected)
    strange = np.where(finite, ~np.isfinite(actual), (actual != expected) & ~both_nan)
    if strange.any():
        first = _at(np.unravel_index(int(np.argmax(strange)), strange.shape), actual, expected)
        problem = f"{int(strange.sum())} values are not finite where they were, or the other way round: {first}"
        return Parity(case, name, problem)
    return _compare_values(actual, expected, exact, usual, case, name)


def _compare_exactly(actual: Array, expected: Array, case: str, name: str) -> Parity:
    differs = actual != expected
    if not differs.any():
        return Parity(case, name)
    distance = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    worst = np.unravel_index(int(np.argmax(np.where(differs, distance, -1))), distance.shape)
    problem = f"{int(differs.sum())} of {actual.size} values differ: {_at(worst, actual, expected)}"
    return Parity(case, name, problem, difference=float(distance[worst]), error=float(distance[worst]))


@np.errstate(over="ignore", invalid="ignore")  # two of the largest numbers are infinitely far apart
def _compare_values(
    actual: Array, expected: Array, exact: Array | None, usual: Rounding, case: str, name: str
) -> Parity:
    finite = np.isfinite(expected)
    values, own = (np.where(finite, array.astype(np.float64), 0) for array in (actual, expected))
    if exact is None or not _says_more(exact, expected):
        judge, (bounds, mean_bound) = own, by_tolerance(own, expected.dtype)
    else:
        judge = np.where(finite & np.isfinite(exact), exact, own)
        bounds, mean_bound = by_rounding(own, judge, usual, expected.dtype)
    errors = values - judge
    distance = np.abs(errors)
    worst = np.unravel_index(int(np.argmax(distance - bounds)), distance.shape)
    error, bound, mean = float(distance[worst]), float(bounds[worst]), float(errors.mean())
    problem = ""
    if error > bound:
        problem = f"{_at(worst, actual, judge)}: {error:.3g} apart, {bound:.3g} allowed"
    elif abs(mean) > mean_bound:
        problem = (
            f"the mean error is {mean:.3g}, {mean_bound:.3g} allowed: every value is within tolerance, but the errors "
            "are biased"
        )
    return Parity(case, name, problem, float(np.abs(values - own).max()), error, bound, mean, mean_bound)


def _says_more(exact: Array, expected: Array) -> bool:
    """Whether an exact output can judge: one of another shape cannot, nor one that repeats a float64 model's output."""
    return exact.shape == expected.shape and not (exact.dtype == expected.dtype and np.array_equal(exact, expected))


def _usual(references: Sequence[Reference], name: str) -> Rounding:
    pairs = (_comparable(reference, name) for reference in references)
    return median([Rounding.between(*pair) for pair in pairs if pair])


def _comparable(reference: Reference, name: str) -> tuple[Array, Array] | None:
    """A model's own output and the exact one, where both are finite numbers of one shape."""
    own, exact = (np.asarray(values[name]) for values in (reference.values, reference.exact or {}))
    if own.shape != exact.shape or str(own.dtype) not in TOLERANCES:
        return None
    own, exact = own.astype(np.float64), exact.astype(np.float64)
    return (own, exact) if np.isfinite(own).all() and np.isfinite(exact).all() else None


def _at(index: tuple[np.intp, ...], actual: Array, expected: Array) -> str:
    return f"{actual[index]} at {tuple(map(int, index))}, expected {expected[index]}"
