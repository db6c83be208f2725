"""The float64 reference, made in tiles, is the network's own output."""

import copy

import numpy as np
import torch

from srcnn_models import SuperResolutionNet
from tests.references import SIDE, exact_in_tiles


class TestTiles:
    """Tiles and the whole picture have the same output."""

    def test_output_is_the_whole_pictures(self, noise):
        """At a size of several tiles and a part of one, every value is the same to 1e-12."""
        network = SuperResolutionNet(2)
        image = noise(1, 3, SIDE + 9, SIDE // 2 + 3)
        with torch.inference_mode():
            whole = copy.deepcopy(network).double()(torch.from_numpy(image).double()).numpy()
        np.testing.assert_allclose(exact_in_tiles(network, image), whole, rtol=1e-12, atol=1e-12)

    def test_threads_are_as_before(self, noise):
        """torch has as many threads afterwards as it had."""
        before = torch.get_num_threads()
        exact_in_tiles(SuperResolutionNet(2), noise(1, 3, 8, 8))
        assert torch.get_num_threads() == before
