"""Checks of the file itself: what it declares, and whether it is complete."""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from onnxproof._internal.texts import one_line
from onnxproof.case import Case
from onnxproof.checks.check import CheckError, NotJudgedError
from onnxproof.engines.base import EngineError
from onnxproof.engines.isolated import run_without_torch
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun
from onnxproof.graph.additions import additions
from onnxproof.graph.checker import refused_by_checker
from onnxproof.graph.declared import optional_inputs
from onnxproof.graph.dims import SymbolError, bind
from onnxproof.graph.facts import Graph, read_graph
from onnxproof.graph.load import GraphError, external_files, load_model, operators_without_body
from onnxproof.graph.private import private_paths
from onnxproof.graph.record import shape_text
from onnxproof.locating.declared import (
    by_original,
    declared_dims,
    dtypes_advice,
    exported_with_two,
    frozen_advice,
    ill_formed_advice,
    inputs_advice,
    other_dtypes,
    strange_inputs,
    with_two,
)
from onnxproof.locating.weights import default_advice
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.reference import JudgedProbe
from onnxproof.versions import TORCH_EXPORT, opsets

STRIP = (
    "`python -c \"import onnx; m = onnx.load('model.onnx'); "
    "[each.ClearField(f) for each in [m, m.graph, *m.graph.node] for f in ('metadata_props', 'doc_string')]; "
    "onnx.save(m, 'shipped.onnx')\"`"
)
"""What takes the metadata out of a file."""

BODIES_INSIDE = "Keep the file, its external data beside it, and a body for each custom operator."


def exports(conversion: Conversion) -> str:
    """The file is written by the exporter without an error."""
    file = conversion.file
    if isinstance(file, GivenFile):
        raise NotJudgedError("nothing to export: a file was given")
    try:
        count = len(file.export.graph.nodes)
    except ExportError as error:
        raise CheckError(str(error), _advice(conversion.case, file, str(error)), evidence=error.evidence) from error
    return f"{file.exporter}, {count} node{'s' * (count != 1)}"


def _advice(case: Case, file: ExportedFile, refusal: str) -> str:
    """What to do about an exporter's refusal: torchscript names the first opset that has an operator."""
    if found := re.search(r"added in version (\d+)", refusal):
        return f"Ask for opset {found[1]} or newer: `--opset {found[1]}`."
    if "did not finish" in refusal:
        return "Give it more time with `--timeout`, or take out of the model what it waits for."
    if "data-dependent" in refusal:
        return "Choose by `torch.where` or `torch.cond`: the exporter has no values to branch on or to take sizes from."
    if "crashed" in refusal or "ended its process" in refusal:
        return "Try the other exporter or another torch, and report the model to torch."
    newest = opsets(file.exporter)[-1]
    if file.opset > newest:
        return f"Ask for opset {newest}, its newest, or an older one: `--opset {newest}`."
    ones = [symbol for symbol, size in case.sizes.items() if size == 1]
    if ones and file.exporter == TORCH_EXPORT:
        with contextlib.suppress(ExportError):
            exported_with_two(case, file, ones)
            return with_two(ones)
    return "Read the exporter's message; try another opset or the other exporter."


def opset_kept(conversion: Conversion) -> str:
    """The file has the opset asked for."""
    asked, written = conversion.file.opset, conversion.graph.opset
    if asked is None:
        raise NotJudgedError("no opset was asked for")
    if written != asked:
        raise CheckError(
            f"opset {asked} was asked for, the file has {written}",
            f"Ask for {written}, or use an exporter that writes {asked}.",
        )
    return f"opset {written}"


def well_formed(conversion: Conversion) -> str:
    """The file passes onnx's full checker and strict shape inference."""
    try:
        conversion.graph  # noqa: B018
    except GraphError as error:
        again = by_original(conversion, "Export it again.", "Make it again, or report the model to the tool.")
        raise CheckError(one_line(error), again) from error
    if problem := refused_by_checker(conversion.file.path):
        if conversion.original and (own := refused_by_checker(conversion.original)):
            raise NotJudgedError(f"onnx's checker refuses the original, too: {own}")
        raise CheckError(problem, ill_formed_advice(conversion))
    return ", ".join(["onnx.checker, strict", *_added(conversion)])


