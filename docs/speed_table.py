"""Measures the separable operator, alone and in the network, and how near to torch its picture of the face is.

`python -m docs.speed_table` writes docs/speed.json and, of it, docs/speed.md; `--page` writes the page alone. What asks
a machine how busy it is reads /proc/stat.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import permutations
from pathlib import Path
from typing import Any

import cpuinfo
import numpy as np

from docs.speed_page import GROWING, PAGE, RESULTS, case, render
from onnxproof.latency import ratio

SPECS = ("benchmarks", "tests/test_separable.py", "-k", "test_operator or TestFace", "-p", "no:randomly")
FACTOR = 3


def busy_seconds() -> float:
    """What all processors together have spent on work since the machine was started, their host's other guests too."""
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """What the processes that were started here have spent."""
    times = os.times()
    return times.children_user + times.children_system


def measured(report: Path) -> tuple[dict[str, Any], int]:
    """What a run of the benchmarks left, and pytest's exit status: not 0 where a measure was not met."""
    before = os.times().elapsed, busy_seconds() - own_seconds()
    status = subprocess.run([sys.executable, "-m", "pytest", *SPECS, f"--report={report}"]).returncode
    elapsed, others = os.times().elapsed - before[0], busy_seconds() - own_seconds() - before[1]
    results = json.loads((report / "results.json").read_text(encoding="utf-8"))
    machine = {"cpu": cpuinfo.get_cpu_info()["brand_raw"], "cores": os.cpu_count(), "other_work": others / elapsed}
    found = {
        "environment": results["environment"] | {"openvino": version("openvino")},
        "machine": machine,
        "latency": results["latency"],
        "faces": [comparison for comparison in results["comparisons"] if "separable" in comparison["case"]],
    }
    return found | {"costs": costs(case(found, GROWING)["timings"])}, status


def costs(timings: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an output pixel costs at each size, as a multiple of what it costs at each other."""
    pixel = {timing["name"]: np.array(timing["seconds"]) / (FACTOR * int(timing["name"])) ** 2 for timing in timings}
    pairs = permutations(pixel, 2)
    return [{"size": size, "of": other, "ratio": asdict(ratio(pixel[size], pixel[other]))} for size, other in pairs]


def main() -> None:
    status = 0
    if sys.argv[1:] != ["--page"]:
        with tempfile.TemporaryDirectory() as folder:
            found, status = measured(Path(folder))
        RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    sys.exit(status)


if __name__ == "__main__":
    main()
