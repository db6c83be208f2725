"""Runs every fault and every good conversion through every check and through other tools.

`python -m docs.fault_table` writes docs/faults.json, and docs/faults.md from it; `--page` writes the page only.
"""

import functools
import json
import platform
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import ml_dtypes
import numpy as np
import onnx_ir
import onnxruntime
import torch
from rich.console import Console
from rich.progress import track
from torch.onnx.testing import assert_onnx_program

from docs.fault_page import PAGE, RESULTS, render
from docs.lossy_table import lossy
from onnxproof._internal.trees import Array, leaves
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import ExportError
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.files import ExportedFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCH_EXPORT
from tests.harness.proof import GOOD_PAIRS, MODEL_PAIRS, TABLED, TABLED_PAIRS, failing, good_subjects

Item = TypeVar("Item")

COSINE = 0.999
DECIBELS = 30
OF_TORCH_EXPORT = ("verify", "assert_onnx_program")
NO_FILE = "there is no file"
STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "polygraphy")


@dataclass(frozen=True)
class Question:
    """What a peer is asked: a file, and the outputs that it must give on the traced inputs.

    `good` is the file before it was broken, if there is one. `program` is what torch.export's exporter returned, and
    `log` its output with `verify=True`.
    """

    path: Path
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    good: Path | None = None
    program: Any = None
    log: str | None = None


Answer = str | None
"""Why a peer rejects a file, "" if it accepts the file, None if it cannot be asked."""


def verify(question: Question) -> Answer:
    if question.log is None:
        return None
    found = [line for line in question.log.splitlines() if "❌" in line or " difference of " in line]
    return found[0].rpartition("] ")[2].strip() if found else ""


def assert_program(question: Question) -> Answer:
    if question.program is None:
        return None
    if question.good:
        question.program.model = onnx_ir.load(question.path)
    question.program.release()
    assert_onnx_program(question.program, strategy=None)
    return ""


def allclose(question: Question) -> Answer:
    same = all(np.allclose(actual, wanted) for actual, wanted in paired(question))
    return "" if same else "not allclose"


def polygraphy(question: Question) -> Answer:
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
    from polygraphy.comparator import Comparator, RunResults
    from polygraphy.logger import G_LOGGER

    if any(array.dtype == ml_dtypes.bfloat16 for array in question.inputs.values()):
        return None
    G_LOGGER.module_severity = G_LOGGER.ULTRA_VERBOSE + 100
    files = [question.good, question.path] if question.good else [question.path]
    runners = [OnnxrtRunner(SessionFromOnnx(str(file)), name=str(file)) for file in files]
    results = Comparator.run(runners, data_loader=[question.inputs])
    if not question.good:
        model = RunResults()
        expected = {name: np.ascontiguousarray(array) for name, array in question.expected.items()}
        model.add([expected], runner_name="torch")
        model.extend(results)
        results = model
    return "" if bool(Comparator.compare_accuracy(results)) else "outputs differ"


def cosine(question: Question) -> Answer:
    found = [_cosine(*pair) for pair in paired(question)]
    return "" if all(value >= COSINE for value in found) else f"{min(found):.4f}"


def _cosine(a: Array, b: Array) -> float:
    a, b = (array.astype(np.float64).ravel() for array in (a, b))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths else float(np.array_equal(a, b))


def psnr(question: Question) -> Answer:
    found = [_psnr(*pair) for pair in paired(question)]
    return "" if all(value >= DECIBELS for value in found) else f"{min(found):.1f} dB"


def _psnr(actual: Array, expected: Array) -> float:
    a, b = (array.astype(np.float64) for array in (actual, expected))
    error = float(np.mean(np.square(a - b)))
    return 10 * float(np.log10(np.ptp(b) ** 2 / error)) if error else float("inf")


PEERS: dict[str, Callable[[Question], Answer]] = {
    "verify": verify,
    "assert_onnx_program": assert_program,
    "allclose": allclose,
    "polygraphy": polygraphy,
    "cosine": cosine,
    "psnr": psnr,
}


def paired(question: Question) -> list[tuple[Array, Array]]:
    """Pairs of the file's outputs and the expected ones, by position."""
    actual = OnnxRuntime().open(question.path).run(question.inputs)
    return list(zip(actual.values(), question.expected.values(), strict=False))


def answers(question: Question) -> dict[str, Answer]:
    """The answer of each peer; one that raises has rejected the file."""
    return {name: _answer(peer, question) for name, peer in PEERS.items()}


