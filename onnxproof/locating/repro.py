"""A folder that shows a failed check again, with an engine and numpy alone."""

import re
from pathlib import Path

import ml_dtypes
import numpy as np

from onnxproof._internal.files import replace_folder
from onnxproof._internal.trees import Array
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun, Finding
from onnxproof.graph.load import GraphError, copy_with_data
from onnxproof.locating.scripts import NEED_NO_RUN, can_show, script
from onnxproof.probing.conversion import Conversion


def write_repro(report: Path, conversion: Conversion, finding: Finding) -> Path | None:
    """Writes model.onnx with its data, the inputs and outputs as .npz files, and repro.py into `report/repro/…`.

    The write is atomic. The arrays are `arr_0` and so on, in the order in which repro.py names them. None if there is
    no file, or no run that shows the failure. Raises `OSError` for a folder that cannot be written.
    """
    try:
        run = finding.run or (_without_run(conversion) if finding.check in NEED_NO_RUN else None)
        path = conversion.file.path
    except (ExportError, GraphError):
        return None
    if run is None or not path.is_file() or not can_show(finding, run):
        return None

    def make(new: Path) -> None:
        copy_with_data(path, new)
        for what in ("inputs", "before", "expected", "actual"):
            found = getattr(run, what)
            if found or what != "before":
                np.savez(new / f"{what}.npz", *map(_plain, found.values()))
        (new / "repro.py").write_text(script(conversion, finding, run), encoding="utf-8")

    return replace_folder(repro_folder(report, conversion, finding), make)


def repro_folder(report: Path, conversion: Conversion, finding: Finding) -> Path:
    """The folder in a report for a finding on a conversion."""
    check = f"{finding.check}-{finding.engine}" if finding.is_elsewhere else finding.check
    return report / "repro" / folder_name(repr(conversion)) / folder_name(check)


def folder_name(text: str) -> str:
    """The name of a conversion or a case as that of a folder."""
    return re.sub(r"[^\w.-]+", "-", text)


def _without_run(conversion: Conversion) -> FailingRun:
    """The example, for a failure that is in the file itself."""
    inputs = conversion.every_input(conversion.case.inputs)
    return FailingRun(inputs, dict(conversion.model.traced.reference.values), {})


def _plain(array: Array) -> Array:
    """What numpy alone can read back."""
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
