"""The charts of a page: the latencies of several runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onnxproof.report.moves import Move, moves
from onnxproof.report.runs import Run
from onnxproof.results import Latency, Timing


@dataclass(frozen=True)
class Bar:
    """A contender, with the interval of its ratio in percent of the chart's width.

    `move` compares it with the first run that timed the same workload, None if that is this run or not comparable.
    """

    timing: Timing
    low: float
    median: float
    high: float
    move: Move | None = None


@dataclass(frozen=True)
class Chart:
    """The contenders of one workload; `one` is the place of the ratio 1, in percent, `first` the run of the moves."""

    run: Run
    latency: Latency
    one: float
    bars: tuple[Bar, ...]
    first: Run


def charts(runs: Sequence[Run]) -> list[Chart]:
    """A chart for each latency of each run; it ends at its own largest ratio. Those of one workload are together."""
    timed: dict[str, list[tuple[Run, Latency]]] = {}
    for run in runs:
        for latency in run.results.latency:
            timed.setdefault(latency.case, []).append((run, latency))
    return [_chart(*each, *found[0]) for found in timed.values() for each in found]


def fastest(latency: Latency) -> list[Timing]:
    """The contender with the smallest ratio, and after it those whose intervals begin before its own ends."""
    timings = sorted(latency.timings, key=lambda timing: timing.ratio.median)
    return timings[:1] + [timing for timing in timings[1:] if timing.ratio.low <= timings[0].ratio.high]


def _chart(run: Run, latency: Latency, first: Run, earlier: Latency) -> Chart:
    moved = {move.contender: move for move in moves([earlier], [latency]).moves} if run is not first else {}
    bounds = [timing.ratio.high for timing in latency.timings if math.isfinite(timing.ratio.high)]
    largest = max([1.0, *bounds]) * 1.05

    def percent(ratio: float) -> float:
        return min(max(100 * ratio / largest, 0), 100) if math.isfinite(ratio) else 100

    bars = (
        Bar(each, percent(each.ratio.low), percent(each.ratio.median), percent(each.ratio.high), moved.get(each.name))
        for each in latency.timings
    )
    return Chart(run, latency, percent(1), tuple(bars), first)
