"""The range of integer inputs, as far as a graph tells it."""

import math
from collections.abc import Iterator

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnxproof.graph.facts import Value, constants_of
from onnxproof.graph.inference import inferred

Limit = int | str

_KEEPS_VALUES = ("Cast", "Expand", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
"""Operators whose first input has the values of their output."""

_INDEXES = ("Gather", "GatherElements", "ScatterElements")
_PRODUCTS = ("Div", "Gemm", "MatMul", "Mod", "Mul", "Pow")
_COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
_OF_MASKS = ("And", "Equal", "Not", "Or", "Where")


def index_limits(model: ModelProto) -> dict[str, list[Limit]]:
    """The sizes that each index among the inputs must stay below, by input: numbers, and names of free dimensions.

    An index into a table, or along an axis, is below its size; one of OneHot is below the depth.
    """
    values, users = inferred(model), _users(model)
    found = {info.name: list(_limits(info.name, users, values, model)) for info in model.graph.input}
    return {name: limits for name, limits in found.items() if limits}


def numbers(model: ModelProto) -> set[str]:
    """The inputs that a file computes with as numbers, such as positions, lengths or steps, and not as a mask.

    It multiplies them by constants, or compares them with values that are none.
    """
    users, fixed = _users(model), _fixed(model)
    found = set()
    for info in model.graph.input:
        uses = {_is_number(node, name, fixed) for node, name in _uses(info.name, users)}
        if True in uses and False not in uses:
            found.add(info.name)
    return found


def _is_number(node: NodeProto, name: str, fixed: set[str]) -> bool | None:
    """Whether a node takes a value for a number, False for one of a mask; None if that is not known."""
    is_beside_fixed = any(other in fixed for other in node.input if other != name)
    if node.op_type in _OF_MASKS or (node.op_type == "Cast" and node.attribute[0].i == TensorProto.BOOL):
        return False
    if node.op_type in ("Sub", *_COMPARISONS):
        return not is_beside_fixed
    if node.op_type in _PRODUCTS and is_beside_fixed:
        return True
    return False if node.op_type == "Mul" else None


def _fixed(model: ModelProto) -> set[str]:
    """The values that no input decides, up to their shape."""
    found = {name for name, _ in constants_of(model.graph)}
    for node in model.graph.node:
        of = node.input[:1] if node.op_type in _KEEPS_VALUES else node.input
        if of and all(name in found or not name for name in of):
            found.update(node.output)
    return found


def _users(model: ModelProto) -> dict[str, list[NodeProto]]:
    """The nodes that take each value."""
    users: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    return users


def _limits(
    name: str, users: dict[str, list[NodeProto]], values: dict[str, Value], model: ModelProto
) -> Iterator[Limit]:
    """The limits of a value and of those that have the same values."""
    for node, same in _uses(name, users):
        if limit := _limit(node, same, values, model):
            yield limit


def _uses(name: str, users: dict[str, list[NodeProto]]) -> Iterator[tuple[NodeProto, str]]:
    """The nodes that take a value, or one that has the same values, and which they take."""
    waiting, seen = [name], {name}
    while waiting:
        name = waiting.pop()
        for node in users.get(name, ()):
            yield node, name
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
