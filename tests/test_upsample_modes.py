"""Chapter Upsample, modes: which there are, and which images each of them serves."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from tests.modes import MODES, REFUSED, each_of

SIDES = st.tuples(*[st.integers(1, 9)] * 3)  # of an image; as many are used as it has spatial dimensions
LENGTHS = st.integers(1, 9)

every_dimension = pytest.mark.parametrize("dimensions", MODES, ids="{}d".format)


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise with as many of the sides as an image of that many dimensions has."""
    return lambda dimensions, sides: torch.from_numpy(noise(1, 2, *sides[: dimensions - 2]))


class TestModes:
    """Each mode serves its own numbers of dimensions."""

    @pytest.mark.claim("upsample-modes")
    @each_of(REFUSED)
    def test_every_other_pairing_is_refused(self, image_of, mode, dimensions):
        """An image of any other number of dimensions is a NotImplementedError that tells both."""
        with pytest.raises(NotImplementedError, match=rf"(?is)got {dimensions}D.*{mode}"):
            nn.Upsample(scale_factor=2, mode=mode)(image_of(dimensions, (5, 5, 5)))

    @pytest.mark.claim("upsample-modes")
    @every_dimension
    @given(sides=SIDES, sizes=st.tuples(LENGTHS, LENGTHS, LENGTHS))
    @settings(max_examples=25)
    def test_area_is_average_pooling_by_size(self, image_of, dimensions, sides, sizes):
        """Area gives what adaptive average pooling gives for the same output size, bit for bit."""
        image, size = image_of(dimensions, sides), sizes[: dimensions - 2]
        pool = getattr(functional, f"adaptive_avg_pool{dimensions - 2}d")
        assert torch.equal(nn.Upsample(size=size, mode="area")(image), pool(image, size))


class TestModeList:
    """The modes are nearest, linear, bilinear, bicubic, trilinear and area, and no others."""

    @pytest.mark.claim("upsample-mode-list")
    @every_dimension
    def test_nearest_exact_is_refused(self, image_of, dimensions):
        """The mode "nearest-exact" is a NotImplementedError that names the modes."""
        with pytest.raises(NotImplementedError, match=r"for the modes: .*got nearest-exact"):
            nn.Upsample(scale_factor=2, mode="nearest-exact")(image_of(dimensions, (5, 5, 5)))

    @pytest.mark.instead("upsample-mode-list")
    @every_dimension
    def test_nearest_exact_is_a_mode(self, image_of, dimensions):
        """The mode "nearest-exact" serves images of any number of dimensions."""
        output = nn.Upsample(scale_factor=2, mode="nearest-exact")(image_of(dimensions, (5, 5, 5)))
        assert output.shape[2:] == (10,) * (dimensions - 2)

    @pytest.mark.claim("upsample-mode-list")
    def test_lanczos_is_refused(self, image_of):
        """The mode "lanczos" is refused, also by `interpolate` and with antialiasing."""
        with pytest.raises((NotImplementedError, ValueError), match=r"(?i)lanczos|anti-alias"):
            functional.interpolate(image_of(4, (5, 5)), scale_factor=2, mode="lanczos", antialias=True)

    @pytest.mark.instead("upsample-mode-list")
    def test_lanczos_is_a_mode_of_interpolate(self, image_of):
        """`interpolate` has "lanczos" with antialiasing; the layer, which has no such argument, refuses it."""
        output = functional.interpolate(image_of(4, (5, 7)), scale_factor=2, mode="lanczos", antialias=True)
        assert output.shape == (1, 2, 10, 14)
        with pytest.raises(ValueError, match="requires antialias"):
            nn.Upsample(scale_factor=2, mode="lanczos")(image_of(4, (5, 7)))
