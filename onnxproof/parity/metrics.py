"""How far outputs are from those of a model, as one number, and what they decide."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from onnxproof._internal.trees import Array

Outputs = Mapping[str, Array]


class MetricError(ValueError):
    """Outputs that a metric cannot judge; the message says why."""


@np.errstate(over="ignore", invalid="ignore")
def noise_to_signal(actual: Array, exact: Array) -> float:
    """The root mean square error as a part of that of `exact`: `-20 log10` of it is the SQNR in dB.

    Computed in float64, whatever the dtypes. Infinite where an error is not a number, or where the signal is zero and
    the error is not. Raises `MetricError` for arrays of two shapes.
    """
    return _part(_error(actual, exact), _power(exact.astype(np.float64)))


@np.errstate(over="ignore", invalid="ignore")
def noise_to_peak(actual: Array, exact: Array) -> float:
    """The root mean square error as a part of the range of `exact`: `-20 log10` of it is the PSNR in dB.

    The range is largest minus smallest value, so that the unit does not matter. The rest is `noise_to_signal`.
    """
    wide = exact.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    return _part(_error(actual, exact), float(np.ptp(finite)) if finite.size else 0.0)


NOISE: Mapping[str, Callable[[Array, Array], float]] = {"sqnr": noise_to_signal, "psnr": noise_to_peak}
"""What the error is a part of, by metric."""


def decibels(noise: float) -> float:
    """The ratio in dB of which `noise` is the inverse."""
    return math.inf if noise == 0 else -math.inf if not math.isfinite(noise) else -20 * math.log10(noise)


def worst_noise(metric: str, actual: Outputs, exact: Outputs) -> float:
    """The largest noise of any output, by position."""
    pairs = zip(actual.values(), exact.values(), strict=True)
    return max((NOISE[metric](*pair) for pair in pairs), default=0.0)


def decided(outputs: Outputs) -> tuple[Array, ...]:
    """The decision of each output: where the largest value of the last axis is; of integers and booleans, themselves.

    Raises `MetricError` for an output that has only one value there.
    """
    return tuple(_decided(name, value) for name, value in outputs.items())


def same_decision(ours: object, theirs: object) -> bool:
    """Whether two decisions are equal: arrays in shape and in every value."""
    pair = [each if isinstance(each, tuple | list) else (each,) for each in (ours, theirs)]
    return len(pair[0]) == len(pair[1]) and all(
        np.shape(a) == np.shape(b) and np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(*pair, strict=True)
    )


def _decided(name: str, value: Array) -> Array:
    if value.dtype.kind in "biu":
        return value
    if value.ndim == 0 or value.shape[-1] < 2:
        raise MetricError(f"the output {name} has one value on its last axis, which decides nothing")
    return np.asarray(value.astype(np.float64).argmax(-1))


def _error(actual: Array, exact: Array) -> float:
    if actual.shape != exact.shape:
        raise MetricError(f"shape {actual.shape}, expected {exact.shape}")
    ours, theirs = actual.astype(np.float64), exact.astype(np.float64)
    alike = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))  # infinities, too
    apart = np.where(alike, 0, ours - theirs)
    return _rms(apart) if np.isfinite(apart).all() else math.inf


def _power(values: Array) -> float:
    return _rms(values[np.isfinite(values)])


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _part(error: float, whole: float) -> float:
    return error / whole if whole else (math.inf if error else 0.0)
