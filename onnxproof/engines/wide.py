"""An ONNX model in float64, for onnx's reference evaluator."""

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnxproof.graph.load import canonical_domain

_NARROW = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_DTYPES = ("to", "dtype", "output_datatype", "output_dtype")
"""The attributes that name the dtype of an output."""


def in_float64(model: ModelProto) -> ModelProto:
    """A copy in which initializers, constants and casts are float64, also in subgraphs and functions."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    _widen_graph(wide.graph)
    for function in wide.functions:
        _widen_nodes(function.node)
        for attribute in function.attribute_proto:
            _widen_attribute(attribute)
    return wide


def _widen_graph(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for sparse in graph.sparse_initializer:
        _widen_tensor(sparse.values)
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in _NARROW:
            info.type.tensor_type.elem_type = TensorProto.DOUBLE
    _widen_nodes(graph.node)


def _widen_nodes(nodes: "onnx.GraphProto.node") -> None:  # type: ignore[valid-type]
    for node in nodes:  # type: ignore[attr-defined]
        if node.op_type == "Constant" and not canonical_domain(node.domain):
            _widen_constant(node)
        for attribute in node.attribute:
            _widen_attribute(attribute)


def _widen_constant(node: NodeProto) -> None:
    """Turns the numbers of a Constant into a tensor."""
    for attribute in node.attribute:
        if attribute.name in ("value_float", "value_floats") and not attribute.ref_attr_name:
            value = np.array(helper.get_attribute_value(attribute), np.float64)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(value)))


def _widen_attribute(attribute: AttributeProto) -> None:
    if attribute.name in _DTYPES and attribute.i in _NARROW:
        attribute.i = TensorProto.DOUBLE
    _widen_tensor(attribute.t)
    for tensor in attribute.tensors:
        _widen_tensor(tensor)
    for graph in (attribute.g, *attribute.graphs):
        if graph.node:
            _widen_graph(graph)


def _widen_tensor(tensor: TensorProto) -> None:
    if tensor.data_type in _NARROW:
        wide = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
