"""Outputs and pictures compared; pictures need OpenCV, and are in `onnxproof.parity.pixels` and `.images`."""

from onnxproof.parity.compare import Reference, assert_same, compare
from onnxproof.results import Parity, PixelParity

__all__ = ["Parity", "PixelParity", "Reference", "assert_same", "compare"]
