"""Checks of one file in two engines, or in two modes of one."""

from collections.abc import Sequence

from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import count_values
from onnxproof.checks.check import CheckError, NotJudgedError
from onnxproof.checks.engine_loss import engine_loss
from onnxproof.checks.figures import apart, figure_of
from onnxproof.checks.values import failing_run, require_judged, require_repeats
from onnxproof.engines.asked import REFERENCE
from onnxproof.locating.culprit import kernel_advice, own_refusal
from onnxproof.locating.declared import refused_dim
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.probes import is_constant
from onnxproof.probing.reference import JudgedProbe


def optimizer_neutral(conversion: Conversion) -> str:
    """The file has the same outputs with ONNX Runtime's graph optimization on and off."""
    require_repeats(conversion)
    if not conversion.unoptimized:
        raise NotJudgedError(f"it is about ONNX Runtime, and {conversion.engine} is asked for")
    largest, is_judged = 0.0, False
    for judged in _telling(conversion):
        on, off = (conversion.outcome(judged, name) for name in (conversion.engine, conversion.unoptimized))
        if on.is_right != off.is_right:
            wrong = on if off.is_right else off
            raise CheckError(
                f"on {judged.probe.id} it is right only with optimization {'off' if off.is_right else 'on'}: "
                f"{wrong.wrong.problem}",
                "Lower ONNX Runtime's graph_optimization_level, and report the model to onnxruntime.",
                run=failing_run(conversion, judged, conversion.engine if off.is_right else conversion.unoptimized),
            )
        if on.is_right:
            is_judged = True
            largest = max(largest, apart(conversion, judged, conversion.unoptimized))
    if not is_judged:
        raise NotJudgedError("it is wrong with and without: see same-values")
    return f"{largest:.2g} apart"


def engines_agree(conversion: Conversion) -> str:
    """The file has the same outputs in the ONNX reference evaluator."""
    require_repeats(conversion)
    if conversion.engine == REFERENCE:
        raise NotJudgedError("it is the reference evaluator itself")
    telling, traced = _telling(conversion), conversion.model.traced
    declared = [each for each in telling if not refused_dim(conversion, each.probe.sizes)]
    smallest = _smallest(declared or telling)
    right = [each for each in telling if conversion.outcome(each).is_right]
    asked = [smallest, _smallest(right) if right else traced]
    judged = next((each for each in asked if each in right or conversion.outcome(each, REFERENCE).is_right), None)
    if judged is None:
        raise NotJudgedError("it is wrong in both: see same-values")
    theirs, ours = (conversion.outcome(judged, name) for name in (REFERENCE, conversion.engine))
    if theirs.refusal:
        does = "is not asked" if theirs.is_left_out else "does not run it"
        raise NotJudgedError(f"the reference evaluator {does}: {one_line(theirs.refusal)}")
    if not theirs.is_right and conversion.original and conversion.model.differs_in_reference(judged):
        raise NotJudgedError("the original itself has another result in the reference evaluator")
    if not theirs.is_right:
        raise CheckError(
            f"on {judged.probe.id} the reference evaluator has another result: {theirs.wrong.problem}",
            "Run the file in the engine that you deploy to: it may mean something else there.",
            run=failing_run(conversion, judged, REFERENCE),
        )
    if not ours.is_right and (found := own_refusal(conversion, judged)):
        raise NotJudgedError(found.text)
    if not ours.is_right:
        raise CheckError(
            f"on {judged.probe.id} the reference evaluator is right, {conversion.engine} is not: {ours.wrong.problem}",
            kernel_advice(conversion, judged),
            run=failing_run(conversion, judged),
        )
    if conversion.case.loss:
        return engine_loss(conversion, judged)
    require_judged(theirs.parities)
    return figure_of(conversion, theirs.parities)


def _telling(conversion: Conversion) -> list[JudgedProbe]:
    """The example, and the probes that are not one value throughout: on zeros a file of other weights is right."""
    example, *others = conversion.model.judged
    return [example, *(each for each in others if not is_constant(conversion.case, each.probe))]


def _smallest(found: Sequence[JudgedProbe]) -> JudgedProbe:
    """The probe with the fewest values, if possible without a size of 1."""
    return min(found, key=lambda j: (1 in j.probe.sizes.values(), count_values(j.probe.inputs)))
