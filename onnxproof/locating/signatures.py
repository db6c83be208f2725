"""A few hundred numbers in place of a large value, by which it is found again in another run."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.parity.rounding import SLACK

BLOCKS = 256
"""A value of more elements is cut into so many blocks, of each of which a randomly weighted sum is kept."""

LARGEST = 1e8
"""Larger floats are marks, such as the -1e9 of a mask, and not numbers."""

_MARKS = {"nan": 3e3, "high": 5e3, "low": -7e3}


@dataclass(frozen=True)
class Signature:
    """What is kept of a value: its shape, the sums of its blocks, its largest magnitude, and whether all are equal."""

    shape: tuple[int, ...]
    sums: Array
    largest: float
    is_flat: bool

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Expected:
    """A value of the model: its `own` signature, that of the `exact` one, and how far rounding moves the sums."""

    own: Signature
    exact: Signature
    reach: float

    @classmethod
    def of(cls, own: Signature, exact: Signature) -> "Expected":
        """From a float32 run and a float64 run of the same model."""
        apart = float(np.abs(own.sums - exact.sums).max(initial=0))
        in_block = max(1.0, own.size / BLOCKS)
        least = float(np.finfo(np.float32).eps) * own.largest * np.sqrt(in_block)
        return cls(own, exact, SLACK * max(apart, least))

    def is_like(self, found: Signature) -> bool:
        """Whether another value is the same up to rounding, whatever its shape."""
        return found.size == self.own.size and bool(np.all(np.abs(found.sums - self.exact.sums) <= self.reach))

    def distance(self, found: Signature) -> float:
        """About how far another value of as many elements is away, as a share of this one; infinity for others."""
        if found.size != self.own.size:
            return float("inf")
        scale = float(np.linalg.norm(self.exact.sums))
        return float(np.linalg.norm(found.sums - self.exact.sums)) / scale if scale else float("inf")


def signature(value: Any) -> Signature | None:
    """The signature of an array of numbers; None for another value, or an empty one."""
    if (
        not isinstance(value, np.ndarray)
        or not value.size
        or (value.dtype.kind not in "fiub" and value.dtype != "bfloat16")
    ):
        return None
    flat = value.astype(np.float64).ravel()
    largest = np.abs(flat).max()
    if not largest <= LARGEST and value.dtype.kind not in "iub":  # or not a number
        marks = (("nan", np.isnan(flat)), ("high", flat > LARGEST), ("low", flat < -LARGEST))
        largest = np.abs(flat[np.abs(flat) <= LARGEST]).max(initial=0)
        for name, where in marks:
            flat[where] = _MARKS[name]
    return Signature(value.shape, _sums(flat), float(largest), bool(flat.min() == flat.max()))


def _sums(flat: Array) -> Array:
    if flat.size <= BLOCKS:
        return flat
    length = -(-flat.size // BLOCKS)
    padded = np.zeros(BLOCKS * length)
    padded[: flat.size] = flat
    found: Array = padded.reshape(BLOCKS, length) @ _weights(length)
    return found


@lru_cache(maxsize=64)
def _weights(length: int) -> Array:
    return np.random.default_rng(length).standard_normal(length)
