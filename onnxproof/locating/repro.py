"""A folder that shows a failed check again, with an engine and numpy alone."""

import re
from pathlib import Path

import ml_dtypes
import numpy as np

from onnxproof._internal.files import replace_folder
from onnxproof._internal.trees import Array
from onnxproof.exporting.export import ExportError
from onnxproof.findings import Cut, FailingRun, Finding
from onnxproof.graph.load import GraphError, copy_with_data
from onnxproof.locating.cut_script import script_of_cut
from onnxproof.locating.scripts import NEED_NO_RUN, can_show, script
from onnxproof.probing.conversion import Conversion
from onnxproof.results import Where


def write_repro(report: Path, conversion: Conversion, finding: Finding) -> Path | None:
    """Writes model.onnx with its data, the inputs and outputs as .npz files, and repro.py into `report/repro/…`.

    If it is known where the file departs, where.py shows that with these nodes alone, which are in where.onnx.
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
        if run.cut and finding.where:
            _write_cut(new, run.cut, finding.where)

    return replace_folder(repro_folder(report, conversion, finding), make)


def _write_cut(folder: Path, cut: Cut, where: Where) -> None:
    """Writes the nodes at which the file departs, with their right inputs, and where.py, which runs them alone."""
    (folder / "where.onnx").write_bytes(cut.model)
    np.savez(folder / "where.npz", *map(_plain, (*cut.inputs.values(), cut.exact)))
    (folder / "where.py").write_text(script_of_cut(cut, where), encoding="utf-8")


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
