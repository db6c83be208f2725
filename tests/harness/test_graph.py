"""Facts are read off any legal ONNX file, and a file that is none is refused by name."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_model

from onnxproof import versions
from onnxproof.graph import GraphError, Value, external_files, load_model, read_graph

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

FOUR_BITS = ("UINT4", "INT4") if versions.onnx_has_4_bit_integers else ()

ONE_NODE = '<ir_version: 8, opset_import: ["": 18]> one (float[2] x) => (float[2] y) { y = Neg (x) }'


needs_split_data = pytest.mark.skipif(
    not versions.onnx_splits_external_data_in_attributes, reason="this onnx reads no external data of an attribute"
)


def constant(**value) -> onnx.ModelProto:
    """A model that gives the value of a Constant node."""
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
    """`read_graph` gives what the file says."""

    def test_example_is_legal(self, example):
        """The example passes onnx's full check."""
        onnx.checker.check_model(example, full_check=True)

    def test_inputs_and_outputs(self, graph):
        """Inputs and outputs come in order, with a name per symbolic dimension; initializers are no inputs."""
        assert (graph.input_names, graph.output_names) == (("x", "flag"), ("y", "z"))
        assert graph.inputs == (Value("x", "float32", ("N", 4)), Value("flag", "bool", ()))
        assert graph.outputs == (Value("y", "float32", ("N", 4)), Value("z", "float32", ("N", 2)))

    def test_constants(self, graph):
        """Initializers and Constant nodes are constants alike."""
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
        """A node has its name, where it has one."""
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
        """A file that imports no default domain has opset 0."""
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
        """A dimension or a rank that is not known is None; what is no tensor has onnx's own text of its type."""
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
        """However a Constant node writes its value, the constant has the dtype that ONNX gives it."""
        np.testing.assert_array_equal(read_graph(constant(**{attribute: value})).constants["y"], expected, strict=True)

    @pytest.mark.skipif(not versions.onnx_reads_bfloat16, reason="this onnx reads what is shorter than float32 as bits")
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
        """A string that is no UTF-8 is readable as far as it is."""
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


class TestFile:
    """A file is read whole, with its external data, or refused by name."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "net.onnx"

    @pytest.fixture
    def split_path(self, path):
        """A model whose weights, an initializer and one in a subgraph's attribute, have a file each."""
        model = parse_model("""<ir_version: 8, opset_import: ["": 18]>
        split (float[2] x, bool flag) => (float[2] y) <float[2] w = {0, 0}> {
            y = If (flag) <
                then_branch = then () => (float[2] sum) { sum = Add (x, w) },
                else_branch = otherwise () => (float[2] held) { held = Constant <value = float[2] {0, 0}> () }
            >
        }""")
        weights = numpy_helper.from_array(np.array([1, 2], np.float32))  # in raw bytes: onnx moves no others
        initializer, held = model.graph.initializer[0], model.graph.node[0].attribute[1].g.node[0].attribute[0].t
        initializer.CopyFrom(weights)
        held.CopyFrom(weights)
        initializer.name, held.name = "w", "held"
        one_each = {"all_tensors_to_one_file": False, "size_threshold": 0, "convert_attribute": True}
        onnx.save_model(model, path, save_as_external_data=True, **one_each)
        return path

    def test_whole(self, path, example):
        """A file gives the model that was saved."""
        path.write_bytes(example.SerializeToString())
        assert load_model(path) == example
        assert external_files(path) == ()

    def test_data_inside(self, path, example):
        """A tensor that was outside, and is inside now, names no file."""
        example.graph.initializer[0].external_data.add(key="location", value="weights")
        path.write_bytes(example.SerializeToString())
        assert external_files(path) == ()

    def test_name_decides_nothing(self, tmp_path, example):
        """What a file is called does not change how it is read."""
        (tmp_path / "net.json").write_bytes(example.SerializeToString())
        assert load_model(tmp_path / "net.json") == example

    @needs_split_data
    def test_external_data(self, split_path):
        """External data is loaded, and its files are named relative to the model's folder."""
        np.testing.assert_array_equal(read_graph(split_path).constants["w"], [1, 2])
        assert external_files(split_path) == (Path("held"), Path("w"))

    @needs_split_data
    @pytest.mark.skipif(not versions.onnx_checks_external_data, reason="this onnx reads data that is too short")
    @pytest.mark.parametrize("spoil", [Path.unlink, lambda data: data.write_bytes(b"1234")], ids=["missing", "short"])
    def test_spoilt_external_data(self, split_path, spoil):
        """External data that is missing or too short is an error; its name can still be read."""
        spoil(split_path.with_name("held"))
        with pytest.raises(GraphError, match=r"net\.onnx: .*held"):
            load_model(split_path)
        assert external_files(split_path) == (Path("held"), Path("w"))

    @pytest.mark.parametrize("read", [load_model, read_graph, external_files])
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(np.random.default_rng(0).bytes(1000), id="random-bytes"),
            pytest.param(b"<!DOCTYPE html>\n<title>Not Found</title>\n", id="text"),
            pytest.param(
                onnx.ModelProto(opset_import=[helper.make_opsetid("", 18)]).SerializeToString(), id="no-graph"
            ),
        ],
    )
    def test_other_file(self, path, read, content):
        """A file that is no model is refused, and the message names it and says what to do."""
        path.write_bytes(content)
        with pytest.raises(GraphError, match=r"net\.onnx: .*; export it again"):
            read(path)

    @pytest.mark.parametrize("read", [load_model, read_graph, external_files])
    def test_no_file(self, path, read):
        """A file that is not there is refused by name."""
        with pytest.raises(GraphError, match=r"net\.onnx: no such file"):
            read(path)

    def test_folder(self, tmp_path):
        """A folder is refused by name."""
        with pytest.raises(GraphError, match=f"{tmp_path.name}: not a readable ONNX file"):
            load_model(tmp_path)

    @given(end=st.integers(0, len(parse_model(ONE_NODE).SerializeToString()) - 1))
    def test_cut_anywhere(self, tmp_path_factory, end):
        """No beginning of a file passes for the whole."""
        cut = tmp_path_factory.getbasetemp() / "cut.onnx"
        cut.write_bytes(parse_model(ONE_NODE).SerializeToString()[:end])
        with pytest.raises(GraphError, match=r"cut\.onnx"):
            load_model(cut)
