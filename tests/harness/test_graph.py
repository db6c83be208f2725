"""Facts are read from any legal ONNX file."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.parser import parse_model

from onnxproof.graph.facts import Value, read_graph
from onnxproof.graph.load import GraphError
from onnxproof.graph.record import shape_text
from tests import facts

EXAMPLE = """
<ir_version: 8, opset_import: ["": 18, "local": 1]>
example (float[N, 4] x, bool flag) => (float[N, 4] y, float[N, 2] z)
<float[4] bias = {1, 2, 3, 4}, float high = {6}>
{
    shift = Constant <value = float[4] {5, 6, 7, 8}> ()
    left = Sub (x, bias)
    clipped = Clip (left, , high)
    y = Add (clipped, shift)
    before, after = Split <axis = 1, num_outputs = 2> (y)
    z = local.leaky <slope = 0.5> (before)
}
<domain: "local", opset_import: ["": 18]>
leaky <slope> (given) => (result) { result = LeakyRelu <alpha: float = @slope> (given) }
"""

SHAPES = {
    "1×8×?": (1, 8, None),
    "n×my dim": ("n", "my dim"),
    "n×((height - 1) // 2 + 1)": ("n", "(((height - 1)//2)) + 1"),
}
FOUR_BITS = ("UINT4", "INT4") if facts.onnx_has_4_bit_integers else ()

ONE_NODE = '<ir_version: 8, opset_import: ["": 18]> one (float[2] x) => (float[2] y) { y = Neg (x) }'


def constant(**value) -> onnx.ModelProto:
    """A model that returns a Constant node's value."""
    node = helper.make_node("Constant", [], ["y"], **value)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph([node], "constant", [], [output]))


def numbers(dtype: int, *values: float) -> TensorProto:
    return helper.make_tensor("numbers", dtype, [len(values)], values)


def sparse(*values: float) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(numbers(TensorProto.FLOAT, *values), numbers(TensorProto.INT64, 1), [4])


@pytest.fixture
def example():
    return parse_model(EXAMPLE)


@pytest.fixture
def graph(example):
    return read_graph(example)