def _answer(peer: Callable[[Question], Answer], question: Question) -> Answer:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return peer(question)
    except BaseException as error:  # Polygraphy ends the process where it cannot go on
        if isinstance(error, KeyboardInterrupt):
            raise
        reason = " ".join(str(error).split()) or "no reason given"
        return f"{type(error).__name__}: {without_folders(reason)}"[:120]


def without_folders(text: str) -> str:
    """The text with each path reduced to its file name: folders differ between runs."""
    return re.sub(r"(?<![\w.])/\S+/", "", text)


def ask(conversion: Conversion, good: Conversion | None = None, program: Any = None) -> dict[str, Answer]:
    """The peers' answers on the file of a conversion, exported or made by breaking the file of `good`."""
    case, log = conversion.case, None
    is_verified = conversion.file.exporter == TORCH_EXPORT and good is None
    try:
        path = conversion.file.path
    except ExportError:
        return {name: NO_FILE if is_verified or name not in OF_TORCH_EXPORT else None for name in PEERS}
    if is_verified:
        program, log = verified(conversion)
    asked_for = good.graph.input_names if good else conversion.graph.input_names
    names = [name for name in leaves(case.inputs) if name in (*case.required_inputs, *asked_for)]
    inputs = {name: np.asarray(leaves(case.inputs)[name]) for name in names}
    if good is None:
        inputs |= {name: array for name, array in conversion.feeds(case.inputs).items() if name in inputs}
    expected = TorchModel(case.model, tuple(case.inputs), case.output_names, keywords=case.kwargs).run(case.inputs)
    return answers(Question(path, inputs, expected, good.file.path if good else None, program, log))


def verified(conversion: Conversion) -> tuple[Any, str]:
    """What torch.onnx.export returns and prints with `verify=True`. Raises `ExportError`."""
    programs: list[Any] = []
    real = torch.onnx.export

    def export(*arguments: Any, **options: Any) -> Any:
        programs.append(real(*arguments, **options, verify=True, verbose=True))
        return programs[-1]

    in_this_process = ExportedFile(conversion.model, conversion.file.exporter, conversion.file.opset, timeout=None)
    with mock.patch("torch.onnx.export", export):
        made = in_this_process.traced_on(conversion.case.inputs, "verified")
    return programs[0], made.log


def file_faults() -> list[dict[str, Any]]:
    good = good_subjects()
    programs = functools.cache(lambda subject: verified(good(subject))[0] if subject.exporter == TORCH_EXPORT else None)
    rows = []
    for subject, fault in tracked(TABLED_PAIRS, "faults of a file"):
        with tempfile.TemporaryDirectory() as folder:
            broken = good(subject).of_file(fault.apply(good(subject).file.path, Path(folder)))
            found = {"checks": failing(broken), "peers": ask(broken, good(subject), programs(subject))}
        rows.append(described(fault, "file", subject.id) | found)
    return rows


def model_faults() -> list[dict[str, Any]]:
    rows = []
    for fault, exporter in tracked(MODEL_PAIRS, "faults of a model's conversion"):
        checks, peers = (exported(ReferenceModel(fault.make()), exporter, fault.opset) for _ in range(2))
        rows.append(described(fault, "model", exporter) | {"checks": failing(checks), "peers": ask(peers)})
    return rows


def described(fault: Any, kind: str, on: str) -> dict[str, Any]:
    return {"id": fault.id, "kind": kind, "on": on, "sentence": fault.sentence, "caught_by": fault.caught_by}


def good_conversions() -> list[dict[str, Any]]:
    made = [(subject.id, subject.make, subject.exporter, subject.opset) for subject in TABLED]
    made += [(f"{good.id}-{exporter}", good.make, exporter, good.opset) for good, exporter in GOOD_PAIRS]
    rows = []
    for id, make, exporter, opset in tracked(made, "good conversions"):
        checks, peers = (exported(ReferenceModel(make()), exporter, opset) for _ in range(2))
        rows.append({"id": id, "checks": failing(checks), "peers": ask(peers)})
    return rows


def tracked(items: Sequence[Item], title: str) -> Iterable[Item]:
    """The items; on a terminal a bar shows how many are done."""
    return track(items, title, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def main() -> None:
    if sys.argv[1:] != ["--page"]:
        onnxruntime.set_default_logger_severity(4)  # what it logs as an error it raises as well
        found = {
            "versions": {"python": platform.python_version()} | {name: version(name) for name in STACK},
            "faults": file_faults() + model_faults(),
            "good": good_conversions(),
            "lossy": lossy(),
        }
        RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
