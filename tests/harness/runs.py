"""Results of a run, for the specs of the report."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from onnxproof.results import (
    CheckResult,
    CheckVerdict,
    ClaimResult,
    ClaimVerdict,
    Comparison,
    Departure,
    GraphInput,
    GraphNode,
    GraphResult,
    Latency,
    Machine,
    Parity,
    PixelParity,
    Ratio,
    RefusedCase,
    Results,
    Timing,
    as_json,
)

CHANGED = 7
"""The number of values in which ONNX Runtime's picture is one level above torch's."""

PICTURES = {"input": "face.png", "bicubic": "bicubic.png", "torch": "torch.png", "ONNX Runtime": "ort/ort.png"}

CLAIM = ClaimResult(
    id="operator-order",
    chapter="custom operator",
    statement="The factor is [1, 1, width, height].",
    verdicts={"torch.export": ClaimVerdict.DEPARTS, "torchscript": ClaimVerdict.HOLDS},
    departures=[Departure("torch.export", "the axes are the picture's own", "test_axes", "https://example.org/order")],
    not_applicable=["there is no file to speak of"],
    specs=["tests/test_operator.py::test_order[torch.export]", "tests/test_operator.py::test_order[torchscript]"],
)
HOLDING = ClaimResult(
    "fixed-factor", "export", "The factor is in the file.", {"": ClaimVerdict.HOLDS}, [], [], ["test_factor"]
)

COMPARISON = Comparison(
    Parity("face-x3", "output", "other size", difference=0.004, error=0.001, bound=0.01),
    PixelParity(values=1_769_472, edges=CHANGED, wrong=0),
    PICTURES,
    "tests/test_face.py::test_face",
)

CHECKED = CheckResult(
    *("Frozen", "torchscript", "", 17, "inputs-kept", CheckVerdict.FAILS, "1 input", "no input factor"),
    advice="Pass the factor as a tensor.",
    evidence="The tracer warned at models.py:3",
    repro="repro/Frozen-torchscript/inputs-kept",
)

GRAPH = GraphResult(
    file="srcnn2.onnx",
    target="torchscript-opset11",
    opset=11,
    inputs=[GraphInput("input", "float32 1×3×256×256", False), GraphInput("factor", "", True)],
    outputs=["output"],
    nodes=[
        GraphNode("Resize", ["input", "", "scales"], ["X", "roi", "scales"], ["large"], {"mode": "cubic"}),
        GraphNode("Conv", ["large", "weight"], ["X", "W"], ["output"], {"pads": "4, 4, 4, 4"}),
    ],
    constants={"scales": "1, 1, 3, 3", "weight": "float32 64×3×9×9"},
)

LATENCY = Latency(
    "fixed-x3-256",
    "onnxruntime",
    1,
    92.5,
    [
        Timing("onnxruntime", [0.107], 0.107, 0.001, Ratio(1, 1, 1), 54.6, 0.59),
        Timing("torch", [0.190], 0.190, 0.008, Ratio(1.76, 1.73, 1.93), None, None, versions={"torch": "2.13.0"}),
    ],
    {"openvino": "no module named openvino"},
)

MACHINE = Machine("AMD EPYC", 2, "2026-02-14T09:30:00Z")

EMPTY = replace(Results.of_run({"torch": "2.13.0", "onnx": "1.23.2"}), name="py311-torch2.13")
TIMED = replace(EMPTY, latency=[LATENCY], machine=MACHINE)
RESULTS = replace(TIMED, claims=[CLAIM, HOLDING], comparisons=[COMPARISON], findings=[CHECKED], graphs=[GRAPH])
REFUSED = RefusedCase("Picky", "the model refuses its inputs")


def timed(case: str = "fixed-x3-256", **medians: float) -> Latency:
    """A workload with the baseline "ort" and others, by the median of the ratio; its interval ends 0.05 beside it."""
    others = {name: Ratio(median, median - 0.05, median + 0.05) for name, median in medians.items()}
    ratios = {"ort": Ratio(1, 1, 1)} | others
    return Latency(case, "ort", 1, None, [Timing(name, [], 0, 0, ratio, None, None) for name, ratio in ratios.items()])


def write_results(folder: Path, results: Results = RESULTS) -> Path:
    """Writes a results.json and makes its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_text(as_json(results), encoding="utf-8")
    return path


def write_repro(folder: Path, name: str = CHECKED.repro) -> None:
    """Writes the script of a finding."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "repro.py").touch()


def write_pictures(folder: Path, size: int = 24, seed: int = 0) -> None:
    """Writes the pictures in `PICTURES`: noise, with `CHANGED` values changed for ONNX Runtime."""
    picture = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    other = picture.copy()
    other.reshape(-1)[:CHANGED] += 1
    (folder / "ort").mkdir(parents=True, exist_ok=True)
    for role, name in PICTURES.items():
        cv2.imwrite(str(folder / name), other if role == "ONNX Runtime" else picture)
