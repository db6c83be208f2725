"""Results as a run leaves them, for the specs of the report."""

from pathlib import Path

import cv2
import msgspec
import numpy as np

from onnxproof.results import (
    SCHEMA,
    Checked,
    ClaimResult,
    Comparison,
    Departure,
    GraphInput,
    GraphNode,
    GraphResult,
    LatencyResult,
    Pixels,
    RatioResult,
    Results,
    TimingResult,
)

CHANGED = 7
"""Values that ONNX Runtime's picture has one level off torch's."""

PICTURES = {"input": "face.png", "bicubic": "bicubic.png", "torch": "torch.png", "ONNX Runtime": "ort/ort.png"}

CLAIM = ClaimResult(
    id="operator-order",
    chapter="custom operator",
    statement="The factor is [1, 1, width, height].",
    verdicts={"torch.export": "departs", "torchscript": "holds"},
    departures=[Departure("torch.export", "the axes are the picture's own", "test_axes", "https://example.org/order")],
    not_applicable=["there is no file to speak of"],
    specs=["tests/test_operator.py::test_order[torch.export]", "tests/test_operator.py::test_order[torchscript]"],
)
HOLDING = ClaimResult("fixed-factor", "export", "The factor is in the file.", {"": "holds"}, [], [], ["test_factor"])

COMPARISON = Comparison(
    case="face-x3",
    spec="tests/test_face.py::test_face",
    same=True,
    problem="other size",
    difference=0.004,
    error=0.001,
    bound=0.01,
    pixels=Pixels(values=1_769_472, edges=CHANGED, wrong=0),
    pictures=PICTURES,
)

CHECKED = Checked(
    "Frozen", "torchscript", "", 17, "inputs-kept", "fails", "1 input", "no input factor", "pass the factor as a tensor"
)

GRAPH = GraphResult(
    file="srcnn2.onnx",
    target="torchscript-opset11",
    opset=11,
    inputs=[GraphInput("input", "float32 1×3×256×256", False), GraphInput("factor", "", True)],
    outputs=["output"],
    nodes=[
        GraphNode("Resize", ["input", "", "scales"], ["large"], {"mode": "cubic"}),
        GraphNode("Conv", ["large", "weight"], ["output"], {"pads": "4, 4, 4, 4"}),
    ],
    constants={"scales": "1, 1, 3, 3", "weight": "float32 64×3×9×9"},
)

LATENCY = LatencyResult(
    "fixed-x3-256",
    "onnxruntime",
    1,
    [
        TimingResult("onnxruntime", 0.107, 0.001, RatioResult(1, 1, 1), 54.6, 0.59),
        TimingResult("torch", 0.190, 0.008, RatioResult(1.76, 1.73, 1.93), None, None),
    ],
    {"openvino": "no module named openvino"},
)

RESULTS = Results(
    schema=SCHEMA,
    name="py311-torch2.13",
    environment={"torch": "2.13.0", "onnx": "1.23.2"},
    targets=[],
    claims=[CLAIM, HOLDING],
    comparisons=[COMPARISON],
    conversions=[CHECKED],
    graphs=[GRAPH],
    latency=[LATENCY],
)


def write_results(folder: Path, results: Results = RESULTS) -> Path:
    """A results.json in a folder that is made for it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    path.write_bytes(msgspec.json.encode(results))
    return path


def write_pictures(folder: Path, size: int = 24, seed: int = 0) -> None:
    """The pictures that `PICTURES` names: noise, and two that differ in `CHANGED` values."""
    picture = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    other = picture.copy()
    other.reshape(-1)[:CHANGED] += 1
    (folder / "ort").mkdir(parents=True, exist_ok=True)
    for role, name in PICTURES.items():
        cv2.imwrite(str(folder / name), other if role == "ONNX Runtime" else picture)
