"""Equal outputs pass, others fail with a message that shows where; the model itself sets the bound."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxproof.parity.compare import Reference, assert_same, compare
from onnxproof.parity.rounding import BIAS, SLACK, TOLERANCES
from onnxproof.results import Parity

SHAPE = (2, 3, 4)
VALUES = np.linspace(-8, 8, 24, dtype=np.float32).reshape(SHAPE)
ROUNDING = 2.0**-12
"""How far the model's own output is from the exact one, at one value."""

EXACT = VALUES.astype(np.float64)
EXACT[0, 1, 2] += ROUNDING

BOUND = SLACK * ROUNDING + 2.0**-20
"""What the referee allows: 2**-20 is the last bit of 8."""

MEAN_BOUND = BIAS * ROUNDING / 24**0.5 + 2.0**-21


def problem(actual, expected, exact=None) -> str:
    """The problem with an output, if any."""
    (parity,) = compare({"y": actual}, Reference({"y": expected}, None if exact is None else {"y": exact}), "case-x3")
    assert (parity.case, parity.output, parity.same) == ("case-x3", "y", not parity.problem)
    return parity.problem


def moved(values, index, by):
    """A copy of the values with one of them moved."""
    changed = values.astype(np.float64)
    changed[index] += by
    return changed.astype(values.dtype)


class TestOrder:
    """Count, names, dtype, shape, finite, values: the first that differs is named, whatever differs after it."""

    OTHER = VALUES[0].astype(np.float64) * np.nan

    @pytest.mark.parametrize(
        ("actual", "message"),
        [
            pytest.param({}, "0 outputs (), expected 2 ('y', 'z')", id="none"),
            pytest.param({"a": OTHER}, "1 outputs ('a',), expected 2 ('y', 'z')", id="count"),
            pytest.param({"y": OTHER, "a": OTHER}, "outputs are named ('y', 'a'), expected ('y', 'z')", id="names"),
            pytest.param({"z": VALUES, "y": VALUES}, "outputs are named ('z', 'y'), expected ('y', 'z')", id="order"),
        ],
    )
    def test_outputs(self, actual, message):
        """Outputs other than those expected are one problem."""
        assert compare(actual, Reference({"y": VALUES, "z": VALUES}), "case-x3") == (Parity("case-x3", "*", message),)

    @pytest.mark.parametrize(
        ("actual", "message"),
        [
            pytest.param(OTHER, "dtype float64, expected float32", id="dtype"),
            pytest.param(OTHER.astype(np.float32), "shape (3, 4), expected (2, 3, 4)", id="shape"),
            pytest.param(VALUES[None], "shape (1, 2, 3, 4), expected (2, 3, 4)", id="rank"),
            pytest.param(
                np.where(VALUES < -7, np.inf, -VALUES),
                "2 values are not finite where they were, or the other way round: inf at (0, 0, 0), expected -8.0",
                id="finite",
            ),
            pytest.param(-VALUES, "8.0 at (0, 0, 0), expected -8.0: 16 apart, 0.000978 allowed", id="values"),
        ],
    )
    def test_one_output(self, actual, message):
        """The values of an output are compared if all else is as expected."""
        assert problem(actual, VALUES, EXACT) == message

    def test_each_output(self):
        """Each output has its own result, in the reference's order."""
        actual = {"y": VALUES, "z": VALUES[0]}
        y, z = compare(actual, Reference({"y": VALUES, "z": VALUES}, {"y": EXACT}), "case-x3")
        assert (y.output, y.same, z.output, z.same) == ("y", True, "z", False)