def _added(conversion: Conversion) -> list[str]:
    """What a tool added to its original that changes no value."""
    if not conversion.case.file:
        return []
    added = additions(conversion.case.file, conversion.file.path)
    return [f"added: {', '.join(added)}"] if added else []


def inputs_kept(conversion: Conversion) -> str:
    """The file has every input of the model, under its name and in order."""
    wanted, found = conversion.case.required_inputs, conversion.graph.input_names
    missing = [f"the file has no input {name}" for name in wanted if name not in found]
    strange = [f"it has an input {name} that the model does not have" for name in strange_inputs(conversion)]
    if missing or strange:
        raise CheckError(
            f"{'; '.join(missing + strange)}; its inputs are {', '.join(found) or 'none'}",
            inputs_advice(conversion),
            evidence=conversion.file.tracer_evidence,
        )
    if conversion.case.file and (strange_dtypes := other_dtypes(conversion)):
        raise CheckError("; ".join(strange_dtypes), dtypes_advice(conversion))
    if tuple(wanted) != tuple(name for name in found if name in wanted):
        raise CheckError(
            f"the inputs are in the order {', '.join(found)}, the model's are {', '.join(wanted)}",
            "Feed the file by name.",
        )
    return "; ".join([", ".join(found), *_lost_defaults(conversion)])


def _lost_defaults(conversion: Conversion) -> list[str]:
    """The weights that the original takes as inputs as well, and the file does not, in a clause.

    Raises `CheckError` for an optional input, one of the original's few initializers that are inputs.
    """
    if not conversion.original:
        return []
    own, may_be_weights = optional_inputs(conversion.original)
    kept, _ = optional_inputs(conversion.file.path)
    lost = [name for name in own if name not in kept]
    shown = ", ".join(lost[:3]) + " and more" * (len(lost) > 3)
    if lost and not may_be_weights:
        raise CheckError(
            f"the file has no input {shown}, for which the original has a default", inputs_advice(conversion)
        )
    return [f"no longer inputs with a default: {shown}"] if lost else []


def outputs_kept(conversion: Conversion) -> str:
    """The file has every output of the model, in order, with its name, dtype and rank."""
    wanted, found = conversion.model.traced.reference.values, conversion.graph.outputs
    if len(found) != len(wanted):
        names = ", ".join(value.name for value in found)
        raise CheckError(
            f"the file has {len(found)} outputs ({names}), the model {len(wanted)} ({', '.join(wanted)})",
            by_original(conversion, "Export every output", "Let the tool keep every output")
            + "; a consumer can leave out those that it does not need when it runs the file.",
        )
    names_matter = conversion.names_outputs
    for value, (name, own) in zip(found, wanted.items(), strict=True):
        if names_matter and value.name != name:
            raise CheckError(f"output {name} is called {value.name}", _keep_names(conversion))
        if value.dtype != own.dtype.name:
            raise CheckError(
                f"output {name} is {value.dtype}, the model's is {own.dtype.name}", dtypes_advice(conversion)
            )
        if value.shape is not None and len(value.shape) != own.ndim:
            raise CheckError(
                f"output {name} has {len(value.shape)} dimensions, the model's has {own.ndim}",
                default_advice(conversion)
                or by_original(conversion, "Reshape it in the model.", "Leave out the tool's step that reshapes it."),
            )
    return ", ".join(value.name for value in found)


def _keep_names(conversion: Conversion) -> str:
    return by_original(conversion, "Give the exporter `output_names`.", "Let the tool keep the names of the outputs.")


