"""The time of the checks, relative to a bare script that does each of their exports and inferences once."""

import copy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import pytest
import torch

import srcnn_models as srcnn
from onnxproof.case import Case
from onnxproof.checks.run import run as check
from onnxproof.latency import ratio
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, default_opset

ROUNDS = 5
MOST_TIMES = 1.25

ALONE = """
import sys
sys.modules["torch"] = None
import numpy, onnxruntime
inputs = dict(numpy.load("inputs.npz"))
onnxruntime.InferenceSession("model.onnx").run(None, inputs)
"""


@pytest.fixture
def case(trained, noise) -> Case:
    """SRCNN with the factor as an input, on a picture of 32 × 24 at ×3."""
    factor = np.array([1, 1, 3, 3], np.float32)
    return Case(
        trained(srcnn.PortableSuperResolutionNet()),
        {"input": noise(1, 3, 32, 24), "factor": factor},
        dynamic={"input": {2: "height", 3: "width"}},
        also=[{"input": noise(1, 3, 20, 28), "factor": np.array([1, 1, 2, 4], np.float32)}],
        translations=srcnn.onnx_translations,
    )


def bare_script(case: Case, exporter: str, asked: list[dict], changed: list[dict], folder: Path) -> None:
    """Does each export and inference of the checks once, and nothing else.

    `asked` are the inputs that the file is judged on, `changed` those with one change each, to which it has to react.
    """
    sizes = {2: "height", 3: "width"}
    options = {"dynamo": False, "dynamic_axes": {"input": sizes}}
    if exporter == TORCH_EXPORT:
        shapes = ({axis: torch.export.Dim(name) for axis, name in sizes.items()}, None)
        options = {"dynamo": True, "dynamic_shapes": shapes, "custom_translation_table": srcnn.onnx_translations()}
    options |= {
        "opset_version": default_opset(exporter),
        "input_names": ["input", "factor"],
        "output_names": ["output"],
    }
    path = folder / "model.onnx"
    for inputs, name in ((asked[2], "other.onnx"), (asked[0], "model.onnx")):
        arguments = tuple(map(torch.tensor, inputs.values()))
        torch.onnx.export(case.model, arguments, str(folder / name), **options)
    double = copy.deepcopy(case.model).double()
    onnx.checker.check_model(str(path), full_check=True)
    with torch.inference_mode():
        for inputs in (*asked, *changed, asked[0]):
            case.model(*map(torch.tensor, inputs.values()))
        for inputs in asked:
            double(*(torch.tensor(value).double() for value in inputs.values()))
    session = _session(path, "ORT_ENABLE_ALL")
    for inputs in (*asked, *changed, asked[0]):
        session.run(None, inputs)
    session = _session(path, "ORT_DISABLE_ALL")
    for inputs in asked:
        session.run(None, inputs)
    smallest = min(asked, key=lambda inputs: (1 in inputs["input"].shape[2:], inputs["input"].size))
    onnx.reference.ReferenceEvaluator(onnx.load(path)).run(None, dict(smallest))
    np.savez(folder / "inputs.npz", **asked[0])
    subprocess.run([sys.executable, "-c", ALONE], cwd=folder, check=True)


def _session(path: Path, level: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_checks_against_a_bare_script(benchmark, case, exporter, tmp_path, capsys):
    """Checking SRCNN takes at most `MOST_TIMES` as long as its exports and inferences."""
    model = ReferenceModel(case)
    asked = [judged.probe.inputs for judged in model.judged]
    changed = [inputs for found in model.reactions.values() for inputs, _ in found]
    checked, bare = [], []

    def rounds() -> None:
        started = time.perf_counter()
        assert {finding.verdict for finding in check(case, [exporter])} <= {"holds", "fails"}
        between = time.perf_counter()
        with capsys.disabled():
            bare_script(case, exporter, asked, changed, tmp_path)
        checked.append(between - started)
        bare.append(time.perf_counter() - between)

    benchmark.pedantic(rounds, rounds=ROUNDS, warmup_rounds=1)
    times = ratio(np.array(checked[1:]), np.array(bare[1:]))
    benchmark.extra_info["times"] = {"median": times.median, "low": times.low, "high": times.high}
    with capsys.disabled():
        print(f"\nchecks / bare script, {exporter}: {times}")
    assert times.median <= MOST_TIMES
