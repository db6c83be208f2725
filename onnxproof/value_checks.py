"""The checks of what the file gives when it runs."""

from collections.abc import Sequence

import numpy as np

from onnxproof.conversion import Conversion
from onnxproof.culprit import smallest_failing, where_it_goes_wrong
from onnxproof.engines import EngineError
from onnxproof.file_checks import FREEZES
from onnxproof.findings import CheckError, Evidence, NotJudgedError, check, first_line
from onnxproof.original import Judged, same_bits
from onnxproof.parity import Parity
from onnxproof.trees import Array, leaves


@check("inputs-live")
def inputs_live(conversion: Conversion) -> str:
    """The file reacts to each input, and to each dynamic dimension, to which the model reacts."""
    base = _run_on_example(conversion)
    shown = [what for what, changes in conversion.original.reactions.items() if changes]
    for what in shown:
        _check_reaction(conversion, base, what)
    elsewhere = conversion.exported_elsewhere
    if elsewhere and elsewhere[1]:
        probe, differences = elsewhere
        if differences[0].startswith("inputs"):
            raise CheckError(f"exported again the file has other inputs: {differences[0]}", "try the other exporter")
        raise CheckError(
            f"values of the traced inputs are in the file; traced on {probe.id} inputs it differs: {differences[0]}",
            conversion.tracer_warnings
            or "a branch or a number that depends on a tensor's values is frozen: keep it a tensor",
        )
    if not shown:
        raise NotJudgedError("the model reacts to nothing that could be changed")
    return ", ".join(what.split()[-1] for what in shown)


def _run_on_example(conversion: Conversion) -> dict[str, Array]:
    try:
        return conversion.outputs(conversion.original.traced)
    except EngineError as error:
        raise NotJudgedError("the file does not run on the traced inputs: see same-values") from error


def _check_reaction(conversion: Conversion, base: dict[str, Array], what: str) -> None:
    """Raises `CheckError` where the file does not react to a change to which the model reacts."""
    advice = conversion.tracer_warnings or FREEZES
    for inputs, values in conversion.original.reactions[what]:
        try:
            actual = conversion.run(inputs)
        except EngineError as error:
            raise CheckError(f"the file refuses another value of {what}: {first_line(error)}", advice) from error
        if same_bits(actual, base):
            raise CheckError(
                f"the file does not react to {what}: its outputs stay those of the traced inputs, the model's change",
                advice,
                Evidence(conversion.feeds(inputs), dict(values), actual),
            )


@check("same-values")
def same_values(conversion: Conversion) -> str:
    """The file gives the model's outputs on the traced inputs."""
    return _same_values(conversion, [conversion.original.traced])


@check("same-values-unseen")
def same_values_unseen(conversion: Conversion) -> str:
    """The file gives the model's outputs on inputs and sizes that it was not traced with."""
    unseen = conversion.original.judged[1:]
    if not unseen:
        raise NotJudgedError("there are no other inputs that the model accepts: see probes-adequate")
    return _same_values(conversion, unseen)


def _same_values(conversion: Conversion, probes: Sequence[Judged]) -> str:
    conversion.graph  # noqa: B018  # a file that cannot be read is no matter of values
    parities: list[Parity] = []
    for judged in probes:
        found = conversion.parities(judged)
        if not conversion.is_right(judged):
            judged = judged if judged is conversion.original.traced else smallest_failing(conversion, judged)
            wrong = next(parity for parity in conversion.parities(judged) if not parity.same)
            culprit = where_it_goes_wrong(conversion, judged)
            problem = f"on {judged.probe.id}: output {wrong.output}: {wrong.problem}"
            raise CheckError(
                f"{problem}; {culprit.text}", culprit.advice, _evidence(conversion, judged), _figure(found)
            )
        parities += found
    return _figure(parities)


def _figure(parities: Sequence[Parity]) -> str:
    worst = max(parities, key=lambda parity: parity.error / parity.bound if parity.bound else parity.difference)
    if worst.bound:
        return f"{worst.error:.2g} of {worst.bound:.2g} allowed"
    if worst.difference:
        return f"{worst.difference:.2g} apart"
    return "equal" if worst.same else ""


def _evidence(conversion: Conversion, judged: Judged) -> Evidence | None:
    try:
        inputs = conversion.feeds(judged.probe.inputs)
        return Evidence(inputs, dict(judged.reference.values), conversion.outputs(judged))
    except EngineError:
        return None


