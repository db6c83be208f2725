"""Where a conversion goes wrong: the smallest size that shows it, and the component responsible."""

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxproof._internal.trees import Array, leaves
from onnxproof.engines.base import Engine, EngineError
from onnxproof.engines.reference import evaluator
from onnxproof.exporting.export import ExportError
from onnxproof.graph.load import GraphError, load_model
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.conversion import ONNXRUNTIME, REFERENCE, UNOPTIMIZED, Conversion, by_position
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.probes import resized
from onnxproof.probing.reference import JudgedProbe, ReferenceModel
from onnxproof.results import Parity

SMALLER = (2, 3, 4, 5, 7, 8, 12, 16, 24, 32, 48, 64)
"""The sizes that a failing one is shrunk to, tried from the smallest."""


@dataclass(frozen=True)
class Culprit:
    """The component responsible for wrong values, in a clause, what to do about it, and a fact behind it."""

    text: str
    advice: str
    evidence: str = ""


def smallest_failing(conversion: Conversion, judged: JudgedProbe) -> JudgedProbe:
    """The smallest sizes that still fail; the probe itself if none with values drawn from the example does."""
    sizes = dict(judged.probe.sizes)
    found = _failing(conversion, sizes) if sizes else None
    if found is None:
        return judged
    for symbol, size in sizes.items():
        for smaller in (1, *SMALLER):
            if smaller >= size:
                break
            candidate = _failing(conversion, sizes | {symbol: smaller})
            if candidate:
                found, sizes[symbol] = candidate, smaller
                break
    return found


def _failing(conversion: Conversion, sizes: Mapping[str, int]) -> JudgedProbe | None:
    candidate = conversion.model.judge(resized(conversion.case, sizes))
    return candidate if candidate and not conversion.outcome(candidate).is_right else None


def where_it_goes_wrong(conversion: Conversion, judged: JudgedProbe) -> Culprit:
    """The component that made a probe's values wrong.

    A file that is right without graph optimization was broken by ONNX Runtime's optimizer; one that is right in the
    reference evaluator, by one of ONNX Runtime's kernels. A file that is wrong in both was exported wrong: if it is
    right when the model is traced on the probe's inputs, the export froze something.
    """
    if conversion.outcome(judged, UNOPTIMIZED).is_right:
        return Culprit(
            "ONNX Runtime's graph optimizer: without it the values are right",
            "Lower graph_optimization_level, and report the model to onnxruntime.",
        )
    if conversion.outcome(judged, REFERENCE).is_right:
        node = _first_departing_node(conversion, judged)
        return Culprit(
            f"a kernel of ONNX Runtime: the reference evaluator is right{node}",
            "Try another opset or provider, and report the model to onnxruntime.",
        )
    if _is_right_in_eval_mode(conversion, judged):
        return Culprit(
            "the model is in training mode: the file is what it computes in eval mode",
            "Call `model.eval()` before you make the case.",
        )
    file = conversion.file
    if isinstance(file, GivenFile):
        return Culprit(
            "the file: it is wrong in the reference evaluator too", "Export it again, and compare the nodes."
        )
    if judged is not conversion.model.traced and _is_right_when_traced_on(conversion, file, judged):
        return Culprit(
            "something was frozen at export: traced on these inputs the file is right",
            "Look for Python numbers that the model takes from a tensor or its shape.",
            file.tracer_evidence,
        )
    return Culprit(
        f"the {file.exporter} exporter: the file is wrong in the reference evaluator too",
        "Try another opset or the other exporter; a hand-written symbolic or translation is part of the exporter.",
    )


def _is_right_in_eval_mode(conversion: Conversion, judged: JudgedProbe) -> bool:
    """Whether the file is right for a model that is in training mode now, once it is in eval mode."""
    case = conversion.case
    if not case.model.training:
        return False
    reference = ReferenceModel(replace(case, model=copy.deepcopy(case.model).eval())).ask(judged.probe.inputs)
    try:
        actual = conversion.outputs(judged)
    except EngineError:
        return False
    return reference is not None and all(parity.same for parity in by_position(actual, reference, ""))


def _is_right_when_traced_on(conversion: Conversion, file: ExportedFile, judged: JudgedProbe) -> bool:
    try:
        made = file.traced_on(judged.probe.inputs, "traced-there")
        inputs = leaves(judged.probe.inputs)
        feeds = {name: inputs[name] for name in made.graph.input_names}
        actual = conversion.engines[ONNXRUNTIME].open(made.path).run(feeds)
    except (ExportError, EngineError, GraphError, KeyError):
        return False
    return all(parity.same for parity in by_position(actual, judged.reference, ""))


def _first_departing_node(conversion: Conversion, judged: JudgedProbe) -> str:
    """The first node whose output differs between ONNX Runtime and the reference evaluator, with its inputs."""
    try:
        model, feeds = load_model(conversion.file.path), conversion.feeds(judged.probe.inputs)
        engine = conversion.engines[UNOPTIMIZED]
        ours, theirs = _all_values(model, feeds, engine), _all_reference_values(model, feeds)
    except Exception:  # an engine may refuse to return inner values
        return ""
    for node in model.graph.node:
        for name in node.output:
            if name in ours and name in theirs and not _agree(ours[name], theirs[name]).same:
                inputs = ", ".join(f"{i} {_figures(theirs[i])}" for i in node.input if i in theirs)
                return f"; the first node that departs is {node.op_type} → {name}, from {inputs}"
    return ""


def _agree(ours: Array, theirs: Array) -> Parity:
    return compare({"value": ours}, Reference({"value": theirs}), "")[0]


def _all_values(model: onnx.ModelProto, feeds: dict[str, Array], engine: Engine) -> dict[str, Array]:
    """Every value of the main graph in an engine."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    outputs = {value.name for value in opened.graph.output}
    inner = [name for node in opened.graph.node for name in node.output if name and name not in outputs]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "opened.onnx")
        onnx.save(opened, path)
        return engine.open(path).run(feeds)


def _all_reference_values(model: onnx.ModelProto, feeds: dict[str, Array]) -> dict[str, Array]:
    found: Any = evaluator(model).run(None, feeds, intermediate=True)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def _figures(value: Array) -> str:
    if not value.size or value.dtype.kind not in "fiu":
        return f"{value.dtype} {value.shape}"
    return f"{value.dtype} {value.shape} in {value.min():.3g}..{value.max():.3g}"
