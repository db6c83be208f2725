"""Facts of an ONNX file: inputs, outputs, opset, nodes, constants."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import uses_external_data

DEFAULT_DOMAIN = ""

_CONSTANT_DTYPES = {"value_float": np.float32, "value_int": np.int64, "value_string": np.object_}
"""What a Constant node holds where it holds no tensor; each has a plural, for a list."""

_UNREADABLE = (
    DecodeError,
    onnx.checker.ValidationError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    OSError,
    UserWarning,
)
"""What onnx raises at a file that is none, at data that does not fit its tensor, and at a dtype that there is not.

Where warnings are errors, also at an entry of external data that it does not know.
"""


class GraphError(Exception):
    """A file that cannot be read as ONNX; the message names the file and what to do."""


@dataclass(frozen=True)
class Value:
    """An input or output of the graph: `shape` has an int per fixed dimension, a name per symbolic one, else None.

    `dtype` is `float32`, `int64`, `bfloat16` and so on; where the value is no tensor, onnx's own text of the type.
    """

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
    """What an ONNX file says of itself. `constants` holds initializers and the values of Constant nodes, by value name.

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


def load_model(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file with its external data, which has to lie in the file's folder.

    Raises `GraphError` when the file, or its data, cannot be read.
    """
    with reading(path):
        model = _load(path)
        folder = Path(path).parent
        for name in _locations(model):
            if not (folder / name).resolve().is_relative_to(folder.resolve()):
                raise GraphError(f"{path}: its external data {name} lies outside of its folder; put it beside the file")
        onnx.load_external_data_for_model(model, str(folder))
    return model


def read_graph(source: str | os.PathLike[str] | ModelProto) -> Graph:
    """The facts of an ONNX file or of a loaded model. Raises `GraphError` when they cannot be read."""
    model = source if isinstance(source, ModelProto) else load_model(source)
    graph = model.graph
    with reading(source):
        _refuse_recursion(model)
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


def external_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """The external-data files that an ONNX file names, as it names them: relative to its own folder.

    Raises `GraphError` when the ONNX file cannot be read; the files that it names may be missing.
    """
    with reading(path):
        return _locations(_load(path))


@contextlib.contextmanager
def reading(source: str | os.PathLike[str] | ModelProto) -> Iterator[None]:
    """Makes a `GraphError` of whatever onnx raises at what is no file of its, or a damaged one."""
    name = "the model" if isinstance(source, ModelProto) else source
    try:
        yield
    except FileNotFoundError as error:
        raise GraphError(f"{name}: no such file, or its external data is missing ({error})") from error
    except _UNREADABLE as error:
        raise GraphError(f"{name}: not a readable ONNX file ({error}); export it again") from error


def opsets_of(message: ModelProto | onnx.FunctionProto) -> dict[str, int]:
    """The opset of each domain that a model or a function imports."""
    return {canonical_domain(entry.domain): entry.version for entry in message.opset_import}


def canonical_domain(domain: str) -> str:
    """The one name of a domain: `ai.onnx` is the default one written out."""
    return DEFAULT_DOMAIN if domain == "ai.onnx" else domain


def constants_of(graph: GraphProto) -> Iterator[tuple[str, TensorProto | SparseTensorProto]]:
    """The names and values of initializers and of Constant nodes."""
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    yield from ((tensor.values.name, tensor) for tensor in graph.sparse_initializer)
    yield from (_held(node) for node in graph.node if is_constant(node))


def is_constant(node: NodeProto) -> bool:
    """Whether a node is a Constant; in a function, one whose value the caller gives is none."""
    given = any(attribute.ref_attr_name for attribute in node.attribute)
    return node.op_type == "Constant" and not canonical_domain(node.domain) and not given


def value_of(info: onnx.ValueInfoProto) -> Value:
    """What onnx's message of an input or output declares."""
    if not info.type.HasField("tensor_type"):
        return Value(_text(info.name), " ".join(str(info.type).split()), None)
    tensor = info.type.tensor_type
    name = TensorProto.DataType.Name(tensor.elem_type).lower()
    shape = tuple(_dimension(dimension) for dimension in tensor.shape.dim) if tensor.HasField("shape") else None
    return Value(_text(info.name), {"float": "float32", "double": "float64"}.get(name, name), shape)


def _load(path: str | os.PathLike[str]) -> ModelProto:
    """The model in a file, without its external data."""
    model = onnx.load(os.fspath(path), format="protobuf", load_external_data=False)
    if not (model.graph.output and model.opset_import):
        raise GraphError(f"{path}: not a whole ONNX model, it has no output or no opset; export it again")
    return model


def _locations(model: ModelProto) -> tuple[Path, ...]:
    tensors = filter(uses_external_data, _tensors(model.graph))
    locations = {_text(entry.value) for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    return tuple(Path(location) for location in sorted(locations))


def _text(name: str | bytes) -> str:
    """A name, which protobuf gives as bytes where it is no UTF-8."""
    if isinstance(name, bytes):
        raise ValueError(f"the name {name!r} is not UTF-8")
    return name


def _refuse_recursion(model: ModelProto) -> None:
    """Raises `ValueError` for functions that call themselves, at which onnxruntime 1.26 and older end the process."""
    calls = {_called(function): set(map(_called, _nodes(function.node))) for function in model.functions}
    try:
        TopologicalSorter(calls).prepare()
    except CycleError as error:
        names = " calls ".join(_text(name) for _, name, _ in error.args[1])
        raise ValueError(f"a function calls itself: {names}") from error


def _called(message: onnx.FunctionProto | NodeProto) -> tuple[str, str, str]:
    """The domain, name and overload under which a node finds a function; before onnx 1.16 there are no overloads."""
    name = message.op_type if isinstance(message, NodeProto) else message.name
    return canonical_domain(message.domain), name, getattr(message, "overload", "")


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Every node, and those of its subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for subgraph in (attribute.g, *attribute.graphs):
                yield from _nodes(subgraph.node)


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every initializer and every tensor in an attribute, of a graph and of its subgraphs."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for subgraph in (attribute.g, *attribute.graphs):
            yield from _tensors(subgraph)


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
    return dimension.dim_value if dimension.HasField("dim_value") else _text(dimension.dim_param) or None


def _node(node: NodeProto) -> Node:
    attributes = {item.name: _readable(helper.get_attribute_value(item)) for item in node.attribute}
    inputs, outputs = (tuple(map(_text, names)) for names in (node.input, node.output))
    domain = _text(canonical_domain(node.domain))
    return Node(_text(node.op_type), domain, _text(node.name), inputs, outputs, attributes)


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value.decode(errors="replace") if isinstance(value, bytes) else value
