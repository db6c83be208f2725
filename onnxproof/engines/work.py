"""The work of a run, and that of an ONNX file, counted from the shapes of its values."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import ModelProto, NodeProto, ValueInfoProto, helper

from onnxproof._internal.trees import Array
from onnxproof.graph.inference import inferred

Shape = tuple[int, ...]

PER_VALUE = 8
"""The operations that a value of a result costs besides products, such as reading and writing it."""

LOOPS = {
    "_adaptive_avg_pool2d": 2e-5,
    "avg_pool2d": 1e-5,
    "avg_pool3d": 1e-5,
    "grid_sampler_2d": 1.5e-4,
}
"""The seconds that onnx's reference evaluator takes for a value of a result that it makes in loops of Python."""

_PREFIX = "shape of "


@dataclass
class Work:
    """The work of a run: the same on every machine.

    `flops` are floating-point operations, `loops` the seconds that onnx's reference evaluator spends in loops over the
    values of some results.
    """

    flops: float = 0.0
    loops: float = 0.0


def with_shapes(model: ModelProto) -> ModelProto:
    """A copy whose outputs are the shapes of all tensors in the main graph, for `shapes_of`."""
    tensors = inferred(model)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    names = dict.fromkeys(name for node in model.graph.node for name in (*node.input, *node.output))
    for name in (name for name in names if name in tensors):
        made.graph.node.append(helper.make_node("Shape", [name], [_PREFIX + name]))
        made.graph.output.append(ValueInfoProto(name=_PREFIX + name))
    return made


def shapes_of(outputs: Mapping[str, Array]) -> dict[str, Shape]:
    """The shapes by name, from the outputs of `with_shapes`."""
    return {name.removeprefix(_PREFIX): tuple(map(int, shape)) for name, shape in outputs.items()}


def work_of(model: ModelProto, shapes: Mapping[str, Shape]) -> Work:
    """The work of a run, from the shapes of its values; the bodies of subgraphs and functions are not counted."""
    work = Work()
    for node in model.graph.node:
        inputs, made = ([shapes.get(name, ()) for name in names] for names in (node.input, node.output))
        work.flops += sum(PER_VALUE * math.prod(shape) for shape in made)
        if node.op_type in _FLOPS:
            work.flops += 2 * _FLOPS[node.op_type](node, inputs, made[0])
        work.loops += LOOPS.get(_LOOPING.get(node.op_type, ""), 0) * sum(map(math.prod, made))
    return work


def _of_convolution(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(output) * math.prod(inputs[1][1:])


def _of_transposed_convolution(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(inputs[0]) * math.prod(inputs[1][1:])


def _of_product(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(output) * (inputs[0] or (1,))[0 if _attribute(node, "transA", 0) else -1]


def _of_recurrence(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    return math.prod(inputs[0][:2]) * (math.prod(inputs[1]) + math.prod(inputs[2]))


def _of_einsum(node: NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    terms = _attribute(node, "equation", b"").decode().replace(" ", "").partition("->")[0].split(",")
    sizes = {
        letter: size
        for term, shape in zip(terms, inputs, strict=False)
        for letter, size in zip(term, shape, strict=False)
    }
    return math.prod(sizes.values())


_FLOPS: dict[str, Callable[[NodeProto, Sequence[Shape], Shape], int]] = {
    "Conv": _of_convolution,
    "FusedConv": _of_convolution,
    "ConvTranspose": _of_transposed_convolution,
    "MatMul": _of_product,
    "FusedMatMul": _of_product,
    "Gemm": _of_product,
    "FusedGemm": _of_product,
    "Einsum": _of_einsum,
    "LSTM": _of_recurrence,
    "GRU": _of_recurrence,
    "RNN": _of_recurrence,
}
"""The multiplications of an operator, from its inputs' shapes and that of its first output."""


_LOOPING = {"AveragePool": "avg_pool2d", "GridSample": "grid_sampler_2d"}
"""The operators that onnx's reference evaluator runs in loops of Python, by torch's name of them."""


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
