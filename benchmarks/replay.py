"""Seconds that are already measured, shown to pytest-benchmark: its table, JSON, comparison and histogram hold them.

Left to itself pytest-benchmark times one contender after the other, minutes apart, and noise decides between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pytest

from onnxproof.results import Latency


class Clock:
    """A timer that runs when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def __repr__(self) -> str:
        return "clock"  # what pytest-benchmark's JSON calls the timer

    def advance(self, seconds: float) -> None:
        self.now += seconds


clock = Clock()
"""For `@pytest.mark.benchmark(timer=clock)`, on whose test `replay` or `replay_contender` is called."""


def replay(benchmark, seconds: Sequence[float]) -> None:
    """Gives pytest-benchmark's fixture a round for each of `seconds`."""
    rounds = iter(seconds)
    benchmark.pedantic(clock.advance, setup=lambda: ((next(rounds),), {}), rounds=len(seconds))


def replay_contender(benchmark, latency: Latency, contender: str, not_run: Mapping[str, str] = {}) -> None:
    """Gives it a contender's seconds, and beside them the ratio to the baseline with its 95 % interval.

    Skips the test of a contender that is in `not_run`, for the reason there.
    """
    if contender in not_run:
        pytest.skip(f"not run: {not_run[contender]}")
    timing = latency[contender]
    benchmark.group = latency.case
    benchmark.extra_info |= {
        "baseline": latency.baseline,
        "ratio": asdict(timing.ratio),
        "threads": latency.threads,
        "gflops": timing.gflops,
        "share_of_sgemm": timing.share,
    }
    replay(benchmark, timing.seconds)
