"""Two pictures may differ by a level if truncation explains it."""

import numpy as np
import pytest

from onnxproof.parity.images import to_picture
from onnxproof.parity.pixels import compare_pictures
from onnxproof.results import Parity, PixelParity

SAME, OTHER = Parity("case-x3", "y"), Parity("case-x3", "y", "7.5 at ...")


def with_value(value):
    """An output of 4 × 5 pixels, all 7 but one."""
    floats = np.full((1, 3, 4, 5), 7, np.float32)
    floats[0, 1, 2, 3] = value
    return floats


def compared(value, other, parity=SAME, *, make=to_picture):
    """Two outputs that differ at one value, as pictures."""
    outputs = with_value(value), with_value(other)
    return compare_pictures((make(outputs[0]), make(outputs[1])), outputs, parity)


def test_equal():
    """Equal pictures have no edges and nothing wrong, even if the floats differ."""
    assert compared(7.0, 7.9) == PixelParity(60, 0, 0)


@pytest.mark.parametrize(
    ("value", "other"),
    [
        pytest.param(6.99999, 7.00001, id="between"),
        pytest.param(7.00001, 6.99999, id="between-downwards"),
        pytest.param(7.0, 6.99999, id="at-one"),
        pytest.param(300.0, 254.9999, id="clipped"),
    ],
)
def test_edge(value, other):
    """One level apart with an integer between the floats is an edge, counted and not wrong."""
    pixels = compared(value, other)
    assert pixels == PixelParity(60, 1, 0)
    assert pixels.same


def test_floats_fail():
    """An integer between the floats does not count if they fail."""
    assert compared(6.5, 7.5, OTHER) == PixelParity(60, 0, 1)


def test_two_levels():
    """Two levels apart is wrong, though the floats pass."""
    pixels = compared(6.9, 8.1)
    assert pixels == PixelParity(60, 0, 1)
    assert not pixels.same


@pytest.mark.parametrize(
    ("value", "other"),
    [
        pytest.param(7.49, 7.51, id="no-integer-between"),
        pytest.param(6.49, 7.51, id="integer-between"),
    ],
)
def test_rounded(value, other):
    """Pictures that were rounded, not truncated, are wrong where they differ."""
    assert compared(value, other, make=lambda output: to_picture(np.round(output))).wrong == 1


@pytest.mark.parametrize("value", [7.0, 7.5], ids=["integer", "half"])
def test_equal_floats(value):
    """A level apart is wrong if the floats are equal, even at an integer."""
    floats = with_value(value)
    right, off_by_one = to_picture(floats), to_picture(with_value(value + 1))
    assert compare_pictures((right, off_by_one), (floats, floats), SAME) == PixelParity(60, 0, 1)
    assert compare_pictures((off_by_one, right), (floats, floats), SAME) == PixelParity(60, 0, 1)


def test_shape():
    """Pictures of another shape are wrong in every value."""
    outputs = with_value(7), with_value(7)[..., :4]
    pixels = compare_pictures((to_picture(outputs[0]), to_picture(outputs[1])), outputs, SAME)
    assert pixels == PixelParity(60, 0, 60)


def test_count():
    """Edges and wrong values are counted for each value of each channel."""
    first = np.array([6.9, 6.9, 5.0, 7.0, 7.2, 254.5], np.float32).reshape(1, 3, 1, 2)
    second = np.array([7.1, 7.1, 9.0, 7.3, 7.1, 255.5], np.float32).reshape(1, 3, 1, 2)
    assert compare_pictures((to_picture(first), to_picture(second)), (first, second), SAME) == PixelParity(6, 3, 1)
