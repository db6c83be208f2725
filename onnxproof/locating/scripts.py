"""The repro.py of a failed check: its exit status is 1 while the failure shows, and 0 once it is gone."""

import re
from typing import Any

import ml_dtypes

from onnxproof._internal.trees import leaves
from onnxproof.engines.asked import REFERENCE, UNOPTIMIZED
from onnxproof.findings import FailingRun, Finding
from onnxproof.locating.sessions import OTHERS, base_of
from onnxproof.probing.conversion import Conversion

_HEAD = """\
# {title}
# {problem}
# Run `python repro.py`; it needs {package} and numpy alone. The exit status is 1 while the failure shows, else 0.
import re
import sys
from pathlib import Path

sys.path.pop(0)  # what lies in this folder is data
import numpy as np
import {package}

MODEL, INPUTS, OUTPUTS, FACTS = str(Path(__file__).parent / "model.onnx"), {inputs!r}, {outputs!r}, {facts!r}


def arrays(name):
    with np.load(Path(__file__).parent / name) as found:
        return [found[f"arr_{{i}}"] for i in range(len(found.files))]


def shows(failure, what):
    print("the failure shows:" if failure else "the failure is gone:", what)
    sys.exit(bool(failure))


def run(name):
    try:
        return session.run(None, {{name: array for name, array in zip(INPUTS, arrays(name)) if name in ASKED}})
    except Exception as error:
        shows(True, error)


"""
_ONNXRUNTIME = """\
options = onnxruntime.SessionOptions()
options.log_severity_level = 4
if not FACTS["optimize"]:
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
try:
    session = onnxruntime.InferenceSession(MODEL, options, providers=FACTS["providers"])
except Exception as error:
    shows(True, error)
ASKED = [value.name for value in session.get_inputs()]
"""
_REFERENCE = """\
import onnx.reference

session = onnx.reference.ReferenceEvaluator(MODEL)
ASKED = session.input_names
"""
_VALUES = """\
def distance(a, b):
    if (a.dtype, a.shape) != (b.dtype, b.shape) or ((a != a) != (b != b)).any():
        return np.inf
    return np.nansum(np.where(a == b, 0, np.abs(a.astype(float) - b.astype(float))))


actual, expected, found = run("inputs.npz"), arrays("expected.npz"), arrays("actual.npz")
wrong = [] if len(actual) == len(expected) else [f"{len(actual)} outputs, the model has {len(expected)}"]
for i, (name, got, want) in enumerate(zip(OUTPUTS, actual, expected)):
    print(f"{name}: {got.dtype} {got.shape}, the model's is {want.dtype} {want.shape}")
    if got.shape == want.shape and got.size:
        print("    largest difference", np.abs(got.astype(float) - want.astype(float)).max())
    nearest = distance(got, found[i]) if name in FACTS["wrong"] and i < len(found) else np.inf
    if min(nearest, np.finfo(float).max) < distance(got, want):
        wrong.append(f"{name} is nearer to what was found than to the model's" if nearest < np.inf else name)
shows(wrong, "; ".join(wrong) or "the outputs are the model's")
"""
_TWICE = """\
pairs = zip(INPUTS, arrays("before.npz"), arrays("inputs.npz"))
changed = [name for name, a, b in pairs if a.shape != b.shape or a.tobytes() != b.tobytes()]
print(f"the file's inputs are {ASKED}; inputs.npz and before.npz differ in {changed}")
first, second = run("before.npz"), run("inputs.npz")
same = all(a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(first, second))
for name, a, b in zip(OUTPUTS, first, second):
    print(f"{name}: {a.dtype} {a.shape} on before.npz, {b.dtype} {b.shape} on inputs.npz")
shows(same == FACTS["same"], f"the outputs are {'the same' if same else 'different'} on before.npz and inputs.npz")
"""
_DECLARED = """\
for value in (*session.get_inputs(), *session.get_outputs()):
    print(value.name, value.type, value.shape)
inputs, outputs = ({value.name: value for value in found} for found in (session.get_inputs(), session.get_outputs()))
"""
_INPUTS = """\
required, known = FACTS["required"], FACTS["known"]
kept = [name for name in inputs if name in required] == required and set(inputs) <= set(known)
shows(not kept, f"the file's inputs are {list(inputs)}, the model's {known}")
"""
_OUTPUTS = """\
found = [[value.name if FACTS["named"] else "", value.type, len(value.shape)] for value in outputs.values()]
shows(found != FACTS["outputs"], f"the model's outputs, with type and rank, are {FACTS['outputs']}")
"""
_DIMS = """\
frozen = [[name, axis] for name, axis in FACTS["dynamic"] if name in inputs and type(inputs[name].shape[axis]) is int]
shows(frozen, f"asked to be dynamic are {FACTS['dynamic']}; fixed are {frozen}")
"""
_SHAPES = """\
def promised(declared):
    if not isinstance(declared, str) or declared in sizes:
        return sizes.get(declared, declared)
    try:  # the expressions of torch.export, such as 2*height + 1
        known = re.fullmatch(r"[\\w +*/%()-]+", declared)
        return eval(declared, {"__builtins__": {}}, dict(sizes)) if known else None
    except Exception:
        return None


sizes, wrong, fed = {}, [], dict(zip(INPUTS, arrays("inputs.npz")))
pairs = [(value, fed[value.name]) for value in session.get_inputs()]
for value, array in [*pairs, *zip(session.get_outputs(), run("inputs.npz"))]:
    print(f"{value.name}: declared {value.shape}, the run has {list(array.shape)}")
    wrong += [f"{value.name} has {array.ndim} dimensions"] if len(value.shape) != array.ndim else []
    for declared, size in zip(value.shape, array.shape):
        if promised(declared) is None:
            sizes[declared] = size
        elif promised(declared) != size:
            wrong.append(f"{value.name}: {declared} is {promised(declared)}, the run has {size}")
shows(wrong, "; ".join(wrong) or "every size is the declared one")
"""
_RUNS = """\
run("inputs.npz")
shows(False, "the file runs")
"""
_OPSET = """\
found = {each.domain or "ai.onnx": each.version for each in onnx.load(MODEL, load_external_data=False).opset_import}
shows(found.get("ai.onnx") != FACTS["opset"], f"the opsets are {found}, asked for {FACTS['opset']}")
"""
_CHECKER = """\
try:
    onnx.checker.check_model(MODEL, full_check=True)
except Exception as error:
    shows(True, error)
shows(False, "onnx.checker accepts the file")
"""

