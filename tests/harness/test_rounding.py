"""Rounding explains as much as the model's own, in each part of an output; a step it does not explain."""

import numpy as np
import pytest

from onnxproof.parity.compare import Alike, Reference, compare
from onnxproof.parity.rounding import SLACK, parts

RNG = np.random.default_rng(7)


def verdict(actual, own, exact, others=()):
    """How an output compares with a model's own, its exact one and those in other orders of rounding."""
    other_outputs = tuple({"y": other} for other in others)
    reference = Reference({"y": own}, None if exact is None else {"y": exact}, lambda: other_outputs)
    return compare({"y": actual}, reference, "case")[0]


class TestParts:
    """Slices along an axis whose values are of other scales are parts of their own."""

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_boxes_and_scores(self, axis):
        """They are told apart along whichever axis they stand, each slice in one part."""
        output = np.ones((20, 20, 20))
        np.moveaxis(output, axis, 0)[[0, 5]] = 640
        found = [part[axis].tolist() for part in parts(output)]
        assert found == [[each for each in range(20) if each not in (0, 5)], [0, 5]]

    @pytest.mark.parametrize(
        "output",
        [
            pytest.param(np.ones((4, 20)), id="one-scale"),
            pytest.param(np.ones((4, 20)) * [[1], [2], [4], [7]], id="near"),
            pytest.param(np.ones((2, 15)) * [[1], [1000]], id="few-values"),
            pytest.param(np.ones((2, 20)) * [[0], [1]], id="zeros"),
            pytest.param(np.array(3.0), id="scalar"),
        ],
    )
    def test_one(self, output):
        """An output of one scale is one part; slices of few values or of zeros are none of their own."""
        assert parts(output) == [(...,)]

    def test_scores_are_not_judged_by_boxes(self):
        """An error of the scores that is small beside the boxes' rounding is one, and is shown where it lies."""
        exact = np.concatenate([RNG.uniform(0, 640, (50, 4)), RNG.uniform(0, 1, (50, 8))], axis=1)
        own = exact.astype(np.float32)
        scores_off = own.copy()
        scores_off[7, 9] += 2e-6
        assert verdict(own, own, exact).same
        assert "at (7, 9)" in verdict(scores_off, own, exact).problem

    def test_last_place_of_one(self):
        """Beside values of another scale, small ones may be off by two last places of 1, as those of a sigmoid are."""
        exact = np.concatenate([RNG.uniform(0.5, 1, (40, 2)), RNG.uniform(0, 1e-6, (40, 2))], axis=1)
        own = exact.astype(np.float32)
        for by, same in ((2e-7, True), (3e-7, False)):
            moved = own.copy()
            moved[3, 3] += by
            assert verdict(moved, own, exact).same == same


class TestSteps:
    """Where float32 and float64 part ways by more than rounding explains, nothing is judged; elsewhere all is."""

    EXACT = np.arange(64.0)
    OWN = np.where(np.arange(64) % 3, np.arange(64.0), np.arange(64.0) + 1).astype(np.float32)

    def test_agreeing_values_judge(self):
        """A step at every third value does not widen the bound of the others."""
        assert verdict(self.OWN, self.OWN, self.EXACT).same
        found = verdict(self.OWN - 1, self.OWN, self.EXACT)
        assert found.problem.startswith("0.0 at (1,), expected 1.0: 1 apart, ")
        assert (found.values, found.unjudged, found.referee) == (64, 22, "float64")

    def test_either_side(self):
        """At a step the file may be on either side."""
        assert verdict(self.EXACT.astype(np.float32), self.OWN, self.EXACT).same

    def test_integers(self):
        """Integers that are others in float64 are not judged; the rest has to be equal."""
        own, exact = self.OWN.astype(np.int64), self.EXACT.astype(np.int64)
        found = verdict(exact, own, exact)
        assert (found.same, found.unjudged, found.is_judged) == (True, 22, True)
        assert verdict(exact - 1, own, exact).problem.startswith("42 of 64 values differ: ")

    def test_nothing_agrees(self):
        """Where float64 takes another branch, the model's own values judge, and float64 is not named."""
        own = self.OWN * 2
        found = verdict(own, own, self.EXACT + 1e6)
        assert (found.same, found.referee, found.is_judged) == (True, "tolerance", True)
        assert "apart" in verdict(own + 1, own, self.EXACT + 1e6).problem

    def test_chaos(self):
        """Values that every order of rounding makes others are not judged, and it is said that none is."""
        own = RNG.uniform(0, 1, 200).astype(np.float32)
        others = [RNG.uniform(0, 1, 200).astype(np.float32) for _ in range(3)]
        found = verdict(others[0], own, RNG.uniform(0, 1, 200), others)
        assert (found.same, found.unjudged) == (True, 200 - np.isclose(others, own, atol=1e-3).all(0).sum())
        assert not verdict(own[:9] + 9, own[:9], own[:9] + 5.0, [own[:9] - 3]).is_judged


