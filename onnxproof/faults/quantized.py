"""Faults of a quantized file: most move its outputs by less than the loss that is accepted."""

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, helper

from onnxproof.faults import edits
from onnxproof.faults.fault import Unsuited, lossy_fault

# Quantized weights


@lossy_fault(caught_by="format-faithful")
def weight_scale_off(model: ModelProto) -> None:
    """The scale of one weight is 4 % too large."""
    scale = _weight(model).input[1]
    edits.set_array(model, scale, edits.array(model, scale) * np.float32(1.04))


@lossy_fault(caught_by="format-faithful")
def scale_of_one_channel_off(model: ModelProto) -> None:
    """The scale of one of a weight's channels is 4 % too large."""
    scale = _channels(model).input[1]
    values = edits.array(model, scale)
    values[1] *= np.float32(1.04)
    edits.set_array(model, scale, values)


@lossy_fault(caught_by="format-faithful")
def weight_zero_point_off(model: ModelProto) -> None:
    """The zero point of one weight is one step off."""
    node = _weight(model)
    node.input[2] = _moved(model, node.input[2])


@lossy_fault(caught_by="format-faithful")
def quantized_channels_swapped(model: ModelProto) -> None:
    """Two of a quantized weight's channels are swapped."""
    node = _weight(model)
    edits.set_array(model, node.input[0], edits.swapped(edits.array(model, node.input[0])))


@lossy_fault(caught_by="format-faithful")
def scales_reversed(model: ModelProto) -> None:
    """The scales of a weight's channels are in the reverse order."""
    scale = _channels(model).input[1]
    edits.set_array(model, scale, edits.array(model, scale)[::-1])


@lossy_fault(caught_by="format-faithful")
def one_scale_for_all_channels(model: ModelProto) -> None:
    """A weight with a scale for each channel is dequantized with one for all."""
    node = _channels(model)
    scales = edits.array(model, node.input[1])
    node.input[1] = edits.constant(model, np.full_like(scales, scales.mean()))


@lossy_fault(caught_by="format-faithful")
def scales_along_another_axis(model: ModelProto) -> None:
    """The scales of a weight's channels are applied along its other axis."""
    node = _weight(model, lambda model, node: _is_per_channel(model, node) and _is_square(model, node))
    edits.put(node, axis=1 - edits.attribute(node, "axis", 1))


