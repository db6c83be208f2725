"""Outputs against those of a model, within what its rounding explains."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxproof._internal.trees import Array
from onnxproof.parity.rounding import TOLERANCES, Ruling, rounding, rulings, without_moved
from onnxproof.results import Parity


@dataclass(frozen=True)
class Alike:
    """A model's outputs in other orders of rounding, with the discrete decisions of its own run in each: TopK's, masks.

    `exact` is the float64 run with these, if there is one, and `free_exact` the one that decides otherwise, if it does.
    """

    others: Sequence[Mapping[str, Array]]
    exact: Mapping[str, Array] | None = None
    free_exact: Mapping[str, Array] | None = None


@dataclass(frozen=True)
class Reference:
    """What outputs are compared with, by name: the model's own `values` and, where it runs in float64, `exact` ones.

    `values` have the model's shapes and dtypes, `exact` the same shapes in float64. `others` gives the model's outputs
    in other orders of rounding; it is called before an output is refused. `alike` gives the same if each decided as the
    model's own run, or None if each does. `usual` is the model's rounding on other
    inputs, see `usual_rounding`; it serves where there are no `exact` ones, because they would cost too much.
    """

    values: Mapping[str, Array]
    exact: Mapping[str, Array] | None = None
    others: Callable[[], Sequence[Mapping[str, Array]]] = tuple
    usual: Mapping[str, float] = field(default_factory=dict)
    alike: Callable[[], Alike | None] = lambda: None

    @property
    def is_empty(self) -> bool:
        """Whether there is not one number in all outputs, which have no values or are NaN throughout."""
        return all(np.all(_is_nan(values)) for values in self.values.values())

    @property
    def finite(self) -> frozenset[str]:
        """The outputs of which each value is finite."""
        return frozenset(
            name
            for name, values in self.values.items()
            if str(values.dtype) not in TOLERANCES or np.isfinite(values).all()
        )


def compare(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """Every output against its reference, in the order count, names, dtype, shape, finite, values.

    `case` is the id under which a failure is reported. Wrong counts or names are one Parity of the output "*". Nothing
    is raised for outputs that differ. Integers and booleans have to be equal; floats as `Parity` tells.
    """
    if problem := _other_names(actual, reference.values):
        return (Parity(case, "*", problem),)
    return tuple(_compare_output(actual[name], reference, case, name) for name in reference.values)


def compare_forms(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """`compare` without the values: what no loss excuses."""
    expected = reference.values
    if problem := _other_names(actual, expected):
        return (Parity(case, "*", problem),)
    return tuple(
        Parity(case, name, _other_form(actual[name], expected[name]) or _strange(actual[name], expected[name]))
        for name in expected
    )


def usual_rounding(reference: Reference) -> dict[str, float]:
    """The rounding of each floating-point output, as a share of its largest value."""
    found = {}
    for name, exact in (reference.exact or {}).items():
        own = reference.values[name]
        if str(own.dtype) in TOLERANCES and own.shape == exact.shape:
            finite = np.isfinite(own) & np.isfinite(exact)
            values, exact_values = (np.where(finite, array.astype(np.float64), 0) for array in (own, exact))
            found[name] = rounding(values, exact_values, own.dtype)
    return found


def assert_same(actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
    """`compare`; raises `AssertionError` where an output is not the same, with the case, the worst index and values."""
    __tracebackhide__ = True
    parities = compare(actual, reference, case)
    problems = [f"{parity.case}: output {parity.output}: {parity.problem}" for parity in parities if not parity.same]
    if problems:
        raise AssertionError("\n".join(problems))
    return parities


def _other_names(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> str:
    if len(actual) != len(expected):
        return f"{len(actual)} outputs {tuple(actual)}, expected {len(expected)} {tuple(expected)}"
    return f"outputs are named {tuple(actual)}, expected {tuple(expected)}" if tuple(actual) != tuple(expected) else ""


def _other_form(actual: Array, expected: Array) -> str:
    if actual.dtype != expected.dtype:
        return f"dtype {actual.dtype}, expected {expected.dtype}"
    return f"shape {actual.shape}, expected {expected.shape}" if actual.shape != expected.shape else ""


def _is_nan(values: Array) -> NDArray[np.bool_]:
    return np.isnan(values) if str(values.dtype) in TOLERANCES else np.zeros(values.shape, bool)


def _strange(actual: Array, expected: Array) -> str:
    """Values that are not finite where they were, or the other way round; "" for none, and for values of no floats."""
    if str(expected.dtype) not in TOLERANCES:
        return ""
    both_nan = np.isnan(actual) & np.isnan(expected)
    strange = np.where(np.isfinite(expected), ~np.isfinite(actual), (actual != expected) & ~both_nan)
    if not strange.any():
        return ""
    first = _at(np.unravel_index(int(np.argmax(strange)), strange.shape), actual, expected)
    return f"{int(strange.sum())} values are not finite where they were, or the other way round: {first}"


def _compare_output(actual: Array, reference: Reference, case: str, name: str) -> Parity:
    expected = reference.values[name]
    if problem := _other_form(actual, expected):
        return Parity(case, name, problem)
    if not actual.size:
        return Parity(case, name)
    if not reference.exact and actual.tobytes() == expected.tobytes():
        return Parity(case, name, values=actual.size)  # equal bits need no referee
    exact = (reference.exact or {}).get(name)
    compare_floats = partial(_compare_floats, usual=partial(reference.usual.get, name))
    is_float = str(expected.dtype) in TOLERANCES
    compare_values = compare_floats if is_float else _compare_exactly
    found = compare_values(actual, expected, exact, (), case, name)
    if found.same:
        return found
    others = _of_shape(reference.others(), name, expected)
    if not others:
        return found
    alike = reference.alike()
    ways = _of_shape(alike.others, name, expected) if alike else []
    if alike is None or len(ways) != len(others) or not is_float:
        return compare_values(actual, expected, exact, others, case, name)
    settled = alike.exact or {}
    free = [(other, way) for other, way in zip(others, ways, strict=True)]
    if name in settled and alike.free_exact:
        free.append((alike.free_exact[name], settled[name]))
    return compare_floats(actual, expected, settled.get(name), ways, case, name, free=free)


def _of_shape(runs: Sequence[Mapping[str, Array]], name: str, expected: Array) -> list[Array]:
    return [run[name] for run in runs if run[name].shape == expected.shape]


def _compare_exactly(
    actual: Array, expected: Array, exact: Array | None, others: Sequence[Array], case: str, name: str
) -> Parity:
    """Integers have to be equal, except where the model's own are not when it rounds in another way."""
    runs = (exact, *others) if expected.dtype.kind in "biu" else ()
    ways = [way for way in runs if way is not None and way.shape == expected.shape]
    judged = np.logical_and.reduce([np.ones(expected.shape, bool), *(way == expected for way in ways)])
    found = Parity(case, name, values=actual.size, unjudged=int(np.count_nonzero(~judged)))
    differs = judged & (actual != expected)
    if not differs.any():
        return found
    distance = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    worst = np.unravel_index(int(np.argmax(np.where(differs, distance, -1))), distance.shape)
    problem = f"{int(differs.sum())} of {actual.size} values differ: {_at(worst, actual, expected)}"
    return replace(found, problem=problem, difference=float(distance[worst]), error=float(distance[worst]))


