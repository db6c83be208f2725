"""Edits of the main graph of an ONNX model, in place: the building blocks of the faults."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto, helper, numpy_helper

from onnxproof.faults.fault import Unsuited

# Nodes


def nodes(model: ModelProto, op_type: str, such: Callable[[NodeProto], bool] = bool) -> list[NodeProto]:
    """Returns the nodes of one operator for which `such` holds. Raises `Unsuited` if there are none."""
    found = [node for node in model.graph.node if node.op_type == op_type and not node.domain and such(node)]
    if not found:
        raise Unsuited(f"the file has no {op_type} node that this could break")
    return found


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Returns the value of an attribute, and text as `str`."""
    value = next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
    return value.decode() if isinstance(value, bytes) else value


def put(node: NodeProto, **attributes: Any) -> None:
    """Sets attributes of a node, and replaces those that have the same names."""
    kept = [item for item in node.attribute if item.name not in attributes]
    made = [helper.make_attribute(name, value) for name, value in attributes.items()]
    del node.attribute[:]
    node.attribute.extend(kept + made)


def become(node: NodeProto, op_type: str, **attributes: Any) -> None:
    """Turns a node into another operator with the same inputs and outputs."""
    node.op_type = op_type
    del node.attribute[:]
    put(node, **attributes)


def insert(model: ModelProto, at: int, op_type: str, inputs: list[str], output: str, **attributes: Any) -> None:
    """Inserts a new node at a position among the nodes."""
    model.graph.node.insert(at, helper.make_node(op_type, inputs, [output], f"{op_type}_{output}", **attributes))


def before(model: ModelProto, node: NodeProto, op_type: str, inputs: list[str], output: str, **attributes: Any) -> None:
    """Inserts a new node before another."""
    insert(model, list(model.graph.node).index(node), op_type, inputs, output, **attributes)


def after(model: ModelProto, value: str, op_type: str, *more: str, **attributes: Any) -> None:
    """Inserts a new node after a value: every node that used the value then uses the new node's output.

    `value` is an input of the graph or the output of a node; `more` are further inputs of the new node.
    """
    changed = f"{value}_changed"
    made_at = next((index for index, node in enumerate(model.graph.node) if value in node.output), None)
    if made_at is None:
        use_instead(model, value, changed)
        insert(model, 0, op_type, [value, *more], changed, **attributes)
        return
    maker = model.graph.node[made_at]
    maker.output[:] = [changed if name == value else name for name in maker.output]
    insert(model, made_at + 1, op_type, [changed, *more], value, **attributes)


def use_instead(model: ModelProto, old: str, new: str) -> None:
    """Makes every node that uses one value use another."""
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def rename(model: ModelProto, old: str, new: str) -> None:
    """Renames a node's output, there and in every node that uses it."""
    use_instead(model, old, new)
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]


def users(model: ModelProto, value: str) -> list[NodeProto]:
    """Returns the nodes that use a value."""
    return [node for node in model.graph.node if value in node.input]


def prune(model: ModelProto) -> None:
    """Drops the nodes and initializers that no output of the graph depends on."""
    needed = {info.name for info in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    nodes_in_order = kept[::-1]
    del model.graph.node[:]
    del model.graph.initializer[:]
    model.graph.node.extend(nodes_in_order)
    model.graph.initializer.extend(tensors)


# Constants


def constant(model: ModelProto, value: Any, dtype: Any = np.float32) -> str:
    """Adds an initializer and returns its name."""
    name = f"constant_{len(model.graph.initializer)}_of_the_fault"
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, dtype), name))
    return name


def _tensors(model: ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Yields the name and tensor of each initializer and Constant node."""
    yield from ((tensor.name, tensor) for tensor in model.graph.initializer)
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            yield node.output[0], node.attribute[0].t


def is_constant(model: ModelProto, name: str) -> bool:
    """Returns whether a value is a constant tensor."""
    return any(name == known for known, _ in _tensors(model))


def array(model: ModelProto, name: str) -> NDArray[Any]:
    """Returns a copy of a constant. Raises `Unsuited` if the value is computed."""
    for known, tensor in _tensors(model):
        if known == name:
            return numpy_helper.to_array(tensor).copy()
    raise Unsuited(f"{name!r} is not constant")


def set_array(model: ModelProto, name: str, value: NDArray[Any]) -> None:
    """Sets the value of a constant, which keeps its dtype."""
    for known, tensor in _tensors(model):
        if known == name:
            tensor.CopyFrom(numpy_helper.from_array(value.astype(numpy_helper.to_array(tensor).dtype), tensor.name))


def swapped(values: NDArray[Any]) -> NDArray[Any]:
    """Returns a copy with the first two channels that differ, along the first axis, exchanged. May raise `Unsuited`."""
    other = next((at for at in range(1, len(values)) if not np.array_equal(values[0], values[at])), None)
    if other is None:
        raise Unsuited("the weight has no two channels that differ")
    changed = values.copy()
    changed[[0, other]] = changed[[other, 0]]
    return changed


def weights(model: ModelProto, such: Callable[[NDArray[Any]], bool] = lambda weight: True) -> list[str]:
    """Returns the names of the constant float32 weights for which `such` holds. Raises `Unsuited` if there are none."""
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
    names = [node.input[1] for node in layers if is_constant(model, node.input[1])]
    found = [name for name in names if array(model, name).dtype == np.float32 and such(array(model, name))]
    if not found:
        raise Unsuited("the file has no layer with constant weights that this could break")
    return found


# Inputs, outputs and the header


def inputs(model: ModelProto) -> list[ValueInfoProto]:
    """Returns the inputs that the caller must pass."""
    given = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in given]


def drop_input(model: ModelProto, name: str) -> None:
    """Removes an input of the graph."""
    kept = [info for info in model.graph.input if info.name != name]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def dims(info: ValueInfoProto) -> list[TensorShapeProto.Dimension]:
    """Returns the declared dimensions of an input or output."""
    return list(info.type.tensor_type.shape.dim)


def pictures(model: ModelProto) -> list[ValueInfoProto]:
    """Returns the float inputs of four dimensions. Raises `Unsuited` if there are none."""
    is_float = TensorProto.FLOAT
    found = [info for info in inputs(model) if info.type.tensor_type.elem_type == is_float and len(dims(info)) == 4]
    if not found:
        raise Unsuited("the file has no float input of four dimensions")
    return found


def picture_output(model: ModelProto) -> str:
    """Returns the name of the first float output of four dimensions. Raises `Unsuited` if there is none."""
    for info in model.graph.output:
        if info.type.tensor_type.elem_type == TensorProto.FLOAT and len(dims(info)) == 4:
            return info.name
    raise Unsuited("the file has no float output of four dimensions")


def twins(infos: list[ValueInfoProto]) -> tuple[str, str]:
    """Returns the names of two values of equal type and shape. Raises `Unsuited` if there are no two."""
    for index, info in enumerate(infos):
        for other in infos[index + 1 :]:
            if info.type == other.type:
                return info.name, other.name
    raise Unsuited("the file has no two of equal type and shape")


def opset(model: ModelProto) -> int:
    """Returns the opset of the default domain."""
    return next(entry.version for entry in model.opset_import if not entry.domain)


def need_opset(model: ModelProto, lowest: int) -> None:
    """Raises `Unsuited` if the file has a lower opset."""
    if opset(model) < lowest:
        raise Unsuited(f"the fault needs opset {lowest}, the file has {opset(model)}")


def set_opset(model: ModelProto, version: int) -> None:
    """Sets the opset of the default domain, and changes nothing else."""
    for entry in model.opset_import:
        if not entry.domain:
            entry.version = version
