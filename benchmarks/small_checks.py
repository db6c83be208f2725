"""The checks of a small case: `python -m benchmarks.small_checks EXPORTER FOLDER` serves rounds.

It leaves the inputs of the checks in the folder, for `small_bare`.
"""

import pickle
import sys
from pathlib import Path

import numpy as np

import srcnn_models as srcnn
from benchmarks.rounds import serve
from benchmarks.small_bare import INPUTS, network
from onnxproof.case import Case
from onnxproof.checks.run import run
from onnxproof.probing.reference import ReferenceModel
from tests.harness.subjects import noise


def small_case() -> Case:
    """SRCNN with the factor as an input, on a picture of 32 × 24 at ×3."""
    return Case(
        network(),
        {"input": noise(1, 3, 32, 24), "factor": np.array([1, 1, 3, 3], np.float32)},
        dynamic={"input": {2: "height", 3: "width"}},
        also=[{"input": noise(1, 3, 20, 28), "factor": np.array([1, 1, 2, 4], np.float32)}],
        translations=srcnn.onnx_translations,
    )


def write_inputs(case: Case, folder: Path) -> None:
    model = ReferenceModel(case)
    asked = [dict(judged.probe.inputs) for judged in model.judged]
    changed = [inputs for found in model.reactions.values() for inputs, _ in found]
    (folder / INPUTS).write_bytes(pickle.dumps((asked, changed)))


def check(case: Case, exporter: str) -> None:
    assert {finding.verdict for finding in run(case, [exporter])} <= {"holds", "fails"}


def main(exporter: str, folder: str) -> None:
    case = small_case()
    write_inputs(case, Path(folder))
    serve(lambda: check(case, exporter))


if __name__ == "__main__":
    main(*sys.argv[1:])