class TestReading:
    """`read_graph` returns the file's facts."""

    def test_example_is_legal(self, example):
        """The example passes onnx's full check."""
        onnx.checker.check_model(example, full_check=True)

    def test_inputs_and_outputs(self, graph):
        """Inputs and outputs come in order, with named symbolic dimensions; initializers are not inputs."""
        assert (graph.input_names, graph.output_names) == (("x", "flag"), ("y", "z"))
        assert graph.inputs == (Value("x", "float32", ("N", 4)), Value("flag", "bool", ()))
        assert graph.outputs == (Value("y", "float32", ("N", 4)), Value("z", "float32", ("N", 2)))

    def test_constants(self, graph):
        """Initializers and Constant nodes are both constants."""
        assert set(graph.constants) == {"bias", "high", "shift"}
        np.testing.assert_array_equal(graph.constants["shift"], np.array([5, 6, 7, 8], np.float32), strict=True)
        np.testing.assert_array_equal(graph.constants["high"], np.array(6, np.float32), strict=True)

    def test_nodes(self, graph):
        """A node has its operator, domain, inputs, outputs and attributes; an input left out is named ""."""
        (clip,), (leaky,), (split,) = map(graph.nodes_of, ("Clip", "leaky", "Split"))
        assert (clip.domain, clip.inputs, clip.outputs) == ("", ("left", "", "high"), ("clipped",))
        assert (leaky.domain, leaky.attributes) == ("local", {"slope": 0.5})
        assert (split.outputs, split.attributes) == (("before", "after"), {"axis": 1, "num_outputs": 2})

    def test_node_name(self):
        """A node has its name, if it has one."""
        assert [read_graph(constant(value_int=1, name=name)).nodes[0].name for name in ("/net/One", None)] == [
            "/net/One",
            "",
        ]

    def test_opsets(self, graph):
        """`opset` is the default domain's; the others are under their names."""
        assert graph.opset == 18
        assert graph.opsets == {"": 18, "local": 1}

    def test_domain_written_out(self):
        """`ai.onnx` is the default domain, of a file and of a node."""
        graph = read_graph(parse_model(ONE_NODE.replace('""', '"ai.onnx"').replace("Neg", "ai.onnx.Neg")))
        assert graph.opset == 18
        assert graph.nodes_of("Neg")[0].domain == ""

    def test_other_domain_alone(self):
        """A file without the default domain has opset 0."""
        assert read_graph(parse_model(ONE_NODE.replace('""', '"local"'))).opset == 0

    @pytest.mark.parametrize(
        ("declared", "dtype", "shape"),
        [
            pytest.param("double[2, N, ?]", "float64", (2, "N", None), id="unknown-dimension"),
            pytest.param("int64[]", "int64", None, id="unknown-rank"),
            pytest.param("string[1]", "string", (1,), id="string"),
            pytest.param("bfloat16[0]", "bfloat16", (0,), id="bfloat16"),
            pytest.param("float8e4m3fn[2]", "float8e4m3fn", (2,), id="float8"),
            pytest.param("uint8[2]", "uint8", (2,), id="uint8"),
            pytest.param(
                "seq(int64)",
                "sequence_type { elem_type { tensor_type { elem_type: 7 shape { } } } }",
                None,
                id="sequence",
            ),
            pytest.param(
                "optional(int64)",
                "optional_type { elem_type { tensor_type { elem_type: 7 shape { } } } }",
                None,
                id="optional",
            ),
            pytest.param(
                "map(int64, float)",
                "map_type { key_type: 7 value_type { tensor_type { elem_type: 1 shape { } } } }",
                None,
                id="map",
            ),
        ],
    )
    def test_types(self, declared, dtype, shape):
        """An unknown dimension or rank is None; a type that is not a tensor's has onnx's own text."""
        graph = read_graph(parse_model(ONE_NODE.replace("float[2] x", f"{declared} x")))
        assert graph.inputs == (Value("x", dtype, shape),)

    @pytest.mark.parametrize(
        ("attribute", "value", "expected"),
        [
            pytest.param("value_float", 0.1, np.array(0.1, np.float32), id="float"),
            pytest.param("value_floats", [0.1, 2], np.array([0.1, 2], np.float32), id="floats"),
            pytest.param("value_int", 3, np.array(3, np.int64), id="int"),
            pytest.param("value_ints", [3, 4], np.array([3, 4], np.int64), id="ints"),
            pytest.param("value_string", "ab", np.array("ab", object), id="string"),
            pytest.param("value_strings", ["ab", "c"], np.array(["ab", "c"], object), id="strings"),
            pytest.param("value", numbers(TensorProto.DOUBLE, 1), np.array([1.0]), id="tensor"),
        ],
    )
    def test_constant_nodes(self, attribute, value, expected):
        """However a Constant node stores its value, the constant has ONNX's dtype."""
        np.testing.assert_array_equal(read_graph(constant(**{attribute: value})).constants["y"], expected, strict=True)

    @pytest.mark.skipif(not facts.onnx_reads_bfloat16, reason="this onnx reads what is shorter than float32 as bits")
    @pytest.mark.parametrize("dtype", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", *FOUR_BITS, "BOOL", "FLOAT16"])
    def test_small_dtypes(self, dtype):
        """Constants of every width are read."""
        values = read_graph(constant(value=numbers(TensorProto.DataType.Value(dtype), 1, 0, 1))).constants["y"]
        np.testing.assert_array_equal(values.astype(np.float32), np.array([1, 0, 1], np.float32))

    def test_other_constant(self):
        """A Constant of another domain is a node like any other."""
        assert read_graph(parse_model(EXAMPLE.replace("= Constant", "= local.Constant"))).constants.keys() == {
            "bias",
            "high",
        }

    @pytest.mark.parametrize(
        ("outputs", "attributes", "reason"),
        [
            pytest.param([], {"value_int": 1}, "'one' has not one output and one attribute", id="no-output"),
            pytest.param(["y", "z"], {"value_int": 1}, "'one' has not one output", id="two-outputs"),
            pytest.param(["y"], {}, "'one' has not one output and one attribute", id="no-value"),
            pytest.param(["y"], {"value_int": 1, "value_float": 1.0}, "and one attribute", id="two-values"),
            pytest.param(["y"], {"axis": 1}, "'y' holds no value, but 'axis'", id="other-attribute"),
        ],
    )
    def test_damaged_constant(self, outputs, attributes, reason):
        """A Constant node without a value, or with several, is refused and named."""
        model = constant(value_int=1)
        model.graph.node[0].CopyFrom(helper.make_node("Constant", [], outputs, name="one", **attributes))
        with pytest.raises(GraphError, match=f"^the model: not a readable ONNX file .*{reason}"):
            read_graph(model)

    def test_sparse_constant(self):
        """A sparse value stays with its node."""
        graph = read_graph(constant(sparse_value=sparse(5)))
        assert graph.constants == {}
        assert graph.nodes[0].attributes["sparse_value"].dims == [4]

    def test_attributes(self):
        """Tensors are numpy arrays and strings are str, also in lists."""
        model = parse_model(ONE_NODE.replace("Neg", 'Odd <words = ["a", "b"], word = "c", table = float[2] {1, 2}>'))
        attributes = dict(read_graph(model).nodes[0].attributes)
        np.testing.assert_array_equal(attributes.pop("table"), np.array([1, 2], np.float32), strict=True)
        assert attributes == {"words": ["a", "b"], "word": "c"}

    def test_other_bytes(self):
        """Bytes that are not UTF-8 are replaced in a string."""
        model = parse_model(ONE_NODE)
        model.graph.node[0].attribute.append(helper.make_attribute("word", b"a\xffb"))
        assert read_graph(model).nodes[0].attributes == {"word": "a\ufffdb"}

    def test_input_with_initializer(self):
        """An input that has an initializer is a constant."""
        model = parse_model(
            ONE_NODE.replace("(float[2] x) => (float[2] y)", "(float[2] x, float w) => (float[2] y) <float w = {3}>")
        )
        graph = read_graph(model)
        assert (graph.input_names, list(graph.constants)) == (("x",), ["w"])


@pytest.mark.parametrize("text", SHAPES)
def test_shape_text(text):
    """A size that is calculated stands in parentheses of its own: × divides the dimensions."""
    assert shape_text(SHAPES[text]) == text