class TestOthers:
    """Before an output is refused, the model's other orders of rounding are asked for."""

    OWN = np.array([0.25], np.float32)
    OTHERS = OWN + np.array([[-6e-8], [2e-7]], np.float32)

    def test_few_values(self):
        """One value that is hit exactly may be off by what the other orders are off, not more."""
        exact = self.OWN.astype(np.float64)
        assert not verdict(self.OWN + np.float32(3e-7), self.OWN, exact).same
        assert verdict(self.OWN + np.float32(3e-7), self.OWN, exact, self.OTHERS).same
        assert not verdict(self.OWN + np.float32(1.1 * SLACK * 2e-7), self.OWN, exact, self.OTHERS).same

    def test_without_float64(self):
        """They widen the tolerance, and are named."""
        own = np.linspace(1, 2, 30, dtype=np.float32)
        others = [own + np.float32(1e-4)]
        assert verdict(own + np.float32(3e-4), own, None).referee == "tolerance"
        found = verdict(own + np.float32(3e-4), own, None, others)
        assert (found.same, found.referee) == (True, "rounding")
        assert not verdict(own + np.float32(5e-4), own, None, others).same

    def test_discrete_decisions(self):
        """What a decision moves is not judged, and the rest is by the runs that decide alike."""
        own = np.linspace(1, 2, 40, dtype=np.float32)
        exact = own.astype(np.float64) + 1e-8
        other = own + np.float32(1e-7)
        swapped = other.copy()
        swapped[[3, 4]] = other[[4, 3]]
        reference = Reference(
            {"y": own}, {"y": exact}, lambda: ({"y": swapped},), alike=lambda: Alike([{"y": other}], {"y": exact})
        )
        off = own.copy()
        off[3] += 0.04  # which no run was seen to do
        (found,) = compare({"y": off}, reference, "case")
        assert (found.same, found.unjudged) == (True, 2)
        off[5] += 1e-5
        assert not compare({"y": off}, reference, "case")[0].same

    def test_decisions_that_move_little(self):
        """A decision that moves values by no more than rounding leaves all of them judged."""
        own = np.linspace(1, 2, 40, dtype=np.float32)
        other = own + np.float32(3e-7)
        moved = other.copy()
        moved[3] += np.float32(1e-7)
        reference = Reference(
            {"y": own},
            {"y": own.astype(np.float64)},
            lambda: ({"y": moved},),
            alike=lambda: Alike([{"y": other}], {"y": own.astype(np.float64)}),
        )
        off = own.copy()
        off[3] += 4e-6
        assert not compare({"y": off}, reference, "case")[0].same
        off[3] = own[3] + np.float32(1e-6)
        assert compare({"y": off}, reference, "case")[0].unjudged == 0

    def test_not_asked(self):
        """An output that passes does not cost them."""
        reference = Reference({"y": self.OWN}, {"y": self.OWN.astype(np.float64)}, lambda: pytest.fail("asked"))
        assert compare({"y": self.OWN}, reference, "case")[0].same

    def test_integers(self):
        """Integers that another order makes others are not judged."""
        own, exact, other = np.array([1, 2, 3]), np.array([1, 2, 3]), np.array([1, 2, 4])
        assert not verdict(other, own, exact).same
        assert verdict(other, own, exact, [other]).unjudged == 1
        assert not verdict(other + 1, own, exact, [other]).same
