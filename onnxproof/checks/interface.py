"""Checks of the file itself: what it declares, and whether it is complete."""

import re
from collections.abc import Iterable

import onnx

from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import leaves
from onnxproof.case import Case
from onnxproof.checks.check import CheckError, NotJudgedError
from onnxproof.engines.base import EngineError
from onnxproof.engines.isolated import run_without_torch
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun
from onnxproof.graph.dims import SymbolError, bind
from onnxproof.graph.load import GraphError, external_files
from onnxproof.graph.record import shape_text
from onnxproof.locating.weights import default_advice
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.probes import resized
from onnxproof.versions import TORCH_EXPORT

KEEP_A_TENSOR = (
    "Keep it a tensor in the model: a Python number freezes it, and for torchscript `.item()`, `int(x.shape[i])` and"
    " `if` do, too."
)


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
    if "crashed" in refusal or "ended its process" in refusal:
        return "Try the other exporter or another torch, and report the model to torch."
    ones = [symbol for symbol, size in case.sizes.items() if size == 1]
    if ones and file.exporter == TORCH_EXPORT and _is_exported_with_two(case, file, ones):
        return _with_two(ones)
    return "Read the exporter's message; try another opset or the other exporter."


def _with_two(symbols: Iterable[str]) -> str:
    return f"Give an example with {' = '.join(symbols)} = 2: torch.export takes a size of 1 for a constant."


def _is_exported_with_two(case: Case, file: ExportedFile, symbols: Iterable[str]) -> bool:
    """Whether the exporter takes the example with a size of 2 along these dimensions."""
    try:
        file.traced_on(resized(case, case.sizes | dict.fromkeys(symbols, 2)).inputs, "with-two")
    except ExportError:
        return False
    return True


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
        raise CheckError(one_line(error), "Export it again.") from error
    try:
        onnx.checker.check_model(str(conversion.file.path), full_check=True)
    except Exception as error:
        raise CheckError(
            one_line(error), "Export it again: engines may misread a file that onnx's checker refuses."
        ) from error
    return "onnx.checker, strict"


def inputs_kept(conversion: Conversion) -> str:
    """The file has every input of the model, under its name and in order."""
    wanted, found = conversion.case.required_inputs, conversion.graph.input_names
    missing = [f"the file has no input {name}" for name in wanted if name not in found]
    strange = [
        f"it has an input {name} that the model does not have"
        for name in found
        if name not in leaves(conversion.case.inputs)
    ]
    if missing or strange:
        raise CheckError(
            f"{'; '.join(missing + strange)}; its inputs are {', '.join(found) or 'none'}",
            default_advice(conversion)
            or "Pass each input as a tensor, and do not take its value out: a Python number is folded into the file.",
            evidence=conversion.file.tracer_evidence,
        )
    if tuple(wanted) != tuple(name for name in found if name in wanted):
        raise CheckError(
            f"the inputs are in the order {', '.join(found)}, the model's are {', '.join(wanted)}",
            "Feed the file by name.",
        )
    return ", ".join(found)


def outputs_kept(conversion: Conversion) -> str:
    """The file has every output of the model, in order, with its name, dtype and rank."""
    wanted, found = conversion.model.traced.reference.values, conversion.graph.outputs
    if len(found) != len(wanted):
        names = ", ".join(value.name for value in found)
        raise CheckError(
            f"the file has {len(found)} outputs ({names}), the model {len(wanted)} ({', '.join(wanted)})",
            "Export every output; a consumer can leave out those that it does not need when it runs the file.",
        )
    names_matter = not isinstance(conversion.file, GivenFile) or bool(conversion.case.output_names)
    for value, (name, own) in zip(found, wanted.items(), strict=True):
        if names_matter and value.name != name:
            raise CheckError(f"output {name} is called {value.name}", "Give the exporter `output_names`.")
        if value.dtype != own.dtype.name:
            raise CheckError(
                f"output {name} is {value.dtype}, the model's is {own.dtype.name}", "Cast it in the model."
            )
        if value.shape is not None and len(value.shape) != own.ndim:
            raise CheckError(
                f"output {name} has {len(value.shape)} dimensions, the model's has {own.ndim}",
                default_advice(conversion) or "Reshape it in the model.",
            )
    return ", ".join(value.name for value in found)


def dims_kept(conversion: Conversion) -> str:
    """The file keeps every dimension dynamic that the case names."""
    dynamic = conversion.case.dynamic
    if not dynamic:
        raise NotJudgedError("the case names no dynamic dimension")
    shapes = {value.name: value.shape for value in conversion.graph.inputs}
    declared = [
        (str(dim), name, shape[axis])
        for name, axes in dynamic.items()
        for axis, dim in axes.items()
        if (shape := shapes.get(name)) is not None
    ]
    frozen = [f"{symbol} of {name} is {size}" for symbol, name, size in declared if isinstance(size, int)]
    if frozen:
        fixed = dict.fromkeys(symbol for symbol, _, size in declared if isinstance(size, int))
        is_of_ones = conversion.file.exporter == TORCH_EXPORT and all(conversion.case.sizes[s] == 1 for s in fixed)
        raise CheckError(
            f"the file froze a dimension: {'; '.join(frozen)}",
            _with_two(fixed) if is_of_ones else KEEP_A_TENSOR,
            evidence=conversion.file.tracer_evidence,
        )
    return ", ".join(conversion.case.sizes)


def shapes_honest(conversion: Conversion) -> str:
    """The file declares output dimensions, fixed or symbolic, that its outputs have."""
    outputs = conversion.graph.outputs
    ran = [judged for judged in conversion.model.judged if not conversion.outcome(judged).refusal]
    for judged in ran:
        fed = (array.shape for array in conversion.feeds(judged.probe.inputs).values())
        sizes: dict[str, int] = {}
        try:
            for value, shape in zip(conversion.graph.inputs, fed, strict=True):
                bind(value, shape, sizes)
            for value, shape in zip(outputs, conversion.outcome(judged).shapes, strict=True):
                bind(value, shape, sizes)
        except SymbolError as error:
            raise CheckError(
                f"on {judged.probe.id}: {error}",
                "Try the other exporter: an engine that plans memory by the declared shape fails.",
                run=FailingRun(conversion.every_input(judged.probe.inputs), dict(judged.reference.values), {}),
            ) from error
    if not ran:
        raise NotJudgedError("the file does not run: see same-values")
    return f"{', '.join(shape_text(value.shape) for value in outputs)} in {len(ran)} runs"


def self_contained(conversion: Conversion) -> str:
    """The file loads and runs without torch, from the files that it names alone."""
    advice = "Keep the file, its external data beside it, and a body for each custom operator."
    try:
        inputs = conversion.feeds(conversion.case.inputs)
    except EngineError as error:
        raise NotJudgedError(f"{error}: see inputs-kept") from error
    except GraphError as error:
        if external_files(conversion.file.path):
            raise CheckError(one_line(error), advice) from error
        raise
    problem = run_without_torch(conversion.file.path, inputs, conversion.provider)
    if problem:
        raise CheckError(problem, advice)
    return "runs alone"
