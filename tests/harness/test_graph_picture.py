"""A graph is shown as boxes in modules, and live inputs differ from folded ones."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from onnx.parser import parse_model

from onnxproof.graph.facts import read_graph
from onnxproof.graph.record import graph_result
from onnxproof.report.graphs import FEW_NODES, FOLDED, LIVE, MODULE, MOST_DEEP, MOST_TOGETHER, NODE, OUTPUT, view
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


def layers(*paths):
    """x → Relu → Relu → …, each in the module of its path."""
    graph = chain(len(paths))
    return replace(graph, nodes=[replace(node, module=path) for node, path in zip(graph.nodes, paths, strict=True)])


def of_kind(graph, kind, failing=()):
    return [box for box in view(graph, failing)["boxes"] if box["kind"] == kind]


def tree(graph, failing=()):
    """The paths of the modules in a view with the number of boxes in each; "*" marks one that is open."""
    boxes = view(graph, failing)["boxes"]
    inside = Counter(box.get("parent") for box in boxes)

    def path(box):
        around = f"{path(boxes[box['parent']])} > " if "parent" in box else ""
        return f"{around}{box['title']}"

    modules = ((place, box) for place, box in enumerate(boxes) if box["kind"] == MODULE)
    return {f"{path(box)}{'*' * box.get('open', False)}": inside[place] for place, box in modules}


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


class TestView:
    """A box for each input, node and output."""

    def test_kinds(self):
        """Live and folded inputs differ in kind and text."""
        boxes = view(GRAPH)["boxes"]
        assert [(box["kind"], box["title"]) for box in boxes] == [
            (LIVE, "input"),
            (FOLDED, "factor"),
            (NODE, "Resize"),
            (NODE, "Conv"),
            (OUTPUT, "output"),
        ]
        assert [box["lines"] for box in boxes[:2]] == [
            ["live: float32 1×3×256×256"],
            ["folded: a constant of the file"],
        ]

    def test_facts(self):
        """A node lists its inputs under the operator's names, then its attributes; it skips an absent input."""
        assert of_kind(GRAPH, NODE)[0]["lines"] == ["X ← input", "scales = 1, 1, 3, 3", "mode: cubic"]

    def test_edges(self):
        """An edge leads from what gives a value to what takes it, once."""
        nodes = [node("Mul", ["x", "x"], ["v", ""]), node("Clip", ["v", "", ""], ["y"])]
        assert view(replace(chain(1), nodes=nodes, outputs=["y"]))["edges"] == [(0, 1), (1, 2), (2, 3)]

    def test_live_and_folded(self, graph):
        """The view of a file has a box for each input of the model and each output."""
        assert {box["title"]: box["kind"] for box in view(graph)["boxes"]} == {
            "x": LIVE,
            "shift": LIVE,
            "factor": FOLDED,
            **dict.fromkeys(("Mul", "Add", "Softmax", "Sub"), NODE),
            "y": OUTPUT,
            "z": OUTPUT,
        }

    def test_identity_of_constant(self):
        """An Identity of a constant is that constant, unless it is an output or fails."""
        nodes = [node("Identity", ["w"], ["again"]), node("Add", ["x", "again"], ["y"]), node("Identity", ["y"], ["z"])]
        graph = replace(chain(1), nodes=nodes, outputs=["z"], constants={"w": "float32 8"})
        assert [(box["title"], box.get("lines")) for box in of_kind(graph, NODE)] == [
            ("Add", ["input 0 ← x", "input 1 = float32 8"]),
            ("Identity", None),
        ]
        assert len(of_kind(replace(graph, outputs=["z", "again"]), NODE)) == 3
        assert len(of_kind(graph, NODE, failing=["again"])) == 3


class TestModules:
    """A large graph is shown by its torch modules."""

    def test_few_nodes(self):
        """A small graph has none."""
        assert tree(layers(*["a.b"] * FEW_NODES)) == {}
        assert tree(layers(*["a.b"] * FEW_NODES, "c")) != {}

    def test_nested(self):
        """Modules are in modules. A number goes with the name before it; a module around a single one is left out."""
        graph = layers(*["encoder.layers.0.norm"] * 20, *["encoder.layers.1"] * 20, *["head"] * 3, "")
        assert list(tree(graph)) == [
            "encoder.layers*",
            "encoder.layers > layers.0.norm",
            "encoder.layers > layers.1",
            "head*",
        ]

    def test_small_module(self):
        """The nodes of a module of one or two are in the module around it."""
        graph = layers(*["a.b"] * 3, *["a.act"] * 2, *["a"] * 30)
        assert [name.rstrip("*") for name in tree(graph)] == ["a", "a > b"]
        assert Counter(box["parent"] for box in of_kind(graph, NODE)) == {1: 32, 2: 3}

    def test_module_in_two_places(self):
        """A module whose nodes are apart is one box, where its first node is."""
        graph = layers(*["a"] * 2, *["b"] * 20, *["a"] * 20)
        assert {name.rstrip("*"): count for name, count in tree(graph).items()} == {"a": 22, "b": 20}

    def test_open(self):
        """Modules are open from the outermost while few boxes are in sight."""
        graph = layers(*["a"] * 10, *["b"] * 40, *["c.0"] * 5, *["c.1"] * 5)
        assert [name for name in tree(graph) if name.endswith("*")] == ["a*", "c*", "c > c.0*", "c > c.1*"]

    def test_failing(self):
        """The node that fails is marked, and in sight."""
        graph = layers(*["a"] * 10, *["b.0"] * 40, *["b.1"] * 40)
        marked = [box for box in view(graph, ["v70"])["boxes"] if box.get("fails")]
        assert [box["gives"] for box in marked] == [["v70"]]
        assert "b > b.1*" in tree(graph, ["v70"])
        assert "b > b.1" in tree(graph)

    @pytest.mark.parametrize("length", [41, 200, 5000])
    def test_without_modules(self, length):
        """Of a file that names no modules, nodes that follow each other are together: few in one place."""
        found = tree(chain(length))
        assert all(2 <= count <= MOST_TOGETHER for count in found.values())
        assert sum(">" not in name for name in found) <= MOST_TOGETHER

    def test_deep_path(self):
        """A path of many parts ends at the innermost module that is shown."""
        assert all(name.count(".") < MOST_DEEP for name in tree(layers(*[".".join("abcdefgh" * 200)] * 40)))


class TestErrors:
    """What is known to be wrong is coloured, the deeper the larger its error."""

    @pytest.fixture
    def boxes(self):
        """The nodes and the output of a chain, of which the last two values are wrong."""
        boxes = view(chain(4), ["v2"], {"v2": 1e-3, "v3": 0.5})["boxes"]
        return [box for box in boxes if box["kind"] in (NODE, OUTPUT)]

    def test_lines(self, boxes):
        """A wrong node says by how much, and so does the output."""
        told = [box.get("lines", [""])[0] for box in boxes]
        assert told == ["input 0 ← x", "", "wrong by 0.1 %", "wrong by 50 %", "wrong by 50 %"]

    def test_depth(self, boxes):
        """A larger error is deeper; what is right has no colour."""
        depths = [box.get("depth", 0) for box in boxes]
        assert depths[:2] == [0, 0]
        assert 0 < depths[2] < depths[3] == depths[4]
