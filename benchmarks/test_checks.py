"""The time of the checks, relative to a bare script that does each of their exports and inferences once."""

import numpy as np
import pytest

from benchmarks.rounds import rounds_of
from onnxproof.latency import ratio
from onnxproof.versions import EXPORTERS, default_opset

ROUNDS = 5
MOST_TIMES = 1.1


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_checks_against_a_bare_script(benchmark, exporter, tmp_path, capsys):
    """Checking SRCNN takes at most `MOST_TIMES` as long as its exports and inferences, each in a Python of its own."""
    checked, bare = [], []
    folder, opset = str(tmp_path), str(default_opset(exporter))
    with (
        rounds_of("benchmarks.small_checks", exporter, folder) as check,
        rounds_of("benchmarks.small_bare", exporter, opset, folder) as convert,
    ):

        def rounds() -> None:
            checked.append(check())
            bare.append(convert())

        benchmark.pedantic(rounds, rounds=ROUNDS, warmup_rounds=2)  # the second check loads what later ones share
    times = ratio(np.array(checked[2:]), np.array(bare[2:]))
    benchmark.extra_info["times"] = {"median": times.median, "low": times.low, "high": times.high}
    with capsys.disabled():
        print(f"\nchecks / bare script, {exporter}: {times}")
    assert times.median <= MOST_TIMES
