"""The float64 output of the document's network on a whole picture, in little memory."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from onnxproof.engines.arithmetic import in_float64
from onnxproof.parity.compare import Reference, assert_same
from onnxproof.parity.images import to_picture
from onnxproof.parity.pixels import compare_pictures
from onnxproof.results import Parity, PixelParity
from srcnn_models import SuperResolutionNet

SIDE = 56
"""A tile's side in pixels: up to this size, torch reuses the memory that it unfolds for a convolution."""


def exact_in_tiles(network: SuperResolutionNet, image: NDArray[np.float32]) -> NDArray[np.float64]:
    """The output of a network in float64, tile by tile: the whole face at ×4 would take 3 GB.

    Each tile is repaired with the pixels around it that its convolutions reach. The tiles are spread over threads of
    one core each, since tiles this small are not worth splitting.
    """
    halo = sum(layer.padding[0] for layer in (network.conv1, network.conv2, network.conv3))
    with torch.inference_mode():
        scaled = network.img_upsampler(torch.from_numpy(image).double())
    output = torch.empty_like(scaled)

    @torch.inference_mode()
    @in_float64()
    def repair(corner: tuple[int, int]) -> None:
        top, left = corner
        above, before = min(top, halo), min(left, halo)
        tile = scaled[:, :, top - above : top + SIDE + halo, left - before : left + SIDE + halo]
        repaired = network.restore(tile)[:, :, above : above + SIDE, before : before + SIDE]
        output[:, :, top : top + SIDE, left : left + SIDE] = repaired

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(repair, product(*(range(0, length, SIDE) for length in scaled.shape[2:]))))
    finally:
        torch.set_num_threads(threads)
    return output.numpy()


def compare_with_picture(output: NDArray[np.float32], expected: Reference, case: str) -> tuple[Parity, PixelParity]:
    """Compares an output with torch's, and the pictures made of both."""
    (parity,) = assert_same({"output": output}, expected, case)
    outputs = output, expected.values["output"]
    return parity, compare_pictures((to_picture(outputs[0]), to_picture(outputs[1])), outputs, parity)
