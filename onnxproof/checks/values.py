"""Checks of the file's outputs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import Array, leaves, same_bits
from onnxproof.case import Case
from onnxproof.checks.check import CheckError, NotJudgedError
from onnxproof.checks.figures import figure_of, told
from onnxproof.checks.sizes import judged_sizes
from onnxproof.engines.asked import ONNXRUNTIME
from onnxproof.engines.base import EngineError
from onnxproof.findings import FailingRun
from onnxproof.graph.facts import Graph, read_graph
from onnxproof.graph.tables import changed_rows, tables
from onnxproof.locating.culprit import smallest_failing, where_it_goes_wrong
from onnxproof.locating.declared import KEEP_A_TENSOR, WITHOUT_FOLDING, again_advice, by_original, size_advice
from onnxproof.locating.frozen import frozen_by_torch
from onnxproof.locating.sizes import where_it_is_right
from onnxproof.probing.conversion import Conversion, Outcome
from onnxproof.probing.drawn import PIXEL_BYTES
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reactions import Change
from onnxproof.probing.reference import JudgedProbe
from onnxproof.results import Parity


def inputs_live(conversion: Conversion) -> str:
    """The file reacts to each input and to each dynamic dimension that the model reacts to."""
    base = _run_on_base(conversion)
    live = [change for change, shown in conversion.model.reactions.items() if shown]
    for change in live:
        _require_reaction(conversion, base, change)
    _require_same_file_elsewhere(conversion)
    if not live:
        raise NotJudgedError("the model reacts to no change that was tried")
    return ", ".join(change.name for change in live)


def _run_on_base(conversion: Conversion) -> dict[str, Array]:
    try:
        return conversion.outputs(conversion.model.base)
    except EngineError as error:
        id = conversion.model.base.probe.id
        check = "same-values" if conversion.model.base is conversion.model.traced else "same-values-unseen"
        raise NotJudgedError(f"the file does not run on {id} inputs: see {check}") from error


def _require_reaction(conversion: Conversion, base: dict[str, Array], change: Change) -> None:
    evidence = conversion.file.tracer_evidence
    advice = (
        size_advice(conversion) if change.kind == "size" else by_original(conversion, KEEP_A_TENSOR, WITHOUT_FOLDING)
    )
    for inputs, values in conversion.model.reactions[change]:
        try:
            actual = conversion.run(inputs)
        except EngineError as error:
            by_torch = frozen_by_torch(conversion, str(error)) if change.kind == "size" else ""
            raise CheckError(
                f"the file refuses another value of {change}: {one_line(error)}",
                by_torch or advice,
                evidence="" if by_torch else evidence,
                run=FailingRun(conversion.every_input(inputs), dict(values), {}),
            ) from error
        if same_bits(actual, base):
            raise CheckError(
                f"the file does not react to {change}: its outputs stay those of the "
                f"{'example' if conversion.case.file else 'traced inputs'}, the model's change",
                advice,
                evidence=evidence,
                run=_two_runs(conversion, inputs, values, actual),
            )


def _require_same_file_elsewhere(conversion: Conversion) -> None:
    """A file that is another one when it is traced on other inputs holds values of the traced ones."""
    if isinstance(conversion.file, GivenFile) or not conversion.model.repeats:  # see repeatable
        return
    if not (elsewhere := conversion.file.elsewhere):
        return
    probe, differences = elsewhere
    if not differences:
        return
    if differences[0].kind == "inputs":
        raise CheckError(f"exported again, the file has other {differences[0]}", again_advice(differences[0]))
    raise CheckError(
        f"values of the traced inputs are in the file; traced on {probe.id} inputs it differs: {differences[0]}",
        "Keep it a tensor in the model: a branch or a number that depends on a tensor's values is frozen.",
        evidence=conversion.file.tracer_evidence,
    )


def same_values(conversion: Conversion) -> str:
    """The file has the model's outputs on the traced inputs."""
    return _same_values(conversion, [conversion.model.traced])


def same_values_unseen(conversion: Conversion) -> str:
    """The file has the model's outputs on inputs and sizes that it was not traced with."""
    unseen = conversion.model.judged[1:]
    if not unseen:
        raise NotJudgedError("the model accepts no other inputs: see probes-adequate")
    figure = _same_values(conversion, unseen)
    if conversion.original and not conversion.case.loss and tables(conversion.graph):
        _require_same_rows(read_graph(conversion.original), conversion.graph)
    return figure


