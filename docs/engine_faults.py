"""Runs every fault of a file in other engines: which faults an engine shows, hides or refuses.

`python -m docs.engine_faults` writes docs/engine_faults.json, and docs/faults.md from it.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime

from docs.fault_page import ENGINES, PAGE, RESULTS, render
from onnxproof.engines.asked import ONNXRUNTIME, engines_of, versions_of, with_defaults
from onnxproof.exporting.export import ExportError
from onnxproof.graph.load import GraphError
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from tests.harness.proof import TABLED, TABLED_PAIRS

ASKED = ("openvino", "opencv:new")
SAME, HIDDEN, SHOWN, REFUSED = "same", "hidden", "shown", "refused"
"""An engine sees what ONNX Runtime sees, sees nothing of it, sees more than it, or runs no file that it runs."""


def sight(broken: Conversion, engine: str) -> str:
    """What an engine sees of a fault on the inputs that are judged, beside ONNX Runtime."""
    judged = broken.model.judged
    if any(broken.outcome(each, engine).refusal and not broken.outcome(each).refusal for each in judged):
        return REFUSED
    ours, theirs = (all(broken.outcome(each, name).is_right for each in judged) for name in (ONNXRUNTIME, engine))
    return SAME if ours == theirs else HIDDEN if theirs else SHOWN


def rows() -> Iterator[dict[str, Any]]:
    """Each fault in each file that has the part it breaks, with what each engine sees of it.

    A file that onnxproof cannot read is given to no engine.
    """
    engines = with_defaults(engines_of(ASKED))
    for subject in TABLED:
        good = exported(ReferenceModel(subject.make()), subject.exporter, subject.opset, engines, asked=ASKED)
        sound = [engine for engine in ASKED if _is_right(good, engine)]
        for fault in (fault for each, fault in TABLED_PAIRS if each is subject):
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
