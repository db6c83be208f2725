"""Faults in what a layer computes: another operator, other attributes or other weights."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto

from onnxproof.faults import edits
from onnxproof.faults.fault import Unsuited, fault

TRACED_SCALES = (1, 1, 2, 3)
TRACED_SIZE = (24, 30)
"""The scales of an example, and the size to which they resize a picture of 12 × 10: an exporter may fold either."""


# Resize


def cubic(model: ModelProto) -> NodeProto:
    """Returns the first cubic Resize."""
    return edits.nodes(model, "Resize", lambda node: edits.attribute(node, "mode") == "cubic")[0]


def scaled(model: ModelProto) -> NodeProto:
    """Returns the first Resize that scales all four dimensions by an input or a computed value."""

    def is_free(node: NodeProto) -> bool:
        scales = node.input[2] if len(node.input) > 2 else ""
        return bool(scales) and not edits.is_constant(model, scales) and not edits.attribute(node, "axes")

    return edits.nodes(model, "Resize", is_free)[0]


@fault(caught_by="inputs-kept")
def folded_factor(model: ModelProto) -> None:
    """The traced factor is folded into the graph, and the input that it came from is gone."""
    scaled(model).input[2] = edits.constant(model, TRACED_SCALES)
    edits.prune(model)
    unused = [info.name for info in edits.inputs(model) if not edits.users(model, info.name)]
    if not unused:
        raise Unsuited("no input is there for the scales alone")
    edits.drop_input(model, unused[0])


@fault(caught_by="inputs-live")
def unused_factor(model: ModelProto) -> None:
    """The traced factor is folded into the graph, and the input that it came from is there and changes nothing."""
    scaled(model).input[2] = edits.constant(model, TRACED_SCALES)
    edits.prune(model)


@fault(caught_by="same-values-unseen")
def traced_output_size(model: ModelProto) -> None:
    """The Resize makes every picture as large as the traced one became."""
    node = scaled(model)
    start, end = edits.constant(model, [0], np.int64), edits.constant(model, [2], np.int64)
    height_and_width = edits.constant(model, TRACED_SIZE, np.int64)
    edits.before(model, node, "Shape", [node.input[0]], "shape_of_the_picture")
    edits.before(model, node, "Slice", ["shape_of_the_picture", start, end], "batch_and_channels")
    edits.before(model, node, "Concat", ["batch_and_channels", height_and_width], "traced_size", axis=0)
    no_scales = edits.constant(model, [])
    node.input[2:] = [no_scales, "traced_size"]


@fault(caught_by="same-values")
def factor_axes_swapped(model: ModelProto) -> None:
    """The factor of the height scales the width, and that of the width the height."""
    node = scaled(model)
    order = edits.constant(model, [0, 1, 3, 2], np.int64)
    edits.before(model, node, "Gather", [node.input[2], order], "swapped_scales")
    node.input[2] = "swapped_scales"


@fault(caught_by="same-values-unseen")
def scales_rounded(model: ModelProto) -> None:
    """The scales are rounded up to whole numbers."""
    node = scaled(model)
    edits.before(model, node, "Ceil", [node.input[2]], "rounded_scales")
    node.input[2] = "rounded_scales"


@fault(caught_by="same-values")
def other_cubic_coefficient(model: ModelProto) -> None:
    """The cubic Resize has the coefficient -0.5 of other libraries in place of torch's -0.75."""
    edits.put(cubic(model), cubic_coeff_a=-0.5)


@fault(caught_by="same-values")
def other_coordinates(model: ModelProto) -> None:
    """The Resize counts coordinates from the corners of the picture in place of the middles of the pixels."""
    edits.put(edits.nodes(model, "Resize")[0], coordinate_transformation_mode="asymmetric")


@fault(caught_by="same-values")
def linear_for_cubic(model: ModelProto) -> None:
    """The cubic Resize is a linear one."""
    edits.put(cubic(model), mode="linear")


@fault(caught_by="same-values-unseen")
def antialias_on(model: ModelProto) -> None:
    """The Resize smooths what it makes smaller, which torch does only when asked."""
    edits.need_opset(model, 18)
    edits.put(cubic(model), antialias=1)


# Convolutions


def sliding(model: ModelProto) -> NodeProto:
    """Returns the first 2D convolution with a constant kernel that is larger than one pixel."""

    def is_sliding(node: NodeProto) -> bool:
        kernel = edits.array(model, node.input[1]).shape[2:] if edits.is_constant(model, node.input[1]) else ()
        return len(kernel) == 2 and min(kernel) > 1

    return edits.nodes(model, "Conv", is_sliding)[0]


@fault(caught_by="same-values")
def wrong_pads(model: ModelProto) -> None:
    """A convolution has a row and a column of padding more at the top and left, and one less below and at the right."""
    node = sliding(model)
    top, left, bottom, right = edits.attribute(node, "pads", [0, 0, 0, 0])
    if min(bottom, right) < 1:
        raise Unsuited("the convolution has no padding to move")
    edits.put(node, pads=[top + 1, left + 1, bottom - 1, right - 1])