def _require_same_rows(before: Graph, after: Graph) -> None:
    """A table whose rows are the original's where they were read has the original's others, too."""
    for name, rows in changed_rows(before, after):
        shown = ", ".join(map(str, rows[:3])) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
        raise CheckError(
            f"row{'s' * (len(rows) > 1)} {shown} of the table {name}, which no probe shows, "
            f"{'are' if len(rows) > 1 else 'is'} not the original's",
            "Make the file again of this original, or report the model to the tool.",
        )


def _same_values(conversion: Conversion, probes: Sequence[JudgedProbe]) -> str:
    conversion.graph  # noqa: B018  # an unreadable file is not a value error
    require_repeats(conversion)
    parities: list[Parity] = []
    for judged in probes:
        outcome = conversion.outcome(judged)
        if outcome.is_left_out:
            raise NotJudgedError(f"{conversion.engine} is not asked: {outcome.refusal}")
        if not outcome.is_right:
            raise _wrong(conversion, judged, outcome)
        parities += outcome.parities
    if conversion.case.loss:
        return "as the model's in number, shape, dtype and finiteness: see loss-kept"
    require_judged(parities)
    return figure_of(conversion, parities)


def _wrong(conversion: Conversion, judged: JudgedProbe, outcome: Outcome) -> CheckError:
    """What is wrong with a probe's values, in ONNX Runtime at the smallest sizes that show it."""
    if conversion.engine != ONNXRUNTIME:  # whether the file is wrong is seen in ONNX Runtime
        run, problem = failing_run(conversion, judged), f"on {judged.probe.id}: {told(outcome.wrong)}"
        return CheckError(problem, "", figure=figure_of(conversion, outcome.parities), run=run)
    failing = judged if judged is conversion.model.traced else smallest_failing(conversion, judged)
    wrong = conversion.outcome(failing).wrong
    culprit = where_it_goes_wrong(conversion, failing)
    return CheckError(
        f"on {failing.probe.id}: {told(wrong)}; {culprit.text}{where_it_is_right(conversion, failing)}",
        culprit.advice,
        evidence=culprit.evidence,
        figure=figure_of(conversion, outcome.parities),
        node=culprit.node,
        where=culprit.where,
        run=replace(failing_run(conversion, failing), cut=culprit.cut),
    )


def require_judged(parities: Sequence[Parity]) -> None:
    if not any(parity.is_judged for parity in parities):
        raise NotJudgedError("rounding decides every value that the model gives: give inputs that it is made for")


def require_repeats(conversion: Conversion) -> None:
    """Raises `NotJudgedError` for a model with other outputs each time."""
    if not conversion.model.repeats:
        raise NotJudgedError("the model has other outputs each time: see repeatable")


def failing_run(conversion: Conversion, judged: JudgedProbe, engine: str = "") -> FailingRun:
    """The run of a probe."""
    engine = engine or conversion.engine
    outcome = conversion.outcome(judged, engine)
    wrong = tuple(parity.output for parity in outcome.parities if not parity.same and parity.output != "*")
    inputs = conversion.every_input(judged.probe.inputs)
    actual = {} if outcome.refusal else conversion.outputs(judged, engine)
    return FailingRun(inputs, dict(judged.reference.values), actual, wrong, engine)


def repeatable(conversion: Conversion) -> str:
    """The file is the same graph when it is exported again, and has the same bits when it runs again."""
    if not conversion.model.repeats and conversion.case.file:
        raise CheckError(
            "the original itself has other outputs when it runs again",
            "Take what draws random numbers out of it, or give them as an input.",
        )
    if not conversion.model.repeats:
        raise _other_each_time(conversion.case)
    _run_on_base(conversion)
    base, again = (conversion.run(conversion.model.base.probe.inputs) for _ in range(2))  # in the same session
    if not same_bits(again, base):
        raise CheckError(
            "the file has other outputs when it runs again",
            by_original(conversion, "Export in eval mode", "Report the model to the tool")
            + ": the file draws random numbers.",
            run=_two_runs(conversion, conversion.model.base.probe.inputs, conversion.model.base.reference.values, base),
        )
    if isinstance(conversion.file, GivenFile):
        return "same bits"
    elsewhere = conversion.file.elsewhere
    if elsewhere is None or elsewhere[1]:
        differences = conversion.file.differences_when_traced_on(conversion.case.inputs, "again")
        if differences:
            raise CheckError(
                f"exported again, the file differs: {differences[0]}",
                again_advice(differences[0]),
            )
    return "same graph, same bits"


