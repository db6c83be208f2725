"""Runs every lossy fault and its right twin through every check and through other tools, for docs/faults.json.

`python -m docs.lossy_table` replaces these rows alone, and makes docs/faults.md of the whole.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from docs.fault_page import PAGE, RESULTS, render
from onnxproof._internal.trees import Array
from onnxproof.checks import CHECKS, judge
from onnxproof.checks.run import LOSS_CHECKS
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.parity.metrics import decibels, noise_to_signal
from onnxproof.probing.conversion import Conversion
from onnxproof.results import CheckVerdict
from tests.harness.lossy import LOSSY, LOSSY_PAIRS, LossySubject, written

DECIBELS, COSINE, TOLERANCE, DEBUG = 20, 0.99, 1e-2, 20
SEEN = 10
"""The samples that onnxruntime's debugger is given, which keeps every value of each."""


@dataclass(frozen=True)
class Question:
    """A lossy file, the float file that it was made of, and the model's outputs on samples."""

    path: Path
    before: Path
    samples: list[Mapping[str, Array]]
    expected: list[Array]

    def outputs(self) -> list[Array]:
        """The file's first output on each sample, in ONNX Runtime."""
        session = OnnxRuntime().open(self.path)
        return [next(iter(session.run(sample).values())) for sample in self.samples]

    def both(self) -> tuple[Array, Array]:
        """The outputs of the file and of the model on all samples, as one array each."""
        return tuple(np.concatenate([each.ravel() for each in found]) for found in (self.outputs(), self.expected))


Answer = str | None
"""Why a tool rejects a file, "" if it accepts the file, None if it cannot be asked."""


def sqnr(question: Question) -> Answer:
    found = decibels(noise_to_signal(*question.both()))
    return "" if found >= DECIBELS else f"{found:.1f} dB"


def cosine(question: Question) -> Answer:
    ours, theirs = (each.astype(np.float64) for each in question.both())
    found = float(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)))
    return "" if found >= COSINE else f"{found:.4f}"


def allclose(question: Question) -> Answer:
    return "" if np.allclose(*question.both(), TOLERANCE, TOLERANCE) else "not allclose"


def qdq_loss_debug(question: Question) -> Answer:
    from onnxruntime.quantization import CalibrationDataReader
    from onnxruntime.quantization import qdq_loss_debug as debug

    if "qdq" not in question.path.name:
        return None

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(question.samples[:SEEN])

        def get_next(self) -> Any:
            return next(self.left, None)

    weights = debug.compute_weight_error(debug.create_weight_matching(str(question.before), str(question.path)))
    found = {name: value for name, value in weights.items() if value < DEBUG}
    with tempfile.TemporaryDirectory() as folder:
        collected = []
        for path in (question.path, question.before):
            opened = Path(folder, path.name)
            debug.modify_model_output_intermediate_tensors(path, opened)
            collected.append(debug.collect_activations(str(opened), Reader()))
    values = debug.compute_activation_error(debug.create_activation_matching(*collected))
    against_float = {name: errors["xmodel_err"] for name, errors in values.items() if "xmodel_err" in errors}
    found |= {name: value for name, value in against_float.items() if value < DEBUG}
    worst = min(found, key=found.__getitem__, default="")
    return f"{worst}: {found[worst]:.1f} dB" if worst else ""


PEERS: dict[str, Callable[[Question], Answer]] = {
    "sqnr": sqnr,
    "cosine-0.99": cosine,
    "allclose-0.01": allclose,
    "qdq_loss_debug": qdq_loss_debug,
}


def lossy() -> dict[str, Any]:
    """The rows of faults and of right files."""
    checks = CHECKS | LOSS_CHECKS
    with tempfile.TemporaryDirectory() as folder:
        good = written(Path(folder))
        faults, right = [], []
        for subject in LOSSY:
            failing = [id for id, check in checks.items() if not judge(check, good(subject)).verdict.is_a_pass]
            right.append({"id": subject.id, "checks": failing, "peers": _answers(good(subject), subject)})
        for subject, fault in LOSSY_PAIRS:
            place = Path(folder, f"{fault.id}-{subject.id}")
            place.mkdir()
            broken = good(subject).of_file(fault.apply(good(subject).file.path, place))
            failing = [id for id, check in checks.items() if judge(check, broken).verdict == CheckVerdict.FAILS]
            row = {"id": fault.id, "kind": "lossy", "on": subject.id, "sentence": fault.sentence}
            row |= {"caught_by": fault.caught_by, "checks": failing}
            faults.append(row | {"peers": _answers(broken, subject, good(subject).file.path)})
    return {"faults": faults, "good": right}


def _answers(conversion: Conversion, subject: LossySubject, good: Path | None = None) -> dict[str, Answer]:
    samples = conversion.model.samples
    before = (good or conversion.file.path).with_name("before.onnx")
    expected = [next(iter(samples.values(sample).values())) for sample in samples]
    question = Question(conversion.file.path, before, [dict(sample.inputs) for sample in samples], expected)
    return {name: _answer(peer, question) for name, peer in PEERS.items()}


def _answer(peer: Callable[[Question], Answer], question: Question) -> Answer:
    """What a tool says; one that raises has rejected the file."""
    try:
        with np.errstate(all="ignore"):
            return peer(question)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:80]


def main() -> None:
    onnxruntime.set_default_logger_severity(4)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) | {"lossy": lossy()}
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(found), encoding="utf-8")


if __name__ == "__main__":
    main()