@fault(caught_by="same-values")
def wrong_stride(model: ModelProto) -> None:
    """A convolution has a stride of 2 in place of 1, or of 1 in place of 2."""
    node = edits.nodes(model, "Conv")[-1]
    rank = edits.array(model, node.input[1]).ndim - 2
    strides = edits.attribute(node, "strides", [1] * rank)
    edits.put(node, strides=[2 if stride == 1 else 1 for stride in strides])


@fault(caught_by="same-values")
def wrong_dilation(model: ModelProto) -> None:
    """A convolution looks at every second pixel, with the padding that keeps its size."""
    node = sliding(model)
    if edits.attribute(node, "dilations", [1, 1]) != [1, 1]:
        raise Unsuited("the convolution is dilated already")
    reach = [side - 1 for side in edits.array(model, node.input[1]).shape[2:]]
    pads = edits.attribute(node, "pads", [0, 0, 0, 0])
    before = [pad + side // 2 for pad, side in zip(pads[:2], reach, strict=True)]
    behind = [pad + side - side // 2 for pad, side in zip(pads[2:], reach, strict=True)]
    edits.put(node, dilations=[2, 2], pads=before + behind)


@fault(caught_by="same-values")
def flipped_kernel(model: ModelProto) -> None:
    """The kernel is turned by half a circle: a true convolution in place of torch's correlation."""
    name = sliding(model).input[1]
    edits.set_array(model, name, edits.array(model, name)[..., ::-1, ::-1])


@fault(caught_by="same-values")
def transposed_kernel(model: ModelProto) -> None:
    """The rows of a square kernel are its columns."""
    name = sliding(model).input[1]
    kernel = edits.array(model, name)
    if kernel.shape[2] != kernel.shape[3]:
        raise Unsuited("the kernel is not square")
    edits.set_array(model, name, kernel.swapaxes(2, 3))


@fault(caught_by="same-values")
def dropped_bias(model: ModelProto) -> None:
    """A convolution has no bias."""
    node = edits.nodes(model, "Conv", lambda node: len(node.input) == 3)[-1]
    del node.input[2]
    edits.prune(model)


# Weights


@fault(caught_by="same-values")
def transposed_weights(model: ModelProto) -> None:
    """The square matrix of a layer is transposed."""
    name = edits.weights(model, lambda weight: weight.ndim == 2 and weight.shape[0] == weight.shape[1] > 1)[0]
    edits.set_array(model, name, edits.array(model, name).T)


@fault(caught_by="same-values")
def one_weight_off(model: ModelProto) -> None:
    """The largest weight of the last layer is 1 % larger."""
    name = edits.weights(model)[-1]
    weight = edits.array(model, name)
    weight[np.unravel_index(np.abs(weight).argmax(), weight.shape)] *= 1.01
    edits.set_array(model, name, weight)


@fault(caught_by="same-values")
def one_weight_nan(model: ModelProto) -> None:
    """One weight of the last layer is NaN."""
    name = edits.weights(model)[-1]
    weight = edits.array(model, name)
    weight.flat[0] = np.nan
    edits.set_array(model, name, weight)


@fault(caught_by="same-values")
def weights_float16(model: ModelProto) -> None:
    """The weights went through float16 and back."""
    for name in edits.weights(model):
        edits.set_array(model, name, edits.array(model, name).astype(np.float16))


@fault(caught_by="same-values")
def weights_quantized(model: ModelProto) -> None:
    """The weights went through int8 and back."""
    for name in edits.weights(model):
        weight = edits.array(model, name)
        step = np.abs(weight).max() / 127
        edits.set_array(model, name, np.round(weight / step) * step)


@fault(caught_by="same-values")
def weights_shuffled(model: ModelProto) -> None:
    """The output channels of the first layer stand in reverse order, its bias does not."""
    name = edits.nodes(model, "Conv", lambda node: edits.is_constant(model, node.input[1]))[0].input[1]
    edits.set_array(model, name, edits.array(model, name)[::-1])


# Activations and precision


@fault(caught_by="same-values")
def dropped_relu(model: ModelProto) -> None:
    """A Relu is missing."""
    edits.become(edits.nodes(model, "Relu")[0], "Identity")


@fault(caught_by="same-values")
def leaky_relu(model: ModelProto) -> None:
    """A Relu is a LeakyRelu, which lets 1 % of what is negative pass."""
    edits.become(edits.nodes(model, "Relu")[0], "LeakyRelu", alpha=0.01)


@fault(caught_by="same-values")
def half_precision(model: ModelProto) -> None:
    """An activation goes through float16 and back."""
    value = edits.nodes(model, "Relu")[0].output[0]
    edits.after(model, value, "Cast", to=TensorProto.FLOAT)
    edits.after(model, f"{value}_changed", "Cast", to=TensorProto.FLOAT16)


@fault(caught_by="optimizer-neutral")
def dropout_in_training(model: ModelProto) -> None:
    """A Dropout is left in training mode, which ONNX Runtime's optimizer takes out and other engines obey."""
    edits.need_opset(model, 12)
    value = edits.nodes(model, "Relu")[0].output[0]
    edits.after(model, value, "Dropout", edits.constant(model, 0.5), edits.constant(model, True, np.bool_))
