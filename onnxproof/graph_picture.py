"""The main graph of an ONNX file as data for results.json, and as a picture: where each node stands, and its edges."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from onnxproof.graph import Graph, Node
from onnxproof.results import GraphInput, GraphNode, GraphResult

MOST_NUMBERS = 6
"""A constant of more numbers is told by its dtype and shape."""
MOST_NODES = 150
"""A picture has the first nodes of a larger graph."""

WIDTH, GAP_X, GAP_Y, MARGIN = 320, 48, 30, 24
HEAD, LINE, FOOT = 26, 16, 8
LIVE, FOLDED, OUTPUT, NODE = "live", "folded", "output", "node"


@dataclass(frozen=True)
class Box:
    """A node, an input or an output in the picture; `lines` are its attributes and constant inputs."""

    kind: str
    title: str
    lines: tuple[str, ...]
    x: int
    y: int
    height: int
    width: int = WIDTH


@dataclass(frozen=True)
class Picture:
    """Boxes, and the edges between them as SVG paths, in pixels; `left_out` nodes are not in it."""

    boxes: tuple[Box, ...]
    edges: tuple[str, ...]
    width: int
    height: int
    left_out: int


@dataclass(frozen=True)
class _Item:
    """What becomes a box: it takes and gives values by name."""

    kind: str
    title: str
    lines: tuple[str, ...]
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return HEAD + LINE * len(self.lines) + FOOT


def graph_result(graph: Graph, file: str, target: object, model_inputs: Sequence[str]) -> GraphResult:
    """The graph as it stands in results.json; an input of the model that the file does not have is folded."""
    inputs = [GraphInput(value.name, f"{value.dtype} {_shape(value.shape)}", False) for value in graph.inputs]
    inputs += [GraphInput(name, "", True) for name in model_inputs if name not in graph.input_names]
    nodes = [_node_result(node) for node in graph.nodes if node.op_type != "Constant"]
    constants = {name: _text(value) for name, value in graph.constants.items()}
    return GraphResult(file, str(target or ""), graph.opset, inputs, list(graph.output_names), nodes, constants)


def _node_result(node: Node) -> GraphNode:
    attributes = {name: _text(value) for name, value in node.attributes.items()}
    return GraphNode(node.op_type, list(node.inputs), list(node.outputs), attributes)


def draw(graph: GraphResult) -> Picture:
    """The graph from its inputs down to its outputs: each node one row below the lowest that it takes from."""
    rows: dict[int, list[_Item]] = {0: [_input(value) for value in graph.inputs]}
    row_of = dict.fromkeys((value.name for value in graph.inputs if not value.folded), 0)
    for node in graph.nodes[:MOST_NODES]:
        takes = tuple(dict.fromkeys(name for name in node.inputs if name in row_of))
        row = 1 + max((row_of[name] for name in takes), default=0)
        gives = tuple(filter(None, node.outputs))
        rows.setdefault(row, []).append(_Item(NODE, node.op_type, tuple(_facts(node, graph)), takes, gives))
        row_of |= dict.fromkeys(gives, row)
    rows[max(rows) + 1] = [
        _Item(OUTPUT, name, (), tuple(name for name in (name,) if name in row_of)) for name in graph.outputs
    ]
    return _placed([rows[row] for row in sorted(rows) if rows[row]], max(0, len(graph.nodes) - MOST_NODES))


def _placed(rows: Sequence[Sequence[_Item]], left_out: int) -> Picture:
    width = max(map(len, rows), default=0) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    boxes, edges = [], []
    foot_of: dict[str, tuple[int, int, int]] = {}
    y = GAP_Y
    for row, items in enumerate(rows):
        left = (width - len(items) * (WIDTH + GAP_X) + GAP_X) // 2
        for column, item in enumerate(items):
            x = left + column * (WIDTH + GAP_X)
            middle = x + WIDTH // 2
            boxes.append(Box(item.kind, item.title, item.lines, x, y, item.height))
            edges += [_edge(*foot_of[name], row, middle, y) for name in item.takes if name in foot_of]
            foot_of |= dict.fromkeys(item.gives, (row, middle, y + item.height))
        y += max(item.height for item in items) + GAP_Y
    return Picture(tuple(boxes), tuple(edges), width, y, left_out)


def _edge(from_row: int, x1: int, y1: int, to_row: int, x2: int, y2: int) -> str:
    """From the foot of a box to the head of another; one that passes rows goes around the boxes between."""
    aside, bend = (WIDTH * 18 // 25, GAP_Y) if to_row - from_row > 1 else (0, (y2 - y1) // 2)
    return f"M{x1} {y1}C{x1 + aside} {y1 + bend} {x2 + aside} {y2 - bend} {x2} {y2}"


def _input(value: GraphInput) -> _Item:
    if value.folded:
        return _Item(FOLDED, value.name, ("folded: a constant in the file, no input of it",))
    return _Item(LIVE, value.name, (f"live: {value.shape}",), gives=(value.name,))


def _facts(node: GraphNode, graph: GraphResult) -> Iterator[str]:
    """What a node does: its inputs that are named in the file's interface or are constants, and its attributes."""
    names = {value.name for value in graph.inputs}
    for position, name in enumerate(node.inputs):
        role = _role(node.op_type, graph.opset, position)
        if graph.constants.get(name):
            yield f"{role} = {graph.constants[name]}"
        elif name in names:
            yield f"{role} ← {name}"
    yield from (f"{name}: {text}" for name, text in node.attributes.items())


@functools.lru_cache
def _role(op_type: str, opset: int, position: int) -> str:
    """What the operator calls its input."""
    try:
        inputs = onnx.defs.get_schema(op_type, opset).inputs
    except (onnx.defs.SchemaError, TypeError):  # an operator of the model's own, or no opset that there is
        return f"input {position}"
    return str(inputs[min(position, len(inputs) - 1)].name) if inputs else f"input {position}"


def _shape(shape: Sequence[int | str | None] | None) -> str:
    return "×".join("?" if size is None else str(size) for size in shape) if shape is not None else "?"


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size > MOST_NUMBERS:
            return f"{value.dtype} {_shape(value.shape)}"
        value = value.tolist()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(map(_text, value)) if isinstance(value, list) else str(value)
    return f"{text[:60]}…" if len(text) > 60 else text
