"""Runs every fault of a file in other engines: which faults an engine shows, hides or refuses.

`python -m docs.engine_faults` writes docs/engine_faults.json, and docs/faults.md from it.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime

from docs.engine_reasons import HIDDEN, REFUSED, SHOWN
from docs.fault_page import ENGINES, PAGE, RESULTS, render
from onnxproof.engines.asked import ONNXRUNTIME, engines_of, versions_of, with_defaults
from onnxproof.exporting.export import ExportError
from onnxproof.graph.load import GraphError
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from tests.harness.proof import ENGINE_PAIRS

ASKED = ("openvino", "opencv:new", "tract")
SAME = "same"
"""An engine sees what ONNX Runtime sees."""


def sight(broken: Conversion, engine: str) -> str:
    """What an engine sees of a fault on the inputs that are judged, beside ONNX Runtime."""
    ours, theirs = ([broken.outcome(each, name) for each in broken.model.judged] for name in (ONNXRUNTIME, engine))
    is_right = all(outcome.is_right for outcome in ours)
    if all(outcome.is_right for outcome in theirs):
        return SAME if is_right else HIDDEN
    if any(not (outcome.is_right or outcome.refusal) for outcome in theirs):
        return SHOWN if is_right else SAME
    is_alike = all(own.refusal for own, other in zip(ours, theirs, strict=True) if other.refusal)
    return SAME if is_alike else REFUSED


def rows() -> Iterator[dict[str, Any]]:
    """Each fault in each file that has the part it breaks, with what each engine sees of it.

    A file that onnxproof cannot read is given to no engine.
    """
    engines = with_defaults(engines_of(ASKED))
    for subject in dict.fromkeys(subject for subject, _ in ENGINE_PAIRS):
        good = exported(ReferenceModel(subject.make()), subject.exporter, subject.opset, engines, asked=ASKED)
        sound = [engine for engine in ASKED if _is_right(good, engine)]
        for fault in (fault for each, fault in ENGINE_PAIRS if each is subject):
            with tempfile.TemporaryDirectory() as folder:
                broken = good.of_file(fault.apply(good.file.path, Path(folder)))
                try:
                    seen = {engine: sight(broken, engine) for engine in sound}
                except (ExportError, GraphError):
                    continue
            yield {"id": fault.id, "on": subject.id, "seen": seen}


def _is_right(conversion: Conversion, engine: str) -> bool:
    return all(conversion.outcome(each, engine).is_right for each in conversion.model.judged)


def main() -> None:
    onnxruntime.set_default_logger_severity(4)
    found = {"versions": versions_of(ASKED) | {"onnxruntime": onnxruntime.__version__}, "faults": list(rows())}
    ENGINES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(render(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
