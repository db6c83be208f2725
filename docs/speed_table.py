"""Measures how fast the separable operator is, alone and in the network, and how close its face is to torch's.

`python -m docs.speed_table` writes docs/speed.json, and docs/speed.md from it; `--page` writes the page only. It reads
/proc/stat, which says how busy the machine is.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from itertools import permutations
from pathlib import Path

import numpy as np

from docs.speed_page import RESULTS, Cost, Face, Speed, write
from onnxproof.latency import ratio
from onnxproof.results import Timing, as_json, read_results

SPECS = ("benchmarks", "tests/test_separable.py", "-k", "test_operator or TestFace", "-p", "no:randomly")
FACTOR = 3


def busy_seconds() -> float:
    """What all processors together have spent on work since the machine was started, also for other guests."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """What the child processes of this one have spent."""
    times = os.times()
    return times.children_user + times.children_system


def measured(report: Path) -> tuple[Speed, int]:
    """What a run of the benchmarks found, and pytest's exit status: not 0 if a median misses its bound."""
    before = os.times().elapsed, busy_seconds() - own_seconds()
    status = subprocess.run([sys.executable, "-m", "pytest", *SPECS, f"--onnx-report={report}"]).returncode
    elapsed, others = os.times().elapsed - before[0], busy_seconds() - own_seconds() - before[1]
    results = read_results(report / "results.json")
    growth = next(timed for timed in results.latency if timed.case == "operator-x3")
    compared = [comparison for comparison in results.comparisons if "separable" in comparison.parity.case]
    machine = results.machine
    speed = Speed(
        environment=results.environment | {"openvino": version("openvino")},
        machine={"cpu": machine.cpu, "cores": machine.cores, "other_work": others / elapsed},
        latency=results.latency,
        faces=[Face(found.parity.difference, found.pixels) for found in compared if found.pixels],
        costs=costs(growth.timings),
    )
    return speed, status


def costs(timings: Sequence[Timing]) -> list[Cost]:
    """What an output pixel costs at each size, as a multiple of its cost at each other size."""
    pixel = {timing.name: np.array(timing.seconds) / (FACTOR * int(timing.name)) ** 2 for timing in timings}
    return [Cost(size, other, ratio(pixel[size], pixel[other])) for size, other in permutations(pixel, 2)]


def main() -> None:
    status = 0
    if sys.argv[1:] != ["--page"]:
        with tempfile.TemporaryDirectory() as folder:
            found, status = measured(Path(folder))
        RESULTS.write_text(as_json(found) + "\n", encoding="utf-8")
    write()
    sys.exit(status)


if __name__ == "__main__":
    main()
