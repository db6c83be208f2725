"""Whether two models hold the same graph, up to the names of nodes and of inner values."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx
from google.protobuf.message import Message
from onnx import GraphProto, ModelProto, SparseTensorProto, TensorProto, helper, numpy_helper

from onnxproof.graph.facts import constants_of, is_constant, opsets_of, value_of
from onnxproof.graph.load import canonical_domain, reading
from onnxproof.graph.record import shape_text


@dataclass(frozen=True)
class Difference:
    """One difference between two graphs: its `kind` is "opsets", "inputs", "outputs", "part" or "export"."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def graph_differences(a: ModelProto, b: ModelProto) -> tuple[Difference, ...]:
    """The differences between two graphs, up to the names of nodes and of inner values; () for the same graph.

    Compared are opsets, the names, dtypes and shapes of inputs and outputs, every node with its attributes and
    subgraphs, every constant, bit for bit, the edges between them, and functions. A constant is the same as an
    initializer or as a Constant node. Equal constants, and equal nodes on equal inputs, are one value to an edge.
    Raises `GraphError` when a graph cannot be read.
    """
    with reading(a):
        ours, theirs = _interface(a), _interface(b)
        parts_a, parts_b = ([*_parts(model.graph), *map(_function, model.functions)] for model in (a, b))
    differences = [
        Difference(kind, f"{kind}: {_told(ours[kind])} against {_told(theirs[kind])}")
        for kind in ours
        if ours[kind] != theirs[kind]
    ]
    count_a, count_b = (Counter(digest for digest, _ in parts) for parts in (parts_a, parts_b))
    for side, parts, missing in (("first", parts_a, count_a - count_b), ("second", parts_b, count_b - count_a)):
        only = next((text for digest, text in parts if digest in missing), None)
        if only:
            differences.append(Difference("part", f"only in the {side}: {only}"))
    return tuple(differences)


def _interface(model: ModelProto) -> dict[str, object]:
    """What is compared by name."""
    inputs, outputs = ([value_of(info) for info in infos] for infos in (model.graph.input, model.graph.output))
    return {"opsets": opsets_of(model), "inputs": inputs, "outputs": outputs}


def _told(found: object) -> str:
    """What is compared by name, as text."""
    if not isinstance(found, list):
        return str(found)
    return ", ".join(f"{value.name} {value.dtype} {shape_text(value.shape)}" for value in found) or "none"


def _parts(graph: GraphProto, outer: Mapping[str, str] | None = None, depth: int = 0) -> list[tuple[str, str]]:
    """A digest and a description of each part of a graph. A node's digest holds those of all that its inputs come from.

    A subgraph also sees the values in `outer`, by name; its `depth` tells its own inputs from theirs.
    """
    inputs = {info.name: _digest("input", depth, position) for position, info in enumerate(graph.input)}
    known = {**(outer or {}), **inputs}
    parts = []
    for name, tensor in constants_of(graph):
        known[name] = _digest("constant", inputs.get(name), _identity(tensor))
        parts.append((known[name], f"constant {name} of shape {tuple(tensor.dims)}"))
    for node in graph.node:
        if is_constant(node):
            continue
        operator = node.op_type, canonical_domain(node.domain), getattr(node, "overload", "")
        attributes = sorted((item.name, *_attribute(item, known, depth)) for item in node.attribute)
        digest = _digest(operator, attributes, [known.get(name) for name in node.input], list(map(bool, node.output)))
        parts.append((digest, f"{node.op_type} → {', '.join(node.output)}"))
        known |= {name: _digest(digest, position) for position, name in enumerate(node.output) if name}
    for position, info in enumerate(graph.output):
        parts.append((_digest("output", position, known.get(info.name)), f"output {position}, {info.name}"))
    return parts


def _function(function: onnx.FunctionProto) -> tuple[str, str]:
    """A digest and a description of a function of the model's own."""
    inputs, outputs = (
        [onnx.ValueInfoProto(name=name) for name in names] for names in (function.input, function.output)
    )
    body = GraphProto(node=function.node, input=inputs, output=outputs)
    name = canonical_domain(function.domain), function.name, getattr(function, "overload", "")
    defaults = sorted((item.name, *_attribute(item, {}, 0)) for item in function.attribute_proto)
    digest = _digest(name, sorted(function.attribute), defaults, sorted(opsets_of(function).items()), _identity(body))
    return digest, f"function {function.domain}::{function.name}"


def _attribute(attribute: onnx.AttributeProto, known: Mapping[str, str], depth: int) -> tuple[int, object]:
    if attribute.ref_attr_name or attribute.type == onnx.AttributeProto.UNDEFINED:
        return attribute.type, attribute.ref_attr_name
    return attribute.type, _identity(helper.get_attribute_value(attribute), known, depth + 1)


def _identity(value: Any, known: Mapping[str, str] | None = None, depth: int = 0) -> object:
    """What makes a value the same as another, whatever it and the values in it are called."""
    if isinstance(value, list):
        return [_identity(item, known, depth) for item in value]
    if isinstance(value, TensorProto):
        strings = value.data_type == TensorProto.STRING
        data = repr(list(value.string_data)).encode() if strings else numpy_helper.to_array(value).tobytes()
        return value.data_type, tuple(value.dims), hashlib.sha256(data).hexdigest()
    if isinstance(value, SparseTensorProto):
        return tuple(value.dims), _identity(value.values), _identity(value.indices)
    if isinstance(value, GraphProto):
        infos = [(value_of(info).dtype, value_of(info).shape) for info in (*value.input, *value.output)]
        return len(value.input), infos, sorted(digest for digest, _ in _parts(value, known, depth))
    return value.SerializeToString(deterministic=True) if isinstance(value, Message) else value


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
