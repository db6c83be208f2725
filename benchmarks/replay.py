"""Seconds that are already measured, shown to pytest-benchmark: its table, JSON, comparison and histogram hold them.

Left to itself pytest-benchmark times one contender after the other, minutes apart, and noise decides between them.
"""

from collections.abc import Sequence


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
"""For `@pytest.mark.benchmark(timer=clock)`, on whose test `replay` is called."""


def replay(benchmark, seconds: Sequence[float]) -> None:
    """Gives pytest-benchmark's fixture a round for each of `seconds`."""
    rounds = iter(seconds)
    benchmark.pedantic(clock.advance, setup=lambda: ((next(rounds),), {}), rounds=len(seconds))
