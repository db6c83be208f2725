"""Inputs of the document's networks."""

import numpy as np
from numpy.typing import NDArray

DYNAMIC_SIZE = {"input": {2: "height", 3: "width"}}
"""The image's free height and width."""


def scales(height: float, width: float | None = None) -> NDArray[np.float32]:
    """A factor for both axes, or for each: float32 [1, 1, height, width]."""
    return np.array([1, 1, height, height if width is None else width], dtype=np.float32)
