"""A folder that shows a failed check again, with onnxruntime and numpy alone."""

import re
from pathlib import Path

import ml_dtypes
import numpy as np

from onnxproof._internal.files import replace_folder
from onnxproof._internal.trees import Array
from onnxproof.engines.base import EngineError
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun, Finding
from onnxproof.graph.load import GraphError, copy_with_data
from onnxproof.probing.conversion import Conversion

_SCRIPT = """\
# {title}
# {problem}
# Run it with `python repro.py`; it needs onnxruntime and numpy alone.
import sys
from pathlib import Path

sys.path.pop(0)  # what lies in this folder is data
import numpy as np
import onnxruntime

here = Path(__file__).parent
inputs, expected = np.load(here / "inputs.npz"), np.load(here / "expected.npz")
session = onnxruntime.InferenceSession(str(here / "model.onnx"), providers={providers!r})
actual = session.run(None, {{name: inputs[f"arr_{{i}}"] for i, name in enumerate({inputs!r})}})
print(f"{{len(actual)}} outputs, the model gives {{len(expected.files)}}")
for i, (name, got) in enumerate(zip({outputs!r}, actual)):
    want = expected[f"arr_{{i}}"]
    print(f"{{name}}: {{got.dtype}} {{got.shape}}, the model gives {{want.dtype}} {{want.shape}}")
    if got.shape == want.shape and got.size:
        print("    largest difference", np.abs(got.astype(float) - want.astype(float)).max())
"""


def write_repro(report: Path, conversion: Conversion, finding: Finding) -> Path | None:
    """Writes model.onnx with its data, inputs.npz, expected.npz, actual.npz and repro.py into `report/repro/…`.

    The write is atomic. The arrays are `arr_0` and so on, in the order in which repro.py names them. None if there is
    no file, or it cannot be fed. Raises `OSError` for a folder that cannot be written.
    """
    run = finding.run or _run_of_the_example(conversion)
    if run is None:
        return None
    script = _SCRIPT.format(
        title=_comment(f"{finding.check}: {conversion!r}"),
        problem=_comment(finding.problem),
        providers=[conversion.provider],
        inputs=list(run.inputs),
        outputs=list(run.expected),
    )

    def make(new: Path) -> None:
        copy_with_data(conversion.file.path, new)
        for what in ("inputs", "expected", "actual"):
            np.savez(new / f"{what}.npz", *map(_plain, getattr(run, what).values()))
        (new / "repro.py").write_text(script, encoding="utf-8")

    return replace_folder(repro_folder(report, conversion, finding), make)


def repro_folder(report: Path, conversion: Conversion, finding: Finding) -> Path:
    """The folder in a report for a finding on a conversion."""
    return report / "repro" / folder_name(repr(conversion)) / finding.check


def folder_name(text: str) -> str:
    """The name of a conversion or a case as that of a folder."""
    return re.sub(r"[^\w.-]+", "-", text)


def _run_of_the_example(conversion: Conversion) -> FailingRun | None:
    try:
        inputs = conversion.feeds(conversion.case.inputs)
    except (EngineError, ExportError, GraphError):
        return None
    try:
        actual = conversion.outputs(conversion.model.traced)
    except EngineError:
        actual = {}
    return FailingRun(inputs, dict(conversion.model.traced.reference.values), actual)


def _plain(array: Array) -> Array:
    """What numpy alone can read back."""
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array


def _comment(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", text)[:110]
