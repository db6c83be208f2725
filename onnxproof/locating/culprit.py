"""Where a conversion goes wrong: the smallest size that shows it, and the component responsible."""

from collections.abc import Mapping

from onnxproof._internal.trees import Array
from onnxproof.engines.asked import REFERENCE, UNOPTIMIZED
from onnxproof.graph.load import load_model
from onnxproof.locating.clause import Culprit, Departure
from onnxproof.locating.declared import (
    by_original,
    dtypes_advice,
    frozen_advice,
    frozen_sizes,
    ill_formed_advice,
    inputs_advice,
    is_ill_formed,
    other_dtypes,
    refused_dim,
    strange_inputs,
)
from onnxproof.locating.inner import agree, values_in_evaluator, values_in_onnxruntime, wrong_on_its_inputs
from onnxproof.locating.tool import meant_loss, optimizer_to_blame, overflow, what_the_tool_did
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.probes import resized
from onnxproof.probing.reference import JudgedProbe

SMALLER = (2, 3, 4, 5, 7, 8, 12, 16, 24, 32, 48, 64)
"""The sizes that a failing one is shrunk to, tried from the smallest."""

NO_KERNEL = "Could not find an implementation"
"""What ONNX Runtime says of an operator that it has not for a dtype."""


def smallest_failing(conversion: Conversion, judged: JudgedProbe) -> JudgedProbe:
    """The smallest sizes that still fail; the probe itself if none with values drawn from the example does."""
    sizes = dict(judged.probe.sizes)
    found = _failing(conversion, sizes) if sizes else None
    if found is None:
        return judged
    for symbol, size in sizes.items():
        for smaller in dict.fromkeys(map(conversion.case.dims[symbol].nearest, (1, *SMALLER))):
            if smaller >= size:
                break
            candidate = _failing(conversion, sizes | {symbol: smaller})
            if candidate:
                found, sizes[symbol] = candidate, smaller
                break
    return found


def _failing(conversion: Conversion, sizes: Mapping[str, int]) -> JudgedProbe | None:
    if not conversion.model.sizes.fits(sizes):
        return None
    candidate = conversion.model.judge(resized(conversion.case, sizes))
    return candidate if candidate and not conversion.outcome(candidate).is_right else None


def where_it_goes_wrong(conversion: Conversion, judged: JudgedProbe) -> Culprit:
    """The component that made a probe's values wrong.

    A file that is right without graph optimization was broken by ONNX Runtime's optimizer; one that is right in the
    reference evaluator, by one of ONNX Runtime's kernels. A file that is wrong in both was made wrong.
    """
    if found := own_refusal(conversion, judged) or meant_loss(conversion) or overflow(conversion, judged):
        return found
    if conversion.outcome(judged, UNOPTIMIZED).is_right:
        return optimizer_to_blame(conversion, judged)
    if conversion.outcome(judged, REFERENCE).is_right:
        return _kernel_to_blame(conversion, judged)
    too = _in_the_evaluator(conversion, judged)
    if conversion.case.file:
        return what_the_tool_did(conversion, judged, too)
    from onnxproof.locating.exporter import what_the_exporter_did

    return what_the_exporter_did(conversion, judged, too)


def _kernel_to_blame(conversion: Conversion, judged: JudgedProbe) -> Culprit:
    node, clause = _first_departing_node(conversion, judged)
    place = _place(conversion, judged)
    is_lacking = NO_KERNEL in conversion.outcome(judged).refusal
    who = "ONNX Runtime lacks a kernel" if is_lacking else "a kernel of ONNX Runtime"
    return Culprit(
        f"{who}: the reference evaluator is right{clause}",
        kernel_advice(conversion, judged),
        place.told,
        node or place.node,
        place.where,
        place.cut,
    )


def kernel_advice(conversion: Conversion, judged: JudgedProbe) -> str:
    """What to do about an engine that is wrong, or refuses to run, where the reference evaluator is right."""
    if NO_KERNEL in conversion.outcome(judged).refusal:
        return "Take a provider that has the kernel, or compute in another dtype, such as float32 without autocast."
    return f"Try another opset or provider, and report the model to {conversion.engine}."