class TestReferee:
    """An output may be `SLACK` times as far from the exact one as the model's own, plus one last bit."""

    @pytest.mark.parametrize("index", [(0, 0, 0), (1, 2, 3), (0, 1, 2)], ids="at-{0[0]}-{0[1]}-{0[2]}".format)
    @pytest.mark.parametrize("sign", [1, -1], ids=["above", "below"])
    def test_bound(self, index, sign):
        """A value at the bound passes; a bit farther it fails."""
        at_the_bound = moved(VALUES, index, EXACT[index] + sign * BOUND - VALUES[index])
        beyond = moved(VALUES, index, EXACT[index] + sign * (BOUND + 2.0**-19) - VALUES[index])
        assert problem(at_the_bound, VALUES, EXACT) == ""
        assert f"{beyond[index]} at {index}, expected {EXACT[index]}: " in problem(beyond, VALUES, EXACT)

    def test_figures(self):
        """The result has the distances from the model's own output and from the exact one."""
        actual = {"y": moved(VALUES, (1, 0, 0), 2.0**-11)}
        (parity,) = compare(actual, Reference({"y": VALUES}, {"y": EXACT}), "case-x3")
        assert (parity.same, parity.difference, parity.error, parity.bound) == (True, 2.0**-11, 2.0**-11, BOUND)
        assert parity.mean == (2.0**-11 - ROUNDING) / 24
        assert parity.mean_bound == pytest.approx(MEAN_BOUND)

    @pytest.mark.parametrize("sign", [1, -1], ids=["up", "down"])
    def test_lean(self, sign):
        """Values that are all within the bound fail if their mean is off by more than rounding explains."""
        assert problem((EXACT + sign * 0.9 * MEAN_BOUND).astype(np.float32), VALUES, EXACT) == ""
        leaning = problem((EXACT + sign * 1.1 * MEAN_BOUND).astype(np.float32), VALUES, EXACT)
        assert leaning.startswith(f"the mean error is {sign * 1.1 * MEAN_BOUND:.3g}, ")
        assert leaning.endswith("allowed: every value is within tolerance, but the errors are biased")

    def test_exact_hit(self):
        """If the model hits the exact values, one last bit of the largest is allowed and two are not."""
        assert problem(moved(VALUES, (0, 0, 0), 2.0**-20), VALUES, VALUES.astype(np.float64)) == ""
        assert problem(moved(VALUES, (0, 0, 0), 2.0**-19), VALUES, VALUES.astype(np.float64))

    def test_all_zero(self):
        """A model that is 0 where float64 is not is judged by its own values."""
        zeros, exact = np.zeros(2, np.float32), np.ones(2)
        assert problem(zeros, zeros, exact) == ""
        assert "apart" in problem(exact.astype(np.float32), zeros, exact)

    @pytest.mark.parametrize("size", [1e-200, 1e200])
    def test_square_is_no_number(self, size):
        """Errors whose squares are 0 or infinite bound the mean as others do."""
        exact = np.array([size, -size] * 50)
        own = exact * (1 + 1e-13)
        assert problem(exact, own, exact) == ""
        assert "the mean error" in problem(exact + 2.5e-13 * size, own, exact)

    def test_largest_number(self):
        """A mask with the largest number of the dtype breaks nothing."""
        mask = np.array([0, np.finfo(np.float32).min], np.float32)
        assert problem(mask, mask, mask.astype(np.float64)) == ""
        assert problem(mask[::-1], mask, mask.astype(np.float64))

    def test_exact_value_is_not_finite(self):
        """A value that is not finite only in float64 is judged by the model's own."""
        exact = moved(EXACT, (1, 1, 1), np.nan)
        assert problem(VALUES, VALUES, exact) == ""
        assert "at (1, 1, 1)" in problem(moved(VALUES, (1, 1, 1), 1), VALUES, exact)
        assert "at (0, 0, 0)" in problem(moved(VALUES, (0, 0, 0), 1), VALUES, exact)

    def test_float64_model(self):
        """A float64 model's exact output is its own, so the rung of float64 judges."""
        assert problem(EXACT * (1 + 1e-12), EXACT, EXACT) == ""
        assert problem(EXACT * (1 + 1e-11), EXACT, EXACT)

    def test_other_path(self):
        """If float64 takes another path, to another shape, the rung judges."""
        assert problem(VALUES, VALUES, EXACT[:1]) == ""
        assert problem(moved(VALUES, (0, 0, 0), 1), VALUES, EXACT[:1])


