"""Where a conversion goes wrong: the smallest size that shows it, and the component responsible."""

from collections.abc import Mapping

from onnxproof._internal.trees import Array
from onnxproof.engines.asked import REFERENCE, UNOPTIMIZED
from onnxproof.graph.load import load_model
from onnxproof.locating.clause import Culprit, Departure
from onnxproof.locating.declared import (
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
from onnxproof.locating.inner import agree, values_in_evaluator, values_in_onnxruntime
from onnxproof.locating.tool import meant_loss, optimizer_to_blame, overflow, what_the_tool_did
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.probes import resized
from onnxproof.probing.reference import JudgedProbe

SMALLER = (2, 3, 4, 5, 7, 8, 12, 16, 24, 32, 48, 64)
"""The sizes that a failing one is shrunk to, tried from the smallest."""


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
    is_in_a_kernel = conversion.outcome(judged, REFERENCE).is_right
    if conversion.case.file and is_in_a_kernel:
        return _kernel_to_blame(conversion, judged, Departure())
    too = _in_the_evaluator(conversion, judged)
    if conversion.case.file:
        return what_the_tool_did(conversion, judged, too)
    from onnxproof.locating.departure import departure
    from onnxproof.locating.exporter import what_the_exporter_did

    if is_in_a_kernel:
        return _kernel_to_blame(conversion, judged, departure(conversion, judged))
    return what_the_exporter_did(conversion, judged, too)


def _kernel_to_blame(conversion: Conversion, judged: JudgedProbe, place: Departure) -> Culprit:
    node, clause = _first_departing_node(conversion, judged)
    return Culprit(
        f"a kernel of ONNX Runtime: the reference evaluator is right{clause}",
        "Try another opset or provider, and report the model to onnxruntime.",
        place.told,
        node or place.node,
        place.where,
        place.cut,
    )


def own_refusal(conversion: Conversion, judged: JudgedProbe) -> Culprit | None:
    """Why no engine has to run the file on the probe: it declares an input or a size otherwise than the case, or is not
    ONNX."""
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
    return None


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
    for node in load_model(conversion.file.path).graph.node:
        for name in node.output:
            if name in ours and name in theirs and not agree(ours[name], theirs[name]):
                inputs = ", ".join(f"{i} {_figures(theirs[i])}" for i in node.input if i in theirs)
                return name, f"; the first node that departs is {node.op_type} → {name}, from {inputs}"
    return "", ""


def _figures(value: Array) -> str:
    if not value.size or value.dtype.kind not in "fiu":
        return f"{value.dtype} {value.shape}"
    return f"{value.dtype} {value.shape} in {value.min():.3g}..{value.max():.3g}"
