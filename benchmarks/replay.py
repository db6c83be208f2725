"""Passes measured seconds to pytest-benchmark, for its table, JSON, comparison and histogram.

By itself, pytest-benchmark times contenders minutes apart, and noise decides between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pytest

from onnxproof.results import Latency


class Clock:
    """A timer that only `advance` moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def __repr__(self) -> str:
        return "clock"  # the timer's name in pytest-benchmark's JSON

    def advance(self, seconds: float) -> None:
        self.now += seconds


clock = Clock()
"""For `@pytest.mark.benchmark(timer=clock)`, on tests that call `replay` or `replay_contender`."""


def replay(benchmark, seconds: Sequence[float]) -> None:
    """Makes a round of pytest-benchmark for each of `seconds`."""
    rounds = iter(seconds)
    benchmark.pedantic(clock.advance, setup=lambda: ((next(rounds),), {}), rounds=len(seconds))


def replay_contender(benchmark, latency: Latency, contender: str, not_run: Mapping[str, str] = {}) -> None:
    """Replays a contender's seconds, and adds its ratio to the baseline with the 95 % interval.

    Skips the test, with the reason, if the contender is in `not_run`.
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
