"""Chapter network: the shape of the network and the picture that it makes."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import srcnn_models as srcnn
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.images import to_nchw, to_picture

TRAINED_AS = {
    "embedded": {"scale": 3, "order": "bgr", "largest": 255},
    "official": {"scale": 4, "order": "rgb", "largest": 1},
}


class TestShape:
    """Up-sampling and three convolutions 9-1-5 scale the input's size by the factor."""

    @pytest.mark.claim("network-shape")
    def test_convolutions(self):
        """Three convolutions of 9, 1 and 5 with 3, 64, 32 and 3 channels, and 20,099 parameters."""
        network = srcnn.SuperResolutionNet(3)
        layers = [layer for layer in network.children() if isinstance(layer, torch.nn.Conv2d)]
        assert [layer.kernel_size for layer in layers] == [(9, 9), (1, 1), (5, 5)]
        assert [layer.in_channels for layer in layers] + [layers[-1].out_channels] == [3, 64, 32, 3]
        assert sum(parameter.numel() for parameter in network.parameters()) == 20_099

    @pytest.mark.claim("network-shape")
    @pytest.mark.parametrize("factor", [1, 2, 2.5, 3, 4], ids="x{}".format)
    def test_output_is_input_times_factor(self, factor):
        """Every side is multiplied by the factor and rounded down: the paddings keep the size."""
        with torch.inference_mode():
            output = srcnn.SuperResolutionNet(factor)(torch.ones(2, 3, 13, 8))
        assert output.shape == (2, 3, int(13 * factor), int(8 * factor))


class TestPicture:
    """Clipping, HWC and uint8 turn an output into a picture."""

    @pytest.mark.claim("network-picture")
    def test_values_are_clipped_and_truncated(self):
        """Values outside 0..255 are clipped, and fractions are truncated, not rounded."""
        output = np.array([-3, 0.9, 2.99999, 254.9, 300], np.float32).reshape(1, 1, 1, 5)
        assert to_picture(output).ravel().tolist() == [0, 0, 2, 254, 255]

    @pytest.mark.claim("network-picture")
    def test_channels_and_axes_keep_their_order(self, face):
        """The face turned to NCHW and back is the same picture, in BGR."""
        picture = to_picture(face)
        assert picture.shape == (256, 256, 3)
        np.testing.assert_array_equal(to_nchw(picture), face)

    @pytest.mark.claim("network-picture")
    def test_picture_is_nearer_than_bicubic(self, reduced_face, psnr, trained_as, restored):
        """Fed as it was trained, the network restores the reduced face better than bicubic does."""
        bicubic = interpolate(torch.from_numpy(reduced_face), scale_factor=trained_as["scale"], mode="bicubic").numpy()
        assert psnr(restored(trained_as["order"], trained_as["largest"])) > psnr(bicubic) + 0.3

    @pytest.mark.claim("network-picture")
    def test_other_feeds_cost(self, psnr, trained_as, restored):
        """PSNR is best with the trained feed: RGB in 0..1 for the official weights, BGR in 0..255 for ours."""
        feeds = {(order, largest): psnr(restored(order, largest)) for order in ("bgr", "rgb") for largest in (1, 255)}
        assert max(feeds, key=feeds.get) == (trained_as["order"], trained_as["largest"])

    @pytest.fixture
    def trained_as(self, pytestconfig):
        return TRAINED_AS[pytestconfig.option.assets]

    @pytest.fixture
    def original(self, face, trained_as):
        """The face, cropped to a multiple of the scale."""
        side = 256 - 256 % trained_as["scale"]
        return face[:, :, :side, :side]

    @pytest.fixture
    def reduced_face(self, original, trained_as):
        """The face reduced by the scale that the weights were trained for, as an 8-bit picture."""
        small = interpolate(
            torch.from_numpy(original), scale_factor=1 / trained_as["scale"], mode="bicubic", antialias=True
        )
        return small.clamp(0, 255).round().numpy()

    @pytest.fixture
    def restored(self, reduced_face, trained, trained_as):
        """The network's output for the reduced face, fed in a channel order and range, as BGR in 0..255."""
        network = TorchModel(trained(srcnn.SuperResolutionNet(trained_as["scale"])), ("input",))

        def restore(order, largest):
            channels = slice(None, None, -1) if order == "rgb" else slice(None)
            image = np.ascontiguousarray(reduced_face[:, channels]) * np.float32(largest / 255)
            return network.run({"input": image})["output"][:, channels] * np.float32(255 / largest)

        return restore

    @pytest.fixture
    def psnr(self, original):
        """The PSNR of an output's picture against the face, without a border of 8 pixels."""
        expected = to_picture(original)[8:-8, 8:-8]
        return lambda output: cv2.PSNR(to_picture(output)[8:-8, 8:-8], expected)
