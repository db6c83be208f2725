"""The range of integer inputs, as far as a graph tells it."""

import math
from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from onnxproof.graph.facts import Value, constants_of
from onnxproof.graph.inference import inferred

Limit = int | str

_KEEPS_VALUES = ("Cast", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose first input has the values of their output."""

_INDEXES = ("Gather", "GatherElements", "ScatterElements")


def index_limits(model: ModelProto) -> dict[str, list[Limit]]:
    """The sizes that each index among the inputs must stay below, by input: numbers, and names of free dimensions.

    An index into a table, or along an axis, is below its size; one of OneHot is below the depth.
    """
    values = inferred(model)
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    found = {info.name: list(_limits(info.name, users, values, model)) for info in model.graph.input}
    return {name: limits for name, limits in found.items() if limits}


def _limits(
    name: str, users: dict[str, list[NodeProto]], values: dict[str, Value], model: ModelProto
) -> Iterator[Limit]:
    """The limits of a value and of those that have the same values."""
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop()
        for node in users.get(name, ()):
            if limit := _limit(node, name, values, model):
                yield limit
            if node.op_type in _KEEPS_VALUES and node.input[0] == name and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting.append(node.output[0])


def _limit(node: NodeProto, name: str, values: dict[str, Value], model: ModelProto) -> Limit | None:
    if node.op_type in _INDEXES and node.input[1] == name:
        data = values.get(node.input[0])
        axis = next((helper.get_attribute_value(item) for item in node.attribute if item.name == "axis"), 0)
        shape = data.shape if data else None
        return shape[axis] if shape is not None and -len(shape) <= axis < len(shape) else None
    if node.op_type == "OneHot" and node.input[0] == name:
        return next((_number(tensor) for known, tensor in constants_of(model.graph) if known == node.input[1]), None)
    return None


def _number(tensor: object) -> int | None:
    values = numpy_helper.to_array(tensor)  # type: ignore[arg-type]
    return int(values.ravel()[0]) if values.size == 1 and math.isfinite(float(np.ravel(values)[0])) else None
