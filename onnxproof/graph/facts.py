"""Facts of an ONNX file: inputs, outputs, opset, nodes, constants."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

from onnxproof.graph.load import (
    DEFAULT_DOMAIN,
    canonical_domain,
    load_model,
    reading,
    refuse_recursion,
    utf8,
)
from onnxproof.graph.modules import module_of

_CONSTANT_DTYPES = {"value_float": np.float32, "value_int": np.int64, "value_string": np.object_}
"""The dtypes of a Constant node without a tensor; each attribute has a plural, for a list."""


@dataclass(frozen=True)
class Value:
    """An input or output of the graph: `shape` has an int per fixed dimension, a name per symbolic one, else None.

    `dtype` is `float32`, `int64`, `bfloat16` and so on; for a value that is not a tensor, onnx's text of the type.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class Node:
    """One node of the main graph; tensors in `attributes` are numpy arrays, subgraphs are onnx's own messages.

    `module` is the path of the torch module that it was exported from, "" if the file does not say.
    """

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    module: str = ""


@dataclass(frozen=True)
class Graph:
    """What an ONNX file declares. `constants` holds initializers and the values of Constant nodes, by value name.

    An input with an initializer is among the constants alone; sparse constants are in neither.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in the file's order."""
        return tuple(value.name for value in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, in the file's order."""
        return tuple(value.name for value in self.outputs)

    @property
    def opset(self) -> int:
        """The opset of the default ONNX domain; 0 when the file imports none."""
        return self.opsets.get(DEFAULT_DOMAIN, 0)

    def nodes_of(self, op_type: str) -> tuple[Node, ...]:
        """The nodes of one operator, in the file's order."""
        return tuple(node for node in self.nodes if node.op_type == op_type)


def read_graph(source: str | os.PathLike[str] | ModelProto) -> Graph:
    """The facts of an ONNX file or of a loaded model.

    Raises `GraphError` when they cannot be read, and for functions that call themselves.
    """
    model = source if isinstance(source, ModelProto) else load_model(source)
    graph = model.graph
    with reading(source):
        refuse_recursion(model)
        constants = {
            name: numpy_helper.to_array(tensor)
            for name, tensor in constants_of(graph)
            if isinstance(tensor, TensorProto)
        }
        return Graph(
            inputs=tuple(value_of(info) for info in graph.input if info.name not in constants),
            outputs=tuple(value_of(info) for info in graph.output),
            opsets=opsets_of(model),
            nodes=tuple(_node(node) for node in graph.node),
            constants=constants,
        )


def reads_inputs(graph: Graph) -> bool:
    """Whether a node reads the values of an input of the graph; one with a graph of its own counts."""
    names = set(graph.input_names)
    return any(
        any(isinstance(value, GraphProto) for value in node.attributes.values())
        or (node.op_type not in ("Shape", "Size") and not names.isdisjoint(node.inputs))
        for node in graph.nodes
    )


def opsets_of(message: ModelProto | onnx.FunctionProto) -> dict[str, int]:
    """The opset of each domain that a model or a function imports."""
    return {canonical_domain(entry.domain): entry.version for entry in message.opset_import}


def constants_of(graph: GraphProto) -> Iterator[tuple[str, TensorProto | SparseTensorProto]]:
    """The names and values of initializers and of Constant nodes."""
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    yield from ((tensor.values.name, tensor) for tensor in graph.sparse_initializer)
    yield from (_held(node) for node in graph.node if is_constant(node))


def is_constant(node: NodeProto) -> bool:
    """Whether a node is a Constant; in a function, not one whose value is a parameter."""
    given = any(attribute.ref_attr_name for attribute in node.attribute)
    return node.op_type == "Constant" and not canonical_domain(node.domain) and not given


def value_of(info: onnx.ValueInfoProto) -> Value:
    """What onnx's message of an input or output declares."""
    if not info.type.HasField("tensor_type"):
        return Value(utf8(info.name), " ".join(str(info.type).split()), None)
    tensor = info.type.tensor_type
    name = TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(_dimension(dimension) for dimension in tensor.shape.dim) if tensor.HasField("shape") else None
    return Value(utf8(info.name), {"float": "float32", "double": "float64"}.get(name, name), shape)


def _held(node: NodeProto) -> tuple[str, TensorProto | SparseTensorProto]:
    """The name and value of a Constant node: a tensor, or what is written as numbers or strings in its `value_...`."""
    if len(node.output) != 1 or len(node.attribute) != 1:
        raise ValueError(f"the Constant node {node.name!r} has not one output and one attribute")
    (name,), (attribute,) = node.output, node.attribute
    value = helper.get_attribute_value(attribute)
    dtype = _CONSTANT_DTYPES.get(attribute.name.removesuffix("s"))
    if not dtype and not isinstance(value, TensorProto | SparseTensorProto):
        raise ValueError(f"the Constant node of {name!r} holds no value, but {attribute.name!r}")
    return name, numpy_helper.from_array(np.array(value, dtype)) if dtype else value


def _dimension(dimension: onnx.TensorShapeProto.Dimension) -> int | str | None:
    return dimension.dim_value if dimension.HasField("dim_value") else utf8(dimension.dim_param) or None


def _node(node: NodeProto) -> Node:
    attributes = {item.name: _readable(helper.get_attribute_value(item)) for item in node.attribute}
    inputs, outputs = (tuple(map(utf8, names)) for names in (node.input, node.output))
    domain = utf8(canonical_domain(node.domain))
    return Node(utf8(node.op_type), domain, utf8(node.name), inputs, outputs, attributes, module_of(node))


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
