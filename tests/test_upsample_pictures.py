"""Chapter Upsample, pictures: what the modes and `align_corners` make of the face."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.parity.images import to_picture

CASES = [(mode, factor) for mode in ("bilinear", "bicubic") for factor in (2, 3)]


@pytest.fixture(scope="module")
def enlarged(face):
    """The face enlarged, in float64: (1, 3, H, W)."""
    image = torch.from_numpy(face).double()
    return lambda mode, factor, align_corners=None: nn.Upsample(None, factor, mode, align_corners)(image).numpy()


@pytest.fixture(scope="module")
def relative_roughness(enlarged):
    """The face's roughness with `align_corners=False`, as a multiple of that with True."""
    return {case: roughness(enlarged(*case, False)) / roughness(enlarged(*case, True)) for case in CASES}


def roughness(image):
    """The mean absolute second difference along both axes: zero where values rise evenly, largest where they jump."""
    return float(np.mean([np.abs(np.diff(image, n=2, axis=axis)).mean() for axis in (2, 3)]))


def edge_steps(image):
    """The mean absolute difference between the outermost pixels and the next ones, along the four edges."""
    return float(np.mean([np.abs(np.diff(image, axis=axis)).take([0, -1], axis).mean() for axis in (2, 3)]))


class TestModes:
    """Bilinear is smoother than nearest, and bicubic is finer than bilinear."""

    @pytest.mark.claim("upsample-mode-quality")
    def test_bilinear_is_smoother(self, enlarged):
        """At ×3 the face is less than half as rough with bilinear as with nearest."""
        assert roughness(enlarged("bilinear", 3)) < roughness(enlarged("nearest", 3)) / 2

    @pytest.mark.claim("upsample-mode-quality")
    def test_bicubic_is_finer(self, psnr):
        """Reduced to a third and enlarged again, the face is nearest to itself with bicubic, and then with bilinear."""
        assert psnr("bicubic") > psnr("bilinear") + 0.5 > psnr("nearest") + 1

    @pytest.fixture
    def psnr(self, face):
        """The PSNR of the face that was averaged over blocks of 3 × 3 and enlarged again in a mode."""
        original = torch.from_numpy(face[:, :, :255, :255])
        reduced = nn.functional.avg_pool2d(original, 3)

        def against_original(mode):
            pictures = original, nn.Upsample(scale_factor=3, mode=mode)(reduced)
            return cv2.PSNR(*(to_picture(picture.numpy()) for picture in pictures))

        return against_original


class TestEdges:
    """With `align_corners=True` values change more at the edges."""

    @pytest.mark.claim("upsample-align-edges")
    @pytest.mark.parametrize(("mode", "factor"), CASES, ids=["{}-x{}".format(*case) for case in CASES])
    def test_steps_at_the_edges_are_larger(self, enlarged, mode, factor):
        """From the face's edges to the pixels beside them, values change by at least a quarter more than with False."""
        assert edge_steps(enlarged(mode, factor, True)) > 1.25 * edge_steps(enlarged(mode, factor, False))


class TestSmoothness:
    """`align_corners=False` gives a smoother output."""

    @pytest.mark.claim("upsample-align-smoother")
    def test_false_is_smoother(self, relative_roughness):
        """In each mode and at each factor the face is less rough with False than with True."""
        assert max(relative_roughness.values()) < 1

    @pytest.mark.instead("upsample-align-smoother")
    def test_mode_and_factor_decide(self, relative_roughness):
        """False is smoother for bilinear at ×2 and bicubic at ×3, True for the other two, by less than 5 % each."""
        smoother = [case for case, ratio in relative_roughness.items() if ratio < 1]
        assert smoother == [("bilinear", 2), ("bicubic", 3)]
        assert list(relative_roughness.values()) == pytest.approx([1] * len(CASES), rel=0.05)

    @pytest.mark.instead("upsample-align-smoother")
    @pytest.mark.parametrize(("align_corners", "bends"), [(True, 0), (False, 2)], ids=["true", "false"])
    def test_ramp_bends_with_false(self, align_corners, bends):
        """A ramp stays straight with True, and bends near both edges with False."""
        ramp = torch.arange(5.0, dtype=torch.float64).reshape(1, 1, 5)
        output = nn.Upsample(scale_factor=3, mode="linear", align_corners=align_corners)(ramp)
        assert output.diff(n=2).round(decimals=9).count_nonzero() == bends
