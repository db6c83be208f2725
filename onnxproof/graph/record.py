"""The main graph of a file as it stands in results.json."""

import ast
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from onnxproof.graph.facts import Graph, Node
from onnxproof.results import GraphInput, GraphNode, GraphResult

MOST_NUMBERS = 6
"""A larger constant is shown by its dtype and shape."""


def graph_result(graph: Graph, file: str, target: object, model_inputs: Sequence[str]) -> GraphResult:
    """The graph of `file`; an input of the model that the file does not have is folded."""
    inputs = [GraphInput(value.name, f"{value.dtype} {shape_text(value.shape)}", False) for value in graph.inputs]
    inputs += [GraphInput(name, "", True) for name in model_inputs if name not in graph.input_names]
    nodes = [_node_result(node, graph.opset) for node in graph.nodes if node.op_type != "Constant"]
    constants = {name: _text(value) for name, value in graph.constants.items()}
    return GraphResult(file, str(target or ""), graph.opset, inputs, list(graph.output_names), nodes, constants)


def shape_text(shape: Sequence[int | str | None] | None) -> str:
    """A declared shape as text: `2×3×height×(height // 2 + 1)×?`."""
    return "×".join(map(_size_text, shape)) if shape is not None else "?"


def _size_text(size: int | str | None) -> str:
    """A size, a name, or an expression of torch.export's without its doubled parentheses."""
    if size is None or isinstance(size, int) or size.isidentifier():
        return "?" if size is None else str(size)
    try:
        return f"({ast.unparse(ast.parse(size, mode='eval'))})"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return size


def _node_result(node: Node, opset: int) -> GraphNode:
    attributes = {name: _text(value) for name, value in node.attributes.items()}
    roles = [_role(node.op_type, node.domain, opset, position) for position in range(len(node.inputs))]
    return GraphNode(node.op_type, list(node.inputs), roles, list(node.outputs), attributes, node.module)


@functools.lru_cache
def _role(op_type: str, domain: str, opset: int, position: int) -> str:
    """The operator's own name of its input."""
    try:
        inputs = onnx.defs.get_schema(op_type, opset, domain).inputs
    except (onnx.defs.SchemaError, TypeError):  # a custom operator, or an opset that does not exist
        return f"input {position}"
    return str(inputs[min(position, len(inputs) - 1)].name) if inputs else f"input {position}"


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size > MOST_NUMBERS:
            return f"{value.dtype} {shape_text(value.shape)}"
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
    return f"{text[:60]}…" if len(text) > 60 else text
