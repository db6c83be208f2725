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

MOST = 4
"""How many times the processor time of the bare command a comparison may take."""

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
    started, before = time.perf_counter(), _processor()
    ran = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    found = Cost(_processor() - before, time.perf_counter() - started)
    if ran.returncode:
        sys.exit(f"{ran.stdout}{ran.stderr}")
    return found


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    """As where the package is installed, whose modules are compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def pairs(folder: Path) -> Iterator[tuple[Path, Path, list[Path]]]:
    """An original, what a tool made of it, and the inputs of its case; no .npz has those of bfloat16."""
    for good, exporter in GOOD_PAIRS:
        conversion = exported(ReferenceModel(good.make()), exporter, good.opset)
        case = conversion.case
        feeds = [conversion.feeds(inputs) for inputs in (case.inputs, *case.also)]
        if any(array.dtype.name == "bfloat16" for array in feeds[0].values()):
            continue
        files = [folder / f"inputs-{index}.npz" for index in range(len(feeds))]
        for file, arrays in zip(files, feeds, strict=True):
            np.savez(file, **arrays)
        for name, tool in TOOLS.items():
            after = folder / f"{good.id}-{exporter}-{name}.onnx"
            tool(conversion.file.path, after)
            yield conversion.file.path, after, files


def commands(before: Path, after: Path, inputs: list[Path]) -> tuple[list[str], list[str]]:
    """The bare command, and the comparison."""
    python, files = [sys.executable, "-W", "ignore"], [str(before), str(after)]
    given = [text for file in inputs for text in ("--inputs", str(file))]
    return [*python, "-c", BARE, *files, str(inputs[0])], [*python, "-m", "onnxproof", "compare", *files, *given]


def main() -> None:
    found: list[tuple[Cost, Cost]] = []
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs(Path(folder)):
            bare, compare = commands(*pair)
            if not found:
                cost(compare)  # compiles the modules
            found.append((cost(bare), cost(compare)))
    for what in ("wall", "processor"):
        bares, ours = ([getattr(each[place], what) for each in found] for place in (0, 1))
        ratio = median(one / other for one, other in zip(ours, bares, strict=True))
        print(f"{what} time of {len(found)} pairs: {median(ours):.2f} s, {ratio:.1f} × {median(bares):.2f} s")
    if ratio > MOST:
        sys.exit(f"at most {MOST} × are asked")


if __name__ == "__main__":
    main()
