"""What `onnxproof check` costs at the sizes that people deploy, beside a bare conversion in a process of its own."""

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.costs import COSTS
from benchmarks.memory import bytes_of
from onnxproof.latency import ratio

ROUNDS = 3
GIGABYTE = 2**30
ROOT = Path(__file__).parents[1]


def seconds(command: list[str]) -> float:
    """The time of a command, from its start."""
    started = time.perf_counter()
    _start(command).communicate()
    return time.perf_counter() - started


def peak(command: list[str]) -> int:
    """The most bytes that a command and its processes had at a time; what they share counts once."""
    process, most = _start(command), 0
    while process.poll() is None:
        most = max(most, bytes_of(process.pid))
        time.sleep(0.02)
    return most


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **quiet)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cost", [pytest.param(cost, id=cost.id) for cost in COSTS])
def test_cost(benchmark, capsys, tmp_path, cost):
    """A check takes no more times a bare conversion, and no more memory above it, than is promised."""
    bare_times, check_times = [], []

    def measure() -> None:
        for times, command in zip((bare_times, check_times), cost.commands(tmp_path), strict=True):
            times.append(seconds(command))

    benchmark.pedantic(measure, rounds=ROUNDS, warmup_rounds=1)
    times = ratio(np.array(check_times[1:]), np.array(bare_times[1:]))
    bare_peak, check_peak = map(peak, cost.commands(tmp_path))
    above = (check_peak - bare_peak) / GIGABYTE
    benchmark.extra_info |= {
        "times": {"median": times.median, "low": times.low, "high": times.high},
        "bare_gigabytes": bare_peak / GIGABYTE,
        "above_gigabytes": above,
    }
    with capsys.disabled():
        print(f"\n{cost.title}: {times} × a bare conversion, {above:+.2f} GB")
    assert times.median <= cost.times
    assert above <= cost.memory