def _other_each_time(case: Case) -> CheckError:
    """Why a module has other outputs each time."""
    from onnxproof.locating.state import changed_by_a_run, repeats_in_eval_mode

    if changed := changed_by_a_run(case):
        return CheckError(
            f"the model keeps state: a run changes its {', '.join(changed[:3])}, and the outputs with it",
            "Let `forward` change nothing: take the state as an input, and return the next one.",
        )
    return CheckError(
        "the model itself has other outputs when it runs again",
        "Call `model.eval()` before you make the case."
        if repeats_in_eval_mode(case)
        else "The model draws random numbers: take them as an input.",
    )


def _two_runs(
    conversion: Conversion, inputs: Mapping[str, Any], expected: Mapping[str, Array], actual: dict[str, Array]
) -> FailingRun:
    """The example, and then other inputs."""
    before = conversion.every_input(conversion.case.inputs)
    return FailingRun(conversion.every_input(inputs), dict(expected), actual, before=before)


def probes_adequate(conversion: Conversion) -> str:
    """The file was judged on inputs that could have shown a fault."""
    case, judged = conversion.case, conversion.model.judged
    constant = [name for name in case.data_inputs if not any(_varies(leaves(j.probe.inputs)[name]) for j in judged)]
    example = leaves(case.inputs)
    for name in constant:
        if example[name].size > 1 and example[name].dtype.kind not in "biu" and conversion.model.reads_values:
            raise CheckError(f"the input {name} is constant", "Give other values of it in the case's `also`.")
    for name, values in conversion.model.traced.reference.values.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise CheckError(
                f"the model's own output {name} is not finite on the example", "Give inputs that the model is made for."
            )
    if all(np.size(leaf) <= 1 for leaf in leaves(case.inputs).values()):
        raise CheckError("no input has more than one value", "Give a larger example.")
    if len(judged) == 1:
        only = "the example" if conversion.case.file else "the traced inputs"
        raise CheckError(f"the model accepts only {only}", "Give more of them in the case's `also`.")
    by_output = zip(*(j.reference.values.values() for j in judged), strict=True)
    if not any(_varies(np.concatenate([values.ravel() for values in found])) for found in by_output):
        raise CheckError("the model's outputs are constant on every probe", "Give inputs that it reacts to.")
    if not conversion.model.reacts_to_values and conversion.model.reads_values:
        raise CheckError(
            f"no other values of {', '.join(case.required_inputs)} change the model's outputs by more than rounding",
            "Give weights and inputs with which it reacts: a file that ignores them would hold, too.",
        )
    return "; ".join([f"{len(judged)} probes", *_limits(conversion, constant), *judged_sizes(conversion)])


def _limits(conversion: Conversion, constant: Sequence[str]) -> Iterator[str]:
    model, example = conversion.model, leaves(conversion.case.inputs)
    if model.reacts_to_values:
        yield from (f"{name} is {example[name].flat[0]} throughout" for name in constant if example[name].size)
        yield from (f"no reaction to {name} seen" for name in model.ignored_inputs if name not in constant)
    else:
        yield "the model reads its inputs' sizes alone"
    if model.is_drawn:
        yield from _ranges(model.judged)
    if model.left_out:
        yield f"{model.left_out} more with --thorough"


def _ranges(judged: Sequence[JudgedProbe]) -> Iterator[str]:
    """Between which values the integers were drawn that an application may send others of."""
    for name, example in leaves(judged[0].probe.inputs).items():
        if example.dtype.kind in "iu" and example.dtype.itemsize > PIXEL_BYTES:
            found = np.concatenate([np.ravel(leaves(each.probe.inputs)[name]) for each in judged])
            yield from [f"{name} was drawn from {found.min()} to {found.max()}"] if _varies(found) else ()


def _varies(leaf: Array) -> bool:
    return leaf.size > 1 and bool((leaf != leaf.flat[0]).any())
