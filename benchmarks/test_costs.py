"""What `onnxproof check` costs at the sizes that people deploy, beside a bare conversion in a process of its own."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import bare
from onnxproof.latency import ratio
from onnxproof.versions import TORCHSCRIPT
from tests.harness import real_sizes

ROUNDS = 5
GIGABYTE = 2**30
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """A function of tests/harness/real_sizes.py, whether its file is given, and what a check may cost at most: times
    a bare conversion, and gigabytes above its peak.
    """

    make: str
    title: str
    times: float
    memory: float
    is_given: bool = False

    def commands(self, folder: Path) -> tuple[list[str], list[str]]:
        """The bare conversion, and the check."""
        file = folder / f"{self.make}.onnx"
        if self.is_given:
            bare.write(getattr(real_sizes, self.make)(), file)
        else:
            file.unlink(missing_ok=True)
        asked = ["--onnx", str(file)] if self.is_given else ["--exporter", TORCHSCRIPT, "--opset", str(bare.OPSET)]
        case = f"{real_sizes.__name__}:{self.make}"
        python = [sys.executable, "-W", "ignore", "-m"]
        return [*python, "benchmarks.bare", self.make, str(file)], [*python, "onnxproof", "check", case, *asked]


COSTS = (
    Cost("fixed_srcnn_case", "SRCNN ×3, 256×256, a given file", 6, 1.5, is_given=True),
    Cost("two_input_srcnn_case", "SRCNN with the factor as an input, 256×256 ×3, height and width free", 4, 1),
    Cost("classifier_case", "a network like ResNet-18, 224×224, the batch free", 3, 0.5),
    Cost("segmenter_case", "a network like DeepLab, 256×256", 4, 1.5),
)


def seconds(command: list[str]) -> float:
    """The time of a command, from its start."""
    started = time.perf_counter()
    _start(command).communicate()
    return time.perf_counter() - started


def peak(command: list[str]) -> int:
    """The most bytes that a command and its processes had at a time; what they share counts once."""
    process, most = _start(command), 0
    while process.poll() is None:
        most = max(most, _bytes(psutil.Process(process.pid)))
        time.sleep(0.02)
    return most


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, **quiet)


def _bytes(process: psutil.Process) -> int:
    found = 0
    for each in (process, *process.children(recursive=True)):
        try:
            found += each.memory_full_info().pss
        except psutil.Error:  # it has ended
            continue
    return found


@pytest.mark.parametrize("cost", [pytest.param(cost, id=cost.make.removesuffix("_case")) for cost in COSTS])
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
        "times": [times.median, times.low, times.high],
        "bare_gigabytes": bare_peak / GIGABYTE,
        "above_gigabytes": above,
    }
    with capsys.disabled():
        print(f"\n{cost.title}: {times} × a bare conversion, {above:+.2f} GB")
    assert times.median <= cost.times
    assert above <= cost.memory
