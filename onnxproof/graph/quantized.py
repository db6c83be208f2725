"""What a quantized ONNX file says of its integers: weights as it dequantizes them, and parameters that disagree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from onnxproof.graph.facts import Graph, Node

Params = tuple[str, str]
"""The names of a scale and of a zero point, "" for none."""

_TAKES: Mapping[str, Mapping[int, tuple[int, int]]] = {
    "DequantizeLinear": {0: (1, 2)},
    "QLinearConv": {0: (1, 2), 3: (4, 5)},
    "QLinearMatMul": {0: (1, 2), 3: (4, 5)},
    "QLinearAdd": {0: (1, 2), 3: (4, 5)},
    "QLinearMul": {0: (1, 2), 3: (4, 5)},
    "QGemm": {0: (1, 2), 3: (4, 5)},
}
"""The integer inputs of an operator, each with the places of its scale and zero point."""

_GIVES: Mapping[str, tuple[int, int]] = {
    "QuantizeLinear": (1, 2),
    "QLinearConv": (6, 7),
    "QLinearMatMul": (6, 7),
    "QLinearAdd": (6, 7),
    "QLinearMul": (6, 7),
    "QGemm": (7, 8),
}
"""The places of the scale and the zero point of an operator's integer output."""

_BIASES = {"QLinearConv": 8, "QGemm": 6}
"""The place of an operator's integer bias."""

_PASS = frozenset(
    ["Expand", "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"]
)
"""Operators that give integers of their first input, with the same scale."""

