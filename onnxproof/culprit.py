"""Where a conversion goes wrong: the smallest size that shows it, and who did it, as far as can be told."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference

from onnxproof.conversion import Conversion
from onnxproof.engines import EngineError, onnxruntime_engine
from onnxproof.exporting import ExportError
from onnxproof.model_file import GraphError, load_model
from onnxproof.original import Judged
from onnxproof.parity import Parity, Reference, compare
from onnxproof.probes import resized
from onnxproof.trees import Array, leaves

SMALLER = (2, 3, 4, 5, 7, 8, 12, 16, 24, 32, 48, 64)
"""The sizes that a failing one is shrunk to, tried from the smallest."""


@dataclass(frozen=True)
class Culprit:
    """Who is to blame for wrong values, in a clause, and what to do about it."""

    text: str
    advice: str


def smallest_failing(conversion: Conversion, judged: Judged) -> Judged:
    """The smallest sizes that still fail; a failure that values of the example do not show stays as it is."""
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


def _failing(conversion: Conversion, sizes: Mapping[str, int]) -> Judged | None:
    candidate = conversion.original.judge(resized(conversion.case, sizes))
    return candidate if candidate and not conversion.is_right(candidate) else None


def where_it_goes_wrong(conversion: Conversion, judged: Judged) -> Culprit:
    """Who made a probe's values wrong.

    A file that is right without graph optimization was broken by ONNX Runtime's optimizer; one that is right in the
    reference evaluator, by one of ONNX Runtime's kernels. A file that is wrong in both was exported wrong: of an input
    or size that is right when the model is traced on it, the export froze something.
    """
    if conversion.is_right(judged, "unoptimized"):
        return Culprit(
            "ONNX Runtime's graph optimizer: without it the values are right",
            "lower graph_optimization_level, and report the model to onnxruntime",
        )
    if conversion.is_right(judged, "reference"):
        node = _first_departing_node(conversion, judged)
        return Culprit(
            f"a kernel of ONNX Runtime: the reference evaluator is right{node}",
            "try another opset or provider, and report the model to onnxruntime",
        )
    if conversion.given:
        return Culprit("the file: it is wrong in the reference evaluator too", "export it again, and compare the nodes")
    if judged is not conversion.original.traced and _is_right_when_traced_on(conversion, judged):
        return Culprit(
            "something was frozen at export: traced on these inputs the file is right",
            conversion.tracer_warnings or "look for Python numbers taken from a tensor or its shape",
        )
    return Culprit(
        f"the {conversion.exporter} exporter: the file is wrong in the reference evaluator too",
        "try another opset or the other exporter; a hand-written symbolic or translation is part of the exporter",
    )


def _is_right_when_traced_on(conversion: Conversion, judged: Judged) -> bool:
    try:
        made = conversion.export(judged.probe.inputs, "traced-there")
        inputs = leaves(judged.probe.inputs)
        actual = onnxruntime_engine(made.path).run(**{name: inputs[name] for name in made.graph.input_names})
    except (ExportError, EngineError, GraphError, KeyError):
        return False
    return all(parity.same for parity in conversion.compare(actual, judged.reference, ""))


def _first_departing_node(conversion: Conversion, judged: Judged) -> str:
    """The first node whose output in ONNX Runtime is not the reference evaluator's, with its inputs' figures."""
    try:
        model, feeds = load_model(conversion.path), conversion.feeds(judged.probe.inputs)
        ours, theirs = _all_values(model, feeds), _all_reference_values(model, feeds)
    except Exception:  # neither engine is obliged to give inner values
        return ""
    for node in model.graph.node:
        for name in node.output:
            if name in ours and name in theirs and not _agree(ours[name], theirs[name]).same:
                inputs = ", ".join(f"{i} {_figures(theirs[i])}" for i in node.input if i in theirs)
                return f"; the first node that departs is {node.op_type} → {name}, from {inputs}"
    return ""


def _agree(ours: Array, theirs: Array) -> Parity:
    return compare({"value": ours}, Reference({"value": theirs}), "")[0]


def _all_values(model: onnx.ModelProto, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every value of the main graph in ONNX Runtime, without graph optimization."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    outputs = {value.name for value in opened.graph.output}
    inner = [name for node in opened.graph.node for name in node.output if name and name not in outputs]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "opened.onnx")
        onnx.save(opened, path)
        return onnxruntime_engine(path, optimize=False).run(**feeds)


def _all_reference_values(model: onnx.ModelProto, feeds: dict[str, Array]) -> dict[str, Array]:
    found: Any = onnx.reference.ReferenceEvaluator(model).run(None, feeds, intermediate=True)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def _figures(value: Array) -> str:
    if not value.size or value.dtype.kind not in "fiu":
        return f"{value.dtype} {value.shape}"
    return f"{value.dtype} {value.shape} in {value.min():.3g}..{value.max():.3g}"
