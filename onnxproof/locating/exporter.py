"""What an exporter did wrong, or the model itself, which a file was made of."""

from dataclasses import replace

import torch
from torch import nn

from onnxproof._internal.trees import count_values, leaves
from onnxproof.engines.base import EngineError
from onnxproof.engines.torch import copied
from onnxproof.exporting.export import ExportError
from onnxproof.graph.load import GraphError
from onnxproof.locating.clause import Culprit, Departure
from onnxproof.locating.departure import departure
from onnxproof.locating.frozen import frozen_by_torch, where_it_stops
from onnxproof.locating.weights import other_weights
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.reference import JudgedProbe, ReferenceModel

NUMBERS = "Look for Python numbers that the model takes from a tensor or its shape"


def what_the_exporter_did(conversion: Conversion, judged: JudgedProbe, in_the_evaluator: str) -> Culprit:
    """What is responsible for a file's values, which are not its module's.

    If the file is right when the model is traced on the probe's inputs, the export froze something. `in_the_evaluator`
    is what the reference evaluator says of the file, as a further clause.
    """
    if _is_right_in_eval_mode(conversion, judged):
        return Culprit(
            "the model is in training mode: the file is what it computes in eval mode",
            "Call `model.eval()` before you make the case.",
        )
    if _is_right_without_fast_path(conversion, judged):
        return Culprit(
            "torch's fast path of attention, which no file has: without it the model has the file's values",
            "Call `torch.backends.mha.set_fastpath_enabled(False)` before you make the case. The fast path sets masked "
            "positions to zero: keep them out of the model's outputs.",
        )
    file = conversion.file
    if strange := other_weights(conversion, judged):
        return Culprit(
            f"the weights are not the model's: with its own {', '.join(strange[:3])} the file is right",
            "Load the checkpoint that the file was exported from, or export it again.",
        )
    place = _departure(conversion, judged)
    if isinstance(file, GivenFile):
        advice = "Export it again, and compare the nodes."
        return Culprit(f"the file{in_the_evaluator}", advice, place.told, place.node, place.where, place.cut)
    if judged is not conversion.model.traced and _is_right_when_traced_on(conversion, file, judged):
        by_torch = frozen_by_torch(conversion, conversion.outcome(judged).refusal)
        return Culprit(
            "something was frozen at export: traced on these inputs the file is right",
            by_torch or f"{NUMBERS}{'' if file.tracer_evidence else '; if it takes none, try the other exporter'}.",
            " ".join(filter(None, (place.told, "" if by_torch else file.tracer_evidence))),
            place.node,
            place.where,
            place.cut,
        )
    return Culprit(
        f"the {file.exporter} exporter{in_the_evaluator}",
        "Try another opset or the other exporter; a hand-written symbolic or translation is part of the exporter.",
        place.told,
        place.node,
        place.where,
        place.cut,
    )


def _departure(conversion: Conversion, judged: JudgedProbe) -> Departure:
    """Where a file departs from the model, or stops."""
    refusal = conversion.outcome(judged).refusal
    if refusal:
        return where_it_stops(conversion, refusal)
    others = [each for each in conversion.model.judged if 1 not in each.probe.sizes.values()]  # 1 makes much the same
    others.sort(key=lambda each: count_values(each.probe.inputs))
    telling = (each for each in others if not (conversion.outcome(each).is_right or conversion.outcome(each).refusal))
    return departure(conversion, next(telling, judged))


def _is_right_in_eval_mode(conversion: Conversion, judged: JudgedProbe) -> bool:
    """Whether the file is right for a model that is in training mode now, once it is in eval mode."""
    case = conversion.case
    if not case.module.training:
        return False
    return _is_right_for(ReferenceModel(replace(case, model=copied(case.module).eval())), conversion, judged)


def _is_right_without_fast_path(conversion: Conversion, judged: JudgedProbe) -> bool:
    """Whether the file is right for the model without torch's fused kernels, which set what is masked to zero."""
    switch = getattr(torch.backends, "mha", None)
    modules = conversion.case.module.modules()
    if switch is None or not any(isinstance(module, nn.MultiheadAttention) for module in modules):
        return False
    was = switch.get_fastpath_enabled()
    switch.set_fastpath_enabled(False)
    try:
        return was and _is_right_for(ReferenceModel(conversion.case), conversion, judged)
    finally:
        switch.set_fastpath_enabled(was)


def _is_right_for(model: ReferenceModel, conversion: Conversion, judged: JudgedProbe) -> bool:
    """Whether the file has another model's outputs on a probe."""
    try:
        actual = conversion.outputs(judged)
    except EngineError:
        return False
    reference = model.ask(judged.probe.inputs)
    return reference is not None and all(parity.same for parity in by_position(actual, reference, ""))


def _is_right_when_traced_on(conversion: Conversion, file: ExportedFile, judged: JudgedProbe) -> bool:
    try:
        made = file.traced_on(judged.probe.inputs, "traced-there")
        inputs = leaves(judged.probe.inputs)
        feeds = {name: inputs[name] for name in made.graph.input_names}
        actual = conversion.open(made.path).run(feeds)
    except (ExportError, EngineError, GraphError, KeyError):
        return False
    return all(parity.same for parity in by_position(actual, judged.reference, ""))
