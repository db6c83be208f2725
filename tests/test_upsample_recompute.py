"""Chapter Upsample, recompute_scale_factor: which factor decides the coordinates, and which size the output has."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

PAIRS = [(side, tenths / 10) for side in range(1, 65) for tenths in range(1, 101) if side * tenths >= 10]
"""Sides of an image and factors that leave at least one pixel."""


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise of one side, in float64: (1, 1, side)."""
    return lambda side: torch.from_numpy(noise(1, 1, side)).double()


@pytest.fixture(scope="module")
def lengths():
    """The output's length for each pair, with `recompute_scale_factor` True and False."""

    def length(side, factor, recompute):
        layer = nn.Upsample(scale_factor=factor, mode="linear", recompute_scale_factor=recompute)
        return layer(torch.zeros(1, 1, side)).shape[2]

    return {recompute: np.array([length(*pair, recompute) for pair in PAIRS]) for recompute in (True, False)}


class TestFactor:
    """`recompute_scale_factor` decides whether the factor is computed again from the sizes.

    Along a ramp, whose values are its own coordinates, two output pixels lie one over the factor apart.
    """

    @pytest.mark.claim("upsample-recompute")
    def test_true_takes_the_factor_from_the_sizes(self, ramp):
        """5 pixels × 2.3 are 11, so the factor becomes 11 / 5, and the output is that of the size 11."""
        output = nn.Upsample(scale_factor=2.3, mode="linear", recompute_scale_factor=True)(ramp)
        assert output.diff()[0, 0, 5].item() == pytest.approx(5 / 11)
        assert torch.equal(output, nn.Upsample(size=11, mode="linear")(ramp))

    @pytest.mark.claim("upsample-recompute")
    @pytest.mark.parametrize("recompute", [False, None])
    def test_otherwise_the_factor_is_the_one_given(self, ramp, recompute):
        """5 pixels × 2.3 are 11 too, but they lie 1 / 2.3 apart."""
        output = nn.Upsample(scale_factor=2.3, mode="linear", recompute_scale_factor=recompute)(ramp)
        assert output.shape[2] == 11
        assert output.diff()[0, 0, 5].item() == pytest.approx(1 / 2.3)

    @pytest.mark.claim("upsample-recompute")
    @given(side=st.integers(1, 64), factor=st.integers(1, 5))
    def test_whole_factors_stay_what_they_are(self, image_of, side, factor):
        """At ×3, as at every whole factor, the output is the same either way, bit for bit."""
        layers = [nn.Upsample(scale_factor=factor, mode="linear", recompute_scale_factor=r) for r in (True, False)]
        assert torch.equal(*[layer(image_of(side)) for layer in layers])

    @pytest.fixture
    def ramp(self):
        """0, 1, 2, 3, 4: (1, 1, 5)."""
        return torch.arange(5.0, dtype=torch.float64).reshape(1, 1, 5)


class TestSize:
    """A factor that is computed again gives a more accurate size."""

    @pytest.mark.claim("upsample-recompute")
    def test_size_is_more_accurate(self, lengths):
        """On average the length is nearer to the side times the factor than without."""
        products = np.array([side * factor for side, factor in PAIRS])
        errors = {recompute: float(np.abs(found - products).mean()) for recompute, found in lengths.items()}
        assert errors[True] < errors[False]

    @pytest.mark.instead("upsample-recompute")
    def test_size_is_the_same(self, lengths):
        """Every length is the same either way: only coordinates change."""
        np.testing.assert_array_equal(lengths[True], lengths[False])