@check("optimizer-neutral")
def optimizer_neutral(conversion: Conversion) -> str:
    """The file gives the same with ONNX Runtime's graph optimization on and off."""
    largest = 0.0
    for judged in conversion.original.judged:
        on, off = (conversion.is_right(judged, name) for name in ("onnxruntime", "unoptimized"))
        if on != off:
            wrong = "onnxruntime" if off else "unoptimized"
            problem = next(p for p in conversion.parities(judged, wrong) if not p.same).problem
            raise CheckError(
                f"on {judged.probe.id} it is right only with optimization {'off' if off else 'on'}: {problem}",
                "lower onnxruntime's graph_optimization_level, and report the model to onnxruntime",
            )
        if on:
            a, b = (conversion.outputs(judged, name).values() for name in ("onnxruntime", "unoptimized"))
            largest = max(largest, *(_distance(x, y) for x, y in zip(a, b, strict=True)))
    return f"{largest:.2g} apart"


@check("engines-agree")
def engines_agree(conversion: Conversion) -> str:
    """The file gives the same in the ONNX reference evaluator."""
    judged = min(
        conversion.original.judged,
        key=lambda j: (1 in j.probe.sizes.values(), sum(map(np.size, leaves(j.probe.inputs).values()))),
    )
    try:
        conversion.outputs(judged, "reference")
    except EngineError as error:
        raise NotJudgedError(f"the reference evaluator does not run it: {first_line(error)}") from error
    ours, theirs = (conversion.parities(judged, name) for name in ("onnxruntime", "reference"))
    ours_wrong, theirs_wrong = ([parity for parity in found if not parity.same] for found in (ours, theirs))
    if ours_wrong and theirs_wrong:
        raise NotJudgedError("it is wrong in both: see same-values")
    if theirs_wrong:
        raise CheckError(
            f"on {judged.probe.id} the reference evaluator gives something else: {theirs_wrong[0].problem}",
            "the file may mean something else to another engine: run it in the one that you deploy to",
        )
    if ours_wrong:
        raise CheckError(
            f"on {judged.probe.id} the reference evaluator is right, onnxruntime is not: {ours_wrong[0].problem}",
            "try another opset or provider, and report the model to onnxruntime",
        )
    return _figure(theirs)


@check("repeatable")
def repeatable(conversion: Conversion) -> str:
    """The file is the same graph when exported again, and gives the same bits when run again."""
    if not conversion.original.repeats:
        raise CheckError("the model itself gives other outputs when it is run again", "call `model.eval()`, or seed it")
    base = _run_on_example(conversion)
    if not same_bits(conversion.run(conversion.case.inputs), base):
        raise CheckError(
            "the file gives other outputs when it is run again", "it draws random numbers: export in eval mode"
        )
    elsewhere = conversion.exported_elsewhere
    if conversion.given:
        return "same bits"
    if elsewhere is None or elsewhere[1]:
        differences = conversion.differences_when_traced_on(conversion.case.inputs, "again")
        if differences:
            raise CheckError(
                f"exported again it differs: {differences[0]}", "the model keeps state, or draws random numbers"
            )
    return "same graph, same bits"


@check("probes-adequate")
def probes_adequate(conversion: Conversion) -> str:
    """The file was judged on inputs that could have shown a fault."""
    case, judged = conversion.case, conversion.original.judged
    for name, leaf in leaves(case.inputs).items():
        if name in case.data_inputs and leaf.size > 1 and leaf.min() == leaf.max():
            raise CheckError(f"the input {name} is constant", "give an example with different values")
    for name, values in conversion.original.traced.reference.values.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise CheckError(f"the model's own output {name} is not finite on the example", "give inputs of its domain")
    if all(np.size(leaf) <= 1 for leaf in leaves(case.inputs).values()):
        raise CheckError("the inputs have one value each", "give a larger example")
    if len(judged) == 1:
        raise CheckError("the model accepts none but the traced inputs", "give more of them in the case's `also`")
    if not any(value.size and value.min() < value.max() for j in judged for value in j.reference.values.values()):
        raise CheckError("the model's outputs are constant on every probe", "give inputs that it reacts to")
    for symbol in case.sizes:
        sizes = {j.probe.sizes[symbol] for j in judged}
        if len({size for size in sizes if size > 1}) < 2:
            raise CheckError(
                f"the model accepts {symbol} = {', '.join(map(str, sorted(sizes)))} of the sizes that were drawn",
                f"give inputs of other {symbol} in the case's `also`",
            )
    return f"{len(judged)} probes"


def _distance(a: Array, b: Array) -> float:
    if a.dtype.kind not in "fiu" or not a.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0))
