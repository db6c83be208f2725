"""Quantized operators written out: floats, between a DequantizeLinear of each input and a QuantizeLinear."""

from collections.abc import Iterator, Sequence

from onnx import ModelProto, NodeProto, helper

from onnxproof.graph.load import canonical_domain

ONE = "onnxproof/one"
"""The scale of integers that are taken as they are."""

Part = tuple[NodeProto, str]
"""A node, and the first output of the file's node that it is a part of."""

_INTEGER = {"ConvInteger": ("Conv", 0), "MatMulInteger": ("MatMul", -1)}
"""The float operator of a product of integers, and the axis of its weight's zero points."""

_PAIRS = {"QLinearAdd": "Add", "QLinearMul": "Mul", "QLinearMatMul": "MatMul"}
_ALONE = {
    "QLinearAveragePool": "AveragePool",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearSigmoid": "Sigmoid",
    "QLinearSoftmax": "Softmax",
}


def written_out(model: ModelProto) -> list[Part]:
    """The nodes of the main graph; quantized operators as several, which have the same values up to float32 rounding.

    An operator that is not known stays as it is.
    """
    dynamic = {node.output[0]: node.output[1] for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"}
    return [(part, node.output[0]) for node in model.graph.node if node.output for part in _parts(node, dynamic)]


def _parts(node: NodeProto, dynamic: dict[str, str]) -> Iterator[NodeProto]:
    name, given, made = node.op_type, list(node.input), node.output[0]
    channels_last = any(item.name == "channels_last" and item.i for item in node.attribute)
    if name == "DynamicQuantizeLinear":
        yield node
        yield _floats(node.output[0], [node.output[1], node.output[2]], f"{made}/float")
    elif name in _INTEGER:
        yield from _integer_product(node, dynamic)
    elif name == "QLinearConv":
        yield from _layer(node, "Conv", given[:3], given[3:6], given[6:8], given[8:], 0)
    elif name == "QGemm" and len(given) > 7:
        axis = 0 if any(item.name == "transB" and item.i for item in node.attribute) else 1
        yield from _layer(node, "Gemm", given[:3], given[3:6], given[7:9], [each for each in given[6:7] if each], axis)
    elif name in _PAIRS:
        yield from _layer(node, _PAIRS[name], given[:3], given[3:6], given[6:8], [], -1)
    elif name in _ALONE and not channels_last:
        yield _floats(given[0], given[1:3], f"{made}/x")
        yield _operator(node, _ALONE[name], [f"{made}/x"])
        yield _quantized(node, given[3:5])
    elif name == "QLinearConcat":
        parts = [f"{made}/{place}" for place in range(2, len(given), 3)]
        yield from (_floats(given[3 * i + 2], given[3 * i + 3 : 3 * i + 5], part) for i, part in enumerate(parts))
        yield _operator(node, "Concat", parts)
        yield _quantized(node, given[:2])
    else:
        yield _of_onnx(node) if name in ("QuantizeLinear", "DequantizeLinear") else node


def _of_onnx(node: NodeProto) -> NodeProto:
    """A node of ONNX Runtime's domain as onnx's operator of that name."""
    made = NodeProto()
    made.CopyFrom(node)
    made.domain = ""
    return made


def _layer(
    node: NodeProto,
    op_type: str,
    x: Sequence[str],
    weight: Sequence[str],
    to: Sequence[str],
    bias: Sequence[str],
    axis: int,
) -> Iterator[NodeProto]:
    """An operator of two values and a bias, whose scale is the product of theirs."""
    made = node.output[0]
    yield _floats(x[0], x[1:], f"{made}/x")
    yield _floats(weight[0], weight[1:], f"{made}/weight", axis)
    taken = [f"{made}/x", f"{made}/weight"]
    if bias:
        yield helper.make_node("Mul", [x[1], weight[1]], [f"{made}/step"])
        yield _floats(bias[0], [f"{made}/step"], f"{made}/bias", 0)
        taken.append(f"{made}/bias")
    yield _operator(node, op_type, taken)
    yield _quantized(node, to)


def _integer_product(node: NodeProto, dynamic: dict[str, str]) -> Iterator[NodeProto]:
    """A product of integers as one of floats in units of their scales, which the file multiplies it by afterwards."""
    op_type, axis = _INTEGER[node.op_type]
    made, (x, weight) = node.output[0], node.input[:2]
    zeros = [*node.input[2:], "", ""][:2]
    if x in dynamic:
        yield helper.make_node("Div", [f"{x}/float", dynamic[x]], [f"{made}/x"])
    else:
        yield _floats(x, [ONE, zeros[0]], f"{made}/x")
    yield _floats(weight, [ONE, zeros[1]], f"{made}/weight", axis)
    product = _operator(node, op_type, [f"{made}/x", f"{made}/weight"])
    product.output[0] = made
    yield product


def _floats(integers: str, params: Sequence[str], name: str, axis: int = 1) -> NodeProto:
    return helper.make_node("DequantizeLinear", [integers, *filter(None, params)], [name], axis=axis)


def _quantized(node: NodeProto, params: Sequence[str]) -> NodeProto:
    return helper.make_node("QuantizeLinear", [f"{node.output[0]}/wide", *filter(None, params)], [node.output[0]])


def _operator(node: NodeProto, op_type: str, inputs: Sequence[str]) -> NodeProto:
    made = helper.make_node(op_type, inputs, [f"{node.output[0]}/wide"])
    own = canonical_domain(node.domain) == ""
    made.attribute.extend(item for item in node.attribute if own or item.name not in ("channels_last", "opset"))
    return made
