"""Rounding explains the model's own distance from exact, here or usually, whichever is larger."""

import numpy as np
import pytest

from onnxproof.parity.compare import Reference, compare, pooled
from onnxproof.parity.rounding import SLACK, Rounding, median

OWN = np.array([0.25, -0.5, 0.125])


class TestBetween:
    """The distance between two outputs is a share of the largest value."""

    def test_share(self):
        """It has the largest error and the root mean square."""
        found = Rounding.between(OWN, OWN + np.array([0, 0.03, -0.04]))
        assert (found.largest, found.rms) == pytest.approx((0.08, 0.1 / 3**0.5))

    def test_scale(self):
        """It does not depend on the scale of the outputs."""
        exact = OWN * 1.01
        shares = [Rounding.between(OWN * scale, exact * scale).largest for scale in (1e-6, 1, 1e6)]
        assert shares == pytest.approx([0.01] * 3)

    @pytest.mark.parametrize("own", [np.zeros(3), np.empty(0)], ids=["zeros", "empty"])
    def test_nothing(self, own):
        """It is 0 for an output that is empty or 0 everywhere."""
        assert Rounding.between(own, own + 1) == Rounding(0, 0)


class TestMedian:
    """The usual rounding of several is the median of each figure."""

    def test_figures(self):
        """An outlier does not move it."""
        found = [Rounding(1, 30), Rounding(2, 20), Rounding(900, 10)]
        assert median(found) == Rounding(2, 20)

    def test_none(self):
        """It is zero if the list is empty."""
        assert median([]) == Rounding(0, 0)


class TestUsual:
    """A model that happens to hit the exact values on one of its inputs is judged by its rounding on all of them."""

    @staticmethod
    def reference(error, values=OWN, exact=None):
        """A model's output that is off by an error at one value."""
        shifted = values.astype(np.float64)
        shifted[0] += error
        own = values.astype(np.float32)
        return Reference({"y": own, "n": np.arange(3)}, {"y": shifted if exact is None else exact, "n": np.arange(3)})

    def test_median(self):
        """The usual rounding of an output is the median over the inputs, the same on each."""
        references = pooled([self.reference(error) for error in (0, 0.01, 0.02, 0.03, 0.04)])
        usual = references[0].rounding["y"]
        assert usual.largest == pytest.approx(0.04)
        assert usual.rms == pytest.approx(0.04 / 3**0.5)
        assert all(reference.rounding["y"] == usual for reference in references)

    def test_values_stay(self):
        """A reference keeps its own values and exact ones."""
        before = [self.reference(0), self.reference(0.1)]
        after = pooled(before)
        assert [(r.values, r.exact) for r in after] == [(r.values, r.exact) for r in before]

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(Reference({"y": OWN}), id="no-exact"),
            pytest.param(Reference({"y": OWN, "z": OWN}, {"z": OWN}), id="of-another-output"),
            pytest.param(Reference({"y": OWN}, {"y": OWN[:2] + 9}), id="other-shape"),
            pytest.param(Reference({"y": OWN * np.nan}, {"y": OWN}), id="own-not-finite"),
            pytest.param(Reference({"y": OWN}, {"y": OWN * np.inf}), id="exact-not-finite"),
        ],
    )
    def test_left_out(self, other):
        """What cannot be compared is left out of the median."""
        assert pooled([self.reference(0.01), other])[0].rounding["y"].largest == pytest.approx(0.02)

    def test_no_float(self):
        """Integers are not rounded."""
        references = [Reference({"n": np.arange(3)}, {"n": np.arange(3) + 1})]
        assert pooled(references)[0].rounding["n"] == Rounding(0, 0)

    def test_judges(self):
        """An output that is hit exactly may be off by the usual rounding, not more."""
        exact_hit = pooled([self.reference(error) for error in (0, 0.01, 0.02)])[0]
        usual = SLACK * 0.01
        within, beyond = (
            {"y": (OWN + share * np.array([0, usual, 0])).astype(np.float32), "n": np.arange(3)} for share in (0.9, 1.1)
        )
        assert all(parity.same for parity in compare(within, exact_hit, "case"))
        assert not all(parity.same for parity in compare(beyond, exact_hit, "case"))