_INTEGER = ("ConvInteger", "MatMulInteger")
QUANTIZED = {*_TAKES, *_GIVES, *_INTEGER, "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "MatMulNBits", "QGemm"}
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
NARROW = ("float16", "bfloat16")
_PRECISION = {"float16": (10, 2.0**-13), "bfloat16": (7, 2.0**-126)}
"""The bits behind the first one, and the smallest value that has them all, or that a converter keeps."""

_WIDER = {"int8": (*NARROW, "float32", "float64"), **dict.fromkeys(NARROW, ("float32", "float64"))}


@dataclass(frozen=True)
class QuantizedWeight:
    """An integer constant: its `values` as the file dequantizes them, and the size of a step, of the same rank; scales
    may be negative.

    `name` is that of the integers, `node` the first output of the node that takes them. `at_end` says which are the
    largest integer of their type: a scale that is symmetric, and uses the smallest one, leaves up to a step beyond it.
    """

    name: str
    node: str
    values: NDArray[np.float64]
    step: NDArray[np.float64]
    at_end: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Mismatch:
    """A value whose parameters disagree, in words, and the first output of the node that takes it."""

    problem: str
    node: str


def format_of(graph: Graph) -> str:
    """What a file computes in: "int8" if it is quantized, "float16" or "bfloat16", else "float32"."""
    if any(node.op_type in QUANTIZED for node in graph.nodes):
        return "int8"
    return next(iter(formats_of(graph)), "float32")


def formats_of(graph: Graph) -> list[str]:
    """The narrow float formats that a file stores or casts to."""
    dtypes = {constant.dtype.name for constant in graph.constants.values()}
    casts = {_type_name(node.attributes.get("to")) for node in graph.nodes_of("Cast")}
    return [name for name in NARROW if name in dtypes | casts]


def quantized_weights(graph: Graph) -> Iterator[QuantizedWeight]:
    """The integer constants with a scale that is a constant, too."""
    users, origins = _users(graph), _origins(graph)
    made = {node.outputs[0]: node for node in graph.nodes_of("QuantizeLinear") if node.inputs[0] in graph.constants}
    for node in graph.nodes:
        if node.op_type in _INTEGER:
            axis = 0 if node.op_type == "ConvInteger" else -1
            yield from _weight(graph, node, node.inputs[1], _scale_behind(graph, users, node), _input(node, 3), axis)
        if node.op_type == "MatMulNBits":
            yield from _packed(graph, node)
        for place, (scale, zero) in _TAKES.get(node.op_type, {}).items():
            axis = _axis(node)
            name = _input(node, place)
            if name in made:
                yield from _rounded(graph, node, made[name])
            origin = origins.get(name, name) if _is_one(graph, _input(node, scale)) else name
            yield from _weight(graph, node, origin, _input(node, scale), _input(node, zero), axis)
        if _input(node, _BIASES.get(node.op_type, len(node.inputs))):
            yield from _bias(graph, node, node.inputs[_BIASES[node.op_type]])


def narrow_weights(graph: Graph) -> Iterator[QuantizedWeight]:
    """The constants in float16 or bfloat16 of more than one dimension; a step is one unit in the last place."""
    for node in graph.nodes:
        for name in node.inputs:
            values = graph.constants.get(name)
            if values is not None and values.ndim > 1 and values.dtype.name in NARROW:
                wide = values.astype(np.float64)
                bits, smallest = _PRECISION[values.dtype.name]
                exponent = np.floor(np.log2(np.maximum(np.abs(wide), smallest)))
                yield QuantizedWeight(name, node.outputs[0], wide, 2.0 ** (exponent - bits))


def mismatches(graph: Graph) -> Iterator[Mismatch]:
    """Integers that are taken with another scale or zero point than they are made with; what is quantized twice."""
    made = {node.outputs[0]: _params(node, _GIVES[node.op_type]) for node in graph.nodes if node.op_type in _GIVES}
    origins = _origins(graph)
    restored = {node.outputs[0]: node for node in graph.nodes_of("DequantizeLinear")}
    for node in graph.nodes:
        for place, where in _TAKES.get(node.op_type, {}).items():
            name = origins.get(_input(node, place), _input(node, place))
            if name in made:
                yield from _differing(graph, name, made[name], _params(node, where), node)
        inner = restored.get(_input(node, 0)) if node.op_type == "QuantizeLinear" else None
        if inner and inner.inputs[0] not in graph.constants:
            pair = _params(inner, (1, 2)), _params(node, (1, 2))
            if any(_differing(graph, node.inputs[0], *pair, node)):
                yield Mismatch(f"{inner.inputs[0]} is quantized twice, with two scales", node.outputs[0])


def layers_not_in(graph: Graph, format: str) -> list[str]:
    """The layers, by their first output, whose weights are floats wider than a format."""
    wide = _WIDER[format]
    return [
        node.outputs[0]
        for node in graph.nodes
        if node.op_type in _LAYERS
        for name in (node.inputs[:2] if node.op_type == "MatMul" else node.inputs[1:2])
        if name in graph.constants and graph.constants[name].dtype.name in wide
    ]


def _weight(graph: Graph, node: Node, name: str, scale: str, zero: str, axis: int) -> Iterator[QuantizedWeight]:
    integers = graph.constants.get(name)
    step = graph.constants.get(scale)
    if integers is None or step is None:
        return
    zeros = graph.constants.get(zero, np.zeros((), np.int64))
    block = int(node.attributes.get("block_size", 0))
    steps = _along(step.astype(np.float64), integers, axis, block)
    values = (integers.astype(np.float64) - _along(zeros.astype(np.float64), integers, axis, block)) * steps
    yield QuantizedWeight(name, node.outputs[0], values, np.abs(steps), _at_end(integers))


def _packed(graph: Graph, node: Node) -> Iterator[QuantizedWeight]:
    """The weight of a MatMulNBits, as (K, N), whose integers of 4 bits are two a byte, the lower first."""
    bits, rows, columns, block = (int(node.attributes.get(name, 4)) for name in ("bits", "N", "K", "block_size"))
    bytes_, scales = (graph.constants.get(_input(node, place)) for place in (1, 2))
    if bytes_ is None or scales is None or bits not in (4, 8):
        return
    zeros = graph.constants.get(_input(node, 3), np.full(scales.size, 2 ** (bits - 1)))

    def unpacked(array: NDArray[np.generic]) -> NDArray[np.int64]:
        wide = array.reshape(rows, -1).astype(np.int64)
        return np.stack((wide & 15, wide >> 4), -1).reshape(rows, -1) if bits == 4 and array.dtype == np.uint8 else wide

    def of_blocks(array: NDArray[np.generic]) -> NDArray[np.float64]:
        return np.repeat(array.reshape(rows, -1), block, 1)[:, :columns].astype(np.float64)

    integers, steps = unpacked(bytes_)[:, :columns], of_blocks(scales)
    values = (integers - of_blocks(unpacked(zeros))) * steps
    yield QuantizedWeight(node.inputs[1], node.outputs[0], values.T, np.abs(steps).T, (integers == 2**bits - 1).T)


def _at_end(integers: NDArray[np.generic]) -> NDArray[np.bool_]:
    largest = int(ml_dtypes.iinfo(integers.dtype).max)  # type: ignore[no-untyped-call]
    return np.asarray(integers.astype(np.int64) == largest)


def _rounded(graph: Graph, node: Node, quantize: Node) -> Iterator[QuantizedWeight]:
    """A float constant that the file itself quantizes, and dequantizes in a node."""
    floats, (scale, zero) = graph.constants[quantize.inputs[0]], _params(quantize, (1, 2))
    if scale not in graph.constants or zero not in graph.constants:
        return
    axis = int(quantize.attributes.get("axis", 1))
    steps, zeros = (_along(graph.constants[name].astype(np.float64), floats, axis) for name in (scale, zero))
    ends = np.iinfo(graph.constants[zero].dtype)
    integers = np.clip(np.round(floats / steps) + zeros, ends.min, ends.max)
    yield QuantizedWeight(quantize.inputs[0], node.outputs[0], (integers - zeros) * steps, np.abs(steps))


def _axis(node: Node) -> int:
    """The axis of a weight's scales."""
    if node.op_type == "QGemm":
        return 0 if node.attributes.get("transB") else 1
    return {"DequantizeLinear": int(node.attributes.get("axis", 1)), "QLinearConv": 0}.get(node.op_type, -1)


def _bias(graph: Graph, node: Node, name: str) -> Iterator[QuantizedWeight]:
    """The integers of a bias, whose scale is that of its layer's input times that of its weight."""
    integers = graph.constants.get(name)
    scales = [graph.constants.get(node.inputs[place]) for place in (1, 4)]
    if integers is None or scales[0] is None or scales[1] is None:
        return
    step = np.broadcast_to(scales[0].astype(np.float64).ravel()[0] * scales[1].astype(np.float64), integers.shape)
    yield QuantizedWeight(name, node.outputs[0], integers * step, np.abs(step))


def _along(values: NDArray[np.float64], of: NDArray[np.generic], axis: int, block: int = 0) -> NDArray[np.float64]:
    """A vector in the shape in which it is applied along an axis; what is given for each block of it is repeated."""
    if values.size == 1:
        return values.reshape((1,) * of.ndim)
    if values.ndim == of.ndim:
        times = block or (-(-of.shape[axis] // values.shape[axis]) if values.shape[axis] else 1)
        return np.repeat(values, times, axis)[tuple(map(slice, of.shape))] if times > 1 else values
    shape = [1] * of.ndim
    shape[axis] = values.size
    return values.reshape(shape) if values.size == of.shape[axis] else np.full((1,) * of.ndim, np.nan)


def _scale_behind(graph: Graph, users: Mapping[str, list[Node]], node: Node) -> str:
    """The scale of the weight of an integer product: the product is cast, and multiplied by both scales."""
    for cast in users.get(node.outputs[0], ()):
        for product in users.get(cast.outputs[0], ()) if cast.op_type == "Cast" else ():
            both = [name for name in product.inputs if name != cast.outputs[0]]
            made = [each for each in graph.nodes if each.op_type == "Mul" and each.outputs[0] in both]
            names = [name for each in made for name in reversed(each.inputs)] + both  # the weight's is the second
            return next((name for name in names if name in graph.constants), "")
    return ""


def _origins(graph: Graph) -> dict[str, str]:
    """What values come from that are only moved, by name."""
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.op_type in _PASS and node.inputs and node.outputs:
            found[node.outputs[0]] = found.get(node.inputs[0], node.inputs[0])
    return found


def _is_one(graph: Graph, scale: str) -> bool:
    return scale in graph.constants and graph.constants[scale].size == 1


def _users(graph: Graph) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            found.setdefault(name, []).append(node)
    return found


def _input(node: Node, place: int) -> str:
    return node.inputs[place] if place < len(node.inputs) else ""


def _params(node: Node, places: tuple[int, int]) -> Params:
    return _input(node, places[0]), _input(node, places[1])


def _differing(graph: Graph, name: str, made: Params, taken: Params, node: Node) -> Iterator[Mismatch]:
    for what, ours, theirs in zip(("scale", "zero point"), made, taken, strict=True):
        a, b = (graph.constants.get(each, np.zeros(()) if not each else None) for each in (ours, theirs))
        same = ours == theirs or (a is not None and b is not None and np.array_equal(np.ravel(a), np.ravel(b)))
        if not same and a is not None and b is not None:
            yield Mismatch(f"{name} is made with the {what} {_shown(a)} and taken with {_shown(b)}", node.outputs[0])


def _shown(array: NDArray[np.generic]) -> str:
    return f"{array.ravel()[0]:.4g}" if array.size == 1 else f"of {array.size} values"


def _type_name(code: object) -> str:
    return {10: "float16", 16: "bfloat16"}.get(code, "") if isinstance(code, int) else ""
