"""What a user's own script does where it does each export and inference of a small case's checks once.

`python -m benchmarks.small_bare EXPORTER OPSET FOLDER` serves rounds. It imports nothing of onnxproof.
"""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime
import torch

import srcnn_models as srcnn
from benchmarks.rounds import ROOT, serve

INPUTS = "inputs.pickle"
"""Written by small_checks: the inputs that the file is judged on, and those with one change each."""

ALONE = """
import sys
sys.modules["torch"] = None
import numpy, onnxruntime
inputs = dict(numpy.load("inputs.npz"))
onnxruntime.InferenceSession("model.onnx").run(None, inputs)
"""


def network() -> torch.nn.Module:
    """SRCNN with the factor as an input, with the committed weights."""
    model = srcnn.PortableSuperResolutionNet()
    model.load_state_dict(srcnn.strip_prefix(srcnn.load_checkpoint(ROOT / "fixtures" / "srcnn.pth")))
    return model.eval()


def convert(model: torch.nn.Module, exporter: str, opset: int, folder: Path) -> None:
    """Does each export and inference of the checks once, and nothing else."""
    asked, changed = pickle.loads((folder / INPUTS).read_bytes())
    sizes = {2: "height", 3: "width"}
    options = {"dynamo": False, "dynamic_axes": {"input": sizes}}
    if exporter == "torch.export":
        shapes = ({axis: torch.export.Dim(name) for axis, name in sizes.items()}, None)
        options = {"dynamo": True, "dynamic_shapes": shapes, "custom_translation_table": srcnn.onnx_translations()}
    options |= {"opset_version": opset, "input_names": ["input", "factor"], "output_names": ["output"]}
    path = folder / "model.onnx"
    for inputs, name in ((asked[2], "other.onnx"), (asked[0], "model.onnx")):
        torch.onnx.export(model, tuple(map(torch.tensor, inputs.values())), str(folder / name), **options)
    double = copy.deepcopy(model).double()
    onnx.checker.check_model(str(path), full_check=True)
    with torch.inference_mode():
        for inputs in (*asked, *changed, asked[0]):
            model(*map(torch.tensor, inputs.values()))
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


def main(exporter: str, opset: str, folder: str) -> None:
    model = network()
    serve(lambda: convert(model, exporter, int(opset), Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
