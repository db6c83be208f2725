"""The where.py of a failed check: the nodes at which the file departs, alone and on right inputs."""

from onnxproof.findings import Cut
from onnxproof.locating.scripts import comment
from onnxproof.results import Where

_SCRIPT = """\
# {title}
# The nodes alone, from model.onnx: {nodes}
# Run `python where.py`; it needs onnxruntime and numpy alone. The exit status is 1 while the difference shows, else 0.
import sys
from pathlib import Path

sys.path.pop(0)  # what lies in this folder is data
import numpy as np
import onnxruntime

MODEL, INPUTS = str(Path(__file__).parent / "where.onnx"), {inputs!r}
DTYPE, BOUND, MEAN_BOUND = {dtype!r}, {bounds[0]!r}, {bounds[1]!r}


def shows(failure, what):
    print("the difference shows:" if failure else "the difference is gone:", what)
    sys.exit(bool(failure))


with np.load(Path(__file__).parent / "where.npz") as found:
    *inputs, expected = [found[f"arr_{{i}}"] for i in range(len(found.files))]
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
try:
    session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, dict(zip(INPUTS, inputs)))
except Exception as error:
    shows(True, error)
name = session.get_outputs()[0].name
print(f"{{name}}: {{actual.dtype}} {{actual.shape}}, the model's is {{DTYPE}} {{expected.shape}}")
if actual.dtype != DTYPE and DTYPE != "bfloat16":
    shows(True, "the dtypes differ")
if actual.size != expected.size or (actual.shape != expected.shape and actual.ndim == expected.ndim):
    shows(True, "the shapes differ")
actual, expected = actual.ravel().astype(float), expected.ravel().astype(float)
if not np.array_equal(np.isfinite(actual), np.isfinite(expected)):
    shows(True, "values are not finite where they were, or the other way round")
errors = (actual - expected)[np.isfinite(expected)]
largest, mean = np.abs(errors).max(initial=0), abs(errors.mean()) if errors.size else 0.0
print("    largest difference", largest, "mean", mean)
shows(largest > BOUND or mean > MEAN_BOUND, f"rounding explains {{BOUND:.2g}}, {{MEAN_BOUND:.2g}} in the mean")
"""


def script_of_cut(cut: Cut, where: Where) -> str:
    """The text of where.py."""
    place = where.module or ("the model's own forward" if where.type else "the end of the file")
    return _SCRIPT.format(
        title=comment(f"{place} {where.source}"),
        nodes=comment(", ".join(where.nodes)),
        inputs=list(cut.inputs),
        dtype=cut.dtype,
        bounds=cut.bounds,
    )
