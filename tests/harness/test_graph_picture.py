"""A graph is drawn with each node below its inputs, and live inputs differ from folded ones."""

from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from onnx.parser import parse_model

from onnxproof.graph.facts import read_graph
from onnxproof.graph.record import graph_result
from onnxproof.report.graphs import FOLDED, LIVE, MOST_NODES, NODE, OUTPUT, draw
from onnxproof.results import GraphInput, GraphNode, GraphResult
from tests.harness.runs import GRAPH

SCALED = """
<ir_version: 8, opset_import: ["": 17]>
scaled (float[N, 3] x, float[1] shift) => (float[N, 3] y, float[8] z)
<float two = {2}, float[8] weights = {1, 2, 3, 4, 5, 6, 7, 8}>
{
    one = Constant <value_float = 1.0> ()
    doubled = Mul (x, two)
    shifted = Add (doubled, shift)
    y = Softmax <axis = 1> (shifted)
    z = Sub (weights, one)
}
"""


@pytest.fixture(scope="module")
def graph():
    """The graph of a file that lacks its model's input `factor`."""
    return graph_result(read_graph(parse_model(SCALED)), "scaled.onnx", None, ("x", "shift", "factor"))


def node(op_type, inputs, outputs, **attributes):
    return GraphNode(op_type, inputs, [f"input {n}" for n in range(len(inputs))], outputs, attributes)


def chain(length):
    """x → Relu → Relu → …"""
    names = ["x", *(f"v{number}" for number in range(length))]
    nodes = [node("Relu", [a], [b]) for a, b in pairwise(names)]
    return GraphResult("chain.onnx", "", 17, [GraphInput("x", "float32 1", False)], [names[-1]], nodes, {})


def overlap(a, b):
    """Whether two boxes overlap; all have the same width."""
    return abs(a.x - b.x) < a.width and a.y < b.y + b.height and b.y < a.y + a.height


def bulge(edge):
    """How far a path `Mx yCx y x y x y` bends aside: three quarters of the way to its control points."""
    start, _, control, *_ = map(float, edge.removeprefix("M").replace("C", " ").split())
    return 0.75 * (control - start)


class TestGraphResult:
    """results.json has the inputs, nodes and constants of a graph."""

    def test_inputs(self, graph):
        """The file's inputs have dtype and shape; an input that only the model has is folded."""
        found = [(value.name, value.shape, value.folded) for value in graph.inputs]
        assert found == [("x", "float32 N×3", False), ("shift", "float32 1", False), ("factor", "", True)]

    def test_nodes(self, graph):
        """The nodes have their attributes as text; a Constant node is a constant."""
        found = {node.op_type: node.attributes for node in graph.nodes}
        assert found == {"Mul": {}, "Add": {}, "Softmax": {"axis": "1"}, "Sub": {}}
        assert graph.constants == {"two": "2", "one": "1", "weights": "float32 8"}

    @pytest.mark.parametrize(
        ("operator", "opset", "roles"),
        [
            pytest.param("Sum", 17, ["data_0", "data_0"], id="variadic"),
            pytest.param("own.Sum", 17, ["input 0", "input 1"], id="own-operator"),
            pytest.param("Sum", 1 << 40, ["input 0", "input 1"], id="unknown-opset"),
        ],
    )
    def test_roles(self, operator, opset, roles):
        """Inputs have the operator's names; extra ones repeat the last, and unnamed ones have a number."""
        head = f'<ir_version: 8, opset_import: ["": {opset}, "own": 1]>'
        text = f"{head} twice (float[1] x) => (float[1] y) {{ y = {operator} (x, x) }}"
        (found,) = graph_result(read_graph(parse_model(text)), "twice.onnx", None, ("x",)).nodes
        assert found.roles == roles


class TestDraw:
    """A box for each input, node and output."""

    def test_kinds(self):
        """Live and folded inputs differ in kind and text."""
        boxes = draw(GRAPH).boxes
        assert [(box.kind, box.title) for box in boxes] == [
            (LIVE, "input"),
            (FOLDED, "factor"),
            (NODE, "Resize"),
            (NODE, "Conv"),
            (OUTPUT, "output"),
        ]
        assert boxes[0].lines == ("live: float32 1×3×256×256",)
        assert boxes[1].lines == ("folded: a constant of the file",)

    def test_facts(self):
        """A node lists its inputs under the operator's names, then its attributes; it skips an absent input."""
        assert draw(GRAPH).boxes[2].lines == ("X ← input", "scales = 1, 1, 3, 3", "mode: cubic")

    def test_edges(self):
        """An edge leads from the middle of a box's foot to the middle of another's head."""
        picture = draw(GRAPH)
        source, _, resize, conv, output = picture.boxes
        assert len(picture.edges) == 3
        for edge, above, below in zip(picture.edges, (source, resize, conv), (resize, conv, output), strict=True):
            assert edge.startswith(f"M{above.x + above.width // 2} {above.y + above.height}C")
            assert edge.endswith(f" {below.x + below.width // 2} {below.y}")

    def test_live_and_folded(self, graph):
        """The drawing of a file has a box for each input of the model and each output."""
        kinds = {box.title: box.kind for box in draw(graph).boxes}
        assert kinds == {
            "x": LIVE,
            "shift": LIVE,
            "factor": FOLDED,
            **dict.fromkeys(("Mul", "Add", "Softmax", "Sub"), NODE),
            "y": OUTPUT,
            "z": OUTPUT,
        }

    def test_no_overlap(self):
        """No two boxes overlap, and all are within the picture."""
        graph = replace(chain(4), nodes=[*chain(4).nodes, node("Sin", ["x"], ["other"], a="1", b="2")])
        picture = draw(graph)
        assert all(0 <= box.x <= picture.width - box.width for box in picture.boxes)
        assert all(0 <= box.y <= picture.height - box.height for box in picture.boxes)
        assert [pair for pair in combinations(picture.boxes, 2) if overlap(*pair)] == []

    def test_edge_past_rows(self):
        """An edge that passes a box goes around it."""
        nodes = [*chain(2).nodes, node("Add", ["v1", "x"], ["sum"])]
        picture = draw(replace(chain(2), nodes=nodes, outputs=["sum"]))
        asides = [bulge(edge) for edge in picture.edges]
        assert asides == [0, 0, 0, max(asides), 0]
        assert picture.boxes[0].width / 2 < max(asides) < picture.width / 2

    def test_absent_values(self):
        """Absent inputs and outputs have no edge."""
        nodes = [node("Dropout", ["x"], ["v", ""]), node("Clip", ["v", "", ""], ["y"])]
        assert len(draw(replace(chain(1), nodes=nodes, outputs=["y"])).edges) == 3

    def test_large_graph(self):
        """A large graph shows its first nodes, and counts the others."""
        picture = draw(chain(MOST_NODES + 5))
        assert sum(box.kind == NODE for box in picture.boxes) == MOST_NODES
        assert picture.left_out == 5
        assert draw(chain(MOST_NODES)).left_out == 0