@np.errstate(over="ignore", invalid="ignore")  # two of the largest numbers are infinitely far apart
def _compare_floats(
    actual: Array,
    expected: Array,
    exact: Array | None,
    others: Sequence[Array],
    case: str,
    name: str,
    *,
    usual: Callable[[], float | None],
    free: Sequence[tuple[Array, Array]] = (),
) -> Parity:
    """`free` are pairs of outputs, of a run that decides for itself and of the same with other decisions; what these
    move is not judged."""
    if problem := _strange(actual, expected):
        return Parity(case, name, problem)
    finite = np.isfinite(expected)
    values, own = (np.where(finite, array.astype(np.float64), 0) for array in (actual, expected))
    judge = None
    if exact is not None and _says_more(exact, expected):
        judge = np.where(finite & np.isfinite(exact), exact, own)

    def finite_in(run: Array) -> Array:
        return np.where(finite & np.isfinite(run), run.astype(np.float64), own)

    ways, moved = [finite_in(run) for run in others], [(finite_in(one), finite_in(other)) for one, other in free]
    found = [
        _hold(without_moved(ruling, moved), values, actual, case, name)
        for ruling in rulings(own, judge, ways, expected.dtype, usual)
    ]
    worst = max(found, key=lambda parity: (not parity.same, parity.error / parity.bound if parity.bound else 0.0))
    return replace(
        worst,
        difference=float(np.abs(values - own).max()),
        values=actual.size,
        unjudged=sum(parity.unjudged for parity in found),
        referee="float64" if expected.dtype == np.float64 else max(parity.referee for parity in found),
    )


def _hold(ruling: Ruling, values: Array, actual: Array, case: str, name: str) -> Parity:
    """The values of a part of an output against its ruling."""
    judged = ruling.judged
    unjudged = int(np.count_nonzero(~judged))
    if not judged.any():
        return Parity(case, name, unjudged=unjudged, referee=ruling.referee)
    errors = np.where(judged, values[ruling.part] - ruling.center, 0)
    distance = np.abs(errors)
    worst = np.unravel_index(int(np.argmax(np.where(judged, distance - ruling.bounds, -np.inf))), distance.shape)
    error, bound, mean = float(distance[worst]), float(ruling.bounds[worst]), float(errors[judged].mean())
    problem = ""
    if error > bound:
        at = ruling.whole_index(worst)
        seen = f"{actual[at]} at {at}, expected {ruling.center[worst]}"
        problem = f"{seen}: {error:.3g} apart, {bound:.3g} allowed"
    elif abs(mean) > ruling.mean_bound:
        problem = (
            f"the mean error is {mean:.3g}, {ruling.mean_bound:.3g} allowed: every value is within tolerance, but the "
            "errors are biased"
        )
    return Parity(case, name, problem, 0.0, error, bound, mean, ruling.mean_bound, 0, unjudged, ruling.referee)


def _says_more(exact: Array, expected: Array) -> bool:
    """Whether an exact output can judge: one of another shape cannot, nor one that repeats a float64 model's output."""
    return exact.shape == expected.shape and not (exact.dtype == expected.dtype and np.array_equal(exact, expected))


def _at(index: tuple[np.intp, ...], actual: Array, expected: Array) -> str:
    return f"{actual[index]} at {tuple(map(int, index))}, expected {expected[index]}"
