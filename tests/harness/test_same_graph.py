"""Every difference of two graphs is found; names and order do not count."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_graph, parse_model

from onnxproof.graph.diff import graph_differences
from onnxproof.graph.load import GraphError

NARROWEST = getattr(TensorProto, "INT4", TensorProto.INT8)  # onnx 1.16

HAS_OVERLOADS = "overload" in onnx.NodeProto.DESCRIPTOR.fields_by_name  # not in onnx 1.15

EXAMPLE = """
<ir_version: 8, opset_import: ["": 18, "local": 1]>
example (float[N, 4] x, bool flag, float[N, 4] start, seq(float[N]) others) => (float[N, 4] y, float[N, 4] z)
<float[4] bias = {1, 2, 3, 4}, float[4] scale = {2, 2, 2, 2.5}, float high = {6}, int64 trips = {3}>
{
    shift = Constant <value = float[4] {5, 6, 7, 8}> ()
    left = Sub (x, bias)
    right = Mul (x, scale)
    turned = Neg (left)
    clipped = Clip (turned, , high)
    shifted = Add (right, shift)
    chosen = If (flag) <
        then_branch = then () => (float[N, 4] raised) {
            inner = If (flag) <
                then_branch = first () => (float[N, 4] deep) { deep = Abs (clipped) },
                else_branch = second () => (float[N, 4] deeper) { deeper = Neg (clipped) }
            >
            raised = Add (inner, shifted)
        },
        else_branch = otherwise () => (float[N, 4] lowered) { lowered = Sub (clipped, right) }
    >
    looped = Loop (trips, , chosen) <
        body = step (int64 turn, bool going, float[N, 4] state) => (bool more, float[N, 4] next) {
            more = Identity (going)
            next = Add (state, x)
        }
    >
    before, after = Split <axis = 1, num_outputs = 2> (looped)
    y = Concat <axis = 1> (before, after)
    kept, mask = Dropout <seed = 1> (shifted)
    z = local.leaky <slope = 0.5> (kept)
}
<domain: "local", opset_import: ["": 18]>
leaky <slope, lift: float = 0.25> (given) => (result)
{
    bent = LeakyRelu <alpha: float = @slope> (given)
    amount = Constant <value_float: float = @lift> ()
    result = Add (bent, amount)
}
"""


def edited(old: str, new: str) -> onnx.ModelProto:
    """The example with one text replaced wherever it occurs."""
    assert old in EXAMPLE
    return parse_model(EXAMPLE.replace(old, new))


def node(op_type: str, **attributes) -> onnx.ModelProto:
    """A model of one node without inputs."""
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_node(op_type, [], ["y"], **attributes)
    return helper.make_model(helper.make_graph([made], "one", [], [output]))


def numbers(dtype: int, *values: float) -> TensorProto:
    return helper.make_tensor("numbers", dtype, [len(values)], values)


def sparse(value: float, name: str = "numbers", index: int = 1) -> onnx.SparseTensorProto:
    values = helper.make_tensor(name, TensorProto.FLOAT, [1], [value])
    return helper.make_sparse_tensor(values, numbers(TensorProto.INT64, index), [4])


def with_sparse_weight(name: str, value: float) -> onnx.ModelProto:
    model = parse_model(
        f'<ir_version: 8, opset_import: ["": 18]> g (float[4] x) => (float[4] y) {{ y = Add (x, {name}) }}'
    )
    model.graph.sparse_initializer.append(sparse(value, name))
    return model


def with_body(text: str) -> onnx.ModelProto:
    """A model of two inputs and a node that has a list of one subgraph."""
    model = parse_model('<ir_version: 8, opset_import: ["": 18]> g (float x, float z) => (float y) { y = Odd () }')
    model.graph.node[0].attribute.append(helper.make_attribute("bodies", [parse_graph(text)]))
    return model


NESTED = """b (bool c, float s) => (float t) {
    t = If (c) <
        then_branch = then () => (float inner) { inner = Neg (s) },
        else_branch = otherwise () => (float e) { e = Abs (x) }
    >
}"""


@pytest.fixture(scope="module")
def example():
    return parse_model(EXAMPLE)


SAME = {
    "inner-name": ("left", "gauche"),
    "subgraph-inner-name": ("raised", "lifted"),
    "subgraph-name": ("otherwise", "else"),
    "subgraph-input-name": ("state", "carried"),
    "subgraph-input-shadows": ("state", "start"),
    "nested-inner-name": ("deeper", "deepest"),
    "function-inner-name": ("bent", "bowed"),
    "function-input-name": ("given", "taken"),
    "graph-name": ("example", "sample"),
    "order-of-independent-nodes": (
        "left = Sub (x, bias)\n    right = Mul (x, scale)",
        "right = Mul (x, scale)\n    left = Sub (x, bias)",
    ),
    "order-in-subgraph": (
        "more = Identity (going)\n            next = Add (state, x)",
        "next = Add (state, x)\n            more = Identity (going)",
    ),
    "order-of-initializers": (
        "float high = {6}, int64 trips = {3}",
        "int64 trips = {3}, float high = {6}",
    ),
    "order-of-attributes": ("axis = 1, num_outputs = 2", "num_outputs = 2, axis = 1"),
    "initializer-for-constant-node": (
        "int64 trips = {3}>\n{\n    shift = Constant <value = float[4] {5, 6, 7, 8}> ()",
        "int64 trips = {3}, float[4] shift = {5, 6, 7, 8}>\n{",
    ),
    "constant-as-floats": ("value = float[4] {5, 6, 7, 8}", "value_floats = [5.0, 6.0, 7.0, 8.0]"),
    "default-domain-of-file": ('["": 18', '["ai.onnx": 18'),
    "default-domain-of-node": ("Sub (x", "ai.onnx.Sub (x"),
}

DIFFERENT = {
    "operator": ("Sub (x, bias)", "Add (x, bias)"),
    "domain": ("Sub (x, bias)", "local.Sub (x, bias)"),
    "opset": ('18, "local"', '19, "local"'),
    "other-opset": ('"local": 1', '"local": 2'),
    "other-domain": ('"local": 1', '"local": 1, "more": 1'),
    "attribute-value": ("seed = 1", "seed = 2"),
    "attribute-type": ("seed = 1", "seed = 1.0"),
    "attribute-name": ("seed = 1", "germ = 1"),
    "attribute-missing": (" <seed = 1>", ""),
    "attribute-tensor": ("{5, 6, 7, 8}", "{5, 6, 7, 9}"),
    "initializer-value": ("2, 2.5}", "2, 2.25}"),
    "initializer-dtype": ("float high = {6}", "double high = {6}"),
    "initializer-shape": ("float[4] bias", "float[1, 4] bias"),
    "initializer-unused": ("float high = {6}", "float high = {6}, float idle = {7}"),
    "initializer-twice": ("float high = {6}", "float high = {6}, float idle = {6}"),
    "initializer-as-input": ("seq(float[N]) others)", "seq(float[N]) others, float high)"),
    "edges-swapped": ("Sub (x, bias)", "Sub (bias, x)"),
    "edge-to-other-value": ("Add (right, shift)", "Add (left, shift)"),
    "edge-to-other-constant": ("Mul (x, scale)", "Mul (x, bias)"),
    "edge-to-other-input": ("Mul (x, scale)", "Mul (start, scale)"),
    "edge-to-other-output-of-node": ("(before, after)", "(before, before)"),
    "edge-missing": ("Clip (turned, , high)", "Clip (turned)"),
    "optional-edge-moved": ("Clip (turned, , high)", "Clip (turned, high)"),
    "outputs-of-node-swapped": ("before, after = Split", "after, before = Split"),
    "output-of-node-left-out": ("kept, mask = Dropout", "kept = Dropout"),
    "output-of-node-unnamed": ("before, after = Split", "before, after, more = Split"),
    "node-unused": ("left = Sub (x, bias)", "left = Sub (x, bias)\n    idle = Abs (left)"),
    "node-twice": ("left = Sub (x, bias)", "left = Sub (x, bias)\n    idle = Sub (x, bias)"),
    "node-missing": ("turned = Neg (left)\n    clipped = Clip (turned", "clipped = Clip (left"),
    "input-name": ("flag", "switch"),
    "input-dtype": ("float[N, 4] x", "double[N, 4] x"),
    "input-dimension": ("float[N, 4] x", "float[N, 5] x"),
    "input-symbol": ("float[N, 4] x", "float[M, 4] x"),
    "input-rank-unknown": ("float[N, 4] x", "float[] x"),
    "input-missing": (", seq(float[N]) others", ""),
    "input-sequence-dtype": ("seq(float[N])", "seq(double[N])"),
    "input-sequence-dimension": ("seq(float[N])", "seq(float[3])"),
    "input-order": ("float[N, 4] x, bool flag", "bool flag, float[N, 4] x"),
    "output-name": ("z = local", "sum = local"),
    "output-dtype": ("float[N, 4] y", "double[N, 4] y"),
    "output-dimension": ("float[N, 4] y", "float[N, 8] y"),
    "output-order": ("float[N, 4] y, float[N, 4] z", "float[N, 4] z, float[N, 4] y"),
    "output-missing": (", float[N, 4] z", ""),
    "outputs-exchanged": (
        "y = Concat <axis = 1> (before, after)\n    kept, mask = Dropout <seed = 1> (shifted)\n    z = ",
        "z = Concat <axis = 1> (before, after)\n    kept, mask = Dropout <seed = 1> (shifted)\n    y = ",
    ),
    "subgraph-operator": ("lowered = Sub", "lowered = Add"),
    "subgraph-reads-other-value": ("Sub (clipped, right)", "Sub (clipped, left)"),
    "subgraph-reads-outer-input-for-its-own": ("Add (state, x)", "Add (start, x)"),
    "subgraph-node-unused": ("more = Identity (going)", "more = Identity (going)\n    idle = Abs (state)"),
    "subgraph-input-dtype": ("float[N, 4] state", "double[N, 4] state"),
    "subgraph-input-unused": ("float[N, 4] state)", "float[N, 4] state, float idle)"),
    "subgraph-output-dtype": ("float[N, 4] lowered", "double[N, 4] lowered"),
    "nested-subgraph-operator": ("deep = Abs", "deep = Neg"),
    "nested-subgraph-reads-other-value": ("Abs (clipped)", "Abs (turned)"),
    "function-operator": ("bent = LeakyRelu", "bent = Elu"),
    "function-edge": ("Add (bent, amount)", "Add (given, amount)"),
    "function-attribute-referred": ("@slope", "@other"),
    "function-attribute-type": ("alpha: float = @slope", "alpha: int = @slope"),
    "function-attribute-fixed": ("alpha: float = @slope", "alpha = 0.5"),
    "function-parameter": ("leaky <slope, ", "leaky <slope, more, "),
    "function-default": ("lift: float = 0.25", "lift: float = 0.5"),
    "function-constant": ("value_float: float = @lift", "value_float = 0.25"),
    "function-opset": ('["": 18]>\nleaky', '["": 17]>\nleaky'),
    "function-name": ("leaky <slope, ", "bend <slope, "),
    "function-domain": ('<domain: "local", opset', '<domain: "other", opset'),
    "function-output": ("(given) => (result)", "(given) => (amount)"),
    "function-unused": (
        '<domain: "local"',
        '<domain: "local", opset_import: ["": 18]> idle (a) => (b) { b = Neg (a) }\n<domain: "local"',
    ),
}


class TestSame:
    """Names of nodes and of inner values make no difference, nor does the order of independent nodes."""

    def test_example_is_legal(self, example):
        """The example passes onnx's full check."""
        onnx.checker.check_model(example, full_check=True)

    @pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME)
    def test_same(self, example, old, new):
        """The graph is the same, in either order of comparison."""
        assert graph_differences(example, edited(old, new)) == ()
        assert graph_differences(edited(old, new), example) == ()

    def test_node_names(self, example):
        """Names and doc strings of nodes make no difference."""
        named = parse_model(EXAMPLE)
        named.graph.node[1].name, named.graph.node[1].doc_string = "/net/Sub", "x - bias"
        assert graph_differences(example, named) == ()

    def test_encoding(self):
        """A tensor is the same in raw bytes and in typed fields."""
        raw = numpy_helper.from_array(np.array([1, 2], np.float32), "numbers")
        assert (
            graph_differences(node("Constant", value=raw), node("Constant", value=numbers(TensorProto.FLOAT, 1, 2)))
            == ()
        )

    def test_strings(self):
        """Strings are the same as a tensor and as a list."""
        tensor = helper.make_tensor("words", TensorProto.STRING, [2], [b"ab", b"c"])
        assert graph_differences(node("Constant", value=tensor), node("Constant", value_strings=["ab", "c"])) == ()

    def test_nested_subgraphs(self):
        """Names in nested subgraphs make no difference."""
        assert graph_differences(*(with_body(NESTED.replace("inner", name)) for name in ("inner", "other"))) == ()

    def test_sparse_initializer(self):
        """The name of a sparse initializer makes no difference."""
        assert graph_differences(with_sparse_weight("w", 5), with_sparse_weight("v", 5)) == ()


