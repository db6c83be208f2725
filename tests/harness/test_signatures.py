"""A value is found again by a few hundred numbers."""

import numpy as np
import pytest

from onnxproof.locating.signatures import BLOCKS, Expected, signature

VALUE = np.random.default_rng(0).standard_normal((3, BLOCKS)).astype(np.float32)


def with_mark(mark):
    """The value with a mark in one place."""
    return np.where(np.arange(VALUE.size).reshape(VALUE.shape) == 300, np.float32(mark), VALUE)


@pytest.mark.parametrize("mark", [np.nan, np.inf, -np.inf, np.finfo(np.float32).max, np.finfo(np.float32).min, -1e9])
def test_mark(mark):
    """What is no number, or as large as a mask's values, is kept apart, and hides no other value."""
    found = signature(with_mark(mark))
    expected = Expected.of(found, found)
    assert found.largest < 10
    assert expected.is_like(signature(with_mark(mark)))
    assert not expected.is_like(signature(VALUE))
    assert not expected.is_like(signature(np.roll(with_mark(mark), 1)))
    assert not expected.is_like(signature(with_mark(mark) * np.float32(0.999)))


@pytest.mark.parametrize(
    ("value", "is_flat"),
    [
        pytest.param(np.full(4, -3.0), True, id="equal"),
        pytest.param(np.array([np.nan, np.nan]), True, id="no-numbers"),
        pytest.param(np.array([0.0, 0.0, 1.0]), False, id="one-other"),
        pytest.param(np.array([1.0, np.nan]), False, id="one-no-number"),
        pytest.param(np.array([True, False]), False, id="truths"),
    ],
)
def test_flat(value, is_flat):
    """A value of equal elements is known as such."""
    assert signature(value).is_flat is is_flat


@pytest.mark.parametrize("value", [np.zeros((0, 3)), np.array(["a"]), [1.0]])
def test_none(value):
    """Nothing is kept of what has no numbers."""
    assert signature(value) is None