_OF_THE_FILE = {
    "inputs-kept": _DECLARED + _INPUTS,
    "outputs-kept": _DECLARED + _OUTPUTS,
    "dims-kept": _DECLARED + _DIMS,
    "self-contained": _RUNS,
    "opset-kept": _OPSET,
    "well-formed": _CHECKER,
}
"""Checks that judge the file itself, whatever its outputs are."""

NEED_NO_RUN = tuple(_OF_THE_FILE)

_TYPES = {"float32": "float", "float64": "double"}
"""The dtypes that ONNX Runtime calls otherwise than numpy."""


def can_show(finding: Finding, run: FailingRun) -> bool:
    """Whether a script is known that runs the engine by itself."""
    is_shown = run.engine.startswith(("onnxruntime", UNOPTIMIZED)) or run.engine == REFERENCE
    needs_onnxruntime = finding.check == "shapes-honest" or finding.check in _OF_THE_FILE
    is_numpys = all(array.dtype != ml_dtypes.bfloat16 for array in run.inputs.values())
    return is_shown or (base_of(run.engine) in OTHERS and is_numpys and not needs_onnxruntime)


def script(conversion: Conversion, finding: Finding, run: FailingRun) -> str:
    """The text of repro.py for a finding, and the inputs and outputs beside it."""
    body = _OF_THE_FILE.get(finding.check)
    with_onnx = body in (_OPSET, _CHECKER) or run.engine == REFERENCE
    other = OTHERS.get(base_of(run.engine))
    if body is None and finding.check == "shapes-honest":
        body = _SHAPES
    elif body is None:
        body = _TWICE if run.before else _VALUES
    own = other.session if other else _REFERENCE if with_onnx else _ONNXRUNTIME
    session = "" if body in (_OPSET, _CHECKER) else own
    head = _HEAD.format(
        title=comment(f"{finding.check}: {conversion!r}"),
        problem=comment(finding.problem),
        package=other.package if other else "onnx" if with_onnx else "onnxruntime",
        inputs=list(run.inputs),
        outputs=list(run.expected),
        facts=_facts(conversion, finding, run),
    )
    return head + session + "\n\n" * bool(session) + body


def _facts(conversion: Conversion, finding: Finding, run: FailingRun) -> dict[str, Any]:
    """What the script needs to know of the case."""
    case, values = conversion.case, conversion.model.traced.reference.values
    named = conversion.names_outputs
    kinds = {name: _TYPES.get(array.dtype.name, array.dtype.name) for name, array in values.items()}
    of_check: dict[str, dict[str, Any]] = {
        "inputs-kept": {"required": list(case.required_inputs), "known": list(leaves(case.inputs))},
        "outputs-kept": {
            "named": named,
            "outputs": [[name if named else "", f"tensor({kinds[name]})", values[name].ndim] for name in values],
        },
        "dims-kept": {"dynamic": [[name, axis] for name, axes in case.dynamic.items() for axis in axes]},
        "opset-kept": {"opset": conversion.file.opset},
    }
    return of_check.get(finding.check, {}) | {
        "providers": conversion.provider.split(","),
        "optimize": not run.engine.endswith(UNOPTIMIZED),
        "asked": list(conversion.graph.input_names),
        "gives": list(conversion.graph.output_names),
        "option": run.engine.partition(":")[2],
        "wrong": list(run.wrong or run.expected),
        "same": finding.check == "inputs-live",
    }


def comment(text: str) -> str:
    """A text as it may stand in a comment."""
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:110]