class TestDifferent:
    """Every other difference is found."""

    @pytest.mark.parametrize(("old", "new"), DIFFERENT.values(), ids=DIFFERENT)
    def test_different(self, example, old, new):
        """The difference is found, in either order of comparison."""
        assert graph_differences(example, edited(old, new))
        assert graph_differences(edited(old, new), example)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param({"value_float": 0.0}, {"value_float": -0.0}, id="sign-of-zero"),
            pytest.param({"value_ints": [1, 2]}, {"value_ints": [1, 3]}, id="ints"),
            pytest.param({"value_ints": [1]}, {"value_int": 1}, id="rank"),
            pytest.param({"value_int": 1}, {"value_float": 1.0}, id="int-or-float"),
            pytest.param({"value_string": "a"}, {"value_string": "b"}, id="string"),
            pytest.param({"value_strings": ["ab", "c"]}, {"value_strings": ["a", "bc"]}, id="strings"),
            pytest.param({"sparse_value": sparse(5)}, {"sparse_value": sparse(6)}, id="sparse"),
            pytest.param({"sparse_value": sparse(5)}, {"sparse_value": sparse(5, index=2)}, id="sparse-place"),
        ],
    )
    def test_constants(self, first, second):
        """Values of Constant nodes are compared, however they are stored."""
        assert graph_differences(node("Constant", **first), node("Constant", **second))

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pytest.param(numbers(TensorProto.INT32, 0), numbers(TensorProto.FLOAT, 0), id="dtype"),
            pytest.param(numbers(TensorProto.BFLOAT16, 1), numbers(TensorProto.BFLOAT16, 2), id="bfloat16"),
            pytest.param(numbers(TensorProto.FLOAT8E4M3FN, 1), numbers(TensorProto.FLOAT8E5M2, 1), id="float8-formats"),
            pytest.param(numbers(NARROWEST, 1, 2, 3), numbers(NARROWEST, 1, 2, 4), id="narrowest"),
            pytest.param([numbers(TensorProto.FLOAT, 1)], [numbers(TensorProto.FLOAT, 2)], id="tensors"),
            pytest.param(
                [parse_graph("g () => (float a) { a = B () }")],
                [parse_graph("g () => (float a) { a = C () }")],
                id="graphs",
            ),
            pytest.param(sparse(5), sparse(6), id="sparse-tensor"),
            pytest.param([1.0, 2.0], [1.0, 3.0], id="floats"),
            pytest.param(["a", "b"], ["a", "c"], id="strings"),
            pytest.param(
                helper.make_tensor_type_proto(TensorProto.FLOAT, [1]),
                helper.make_tensor_type_proto(TensorProto.FLOAT, [2]),
                id="type",
            ),
        ],
    )
    def test_attributes(self, first, second):
        """Attributes of every type are compared by value."""
        assert graph_differences(node("Odd", setting=first), node("Odd", setting=second))

    @pytest.mark.parametrize(
        ("text", "old", "new"),
        [
            pytest.param(
                "g (float x, float a, float b) => (float y) <float a = {3}, float b = {3}> { y = Add (x, a) }",
                "(x, a)",
                "(x, b)",
                id="input-of-the-same-default",
            ),
            pytest.param(
                """g (float x, float z) => (float y) { y = local.less (x, z) }
                <domain: "local", opset_import: ["": 18]> less (a, b) => (c) { c = Sub (a, b) }""",
                "Sub (a, b)",
                "Sub (b, a)",
                id="input-of-function",
            ),
            pytest.param(
                """g (int64 n, bool c, float x) => (float y) { y = Loop (n, c, x) <
                    body = outer (int64 i, bool ci, float u) => (bool co, float v) {
                        co = Identity (ci)
                        v = Loop (n, c, u) <
                            body = inner (int64 j, bool cj, float s) => (bool cp, float t) {
                                cp = Identity (cj)
                                t = Neg (s)
                            }
                        >
                    }
                > }""",
                "Neg (s)",
                "Neg (u)",
                id="input-of-nested-subgraph",
            ),
        ],
    )
    def test_edges(self, text, old, new):
        """An edge from another value is found, wherever it is from."""
        head = '<ir_version: 8, opset_import: ["": 18, "local": 1]> '
        assert graph_differences(parse_model(head + text), parse_model(head + text.replace(old, new)))

    @pytest.mark.parametrize("other", ["z", "s"], ids=["of-another-value", "of-its-own-input"])
    def test_edges_of_several_subgraphs(self, other):
        """So it is in a list of subgraphs."""
        first, second = (with_body(f"b (float s) => (float t) {{ t = Neg ({name}) }}") for name in ("x", other))
        assert graph_differences(first, second)

    @pytest.mark.parametrize("other", ["c", "x", "z"], ids=["of-the-outer-input", "of-x", "of-z"])
    def test_edges_of_nested_subgraphs(self, other):
        """So it is in a nested subgraph, whose input differs from the outer ones."""
        first, second = (with_body(NESTED.replace("Neg (s)", f"Neg ({name})")) for name in ("s", other))
        assert graph_differences(first, second)

    @pytest.mark.parametrize("order", [1, -1], ids=["second", "first"])
    def test_damaged(self, example, order):
        """A model that cannot be read is refused as such, whichever it is."""
        damaged = parse_model(EXAMPLE)
        damaged.graph.initializer[0].dims[0] = 5
        with pytest.raises(GraphError, match=r"^the model: not a readable ONNX file"):
            graph_differences(*[example, damaged][::order])

    @pytest.mark.skipif(not HAS_OVERLOADS, reason="this onnx has no overloads of functions")
    @pytest.mark.parametrize("part", [lambda model: model.graph.node[-1], lambda model: model.functions[0]])
    def test_overload(self, example, part):
        """Functions of one name, and calls of them, are told apart by their overload."""
        other = parse_model(EXAMPLE)
        part(other).overload = "fast"
        assert graph_differences(example, other)

    def test_sparse_initializer(self):
        """Sparse initializers are compared by value."""
        assert graph_differences(with_sparse_weight("w", 5), with_sparse_weight("w", 6))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            pytest.param(
                "Sub (x, bias)",
                "Add (x, bias)",
                ("only in the first: Sub → left", "only in the second: Add → left"),
                id="node",
            ),
            pytest.param(
                "num_outputs = 2",
                "num_outputs = 3",
                ("only in the first: Split → before, after", "only in the second: Split → before, after"),
                id="node-of-two-outputs",
            ),
            pytest.param(
                '18, "local"',
                '19, "local"',
                ("opsets: {'': 18, 'local': 1} against {'': 19, 'local': 1}",),
                id="opsets",
            ),
        ],
    )
    def test_message(self, example, old, new, message):
        """A message names the first node that only one graph has, or what differs in both."""
        assert tuple(map(str, graph_differences(example, edited(old, new)))) == message

    @pytest.mark.parametrize(("name", "what"), [("x", "inputs"), ("y", "outputs")])
    def test_interface(self, example, name, what):
        """Differences of the inputs or outputs come before those in the graph."""
        first, *_ = graph_differences(example, edited(f"float[N, 4] {name}", f"double[N, 5] {name}"))
        assert first.kind == what
        assert f"{name} float32 N×4" in str(first).partition(" against ")[0]
        assert f"{name} float64 N×5" in str(first).partition(" against ")[2]
