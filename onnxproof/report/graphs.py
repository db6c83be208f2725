"""The main graph of an ONNX file as boxes in modules, which the page's script places and opens."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from onnxproof.results import GraphInput, GraphNode, GraphResult

FEW_NODES = 30
"""A graph of so many nodes is shown without modules."""

FEWEST_IN_MODULE = 3
"""Modules of fewer nodes are not shown."""

MOST_DEEP = 12
"""Modules within this many others are not shown."""

MOST_TOGETHER = 40
"""Of more nodes in one place, those that follow each other are put together."""

MOST_OPEN = 24
"""Modules are open at first, from the outermost, while no more boxes are in sight."""

LIVE, FOLDED, OUTPUT, NODE, MODULE = "live", "folded", "output", "node", "module"


@dataclass
class Box:
    """A node, an input, an output or a module; `lines` are shown below the title, `words` are only searched.

    `parent` is the module around it. A node takes and gives values by name. `depth` is how deep it is
    coloured in percent, for a wrong value.
    """

    kind: str
    title: str
    lines: list[str] = field(default_factory=list)
    words: str = ""
    takes: Sequence[str] = ()
    gives: Sequence[str] = ()
    fails: bool = False
    parent: "Box | None" = None
    children: "list[Box]" = field(default_factory=list)
    is_open: bool = False
    depth: int = 0

    @property
    def nodes(self) -> "Iterator[Box]":
        """The nodes in a module, however deep, or the node itself."""
        if self.kind == MODULE:
            for child in self.children:
                yield from child.nodes
        elif self.kind == NODE:
            yield self

    @property
    def around(self) -> "Iterator[Box]":
        """The modules around it, the innermost first."""
        if self.parent:
            yield self.parent
            yield from self.parent.around


def view(
    graph: GraphResult, failing: Iterable[str] = (), errors: Mapping[str, float] = MappingProxyType({})
) -> dict[str, Any]:
    """The graph for the page's script: its boxes, and the edges between nodes, inputs and outputs as pairs of indices.

    A node of which an output is in `failing` is marked, and the modules around it are open. `errors` are those of
    values, by name. An Identity of a constant is shown as the constant.
    """
    marked = set(failing)
    graph = _without_aliases(graph, marked)
    nodes = [_node(node, graph, marked) for node in graph.nodes]
    top = _in_modules(nodes, graph) if len(nodes) > FEW_NODES else nodes
    boxes = [*map(_input, graph.inputs), *_flat(top), *(Box(OUTPUT, name, takes=[name]) for name in graph.outputs)]
    for box in (box for box in boxes if box.kind in (NODE, OUTPUT)):
        error = next((errors[name] for name in box.gives or box.takes if name in errors), None)
        if error is not None:
            box.depth, box.lines = _depth(error), [f"wrong by {100 * error:.2g} %", *box.lines]
    _open(top)
    place_of = {id(box): place for place, box in enumerate(boxes)}
    return {"boxes": [_plain(box, place_of.get(id(box.parent))) for box in boxes], "edges": list(_edges(boxes))}


def _without_aliases(graph: GraphResult, marked: set[str]) -> GraphResult:
    constants, nodes = dict(graph.constants), []
    for node in graph.nodes:
        known = constants.get(node.inputs[0]) if node.op_type == "Identity" and node.inputs else None
        if known and {*marked, *graph.outputs}.isdisjoint(node.outputs):
            constants |= dict.fromkeys(node.outputs, known)
        else:
            nodes.append(node)
    return replace(graph, nodes=nodes, constants=constants)


def _input(value: GraphInput) -> Box:
    if value.folded:
        return Box(FOLDED, value.name, ["folded: a constant of the file"])
    return Box(LIVE, value.name, [f"live: {value.shape}"], gives=[value.name])


def _node(node: GraphNode, graph: GraphResult, marked: set[str]) -> Box:
    """A node with its constant inputs, those that are inputs of the file, and its attributes."""
    names = {value.name for value in graph.inputs}
    lines = []
    for name, role in zip(node.inputs, node.roles, strict=False):
        if graph.constants.get(name):
            lines.append(f"{role} = {graph.constants[name]}")
        elif name in names:
            lines.append(f"{role} ← {name}")
    lines += [f"{name}: {text}" for name, text in node.attributes.items()]
    fails = not marked.isdisjoint(node.outputs)
    return Box(NODE, node.op_type, lines, node.module, list(dict.fromkeys(node.inputs)), node.outputs, fails)


# Modules


def _in_modules(nodes: Sequence[Box], graph: GraphResult) -> list[Box]:
    """The nodes in their modules, each module where its first node is."""
    modules = {"": Box(MODULE, "")}
    for node, given in zip(nodes, graph.nodes, strict=True):
        path = ""
        for part in given.module.split(".")[:MOST_DEEP] if given.module else ():
            around, path = path, f"{path}.{part}".removeprefix(".")
            if path not in modules:
                modules[path] = Box(MODULE, path, words=path)
                modules[around].children.append(modules[path])
        modules[path].children.append(node)
    return _simplified(modules[""])


def _simplified(module: Box) -> list[Box]:
    """What is in a module: the content of small modules instead of them, and crowds of boxes put together."""
    found: list[Box] = []
    for child in module.children:
        child.children = _simplified(child)
        is_small = sum(1 for _ in child.nodes) < FEWEST_IN_MODULE or len(child.children) == 1
        found += child.children if child.kind == MODULE and is_small else [child]
    while len(found) > MOST_TOGETHER:
        parts = -(-len(found) // min(MOST_TOGETHER, max(10, len(found) // MOST_TOGETHER)))
        places = [len(found) * part // parts for part in range(parts + 1)]
        found = [_together(found[start:stop]) for start, stop in pairwise(places)]
    return found


def _together(boxes: list[Box]) -> Box:
    first, last = boxes[0].title.partition(" … ")[0], boxes[-1].title.rpartition(" … ")[2]
    return Box(MODULE, f"{first} … {last}", children=boxes)


def _flat(boxes: Iterable[Box], parent: Box | None = None) -> Iterator[Box]:
    """The boxes with those within them, each with its module, and each module with its content in a line."""
    for box in boxes:
        box.parent = parent
        yield box
        yield from _flat(box.children, box)
        if box.kind == MODULE:
            box.title = _short(box, parent)
            counts = Counter(node.title for node in box.nodes)
            named = ", ".join(f"{count} {title}" if count > 1 else title for title, count in counts.most_common(3))
            box.lines = [f"{counts.total()} nodes: {named}{', …' if len(counts) > 3 else ''}"]


def _short(module: Box, parent: Box | None) -> str:
    """The path of a module within the one around it; a number goes with the name before it."""
    path = module.words
    if not path:
        return module.title
    inner = path.removeprefix(f"{parent.words}.") if parent else path
    around = parent.words.rpartition(".")[2] if parent and inner[0].isdecimal() else ""
    return f"{around}.{inner}".removeprefix(".")


def _open(top: Sequence[Box]) -> None:
    """Opens the outermost modules as long as few boxes are in sight, and those around a node that fails."""
    level, seen = [box for box in top if box.kind == MODULE], len(top)
    while level:
        for module in level:
            if seen + len(module.children) - 1 <= MOST_OPEN:
                module.is_open = True
                seen += len(module.children) - 1
        level = [child for module in level if module.is_open for child in module.children if child.kind == MODULE]
    for node in (node for box in top for node in box.nodes if node.fails):
        for module in node.around:
            module.is_open = True


# For the script


def _depth(error: float) -> int:
    """How deep an error is coloured, in percent: from a millionth to all of the value."""
    return round(8 + 37 * min(1.0, max(0.0, 1 + math.log10(error) / 6))) if error > 0 else 8


def _edges(boxes: Sequence[Box]) -> Iterator[tuple[int, int]]:
    source = {name: place for place, box in enumerate(boxes) for name in box.gives if name}
    for place, box in enumerate(boxes):
        yield from dict.fromkeys((source[name], place) for name in box.takes if name in source)


def _plain(box: Box, parent: int | None) -> dict[str, Any]:
    """A box as JSON; what is empty is left out."""
    found = {"kind": box.kind, "title": box.title, "lines": box.lines, "words": box.words, "parent": parent}
    found |= {"gives": list(box.gives), "fails": box.fails, "open": box.is_open, "depth": box.depth}
    return {name: value for name, value in found.items() if value or (name == "parent" and value == 0)}
