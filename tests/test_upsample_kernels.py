"""Chapter Upsample, kernels: what each mode computes, beside kernels written out in float64, and what it costs."""

import functools
import statistics
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onnxproof import latency
from onnxproof.parity.compare import Reference, assert_same
from tests import kernels

SIDES = st.tuples(*[st.integers(1, 12)] * 3)  # of an image; as many are used as the mode has axes
SIZES = st.tuples(*[st.integers(1, 20)] * 3)
ROUNDS = 15


@pytest.fixture(scope="module")
def image_of(noise):
    """Noise of one to three sides, in float64: (1, 2, *sides)."""
    return lambda *sides: noise(1, 2, *sides).astype(np.float64)


def upsampled(image, **arguments):
    return nn.Upsample(**arguments)(torch.from_numpy(image)).numpy()


class TestNearest:
    """Nearest copies values and makes no new ones."""

    @pytest.mark.claim("upsample-nearest-copies")
    @given(sides=SIDES, sizes=SIZES)
    def test_every_value_is_one_of_the_images(self, image_of, sides, sizes):
        """Enlarged or reduced to any size, the output has only values of the image."""
        image = image_of(*sides)
        assert np.isin(upsampled(image, size=sizes, mode="nearest"), image).all()

    @pytest.mark.claim("upsample-nearest-copies")
    def test_enlarging_repeats_each_pixel(self, image_of):
        """At ×3 each pixel becomes a block of 3 × 3."""
        image = image_of(4, 5)
        expected = image.repeat(3, axis=2).repeat(3, axis=3)
        np.testing.assert_array_equal(upsampled(image, scale_factor=3, mode="nearest"), expected)

    @pytest.mark.claim("upsample-nearest-copies")
    def test_bilinear_makes_new_values(self, image_of):
        """Bilinear, for comparison, makes new values."""
        image = image_of(4, 5)
        assert not np.isin(upsampled(image, scale_factor=3, mode="bilinear"), image).all()


class TestArea:
    """Area is average pooling by size."""

    @pytest.mark.claim("upsample-modes")
    def test_reducing_averages_blocks(self, image_of):
        """Reduced from 12 × 15 to 4 × 3, each pixel is the mean of a block of 3 × 5."""
        image = image_of(12, 15)
        blocks = image.reshape(1, 2, 4, 3, 3, 5)
        output = upsampled(image, size=(4, 3), mode="area")
        assert_same({"output": output}, Reference({"output": blocks.mean(axis=(3, 5))}), "area")


@pytest.mark.parametrize("align_corners", [False, True], ids=["half-pixel", "align-corners"])
class TestKernels:
    """Along each axis, an output pixel is the sum of its neighbours, weighted by the kernel."""

    @pytest.mark.claim("upsample-linear-kernel")
    @pytest.mark.parametrize(("mode", "axes"), [("linear", 1), ("bilinear", 2), ("trilinear", 3)])
    @given(sides=SIDES, sizes=SIZES)
    @settings(max_examples=50)
    def test_linear_between_two_neighbours(self, image_of, mode, axes, align_corners, sides, sizes):
        """From any size to any other, the output is that of the written-out linear kernel, in 1, 2 and 3 dimensions."""
        image, size = image_of(*sides[:axes]), sizes[:axes]
        output = upsampled(image, size=size, mode=mode, align_corners=align_corners)
        expected = kernels.resample(image, size, kernels.linear, align_corners)
        assert_same({"output": output}, Reference({"output": expected}), f"{mode}-{image.shape}-{size}")

    @pytest.mark.claim("upsample-bicubic-kernel")
    @given(sides=SIDES, sizes=SIZES)
    @settings(max_examples=50)
    def test_cubic_among_four_neighbours(self, image_of, align_corners, sides, sizes):
        """From any size to any other, the output is that of the written-out cubic kernel with coefficient -0.75."""
        image, size = image_of(*sides[:2]), sizes[:2]
        output = upsampled(image, size=size, mode="bicubic", align_corners=align_corners)
        expected = kernels.resample(image, size, kernels.cubic, align_corners)
        assert_same({"output": output}, Reference({"output": expected}), f"bicubic-{image.shape}-{size}")


class TestBicubic:
    """Bicubic looks at a wider neighbourhood than bilinear, and costs more."""

    @pytest.mark.claim("upsample-bicubic-kernel")
    def test_other_coefficient_is_another_kernel(self, image_of):
        """With the coefficient -0.5, which other libraries use, the written-out kernel differs from torch's."""
        output = upsampled(image_of(9, 7), size=(20, 15), mode="bicubic")
        other = kernels.resample(image_of(9, 7), (20, 15), functools.partial(kernels.cubic, a=-0.5), False)
        with pytest.raises(AssertionError, match="apart"):
            assert_same({"output": output}, Reference({"output": other}), "bicubic")

    @pytest.mark.claim("upsample-bicubic-kernel")
    @pytest.mark.parametrize(("mode", "neighbours"), [("bilinear", 2 * 2), ("bicubic", 4 * 4)])
    def test_pixel_depends_on_its_neighbours(self, mode, neighbours):
        """The gradient of a pixel inside the output reaches 2 × 2 pixels of the image, or 4 × 4."""
        assert pixels_read(mode) == neighbours

    @pytest.mark.claim("upsample-bicubic-cost")
    def test_costs_more_than_bilinear(self, paired_seconds):
        """Timed in turns on one image, bicubic takes longer in most rounds: the median ratio is above 1."""
        assert statistics.median(bicubic / bilinear for bicubic, bilinear in paired_seconds) > 1

    @pytest.fixture
    def paired_seconds(self, noise):
        """The seconds of bicubic and bilinear on 64 channels, by round; on three, torch 2.6 needs as long for both."""
        image = torch.from_numpy(noise(1, 64, 16, 16))
        layers = [nn.Upsample(scale_factor=2, mode=mode) for mode in ("bicubic", "bilinear")]
        with latency.threads(1):
            return [[seconds(layer, image) for layer in layers] for _ in range(ROUNDS)]


class TestCost:
    """Nearest is fast, and bicubic costs slightly more than bilinear.

    Its measure is how many pixels are read for one of the output; benchmarks/test_upsample.py measures seconds.
    """

    @pytest.mark.claim("upsample-nearest-cost")
    def test_nearest_reads_one_pixel(self):
        """Nearest reads one pixel, and bilinear and bicubic read more."""
        assert pixels_read("nearest") == 1 < min(pixels_read("bilinear"), pixels_read("bicubic"))

    @pytest.mark.claim("upsample-nearest-cost")
    def test_bicubic_reads_slightly_more(self):
        """Bicubic reads less than twice as many pixels as bilinear."""
        assert pixels_read("bicubic") < 2 * pixels_read("bilinear")

    @pytest.mark.instead("upsample-nearest-cost")
    def test_bicubic_reads_four_times_as_many(self):
        """Bicubic reads 16 pixels where bilinear reads 4."""
        assert pixels_read("bicubic") == 4 * pixels_read("bilinear") == 16


def pixels_read(mode):
    """How many pixels of the image a pixel inside the output depends on, at ×2."""
    image = torch.ones(1, 1, 9, 9, requires_grad=True)
    nn.Upsample(scale_factor=2, mode=mode)(image)[0, 0, 8, 8].backward()
    return int(image.grad.count_nonzero())


def seconds(call, *arguments):
    """The processor time of a call in this thread, whatever else is running."""
    started = time.thread_time()
    call(*arguments)
    return time.thread_time() - started
