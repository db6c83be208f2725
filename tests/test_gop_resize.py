"""Chapter g.op, a Resize of mode nearest: which pixel it takes."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from tests.inputs import scales

TORCHS_NEAREST = {"coordinate_transformation_mode_s": "asymmetric", "nearest_mode_s": "floor"}


def nearest(image, factor):
    """`image` scaled by `factor`, the scales of a Resize, with torch's nearest."""
    return interpolate(image, scale_factor=factor[2:].tolist(), mode="nearest")


@pytest.fixture
def scale(exported, noise, target):
    """Scales an image through a Resize of mode nearest, with further attributes, traced at ×2."""

    def scaled(image, factor, **attributes):
        def symbolic(g, image, factor):
            roi = g.op("Constant", value_t=torch.tensor([], dtype=torch.float32))
            return g.op("Resize", image, roi, factor, mode_s="nearest", **attributes)

        inputs = {"image": noise(1, 3, 24, 20), "factor": scales(2)}
        name = "-".join(["nearest", *attributes.values()])
        free = {"image": {1: "channels", 2: "height", 3: "width"}}
        made = exported(name, srcnn.Operator(nearest, symbolic), inputs, target, dynamic=free)
        return OnnxRuntime().open(made.path).run({"image": image, "factor": factor})["output"]

    return scaled


@pytest.fixture
def row():
    """Eight pixels in a row, each with its own index as its value."""
    return np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8)


class TestNearest:
    """A Resize of mode nearest with an empty roi scales as torch's nearest does."""

    @pytest.mark.claim("gop-resize-nearest")
    @pytest.mark.parametrize("factor", [0.5, 1.5, 2, 2.5, 3, 4], ids="x{}".format)
    def test_output_is_torchs(self, scale, small_face, factor):
        """At whole and half factors the file takes the pixels that torch takes."""
        expected = nearest(torch.from_numpy(small_face), torch.from_numpy(scales(factor))).numpy()
        np.testing.assert_array_equal(scale(small_face, scales(factor)), expected)

    @pytest.mark.claim("gop-resize-nearest")
    def test_output_between_halves_is_torchs(self, scale, row):
        """At ×1.2 too."""
        expected = nearest(torch.from_numpy(row), torch.from_numpy(scales(1, 1.2))).numpy()
        np.testing.assert_array_equal(scale(row, scales(1, 1.2)), expected)

    @pytest.mark.instead("gop-resize-nearest")
    def test_pixels_are_counted_from_their_centres(self, scale, row):
        """At ×1.2 it takes the pixel whose centre is nearest, where torch rounds down from the left edges."""
        torchs = nearest(torch.from_numpy(row), torch.from_numpy(scales(1, 1.2)))
        assert scale(row, scales(1, 1.2)).ravel().tolist() == [0, 1, 2, 2, 3, 4, 5, 6, 7]
        assert torchs.ravel().tolist() == [0, 0, 1, 2, 3, 4, 5, 5, 6]

    @pytest.mark.instead("gop-resize-nearest")
    @pytest.mark.parametrize("factor", [0.75, 1.2, 1.75], ids="x{}".format)
    def test_asymmetric_and_floor_are_torchs(self, scale, row, factor):
        """With coordinates that are asymmetric and rounded down, it takes the pixels that torch takes."""
        expected = nearest(torch.from_numpy(row), torch.from_numpy(scales(1, factor))).numpy()
        np.testing.assert_array_equal(scale(row, scales(1, factor), **TORCHS_NEAREST), expected)