def _place(conversion: Conversion, judged: JudgedProbe) -> Departure:
    """Where the file of a module departs from it."""
    if conversion.case.file:
        return Departure()
    from onnxproof.locating.departure import departure

    return departure(conversion, judged)


def _in_any_order(conversion: Conversion, judged: JudgedProbe) -> Culprit | None:
    """That a TopK of the file is the first node that departs, and says no order, so that each engine has its own."""
    picks = (node for node in conversion.graph.nodes_of("TopK") if node.attributes.get("sorted", 1) == 0)
    open_to_engines = {name for node in picks for name in node.outputs}
    if not open_to_engines or not conversion.outcome(judged, REFERENCE).is_right:
        return None
    node, _ = _first_departing_node(conversion, judged)
    if node not in open_to_engines:
        return None
    place = _place(conversion, judged)
    return Culprit(
        f"the file: its TopK → {node} has sorted=0, which leaves the order to each engine",
        by_original(conversion, "Export it", "Make it") + " again, or set the node's attribute `sorted` to 1.",
        place.told,
        node,
        place.where,
        place.cut,
    )


def own_refusal(conversion: Conversion, judged: JudgedProbe) -> Culprit | None:
    """Why no engine has to be right on the probe: the file declares an input or a size otherwise than the case, is not
    ONNX, or leaves an order open."""
    if strange_inputs(conversion):
        return Culprit("its inputs are not those of the case: see inputs-kept", inputs_advice(conversion))
    refusal = conversion.outcome(judged).refusal
    if refusal and other_dtypes(conversion):
        return Culprit("its inputs have other dtypes than the case's: see inputs-kept", dtypes_advice(conversion))
    if refusal and is_ill_formed(conversion):
        return Culprit("onnx's checker refuses the file, too: see well-formed", ill_formed_advice(conversion))
    symbol = refused_dim(conversion, judged.probe.sizes)
    if symbol and refusal:
        return Culprit(
            f"the file keeps {symbol} at {frozen_sizes(conversion)[symbol]}: see dims-kept",
            frozen_advice(conversion),
            conversion.file.tracer_evidence,
        )
    return _in_any_order(conversion, judged)


def _in_the_evaluator(conversion: Conversion, judged: JudgedProbe) -> str:
    """What the reference evaluator says of the file, which is wrong in ONNX Runtime."""
    theirs = conversion.outcome(judged, REFERENCE)
    if theirs.is_left_out:
        return f", or a kernel of ONNX Runtime: for the reference evaluator {theirs.refusal}"
    if not theirs.refusal:
        subject = "it" if isinstance(conversion.file, GivenFile) else "the file"
        return f": {subject} is wrong in the reference evaluator too"
    if conversion.outcome(judged).refusal:
        return ": it does not run in the reference evaluator either"
    return ", or a kernel of ONNX Runtime: the reference evaluator does not run it, and cannot decide"


def _first_departing_node(conversion: Conversion, judged: JudgedProbe) -> tuple[str, str]:
    """The first node whose output differs between ONNX Runtime and the reference evaluator: an output, and a clause."""
    try:
        feeds = conversion.feeds(judged.probe.inputs)
        ours, theirs = dict(values_in_onnxruntime(conversion, feeds)), values_in_evaluator(conversion, feeds)
    except Exception:  # an engine may refuse to return inner values
        return "", ""
    model = load_model(conversion.file.path)
    makers = {name: node for node in model.graph.node for name in node.output}
    for departing in (name for node in model.graph.node for name in node.output):
        if departing in ours and departing in theirs and not agree(ours[departing], theirs[departing]):
            name = wrong_on_its_inputs(model, departing, feeds | ours, theirs)
            inputs = ", ".join(f"{i} {_figures(theirs[i])}" for i in makers[name].input if i in theirs)
            return name, f"; the first node that departs is {makers[name].op_type} → {name}, from {inputs}"
    return "", ""


def _figures(value: Array) -> str:
    if not value.size or value.dtype.kind not in "fiu":
        return f"{value.dtype} {value.shape}"
    return f"{value.dtype} {value.shape} in {value.min():.3g}..{value.max():.3g}"
