"""Where two pictures differ, as a map that shows single pixels, with a scale in levels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SQUARES = 96
"""Along the longer side of a map; a square has the largest difference of the pixels in it."""

FROM = (1, 2, 4, 16)
"""The least level of each colour of the scale."""

NONE, COLOURS = (233, 236, 239), ((240, 150, 30), (222, 73, 39), (160, 20, 80), (60, 10, 60))
"""The colour where nothing differs, and those of the scale: RGB, darker for more."""


@dataclass(frozen=True)
class Step:
    """A colour of the scale, the levels that it stands for, and how many values differ by so much."""

    colour: str
    levels: str
    count: int


@dataclass(frozen=True, eq=False)
class DifferenceMap:
    """The differences of two pictures: `pixels` (H, W, 3) uint8, RGB, of squares of `side` × `side` pixels each."""

    pixels: NDArray[np.uint8]
    side: int
    steps: tuple[Step, ...]

    @property
    def count(self) -> int:
        """The number of values that differ."""
        return sum(step.count for step in self.steps)


def difference_map(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> DifferenceMap:
    """The map of two pictures of the same shape (H, W, 3) uint8."""
    levels = np.abs(np.subtract(first, second, dtype=np.int16))
    side = -(-max(levels.shape[:2]) // MOST_SQUARES)
    squares = levels.max(axis=2)
    for axis in (0, 1):
        squares = np.maximum.reduceat(squares, range(0, squares.shape[axis], side), axis=axis)
    colours = np.array((NONE, *COLOURS), np.uint8)
    steps = [
        Step(
            f"rgb({', '.join(map(str, colour))})",
            _range(least, most),
            int(np.count_nonzero((levels >= least) & (levels < most))),
        )
        for colour, least, most in zip(COLOURS, FROM, (*FROM[1:], 256), strict=True)
    ]
    return DifferenceMap(colours[np.digitize(squares, FROM)], side, tuple(step for step in steps if step.count))


def _range(least: int, most: int) -> str:
    if most == 256:
        return f"{least} levels and more"
    return f"{least} to {most - 1} levels" if most - least > 1 else f"{least} level{'s' * (least > 1)}"
