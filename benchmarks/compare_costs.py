"""What `onnxproof compare` costs beside two sessions opened and run: the median over right files that tools made.

`python -m benchmarks.compare_costs` makes the files of the good conversions, and runs both commands on each pair, with
the case's inputs, in a new process each.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from tests.harness.proof import GOOD_PAIRS
from tests.harness.tools import TOOLS

ROOT = Path(__file__).parents[1]

BARE = """
import sys
import numpy, onnxruntime
*files, inputs = sys.argv[1:]
feeds = dict(numpy.load(inputs))
for file in files:
    onnxruntime.InferenceSession(file).run(None, feeds)
"""


@dataclass(frozen=True)
class Cost:
    """What a process and those that it starts take, in seconds."""

    processor: float
    wall: float


def cost(command: list[str]) -> Cost:
    """Runs a command, which has to succeed."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started, before = time.perf_counter(), _processor()
    subprocess.run(command, check=True, cwd=ROOT, env=_environment(), **quiet)
    return Cost(_processor() - before, time.perf_counter() - started)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    """As where the package is installed, whose modules are compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def pairs(folder: Path) -> Iterator[tuple[Path, Path, Path]]:
    """An original, what a tool made of it, and the inputs; files of bfloat16 inputs are left out, which no .npz has."""
    before, after, inputs = (folder / name for name in ("before.onnx", "after.onnx", "inputs.npz"))
    for good, exporter in GOOD_PAIRS:
        conversion = exported(ReferenceModel(good.make()), exporter, good.opset)
        feeds = conversion.feeds(conversion.case.inputs)
        if any(array.dtype.name == "bfloat16" for array in feeds.values()):
            continue
        before.write_bytes(conversion.file.path.read_bytes())
        np.savez(inputs, **feeds)
        for tool in TOOLS.values():
            tool(before, after)
            yield before, after, inputs


def main() -> None:
    python = [sys.executable, "-W", "ignore"]
    found: list[tuple[Cost, Cost]] = []
    with tempfile.TemporaryDirectory() as folder:
        for before, after, inputs in pairs(Path(folder)):
            files = [str(before), str(after)]
            compare = [*python, "-m", "onnxproof", "compare", *files, "--inputs", str(inputs)]
            if not found:
                cost(compare)  # compiles the modules
            found.append((cost([*python, "-c", BARE, *files, str(inputs)]), cost(compare)))
    for what in ("processor", "wall"):
        bare, ours = ([getattr(each[place], what) for each in found] for place in (0, 1))
        ratio = median(one / other for one, other in zip(ours, bare, strict=True))
        print(f"{what} time of {len(found)} pairs: {median(ours):.2f} s, {ratio:.1f} × {median(bare):.2f} s")


if __name__ == "__main__":
    main()
