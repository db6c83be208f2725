"""Chapter Upsample: the layer's arguments, and the sizes that they give."""

import inspect
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.modes import SERVED, each_of

SIDES = st.tuples(*[st.integers(1, 9)] * 3)  # of an image; as many are used as it has spatial dimensions
LENGTHS = st.integers(1, 9)
WIDE_SIDES = st.tuples(*[st.integers(10, 16)] * 3)  # wide enough that no factor below shrinks them to zero
FACTORS = st.floats(0.1, 2.5)


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise of a number of dimensions, with the first of the sides."""
    return lambda dimensions, sides: torch.from_numpy(noise(1, 2, *sides[: dimensions - 2]))


class TestSignature:
    """The layer's arguments and their defaults."""

    @pytest.mark.claim("upsample-signature")
    def test_arguments_have_the_documents_defaults(self):
        """Five arguments in the document's order; the mode is "nearest", the others are None."""
        arguments = inspect.signature(nn.Upsample).parameters.values()
        assert [(argument.name, argument.default) for argument in arguments] == [
            ("size", None),
            ("scale_factor", None),
            ("mode", "nearest"),
            ("align_corners", None),
            ("recompute_scale_factor", None),
        ]

    @pytest.mark.claim("upsample-default-mode")
    def test_nearest_is_what_the_default_computes(self, image_of):
        """Without a mode the output is that of "nearest", and not that of "bilinear"."""
        image = image_of(4, (5, 7))
        assert torch.equal(nn.Upsample(scale_factor=3)(image), nn.Upsample(scale_factor=3, mode="nearest")(image))
        assert not torch.equal(nn.Upsample(scale_factor=3)(image), nn.Upsample(scale_factor=3, mode="bilinear")(image))


class TestSize:
    """The output has the size given."""

    @pytest.mark.claim("upsample-size")
    @each_of(SERVED)
    @given(sides=SIDES, size=LENGTHS)
    @settings(max_examples=25)
    def test_int_serves_every_dimension(self, image_of, mode, dimensions, sides, size):
        """Whatever the image's sides, each becomes the number given."""
        output = nn.Upsample(size=size, mode=mode)(image_of(dimensions, sides))
        assert output.shape == (1, 2, *[size] * (dimensions - 2))

    @pytest.mark.claim("upsample-size")
    @each_of(SERVED)
    @given(sides=SIDES, sizes=st.tuples(LENGTHS, LENGTHS, LENGTHS))
    @settings(max_examples=25)
    def test_tuple_has_one_for_each(self, image_of, mode, dimensions, sides, sizes):
        """Each side becomes its own number, in the order of the dimensions."""
        output = nn.Upsample(size=sizes[: dimensions - 2], mode=mode)(image_of(dimensions, sides))
        assert output.shape == (1, 2, *sizes[: dimensions - 2])

    @pytest.mark.claim("upsample-size")
    @each_of(SERVED)
    def test_tuple_of_another_length_is_refused(self, image_of, mode, dimensions):
        """A tuple with one number too many is a ValueError."""
        with pytest.raises(ValueError, match=r"spatial dimensions.*output size of"):
            nn.Upsample(size=(4,) * (dimensions - 1), mode=mode)(image_of(dimensions, (5, 5, 5)))


class TestScaleFactor:
    """A scale factor multiplies the sides, and fractions of a pixel are dropped."""

    @pytest.mark.claim("upsample-scale-factor")
    @each_of(SERVED)
    @given(sides=WIDE_SIDES, factor=FACTORS)
    @settings(max_examples=25)
    def test_number_serves_every_dimension(self, image_of, mode, dimensions, sides, factor):
        """Each side becomes the floor of its product with the number."""
        image = image_of(dimensions, sides)
        output = nn.Upsample(scale_factor=factor, mode=mode)(image)
        assert output.shape[2:] == tuple(math.floor(side * factor) for side in image.shape[2:])

    @pytest.mark.claim("upsample-scale-factor")
    @each_of(SERVED)
    @given(sides=WIDE_SIDES, factors=st.tuples(FACTORS, FACTORS, FACTORS))
    @settings(max_examples=25)
    def test_tuple_has_one_for_each(self, image_of, mode, dimensions, sides, factors):
        """Each side is multiplied by its own number, in the order of the dimensions."""
        image, factors = image_of(dimensions, sides), factors[: dimensions - 2]
        output = nn.Upsample(scale_factor=factors, mode=mode)(image)
        assert output.shape[2:] == tuple(math.floor(side * f) for side, f in zip(image.shape[2:], factors, strict=True))


class TestSizeOrScale:
    """Exactly one of `size` and `scale_factor` is given."""

    @pytest.mark.claim("upsample-size-or-scale")
    @pytest.mark.parametrize(
        "arguments", [pytest.param({}, id="neither"), pytest.param({"size": 8, "scale_factor": 2}, id="both")]
    )
    def test_neither_and_both_are_refused(self, image_of, arguments):
        """Neither is a ValueError, and so are both, even if they mean the same."""
        with pytest.raises(ValueError, match="size or scale_factor should be defined"):
            nn.Upsample(**arguments)(image_of(4, (4, 4)))
