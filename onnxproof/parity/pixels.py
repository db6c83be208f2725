"""Pictures against each other, by the pixel rule."""

import numpy as np

from onnxproof.parity.images import Floats, Picture, to_picture
from onnxproof.results import Parity, PixelParity


def compare_pictures(pictures: tuple[Picture, Picture], outputs: tuple[Floats, Floats], parity: Parity) -> PixelParity:
    """The pixel rule: two (H, W, C) uint8 pictures, the (1, C, H, W) floats behind them, and how those floats compare.

    A value that differs is at a truncation edge when the floats pass, each level is its own float truncated, so that an
    integer lies between the floats, and the levels are one apart. Every other difference is wrong, and so are pictures
    of different shape.
    """
    first, second = pictures
    if first.shape != second.shape:
        return PixelParity(first.size, 0, first.size)
    levels = np.abs(first.astype(np.int16) - second)
    differs = levels > 0
    a, b = (to_picture(output)[differs] for output in outputs)
    truncated = (a == first[differs]) & (b == second[differs])
    edges = int(np.count_nonzero(truncated & (levels[differs] == 1))) if parity.same else 0
    return PixelParity(first.size, edges, int(np.count_nonzero(differs)) - edges)
