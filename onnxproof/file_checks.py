"""The checks of the file itself: what it declares, and whether it stands alone."""

import onnx

from onnxproof.conversion import Conversion
from onnxproof.engines import EngineError
from onnxproof.exporting import ExportError
from onnxproof.findings import CheckError, NotJudgedError, check, first_line
from onnxproof.graph import Value
from onnxproof.isolation import run_without_torch
from onnxproof.model_file import GraphError, external_files
from onnxproof.symbols import SymbolError, bind
from onnxproof.trees import leaves


@check("exports")
def exports(conversion: Conversion) -> str:
    """The file is written by the exporter asked for, without error."""
    if conversion.given:
        raise NotJudgedError("the file was given")
    try:
        made = conversion.exported
    except ExportError as error:
        raise CheckError(str(error), "see the exporter's own message; the other exporter may take the model") from error
    count = len(made.graph.nodes)
    return f"{made.exporter}, {count} node{'s' * (count != 1)}"


@check("opset-kept")
def opset_kept(conversion: Conversion) -> str:
    """The file has the opset asked for."""
    if conversion.opset is None:
        raise NotJudgedError("no opset was asked for")
    written = conversion.graph.opset
    if written != conversion.opset:
        raise CheckError(
            f"opset {conversion.opset} was asked for, the file has {written}",
            f"ask for {written}, or use an exporter that writes {conversion.opset}",
        )
    return f"opset {written}"


@check("well-formed")
def well_formed(conversion: Conversion) -> str:
    """The file passes the full checker and strict shape inference."""
    try:
        conversion.graph  # noqa: B018
    except GraphError as error:
        raise CheckError(first_line(error), "export it again") from error
    try:
        onnx.checker.check_model(str(conversion.path), full_check=True)
    except Exception as error:
        raise CheckError(
            first_line(error), "export it again; what onnx's checker refuses, engines may read wrongly"
        ) from error
    return "onnx.checker, strict"


@check("inputs-kept")
def inputs_kept(conversion: Conversion) -> str:
    """The file has every input that the model has, under its name."""
    wanted, found = conversion.case.required_inputs, conversion.graph.input_names
    missing = [name for name in wanted if name not in found]
    strange = [name for name in found if name not in leaves(conversion.case.inputs)]
    if missing or strange:
        problem = "; ".join(
            [f"the file has no input {name}" for name in missing]
            + [f"it has an input {name} of its own" for name in strange]
        )
        advice = (
            conversion.tracer_warnings or "a value that the model takes out of a tensor, or a Python number, is folded"
        )
        raise CheckError(f"{problem}; its inputs are {', '.join(found) or 'none'}", advice)
    if tuple(wanted) != tuple(name for name in found if name in wanted):
        raise CheckError(
            f"the inputs are in the order {', '.join(found)}, the model's are {', '.join(wanted)}", "feed by name"
        )
    return ", ".join(found)


@check("outputs-kept")
def outputs_kept(conversion: Conversion) -> str:
    """The file has every output, in order, with its name, dtype and rank."""
    wanted, found = conversion.original.traced.reference.values, conversion.graph.outputs
    if len(found) != len(wanted):
        names = ", ".join(value.name for value in found)
        raise CheckError(
            f"the file has {len(found)} outputs ({names}), the model {len(wanted)} ({', '.join(wanted)})",
            "export every output; one that a consumer does not need can be left out when the file is run",
        )
    names_matter = not conversion.given or bool(conversion.case.output_names)
    for value, (name, own) in zip(found, wanted.items(), strict=True):
        if names_matter and value.name != name:
            raise CheckError(f"output {name} is called {value.name}", "give the exporter `output_names`")
        if value.dtype != own.dtype.name:
            raise CheckError(f"output {name} is {value.dtype}, the model's is {own.dtype.name}", "cast it in the model")
        if value.shape is not None and len(value.shape) != own.ndim:
            raise CheckError(
                f"output {name} has {len(value.shape)} dimensions, the model's has {own.ndim}",
                "reshape it in the model",
            )
    return ", ".join(value.name for value in found)


@check("dims-kept")
def dims_kept(conversion: Conversion) -> str:
    """The file keeps every dimension dynamic that was asked for."""
    dynamic, inputs = conversion.case.dynamic, {value.name: value for value in conversion.graph.inputs}
    if not dynamic:
        raise NotJudgedError("no dimension was asked to be dynamic")
    frozen = [
        f"{symbol} of {name} is {inputs[name].shape[axis]}"  # type: ignore[index]
        for name, axes in dynamic.items()
        if name in inputs and inputs[name].shape is not None
        for axis, symbol in axes.items()
        if isinstance(inputs[name].shape[axis], int)  # type: ignore[index]
    ]
    if frozen:
        raise CheckError(f"the file froze a dimension: {'; '.join(frozen)}", conversion.tracer_warnings or FREEZES)
    return ", ".join(conversion.case.sizes)


@check("shapes-honest")
def shapes_honest(conversion: Conversion) -> str:
    """The file declares output dimensions, fixed or symbolic, that runs keep to."""
    declared: tuple[Value, ...] = conversion.graph.outputs
    ran = 0
    for judged in conversion.original.judged:
        try:
            outputs = conversion.outputs(judged)
        except EngineError:
            continue
        ran += 1
        sizes: dict[str, int] = {}
        try:
            for value, array in zip(
                conversion.graph.inputs, conversion.feeds(judged.probe.inputs).values(), strict=True
            ):
                bind(value, array.shape, sizes)
            for value, array in zip(declared, outputs.values(), strict=True):
                bind(value, array.shape, sizes)
        except SymbolError as error:
            raise CheckError(
                f"on {judged.probe.id}: {error}",
                "an engine that plans memory by the declared shape goes wrong: try the other exporter",
            ) from error
    if not ran:
        raise NotJudgedError("the file does not run: see same-values")
    return f"{', '.join(_shape(value) for value in declared)} in {ran} runs"


def _shape(value: Value) -> str:
    return "×".join(str(size or "?") for size in value.shape) if value.shape is not None else "?"


@check("self-contained")
def self_contained(conversion: Conversion) -> str:
    """The file loads and runs where torch is not installed, from the files it names and no others."""
    advice = "keep the file, its external data beside it, and a body for each operator of its own"
    try:
        inputs = conversion.feeds(conversion.case.inputs)
    except EngineError as error:
        raise NotJudgedError(f"{error}: see inputs-kept") from error
    except GraphError as error:
        if external_files(conversion.path):
            raise CheckError(first_line(error), advice) from error
        raise
    problem = run_without_torch(conversion.path, inputs, conversion.provider)
    if problem:
        raise CheckError(problem, advice)
    return "runs alone"


FREEZES = "an `.item()`, an `int(x.shape[i])`, a Python `if` or number freezes it: keep it a tensor in the model"
