"""Facts of an ONNX file: inputs, outputs, opset, nodes, constants, and whether two files hold the same graph."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

DEFAULT_DOMAIN = ""


class GraphError(Exception):
    """A file that cannot be read as ONNX; the message names the file and what to do."""


@dataclass(frozen=True)
class Value:
    """An input or output of the graph: `shape` has an int per fixed dimension, a name per symbolic one, None per unknown one."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class Node:
    """One node of the main graph; tensors in `attributes` are numpy arrays, subgraphs are onnx's own messages."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """What an ONNX file says of itself. `constants` holds initializers and the values of Constant nodes, by value name."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(value.name for value in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(value.name for value in self.outputs)

    @property
    def opset(self) -> int:
        """The opset of the default ONNX domain; 0 when the file imports none."""
        return self.opsets.get(DEFAULT_DOMAIN, 0)

    def nodes_of(self, op_type: str) -> tuple[Node, ...]:
        """The nodes of one operator, in the file's order."""
        return tuple(node for node in self.nodes if node.op_type == op_type)


def load_model(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file with its external data. Raises `GraphError` when the file, or its data, cannot be read."""
    try:
        model = onnx.load(os.fspath(path))
    except FileNotFoundError as error:
        raise GraphError(f"{path}: no such file, or its external data is missing ({error})") from error
    except (DecodeError, onnx.checker.ValidationError, ValueError, OSError) as error:
        raise GraphError(f"{path}: not a readable ONNX file ({error}); export it again") from error
    if not model.graph.output:
        raise GraphError(f"{path}: not an ONNX model: its graph has no output")
    return model


def read_graph(source: str | os.PathLike[str] | ModelProto) -> Graph:
    """The facts of an ONNX file or of a loaded model. Raises `GraphError` when the file cannot be read."""
    model = source if isinstance(source, ModelProto) else load_model(source)
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {node.output[0]: _constant(node) for node in graph.node if _is_tensor_constant(node)}
    return Graph(
        inputs=tuple(_value(info) for info in graph.input if info.name not in constants),
        outputs=tuple(_value(info) for info in graph.output),
        opsets={_domain(entry.domain): entry.version for entry in model.opset_import},
        nodes=tuple(_node(node) for node in graph.node),
        constants=constants,
    )


def external_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The external-data files that an ONNX file names, as it names them: relative to its own folder."""
    model = onnx.load(os.fspath(path), load_external_data=False)
    tensors = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    locations = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return tuple(Path(location) for location in sorted(locations))


def graph_differences(a: ModelProto, b: ModelProto) -> tuple[str, ...]:
    """What two models' graphs differ in, up to the names of nodes and of inner values; () when they are the same graph.

    Compared are opsets, the names, dtypes and shapes of inputs and outputs, every node with its attributes and subgraphs,
    every constant, bit for bit, and the edges between them. A constant is the same as an initializer or as a Constant node.
    """
    differences = []
    for what, read in (("opsets", _opsets), ("inputs", _inputs), ("outputs", _outputs), ("functions", _functions)):
        if read(a) != read(b):
            differences.append(f"{what}: {read(a)} against {read(b)}")
    digests_a, digests_b = _digests(a.graph), _digests(b.graph)
    count_a, count_b = Counter(digest for digest, _ in digests_a), Counter(digest for digest, _ in digests_b)
    for side, digests, missing in (("first", digests_a, count_a - count_b), ("second", digests_b, count_b - count_a)):
        only = next((text for digest, text in digests if digest in missing), None)
        if only:
            differences.append(f"only in the {side}: {only}")
    return tuple(differences)


def _digests(graph: GraphProto, outer: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """A digest and a description of each part of a graph. A node's digest holds those of all that its inputs come from."""
    known = dict(outer or {}) | {"": "absent"}
    for position, info in enumerate(graph.input):
        known[info.name] = _digest("input", position)
    found = []
    for tensor in graph.initializer:
        known[tensor.name] = _digest(*_tensor_identity(tensor))
        found.append((known[tensor.name], f"constant of shape {tuple(tensor.dims)}"))
    for node in graph.node:
        if _is_tensor_constant(node):
            constant = _constant(node)
            digest = _digest(*_array_identity(constant))
            text = f"constant of shape {constant.shape}"
        else:
            attributes = sorted((item.name, _attribute_identity(item, known)) for item in node.attribute)
            digest = _digest(node.op_type, _domain(node.domain), attributes, [known[name] for name in node.input])
            text = f"{node.op_type} → {', '.join(node.output)}"
        found.append((digest, text))
        known |= {name: _digest(digest, position) for position, name in enumerate(node.output)}
        if _is_tensor_constant(node):
            known[node.output[0]] = digest
    found += [
        (_digest("output", position, known[info.name]), f"output {position}, {info.name}")
        for position, info in enumerate(graph.output)
    ]
    return found


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _attribute_identity(attribute: AttributeProto, known: Mapping[str, str]) -> object:
    if attribute.type == AttributeProto.GRAPH:
        return [digest for digest, _ in _digests(attribute.g, known)]
    if attribute.type == AttributeProto.TENSOR:
        return _tensor_identity(attribute.t)
    return attribute.type, helper.get_attribute_value(attribute)


def _tensor_identity(tensor: TensorProto) -> tuple[object, ...]:
    return _array_identity(numpy_helper.to_array(tensor))


def _array_identity(array: NDArray[Any]) -> tuple[object, ...]:
    return "constant", str(array.dtype), array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _opsets(model: ModelProto) -> dict[str, int]:
    return {_domain(entry.domain): entry.version for entry in model.opset_import}


def _inputs(model: ModelProto) -> list[Value]:
    return [_value(info) for info in model.graph.input]


def _outputs(model: ModelProto) -> list[Value]:
    return [_value(info) for info in model.graph.output]


def _functions(model: ModelProto) -> list[str]:
    return sorted(_digest(function.SerializeToString(deterministic=True)) for function in model.functions)


def _domain(domain: str) -> str:
    """`ai.onnx` is the default domain written out."""
    return DEFAULT_DOMAIN if domain == "ai.onnx" else domain


def _is_tensor_constant(node: NodeProto) -> bool:
    return (
        node.op_type == "Constant"
        and _domain(node.domain) == DEFAULT_DOMAIN
        and node.attribute[0].name.startswith("value")
    )


def _constant(node: NodeProto) -> NDArray[Any]:
    value = helper.get_attribute_value(node.attribute[0])
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def _value(info: ValueInfoProto) -> Value:
    tensor = info.type.tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type)) if tensor.elem_type else "unknown"
    shape = tuple(_dimensions(tensor.shape)) if tensor.HasField("shape") else None
    return Value(info.name, dtype, shape)


def _dimensions(shape: onnx.TensorShapeProto) -> Iterator[int | str | None]:
    for dimension in shape.dim:
        kind = dimension.WhichOneof("value")
        yield getattr(dimension, kind) if kind else None


def _node(node: NodeProto) -> Node:
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    return Node(node.op_type, _domain(node.domain), node.name, tuple(node.input), tuple(node.output), attributes)


def _attribute(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
