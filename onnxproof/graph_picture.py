"""The main graph of an ONNX file as data for results.json, and as a picture: where each node stands, and its edges."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxproof.graph import Graph, Node
from onnxproof.results import GraphInput, GraphNode, GraphResult

MOST_NUMBERS = 6
"""A constant of more numbers is told by its dtype and shape."""

WIDTH, HEIGHT, GAP_X, GAP_Y = 220, 64, 24, 34
LIVE, FOLDED, OUTPUT, NODE = "live", "folded", "output", "node"


@dataclass(frozen=True)
class Box:
    """A node, an input or an output in the picture; `lines` are its attributes and constant inputs."""

    kind: str
    title: str
    lines: tuple[str, ...]
    x: int
    y: int


@dataclass(frozen=True)
class Picture:
    """Boxes and the edges between their places, in pixels."""

    boxes: tuple[Box, ...]
    edges: tuple[tuple[int, int, int, int], ...]
    width: int
    height: int


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
    rows: dict[int, list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]] = {0: []}
    row_of: dict[str, int] = {}
    for value in graph.inputs:
        rows[0].append((FOLDED if value.folded else LIVE, value.name, _lines(value), (value.name,)))
        row_of[value.name] = 0
    sources: dict[tuple[int, int], list[str]] = {}
    for node in graph.nodes:
        found = [name for name in node.inputs if name in row_of]
        row = 1 + max((row_of[name] for name in found), default=0)
        place = rows.setdefault(row, [])
        sources[row, len(place)] = found
        place.append((NODE, node.op_type, tuple(_facts(node, graph.constants)), tuple(node.outputs)))
        row_of |= dict.fromkeys(node.outputs, row)
    last = max(rows) + 1
    for name in graph.outputs:
        place = rows.setdefault(last, [])
        sources[last, len(place)] = [name] if name in row_of else []
        place.append((OUTPUT, name, (), ()))
    return _placed(rows, sources)


def _placed(
    rows: Mapping[int, Sequence[tuple[str, str, tuple[str, ...], tuple[str, ...]]]],
    sources: Mapping[tuple[int, int], Sequence[str]],
) -> Picture:
    width = max(map(len, rows.values())) * (WIDTH + GAP_X) + GAP_X
    boxes, edges = [], []
    bottom_of: dict[str, tuple[int, int]] = {}
    for row, place in sorted(rows.items()):
        left = (width - len(place) * (WIDTH + GAP_X) + GAP_X) // 2
        y = GAP_X + row * (HEIGHT + GAP_Y)
        for column, (kind, title, lines, values) in enumerate(place):
            x = left + column * (WIDTH + GAP_X)
            boxes.append(Box(kind, title, lines, x, y))
            for name in dict.fromkeys(sources.get((row, column), ())):
                edges.append((*bottom_of[name], x + WIDTH // 2, y))
            bottom_of |= dict.fromkeys(values, (x + WIDTH // 2, y + HEIGHT))
    height = 2 * GAP_X + (max(rows) + 1) * (HEIGHT + GAP_Y) - GAP_Y
    return Picture(tuple(boxes), tuple(edges), width, height)


def _lines(value: GraphInput) -> tuple[str, ...]:
    return ("folded into the file: it is no input",) if value.folded else (value.shape, "live: an input of the file")


def _facts(node: GraphNode, constants: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{name} = {text}" for name, text in node.attributes.items())
    yield from (f"{name} = {constants[name]}" for name in node.inputs if name in constants)


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
