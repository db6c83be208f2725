"""The values inside a file, as onnx infers them."""

import contextlib
import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper

from onnxproof.graph.facts import Value, value_of

MOST_VALUES = 1024
"""A larger constant decides no type, and its values are left out."""


def inferred(model: ModelProto) -> dict[str, Value]:
    """The tensors of the main graph by name, as far as onnx infers their types.

    Nothing is raised for an illegal graph, whose tensors are those that it declares.
    """
    light = _without_weights(model)
    with contextlib.suppress(Exception):
        light = onnx.shape_inference.infer_shapes(light)
    return _tensors(light)


def shapes_at(model: ModelProto, shapes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """The shapes of the main graph's tensors by name where its inputs have these, if onnx infers each size of one."""
    light = _without_weights(model)
    del light.graph.value_info[:]  # a tool may have declared those of other inputs
    for info in light.graph.output:
        info.type.Clear()
    for info in light.graph.input:
        if info.name in shapes:
            info.CopyFrom(helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, shapes[info.name]))
    with contextlib.suppress(Exception):
        light = onnx.shape_inference.infer_shapes(light, data_prop=True)
    found = {}
    for name, value in _tensors(light).items():
        sizes = [size for size in value.shape or () if isinstance(size, int)]
        if value.shape is not None and len(sizes) == len(value.shape):
            found[name] = tuple(sizes)
    return found


def _tensors(model: ModelProto) -> dict[str, Value]:
    infos = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    values = [value_of(info) for info in (*infos, *map(_declared, model.graph.initializer))]
    return {value.name: value for value in values if value.dtype.isidentifier() and value.dtype != "undefined"}


def _without_weights(model: ModelProto) -> ModelProto:
    """The model with inputs in place of its large initializers."""
    graph = model.graph
    large = {tensor.name: tensor for tensor in graph.initializer if math.prod(tensor.dims) > MOST_VALUES}
    inputs = [info for info in graph.input if info.name not in large]
    light = onnx.GraphProto(
        name=graph.name or "graph",
        node=graph.node,
        initializer=[tensor for tensor in graph.initializer if tensor.name not in large],
        input=[*inputs, *map(_declared, large.values())],
        output=graph.output,
        value_info=graph.value_info,
    )
    return ModelProto(
        ir_version=max(model.ir_version, 4), opset_import=model.opset_import, functions=model.functions, graph=light
    )


def _declared(tensor: TensorProto) -> ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