def dims_kept(conversion: Conversion) -> str:
    """The file keeps every dimension dynamic that the case names."""
    dynamic = conversion.case.dynamic
    if not dynamic:
        raise NotJudgedError("the case names no dynamic dimension")
    kept = {name: axes for name, axes in dynamic.items() if name in conversion.graph.input_names}
    if not kept:
        raise NotJudgedError(f"the file has no input {' or '.join(dynamic)}: see inputs-kept")
    declared = declared_dims(conversion)
    frozen = [f"{symbol} of {name} is {size}" for symbol, name, size in declared if isinstance(size, int)]
    if frozen:
        raise CheckError(
            f"the file froze a dimension: {'; '.join(frozen)}",
            frozen_advice(conversion),
            evidence=conversion.file.tracer_evidence,
        )
    return ", ".join(dict.fromkeys(str(dim) for axes in kept.values() for dim in axes.values()))


def shapes_honest(conversion: Conversion) -> str:
    """The file declares output dimensions, fixed or symbolic, that its outputs have."""
    outputs = conversion.graph.outputs
    ran = [judged for judged in conversion.model.judged if not conversion.outcome(judged).refusal]
    for judged in ran:
        fed = [array.shape for array in conversion.feeds(judged.probe.inputs).values()]
        problem = _dishonest(conversion.graph, fed, conversion.outcome(judged).shapes)
        if problem and conversion.original and (own := _own_problem(conversion.original, judged)):
            raise NotJudgedError(f"the original itself declares a size that a run does not have: {own}")
        if problem:
            raise CheckError(
                f"on {judged.probe.id}: {problem}",
                by_original(conversion, "Try the other exporter", "Let the tool infer the shapes again")
                + ": an engine that plans memory by the declared shape fails.",
                run=FailingRun(conversion.every_input(judged.probe.inputs), dict(judged.reference.values), {}),
            )
    if not ran:
        raise NotJudgedError("the file does not run: see same-values")
    return f"{', '.join(shape_text(value.shape) for value in outputs)} in {len(ran)} runs"


def _own_problem(file: Path, judged: JudgedProbe) -> str:
    """What the original declares wrong on a probe; "" if there is nothing."""
    shapes = [array.shape for array in judged.reference.values.values()]
    return _dishonest(read_graph(file), [np.shape(leaf) for leaf in judged.probe.inputs.values()], shapes)


def _dishonest(graph: Graph, fed: Sequence[tuple[int, ...]], made: Sequence[tuple[int, ...]]) -> str:
    """The first size of a run that a file declares otherwise; "" if there is none."""
    sizes: dict[str, int] = {}
    try:
        for value, shape in zip((*graph.inputs, *graph.outputs), (*fed, *made), strict=True):
            bind(value, shape, sizes)
    except SymbolError as error:
        return str(error)
    return ""


def no_private_paths(conversion: Conversion) -> str:
    """The file names no path of the machine that it was exported on."""
    found = private_paths(load_model(conversion.file.path))
    if found:
        raise CheckError(
            f"its metadata has {len(found)} path{'s' * (len(found) > 1)} of the machine that exported it, such as "
            f"{found[0]}",
            f"Strip the file to be shipped, and keep this one, which says where each node comes from: {STRIP}",
        )
    return "no path"


def self_contained(conversion: Conversion) -> str:
    """The file loads and runs without torch, from the files that it names alone."""
    try:
        conversion.feeds(conversion.case.inputs)
    except EngineError as error:
        raise NotJudgedError(f"{error}: see inputs-kept") from error
    except GraphError as error:
        if external_files(conversion.file.path):
            raise CheckError(one_line(error), BODIES_INSIDE) from error
        raise
    judged = conversion.model.base  # which is cheap; a file that refuses its sizes may run on the example
    judged = conversion.model.traced if conversion.outcome(judged).refusal else judged
    if conversion.case.file:  # no torch is near it
        problem = one_line(conversion.outcome(judged).refusal)
    else:
        inputs = conversion.feeds(judged.probe.inputs)
        problem = run_without_torch(conversion.file.path, inputs, conversion.provider)
    if not problem:
        has_paths = private_paths(load_model(conversion.file.path))
        return "runs alone; names local paths: see no-private-paths" if has_paths else "runs alone"
    if conversion.outcome(judged).refusal and not operators_without_body(conversion.file.path):
        raise NotJudgedError("the file does not run at all: see same-values")
    raise CheckError(problem, BODIES_INSIDE)
