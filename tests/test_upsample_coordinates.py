"""Chapter Upsample, coordinates: where output pixels lie among those of the image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from onnxproof.parity.compare import Reference, assert_same

INTERPOLATING = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # the axes of each
every_mode = pytest.mark.parametrize(("mode", "axes"), INTERPOLATING.items(), ids=INTERPOLATING)
as_asked = pytest.mark.parametrize("align_corners", [True, False], ids=["true", "false"])


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise of one to three sides, in float64: (1, 1, *sides)."""
    return lambda *sides: torch.from_numpy(noise(1, 1, *sides)).double()


def corners(image):
    """The corner pixels: the first and the last along every spatial axis."""
    return image.numpy()[0, 0][np.ix_(*[[0, -1]] * (image.ndim - 2))]


class TestTrue:
    """With `align_corners=True` the corner pixels of input and output fall on each other."""

    @pytest.mark.claim("upsample-align-true")
    @every_mode
    @given(sides=st.tuples(*[st.integers(1, 9)] * 3), sizes=st.tuples(*[st.integers(2, 20)] * 3))
    def test_corners_are_kept(self, image_of, mode, axes, sides, sizes):
        """From any size to any other of two or more pixels, the output's corners are the image's."""
        image = image_of(*sides[:axes])
        output = nn.Upsample(size=sizes[:axes], mode=mode, align_corners=True)(image)
        assert_same({"corners": corners(output)}, Reference({"corners": corners(image)}), mode)


class TestFalse:
    """For the interpolating modes False is the default, and corner pixels do not fall on each other."""

    @pytest.mark.claim("upsample-align-false")
    @every_mode
    def test_false_is_the_default(self, image_of, mode, axes):
        """Without the argument the output is that of False, bit for bit, and not that of True."""
        image = image_of(*[9] * axes)
        output = nn.Upsample(scale_factor=2, mode=mode)(image)
        assert torch.equal(output, nn.Upsample(scale_factor=2, mode=mode, align_corners=False)(image))
        assert not torch.equal(output, nn.Upsample(scale_factor=2, mode=mode, align_corners=True)(image))

    @pytest.mark.claim("upsample-align-false")
    @every_mode
    def test_corners_are_mixed(self, image_of, mode, axes):
        """Reduced from 9 pixels a side to 5, every corner changes its value."""
        image = image_of(*[9] * axes)
        output = nn.Upsample(size=5, mode=mode, align_corners=False)(image)
        assert (corners(output) != corners(image)).all()


class TestNearest:
    """`align_corners` for nearest."""

    @pytest.mark.claim("upsample-align-nearest")
    @as_asked
    def test_argument_has_no_effect(self, image_of, align_corners):
        """The output is the same with the argument as without it."""
        image = image_of(5, 7)
        output = nn.Upsample(scale_factor=2, mode="nearest", align_corners=align_corners)(image)
        assert torch.equal(output, nn.Upsample(scale_factor=2, mode="nearest")(image))

    @pytest.mark.instead("upsample-align-nearest")
    @as_asked
    def test_argument_is_refused(self, image_of, align_corners):
        """A ValueError names the modes that take the argument, for False as well as True."""
        with pytest.raises(ValueError, match=r"align_corners option can only be set .* linear .* trilinear"):
            nn.Upsample(scale_factor=2, mode="nearest", align_corners=align_corners)(image_of(5, 7))


class TestRecompute:
    """`recompute_scale_factor` decides whether the factor is computed again from the sizes.

    On a ramp, whose values are its coordinates, neighbouring output pixels are 1 / factor apart.
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
        """At every whole factor the output is the same either way, bit for bit."""
        layers = [nn.Upsample(scale_factor=factor, mode="linear", recompute_scale_factor=r) for r in (True, False)]
        assert torch.equal(*[layer(image_of(side)) for layer in layers])

    @pytest.fixture
    def ramp(self):
        """0, 1, 2, 3, 4: (1, 1, 5)."""
        return torch.arange(5.0, dtype=torch.float64).reshape(1, 1, 5)
