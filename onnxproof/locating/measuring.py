"""The errors of a lossy file's nodes on samples: alone, accumulated, and with one restored to float."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from onnxproof._internal.trees import widened
from onnxproof.locating.lanes import Lanes, Step, Values, alike
from onnxproof.parity.metrics import noise_to_signal


class Errors:
    """Errors on several samples, as parts of a value: `mean` is their root mean square."""

    def __init__(self) -> None:
        self._found: list[float] = []

    def add(self, error: float) -> None:
        self._found.append(error)

    @property
    def mean(self) -> float:
        return math.sqrt(sum(each * each for each in self._found) / len(self._found)) if self._found else 0.0


Found = dict[str, dict[str, Errors]]
"""Errors by row, and by value."""


class Measured:
    """The errors of the rows of a file's table, gathered sample by sample; no more values are kept than are needed.

    `is_narrow` says that the file has types narrower than float32, to which the inputs of its nodes are rounded.
    """

    def __init__(self, lanes: Lanes, is_narrow: bool) -> None:
        self._lanes, self._is_narrow = lanes, is_narrow
        self._row_of = {name: step.row for step in lanes.steps for name in step.gives}
        taken = {name for step in lanes.steps for name in step.takes if self._row_of.get(name) != step.row}
        self._observed = {*taken, *lanes.outputs}
        self._own: Found = defaultdict(lambda: defaultdict(Errors))
        self._accumulated: Found = defaultdict(lambda: defaultdict(Errors))
        self._clipped: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.error, self.rest = Errors(), Errors()
        self.without: dict[str, Errors] = defaultdict(Errors)

    def add(self, feeds: Values) -> tuple[Values, Values]:
        """Measures a sample. Returns the outputs in float64, and those of the file as it is written."""
        lanes = self._lanes
        exact, written = lanes.exact | _wide(feeds), lanes.written | feeds
        alone, plain = dict(lanes.written), dict(lanes.exact)  # behind a row's inputs: as written, and in float64
        for step, unused in zip(lanes.steps, lanes.last_uses, strict=True):
            known = {*lanes.written, *(name for name in step.takes if self._row_of.get(name) == step.row)}
            given = {n: alone[n] if n in known else alike(exact[n], written[n]) for n in step.takes}
            rounded = {n: plain[n] if n in known else widened(given[n]) for n in step.takes}
            written |= zip(step.gives, step.as_written(written), strict=True)
            exact |= zip(step.gives, lanes.in_float64(step, exact, written), strict=True)
            alone |= zip(step.gives, step.as_written(given), strict=True)
            if self._is_narrow:
                plain |= zip(step.gives, lanes.in_float64(step, rounded, written), strict=True)
            else:
                plain |= {name: exact[name] for name in step.gives}
            self._note(step, exact, written, alone, plain)
            _forget(unused, exact, written, alone, plain)
        return _outputs(lanes, exact), _outputs(lanes, written)

    def _note(self, step: Step, exact: Values, written: Values, alone: Values, plain: Values) -> None:
        for name in step.gives if step.proto.op_type != "DynamicQuantizeLinear" else ():
            if name in self._observed and _is_signal(exact[name]) and _is_signal(plain[name]):
                self._own[step.row][name].add(noise_to_signal(alone[name], plain[name]))
                self._accumulated[step.row][name].add(noise_to_signal(written[name], exact[name]))
        if step.proto.op_type == "QuantizeLinear":
            share = _clipped(step, plain[step.gives[0]], written)
            if share is not None:
                self._clipped[step.row][step.gives[0]].append(share)

    def restored(self, feeds: Values, rows: Sequence[str]) -> dict[str, Values]:
        """The outputs of the file on a sample with one row at a time in float64."""
        lanes = self._lanes
        written = lanes.written | feeds
        changed: dict[str, Values] = {row: {} for row in rows}
        for step, unused in zip(lanes.steps, lanes.last_uses, strict=True):
            written |= zip(step.gives, step.as_written(written), strict=True)
            for row, values in changed.items():
                if step.row == row:
                    mixed = {n: lanes.exact.get(n, widened(values.get(n, written[n]))) for n in step.takes}
                    values |= zip(step.gives, lanes.in_float64(step, mixed, written), strict=True)
                elif any(name in values for name in step.takes):
                    mixed = {n: alike(values[n], written[n]) if n in values else written[n] for n in step.takes}
                    values |= zip(step.gives, step.as_written(mixed), strict=True)
            _forget(unused, written, *changed.values())
        return {row: _outputs(lanes, written | values) for row, values in changed.items()}

    def figures(self, row: str) -> tuple[float, float, float | None]:
        """The row's own error, the accumulated one, and the part of its values that is clipped, None if none can be."""
        both = self._own[row].values(), self._accumulated[row].values()
        own, accumulated = (max((errors.mean for errors in found), default=0.0) for found in both)
        shares = [sum(found) / len(found) for found in self._clipped[row].values()]
        return own, accumulated, max(shares, default=None)

    def worst_rows(self, least: float) -> list[str]:
        """The rows whose own error is more than the least, first the largest."""
        found = {row: self.figures(row)[0] for row in self._own}
        return sorted((row for row in found if found[row] > least), key=lambda row: -found[row])


def outputs_in_float64(lanes: Lanes, feeds: Values) -> Values:
    """The outputs of a file's float twin."""
    exact = lanes.exact | _wide(feeds)
    for step, unused in zip(lanes.steps, lanes.last_uses, strict=True):
        exact |= zip(step.gives, lanes.in_float64(step, exact, lanes.written), strict=True)
        _forget(unused, exact)
    return _outputs(lanes, exact)


def _outputs(lanes: Lanes, values: Values) -> Values:
    return {name: values[name] for name in lanes.outputs}


def _wide(values: Values) -> Values:
    return {name: widened(value) for name, value in values.items()}


def _forget(names: Iterable[str], *lanes: Values) -> None:
    for name in names:
        for lane in lanes:
            lane.pop(name, None)


def _is_signal(value: Any) -> bool:
    """Whether a value has floats that are not all zero."""
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f" and bool(np.any(value))


def _clipped(step: Step, values: Any, written: Mapping[str, Any]) -> float | None:
    """The part of float values that is beyond the range of a QuantizeLinear."""
    integers = written[step.gives[0]]
    if integers.dtype.kind not in "iu" or not _is_signal(values):
        return None
    scale, *zero = (written[name] for name in step.proto.input[1:])
    if np.size(scale) > 1:
        return None
    ends = np.iinfo(integers.dtype)
    steps = np.round(values / np.float64(np.ravel(scale)[0])) + (int(np.ravel(zero[0])[0]) if zero else 0)
    return float(np.mean((steps < ends.min) | (steps > ends.max)))
