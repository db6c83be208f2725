"""The chart of where a lossy file's loss is made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onnxproof.results import FileLosses, NodeLoss

MOST_ROWS = 20
"""The nodes whose gain is measured; the others are folded."""


@dataclass(frozen=True)
class LossBar:
    """A row, with the bar of its gain in percent of the chart's width, from `start` on."""

    row: NodeLoss
    start: float
    width: float


@dataclass(frozen=True)
class LossChart:
    """The bars of a table; those in `more` are folded. `zero` is the place of no gain, in percent."""

    zero: float
    bars: Sequence[LossBar]
    more: Sequence[LossBar]


def loss_chart(losses: FileLosses) -> LossChart:
    """The chart of a table: it reaches from the smallest to the largest gain."""
    gains = [row.gain for row in losses.rows if row.gain is not None and math.isfinite(row.gain)]
    low, high = min([0.0, *gains]), max([0.0, *gains])
    span = (high - low) or 1.0

    def bar(row: NodeLoss) -> LossBar:
        gain = max(low, min(high, row.gain or 0.0))
        return LossBar(row, 100 * (min(gain, 0) - low) / span, 100 * abs(gain) / span)

    bars = [bar(row) for row in losses.rows]
    return LossChart(-100 * low / span, bars[:MOST_ROWS], bars[MOST_ROWS:])
