"""Faults of tools that make an ONNX file of another one: simplifiers, optimizers and converters."""

import numpy as np
from onnx import ModelProto, TensorProto

from onnxproof.faults import edits
from onnxproof.faults.fault import Unsuited, fault


@fault(caught_by="same-values")
def slice_eliminated(model: ModelProto) -> None:
    """A Slice is taken out, as if it kept everything."""
    node = edits.nodes(model, "Slice")[0]
    edits.become(node, "Identity")
    del node.input[1:]


@fault(caught_by="same-values")
def shared_weight_scaled(model: ModelProto) -> None:
    """A weight of two layers is doubled for one of them, whose output is halved; the other one has it, too."""
    shared = [name for name in edits.weights(model) if len(edits.users(model, name)) > 1]
    if not shared:
        raise Unsuited("no two layers share a weight")
    first = edits.users(model, shared[0])[0]
    edits.set_array(model, shared[0], 2 * edits.array(model, shared[0]))
    edits.after(model, first.output[0], "Mul", edits.constant(model, 0.5))


@fault(caught_by="same-values")
def reduced_axis_dropped(model: ModelProto) -> None:
    """A ReduceMean over two axes is one over the first of them, and broadcasting hides it."""
    node = edits.nodes(model, "ReduceMean", lambda node: len(edits.attribute(node, "axes", [])) > 1)[0]
    edits.put(node, axes=edits.attribute(node, "axes")[:1])


@fault(caught_by="same-values")
def softmax_of_opset_12(model: ModelProto) -> None:
    """The header names opset 12, in which a Softmax is over its axis and all behind it together."""
    edits.nodes(model, "Softmax", lambda node: edits.attribute(node, "axis", -1) == 1)
    edits.need_opset(model, 13)
    edits.set_opset(model, 12)


@fault(caught_by="same-values")
def batch_norm_folded_without_epsilon(model: ModelProto) -> None:
    """A BatchNormalization is folded into its convolution, with an epsilon of 1e-5 in place of its own."""
    norm = edits.nodes(model, "BatchNormalization")[0]
    conv = next((node for node in edits.nodes(model, "Conv") if node.output[0] == norm.input[0]), None)
    if conv is None or edits.attribute(norm, "epsilon", 1e-5) < 1e-4:
        raise Unsuited("no convolution is followed by a normalization with a large epsilon")
    scale, shift, mean, variance = (edits.array(model, name) for name in norm.input[1:])
    factor = scale / np.sqrt(variance + 1e-5)
    weight = edits.array(model, conv.input[1])
    bias = edits.array(model, conv.input[2]) if len(conv.input) > 2 else np.zeros_like(mean)
    folded = edits.constant(model, weight * factor.reshape(-1, *[1] * (weight.ndim - 1)))
    conv.input[1:] = [folded, edits.constant(model, shift + (bias - mean) * factor)]
    conv.output[0] = norm.output[0]
    model.graph.node.remove(norm)


@fault(caught_by="engines-agree")
def mean_in_float16(model: ModelProto) -> None:
    """A ReduceMean runs in float16 and overflows at 65504; ONNX Runtime's CPU has no such kernel and takes float32."""
    node = edits.nodes(model, "ReduceMean")[0]
    edits.before(model, node, "Cast", [node.input[0]], "narrow_for_the_mean", to=TensorProto.FLOAT16)
    node.input[0] = "narrow_for_the_mean"
    edits.after(model, node.output[0], "Cast", to=TensorProto.FLOAT)
