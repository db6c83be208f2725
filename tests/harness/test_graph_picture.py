"""A graph is a picture whose nodes stand below what they take from, with live and folded inputs told apart."""

import pytest
from onnx.parser import parse_model

from onnxproof.graph import read_graph
from onnxproof.graph_picture import FOLDED, HEIGHT, LIVE, NODE, OUTPUT, WIDTH, draw, graph_result

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
    """The graph of a model that also had an input `factor`, which its file does not have."""
    return graph_result(read_graph(parse_model(SCALED)), "scaled.onnx", None, ("x", "shift", "factor"))


@pytest.fixture(scope="module")
def boxes(graph):
    return {box.title: box for box in draw(graph).boxes}


class TestGraphResult:
    """What results.json holds of a graph."""

    def test_inputs(self, graph):
        """The file's inputs have their dtype and shape; a model's input that the file lacks is folded."""
        found = [(value.name, value.shape, value.folded) for value in graph.inputs]
        assert found == [("x", "float32 N×3", False), ("shift", "float32 1", False), ("factor", "", True)]

    def test_nodes(self, graph):
        """The nodes have their attributes as text; the value of a Constant is among the constants, and is no node."""
        found = {node.op_type: node.attributes for node in graph.nodes}
        assert found == {"Mul": {}, "Add": {}, "Softmax": {"axis": "1"}, "Sub": {}}
        assert graph.constants == {"two": "2", "one": "1", "weights": "float32 8"}


class TestDraw:
    """Where the boxes stand, and what is joined."""

    def test_kinds(self, boxes):
        """Inputs are live or folded, and outputs and nodes are told from them."""
        assert {title: box.kind for title, box in boxes.items()} == {
            "x": LIVE,
            "shift": LIVE,
            "factor": FOLDED,
            **dict.fromkeys(("Mul", "Add", "Softmax", "Sub"), NODE),
            "y": OUTPUT,
            "z": OUTPUT,
        }

    def test_facts(self, boxes):
        """A box has its attributes, and its constants by name."""
        assert boxes["Mul"].lines == ("two = 2",)
        assert boxes["Softmax"].lines == ("axis = 1",)
        assert boxes["Sub"].lines == ("weights = float32 8", "one = 1")

    def test_every_node_stands_below_what_it_takes(self, graph):
        """Each edge goes from the bottom of a box down to the top of another."""
        picture = draw(graph)
        bottoms = {(box.x + WIDTH // 2, box.y + HEIGHT) for box in picture.boxes}
        tops = {(box.x + WIDTH // 2, box.y) for box in picture.boxes}
        assert len(picture.edges) == 6
        assert all((x0, y0) in bottoms and (x1, y1) in tops and y0 < y1 for x0, y0, x1, y1 in picture.edges)

    def test_nothing_overlaps(self, graph):
        """No two boxes share a place, and all are inside of the picture."""
        picture = draw(graph)
        places = [(box.x, box.y) for box in picture.boxes]
        assert len(set(places)) == len(places)
        assert all(0 <= x <= picture.width - WIDTH and 0 <= y <= picture.height - HEIGHT for x, y in places)
