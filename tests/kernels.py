"""Interpolation kernels written out in float64, to compare torch's modes with."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kernel = Callable[[Floats], Floats]


def linear(distance: Floats) -> Floats:
    """The weight of a pixel at a distance in pixels: linear between the two neighbours."""
    return np.maximum(1 - np.abs(distance), 0)


def cubic(distance: Floats, a: float = -0.75) -> Floats:
    """The weight of a pixel at a distance in pixels, from the four neighbours (Keys 1981, with torch's coefficient)."""
    d = np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def positions(size: int, length: int, align_corners: bool) -> Floats:
    """Where the `length` output pixels of an axis lie among its `size` input pixels.

    If aligned, the first and last pixels coincide; otherwise the picture's edges do, half a pixel outside.
    """
    index = np.arange(length)
    if align_corners:
        return index * ((size - 1) / max(length - 1, 1))
    return (index + 0.5) * (size / length) - 0.5


def weights(size: int, length: int, kernel: Kernel, align_corners: bool) -> Floats:
    """Each input pixel's share in each output pixel of an axis: (length, size). Edge pixels repeat."""
    at = positions(size, length, align_corners)[:, None]  # (length, 1)
    neighbours = np.floor(at) + np.arange(-1, 3)  # (length, 4)
    pixels = np.clip(neighbours, 0, size - 1)[:, :, None] == np.arange(size)  # (length, 4, size)
    return (kernel(at - neighbours)[:, :, None] * pixels).sum(axis=1)


def resample(image: Floats, lengths: Sequence[int], kernel: Kernel, align_corners: bool) -> Floats:
    """`image`, (N, C, *sizes), with each spatial axis resized to its length, one axis after the other."""
    for axis, length in enumerate(lengths, start=2):
        matrix = weights(image.shape[axis], length, kernel, align_corners)
        image = np.moveaxis(np.tensordot(matrix, image, axes=(1, axis)), 0, axis)
    return image