class TestNotFinite:
    """NaN and infinities pass where the model has the same."""

    STRANGE = np.array([1, np.nan, np.inf, -np.inf], np.float32)

    @pytest.mark.parametrize(
        "exact",
        [None, STRANGE.astype(np.float64), np.array([1, np.nan, 1e39, -1e39])],
        ids=["rung", "referee", "float32-overflows"],
    )
    def test_same_place(self, exact):
        """In the same places they pass, and the finite values beside them are still compared."""
        assert problem(self.STRANGE, self.STRANGE, exact) == ""
        assert "2.0 at (0,), expected 1.0" in problem(moved(self.STRANGE, 0, 1), self.STRANGE, exact)

    @pytest.mark.parametrize("exact", [None, np.array([1e-3, np.nan, 0])], ids=["rung", "referee"])
    def test_bound(self, exact):
        """They do not widen the bound of the values beside them."""
        expected = np.array([1e-3, np.nan, 0], np.float32)
        assert "at (0,)" in problem(moved(expected, 0, 1e-6), expected, exact)

    def test_all(self):
        """An output without a finite value is the same as itself."""
        assert problem(self.STRANGE[1:], self.STRANGE[1:], self.STRANGE[1:].astype(np.float64)) == ""

    @pytest.mark.parametrize(
        "other",
        [[np.nan, 1, np.inf, -np.inf], [1, np.nan, -np.inf, np.inf], [1, np.inf, np.nan, -np.inf], [1, 0, 0, 0]],
        ids=["moved", "signs", "kinds", "finite"],
    )
    def test_other_place(self, other):
        """Other values or places fail."""
        assert "values are not finite where they were" in problem(np.array(other, np.float32), self.STRANGE)

    def test_first(self):
        """The first one is shown."""
        found = problem(np.array([1, np.nan, 7, 8], np.float32), self.STRANGE)
        assert found.startswith("2 values are not finite where they were")
        assert found.endswith(": 7.0 at (2,), expected inf")


class TestExact:
    """Values other than floats have to be equal."""

    @pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.uint64, ml_dtypes.int4])
    def test_equal(self, dtype):
        """Equal integers and booleans pass; one that differs fails."""
        values = np.array([[1, 0], [1, 1]], dtype)
        assert problem(values, values) == ""
        assert (
            problem(np.array([[1, 0], [0, 1]], dtype), values)
            == f"1 of 4 values differ: {values[0, 1]} at (1, 0), expected {values[0, 0]}"
        )

    def test_worst(self):
        """The message shows the value that is farthest off, and how many differ."""
        expected = np.array([100, 2, 3, 4])
        assert problem(np.array([101, 2, 9, 4]), expected) == "2 of 4 values differ: 9 at (2,), expected 3"

    def test_figures(self):
        """The error is the largest distance, and the bound is 0."""
        (parity,) = compare({"y": np.array([1, 9], np.uint8)}, Reference({"y": np.array([3, 4], np.uint8)}), "case-x3")
        assert (parity.difference, parity.error, parity.bound) == (5, 5, 0)

    def test_large(self):
        """Integers that are equal as float64 differ."""
        expected = np.array([2**60, 2**60])
        assert f"{2**60 + 1} at (1,)" in problem(np.array([2**60, 2**60 + 1]), expected)

    @pytest.mark.filterwarnings("ignore:Casting complex values")
    def test_complex(self):
        """Numbers without a rule of rounding have to be equal, whatever a run in float64 gives."""
        values = np.array([1 + 2j, 3 + 4j], np.complex64)
        exact = values.astype(np.complex128) * (1 + 1e-8)
        assert problem(values.conj(), values, exact).startswith("2 of 2 values differ: (1-2j) at (0,)")
        assert not problem(values, values, exact)


