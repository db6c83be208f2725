"""Chapter Upsample, coordinates: where output pixels lie among those of the image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from onnxproof.parity.compare import Reference, assert_same
from tests import kernels

INTERPOLATING = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # the axes of each
every_mode = pytest.mark.parametrize(("mode", "axes"), INTERPOLATING.items(), ids=INTERPOLATING)
as_asked = pytest.mark.parametrize("align_corners", [True, False], ids=["true", "false"])


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise of one to three sides, in float64: (1, 1, *sides)."""
    return lambda *sides: torch.from_numpy(noise(1, 1, *sides)).double()


@pytest.fixture(scope="module")
def taken():
    """Which pixel of a row of `side` each output pixel takes: the row's values are their own indices."""
    return lambda side, size, mode: nn.Upsample(size=size, mode=mode)(torch.arange(side)[None, None].double())[0, 0]


def corners(image):
    """The corner pixels: the first and the last along every spatial axis."""
    return image.numpy()[0, 0][np.ix_(*[[0, -1]] * (image.ndim - 2))]


def distances(taken, side):
    """How far the pixels that are taken lie from the output's pixels, in pixels of a row of `side`."""
    at = kernels.positions(side, len(taken), align_corners=False)
    return np.abs(taken.numpy() - at).round(9)


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


class TestNearestPixel:
    """Nearest takes the nearest pixel."""

    @pytest.mark.claim("upsample-nearest-is-nearest")
    @pytest.mark.parametrize(("side", "size"), [(3, 1), (5, 8)], ids=["3-to-1", "5-to-8"])
    def test_pixel_is_at_most_half_a_pixel_away(self, taken, side, size):
        """Between an output pixel's centre and that of the pixel it takes lies half a pixel of the image at most."""
        assert distances(taken(side, size, "nearest"), side).max() <= 0.5

    @pytest.mark.instead("upsample-nearest-is-nearest")
    @given(side=st.integers(1, 64), size=st.integers(1, 128))
    def test_left_edge_decides(self, taken, side, size):
        """From any size to any other, an output pixel takes the pixel that its left edge falls into."""
        assert taken(side, size, "nearest").tolist() == [index * side // size for index in range(size)]

    @pytest.mark.instead("upsample-nearest-is-nearest")
    @given(side=st.integers(1, 64), size=st.integers(1, 128))
    def test_nearest_exact_is_nearest(self, taken, side, size):
        """The mode "nearest-exact" takes the nearest pixel, from any size to any other."""
        assert distances(taken(side, size, "nearest-exact"), side).max() <= 0.5
