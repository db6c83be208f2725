"""Draws the main graph of an ONNX file as boxes and edges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxproof.results import GraphInput, GraphNode, GraphResult

MOST_NODES = 150
"""Of a larger graph, only the first nodes are drawn."""

WIDTH, GAP_X, GAP_Y, MARGIN = 320, 48, 30, 24
HEAD, LINE, FOOT = 26, 16, 8
LIVE, FOLDED, OUTPUT, NODE = "live", "folded", "output", "node"


@dataclass(frozen=True)
class Box:
    """A drawn node, input or output; `lines` are its attributes and constant inputs."""

    kind: str
    title: str
    lines: tuple[str, ...]
    x: int
    y: int
    height: int
    width: int = WIDTH


@dataclass(frozen=True)
class Drawing:
    """Boxes, and the edges between them as SVG paths, in pixels; `left_out` counts the nodes that are not drawn."""

    boxes: tuple[Box, ...]
    edges: tuple[str, ...]
    width: int
    height: int
    left_out: int


@dataclass(frozen=True)
class _Item:
    """A box without its place; it takes and gives values by name."""

    kind: str
    title: str
    lines: tuple[str, ...]
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return HEAD + LINE * len(self.lines) + FOOT


def draw(graph: GraphResult) -> Drawing:
    """Draws the graph from top to bottom: each node stands one row below the lowest node that it takes from."""
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


def _placed(rows: Sequence[Sequence[_Item]], left_out: int) -> Drawing:
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
    return Drawing(tuple(boxes), tuple(edges), width, y, left_out)


def _edge(from_row: int, x1: int, y1: int, to_row: int, x2: int, y2: int) -> str:
    """An edge from the foot of a box to the head of another; it goes around the boxes of the rows between them."""
    aside, bend = (WIDTH * 18 // 25, GAP_Y) if to_row - from_row > 1 else (0, (y2 - y1) // 2)
    return f"M{x1} {y1}C{x1 + aside} {y1 + bend} {x2 + aside} {y2 - bend} {x2} {y2}"


def _input(value: GraphInput) -> _Item:
    if value.folded:
        return _Item(FOLDED, value.name, ("folded: a constant of the file",))
    return _Item(LIVE, value.name, (f"live: {value.shape}",), gives=(value.name,))


def _facts(node: GraphNode, graph: GraphResult) -> Iterator[str]:
    """The lines of a node: its inputs that are constants or inputs of the file, and its attributes."""
    names = {value.name for value in graph.inputs}
    for name, role in zip(node.inputs, node.roles, strict=False):
        if graph.constants.get(name):
            yield f"{role} = {graph.constants[name]}"
        elif name in names:
            yield f"{role} ← {name}"
    yield from (f"{name}: {text}" for name, text in node.attributes.items())