class TestShapes:
    """Outputs of any shape are compared."""

    @pytest.mark.parametrize("dtype", [np.float32, np.int64])
    def test_empty(self, dtype):
        """Empty outputs are the same; of another empty shape they are not."""
        assert problem(np.empty((0, 3), dtype), np.empty((0, 3), dtype), np.empty((0, 3))) == ""
        assert problem(np.empty((0, 3), dtype), np.empty((3, 0), dtype)) == "shape (0, 3), expected (3, 0)"

    @pytest.mark.parametrize("exact", [None, np.array(3.0)], ids=["rung", "referee"])
    def test_scalar(self, exact):
        """An output without dimensions has its value at ()."""
        assert problem(np.float32(3) + np.zeros((), np.float32), np.array(3, np.float32), exact) == ""
        assert problem(np.array(4, np.float32), np.array(3, np.float32), exact).startswith(
            "4.0 at (), expected 3.0: 1 "
        )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
class TestRungs:
    """Without an exact output, the rung of the dtype judges."""

    def test_bound(self, dtype):
        """A value within the rung passes and one beyond it fails, the largest as well as the smallest."""
        rung = TOLERANCES[np.dtype(dtype).name]
        expected = np.array([0, 1, 64], dtype)
        small, large = 64 * rung.atol, 64 * (rung.atol + rung.rtol)
        assert problem(moved(expected, 0, 0.9 * small), expected) == ""
        assert problem(moved(expected, 2, 0.9 * large), expected) == ""
        assert "at (0,), expected 0.0: " in problem(moved(expected, 0, 1.1 * small), expected)
        assert "at (2,), expected 64.0: " in problem(moved(expected, 2, 1.2 * large), expected)

    def test_worst(self, dtype):
        """The value that is farthest beyond its own bound is shown; a larger one may be off by more."""
        rung = TOLERANCES[np.dtype(dtype).name]
        expected = np.array([0, 64], dtype)
        actual = moved(moved(expected, 0, 64 * (rung.atol + 0.6 * rung.rtol)), 1, 64 * (rung.atol + 0.8 * rung.rtol))
        assert "at (0,), expected 0.0: " in problem(actual, expected)

    def test_reason(self, dtype):
        """The rung has a reason."""
        assert TOLERANCES[np.dtype(dtype).name].why


class TestAssertSame:
    """`assert_same` raises if outputs differ."""

    def test_same(self):
        """Equal outputs are returned with figures."""
        reference = Reference({"y": VALUES}, {"y": EXACT})
        assert assert_same({"y": VALUES}, reference, "case-x3") == compare({"y": VALUES}, reference, "case-x3")

    def test_others(self):
        """Every output that differs is named with the case, the worst index and both values, at the assertion."""
        reference = Reference({"a": VALUES, "b": VALUES, "c": np.array([1, 2])})
        actual = {"a": moved(VALUES, (1, 2, 3), 1), "b": VALUES, "c": np.array([1, 3])}
        with pytest.raises(AssertionError) as raised:
            assert_same(actual, reference, "case-x3")
        first, second = str(raised.value).splitlines()
        assert first.startswith("case-x3: output a: 9.0 at (1, 2, 3), expected 8.0: 1 apart, ")
        assert second == "case-x3: output c: 1 of 2 values differ: 3 at (1,), expected 2"
        assert "compare.py" not in [entry.path.name for entry in raised.traceback.filter(raised)]


class TestProperties:
    """Properties of any output."""

    @given(
        index=st.tuples(*map(st.integers, [0] * 3, [1, 2, 3])),
        factor=st.floats(1.01, 1e6),
        sign=st.sampled_from([1, -1]),
    )
    def test_perturbed(self, index, factor, sign):
        """One value beyond the bound is named with its index, wherever it is."""
        perturbed = moved(EXACT, index, sign * factor * BOUND).astype(np.float32)
        assert f" at {index}, expected {EXACT[index]}: " in problem(perturbed, VALUES, EXACT)