@lossy_fault(caught_by="format-faithful")
def weight_clipped(model: ModelProto) -> None:
    """The largest values of one weight are clipped to half of its range."""
    node = _weight(model)
    integers = edits.array(model, node.input[0])
    edits.set_array(model, node.input[0], np.clip(integers, integers.min() // 2, integers.max() // 2))


@lossy_fault(caught_by="format-faithful")
def quantized_bias_zero(model: ModelProto) -> None:
    """The quantized bias of one layer is zero."""
    name = _bias(model).input[0]
    edits.set_array(model, name, np.zeros_like(edits.array(model, name)))


@lossy_fault(caught_by="format-faithful")
def quantized_bias_lost(model: ModelProto) -> None:
    """One layer has no bias any more."""
    bias = _bias(model).output[0]
    for node in edits.users(model, bias):
        del node.input[2:]
    edits.prune(model)


@lossy_fault(caught_by="format-faithful")
def layer_left_in_float(model: ModelProto) -> None:
    """One layer keeps its weight in float32 where all layers are to be int8."""
    node = _weight(model, _is_of_a_layer)
    integers, scale = edits.array(model, node.input[0]), edits.array(model, node.input[1])
    shape = [1] * integers.ndim
    if scale.size > 1:
        shape[edits.attribute(node, "axis", 1)] = scale.size
    name = edits.constant(model, integers.astype(np.float32) * scale.reshape(shape))
    edits.use_instead(model, node.output[0], name)
    edits.prune(model)


# Quantized activations


@lossy_fault(caught_by="format-faithful")
def other_zero_point_behind(model: ModelProto) -> None:
    """A value is dequantized with another zero point than it was quantized with."""
    node = _activation(model)
    node.input[2] = _moved(model, node.input[2])


@lossy_fault(caught_by="format-faithful")
def other_scale_behind(model: ModelProto) -> None:
    """A value is dequantized with a scale that is 2 % larger than it was quantized with."""
    node = _activation(model)
    node.input[1] = edits.constant(model, edits.array(model, node.input[1]) * 1.02)


@lossy_fault(caught_by="format-faithful")
def quantized_twice(model: ModelProto) -> None:
    """A value is quantized again, with another scale, once it was dequantized."""
    node = _activation(model)
    value, (scale, zero) = node.output[0], node.input[1:3]
    other = edits.constant(model, edits.array(model, scale) * 1.3)
    place = list(model.graph.node).index(node)
    edits.use_instead(model, value, f"{value}_again")
    again = [
        helper.make_node("QuantizeLinear", [value, other, zero], [f"{value}_integers"]),
        helper.make_node("DequantizeLinear", [f"{value}_integers", other, zero], [f"{value}_again"]),
    ]
    for offset, each in enumerate(again):
        model.graph.node.insert(place + 1 + offset, each)


@lossy_fault(caught_by="loss-kept")
def activations_saturated(model: ModelProto) -> None:
    """The range of one value is a sixteenth of what it takes, and the rest is clipped."""
    scale = _activation(model).input[1]
    edits.set_array(model, scale, edits.array(model, scale) / 16)


@lossy_fault(caught_by="loss-kept")
def range_too_wide(model: ModelProto) -> None:
    """The range of one value is a thousand times what it takes, so that no step is left."""
    scale = _activation(model).input[1]
    edits.set_array(model, scale, edits.array(model, scale) * 1000)


# Integer products


@lossy_fault(caught_by="format-faithful")
def zero_point_of_product_off(model: ModelProto) -> None:
    """The zero point of a weight in an integer product is one step off."""
    node = _product(model)
    node.input[3] = _moved(model, node.input[3])


@lossy_fault(caught_by="format-faithful")
def channels_of_product_swapped(model: ModelProto) -> None:
    """Two of the channels of a weight in an integer product are swapped."""
    node = _product(model)
    edits.set_array(model, node.input[1], edits.swapped(edits.array(model, node.input[1])))


Such = Callable[[ModelProto, NodeProto], bool]


def _weight(model: ModelProto, such: Such = lambda model, node: True) -> NodeProto:
    """The DequantizeLinear of the last quantized weight of more than one dimension."""

    def is_weight(node: NodeProto) -> bool:
        is_constant = edits.is_constant(model, node.input[0])
        return is_constant and edits.array(model, node.input[0]).ndim > 1 and such(model, node)

    return edits.nodes(model, "DequantizeLinear", is_weight)[-1]


def _channels(model: ModelProto) -> NodeProto:
    """The DequantizeLinear of the weight with the most scales."""
    found = edits.nodes(model, "DequantizeLinear", lambda node: edits.is_constant(model, node.input[0]))
    weights = [node for node in found if edits.array(model, node.input[0]).ndim > 1 and _is_per_channel(model, node)]
    if not weights:
        raise Unsuited("the file has no weight with a scale for each channel")
    return max(weights, key=lambda node: edits.array(model, node.input[1]).size)


def _is_of_a_layer(model: ModelProto, node: NodeProto) -> bool:
    return any(user.op_type in ("Conv", "Gemm", "MatMul") for user in edits.users(model, node.output[0]))


def _is_per_channel(model: ModelProto, node: NodeProto) -> bool:
    return edits.array(model, node.input[1]).size > 1


def _is_square(model: ModelProto, node: NodeProto) -> bool:
    shape = edits.array(model, node.input[0]).shape
    return shape[0] == shape[1] and edits.attribute(node, "axis", 1) in (0, 1)


def _bias(model: ModelProto) -> NodeProto:
    """The DequantizeLinear of a quantized bias, which a layer takes as its third input."""

    def is_bias(node: NodeProto) -> bool:
        used = edits.users(model, node.output[0])
        return edits.is_constant(model, node.input[0]) and any(node.output[0] in list(each.input)[2:] for each in used)

    return edits.nodes(model, "DequantizeLinear", is_bias)[0]


def _activation(model: ModelProto) -> NodeProto:
    """A DequantizeLinear of a value that is computed, in the middle of the file."""
    found = edits.nodes(model, "DequantizeLinear", lambda node: not edits.is_constant(model, node.input[0]))
    return found[len(found) // 2]


def _product(model: ModelProto) -> NodeProto:
    for op_type in ("MatMulInteger", "ConvInteger"):
        for node in model.graph.node:
            if node.op_type == op_type and edits.is_constant(model, node.input[1]) and len(node.input) > 3:
                return node
    raise Unsuited("the file has no integer product")


def _moved(model: ModelProto, zero: str) -> str:
    """A zero point that is one step off."""
    values = edits.array(model, zero)
    wide = values.astype(np.int64)
    return edits.constant(model, np.where(wide > 0, wide - 1, wide + 1), values.dtype)
