"""A file is read whole, with its external data, or refused by name, for example if functions call themselves."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_model

from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError, external_files, is_outside, load_model
from tests import facts

ONE_NODE = (
    '<ir_version: 8, opset_import: ["": 18]> one (float[2] x) => (float[2] y) <float[2] w = {1, 2}> { y = Add (x, w) }'
)

needs_split_data = pytest.mark.skipif(
    not facts.onnx_splits_external_data_in_attributes, reason="this onnx reads no external data of an attribute"
)


class TestFile:
    """A file is read whole, with its external data, or refused by name."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "net.onnx"

    @pytest.fixture
    def model(self):
        return parse_model(ONE_NODE)

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

    def test_whole(self, path, model):
        """A saved model is read back equal."""
        path.write_bytes(model.SerializeToString())
        assert load_model(path) == model
        assert external_files(path) == ()

    def test_data_inside(self, path, model):
        """A tensor that was outside, and is inside now, names no file."""
        model.graph.initializer[0].external_data.add(key="location", value="weights")
        path.write_bytes(model.SerializeToString())
        assert external_files(path) == ()

    def test_name_decides_nothing(self, tmp_path, model):
        """A file's name does not change how it is read."""
        (tmp_path / "net.json").write_bytes(model.SerializeToString())
        assert load_model(tmp_path / "net.json") == model

    @needs_split_data
    def test_external_data(self, split_path):
        """External data is loaded, and its files are named relative to the model's folder."""
        np.testing.assert_array_equal(read_graph(split_path).constants["w"], [1, 2])
        assert external_files(split_path) == (Path("held"), Path("w"))

    @needs_split_data
    @pytest.mark.skipif(not facts.onnx_checks_external_data, reason="this onnx reads data that is too short")
    @pytest.mark.parametrize("spoil", [Path.unlink, lambda data: data.write_bytes(b"1234")], ids=["missing", "short"])
    def test_spoilt_external_data(self, split_path, spoil):
        """External data that is missing or too short is an error; its name can still be read."""
        spoil(split_path.with_name("held"))
        with pytest.raises(GraphError, match=r"net\.onnx: .*held"):
            load_model(split_path)
        assert external_files(split_path) == (Path("held"), Path("w"))

    @pytest.mark.parametrize(
        ("name", "outside"),
        [
            ("data", False),
            ("deep/../data", False),
            ("..data", False),
            ("../data", True),
            ("deep/../../data", True),
            ("../{0.name}/data", True),
            ("deep/../../{0.name}/data", True),
            ("{0}/data", True),
            ("/data", True),
            ("link", True),
        ],
    )
    def test_outside(self, tmp_path, name, outside):
        """An absolute path, `..` and a link lead out of the file's folder, even if they lead back."""
        name = Path(name.format(tmp_path))
        (tmp_path / "link").symlink_to(tmp_path.parent)
        assert is_outside(name, tmp_path) == outside

    def test_data_outside(self, path, model):
        """A file with data outside is refused, and both are named."""
        weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
        weight.external_data.add(key="location", value="../w")
        model.graph.initializer[0].CopyFrom(weight)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(GraphError, match=r"net\.onnx: its external data \.\./w leads out of its folder; put it"):
            load_model(path)

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
        """A file that is not a model is refused; the message names it and says what to do."""
        path.write_bytes(content)
        with pytest.raises(GraphError, match=r"net\.onnx: .*; copy or make it again"):
            read(path)

    @pytest.mark.parametrize("read", [load_model, read_graph, external_files])
    def test_no_file(self, path, read):
        """A missing file is refused by name."""
        with pytest.raises(GraphError, match=r"net\.onnx: no such file"):
            read(path)

    @needs_split_data
    def test_data_missing(self, split_path):
        """Missing external data is named, with what to do."""
        split_path.with_name("w").unlink()
        with pytest.raises(GraphError, match=r"\.onnx: its external data w is missing in its folder; put it there$"):
            load_model(split_path)

    def test_folder(self, tmp_path):
        """A folder is refused by name."""
        with pytest.raises(GraphError, match=f"{tmp_path.name}: a folder; name an ONNX file in it"):
            load_model(tmp_path)

    @given(end=st.integers(0, len(parse_model(ONE_NODE).SerializeToString()) - 1))
    def test_cut_anywhere(self, tmp_path_factory, end):
        """A file that is cut anywhere is refused."""
        cut = tmp_path_factory.getbasetemp() / "cut.onnx"
        cut.write_bytes(parse_model(ONE_NODE).SerializeToString()[:end])
        with pytest.raises(GraphError, match=r"cut\.onnx"):
            load_model(cut)


class TestRecursion:
    """Functions that call themselves are refused: not every onnxruntime survives them."""

    IN_A_BRANCH = """c = Constant <value = bool {1}> ()
        y = If (c) <then_branch = t () => (z) { z = own.a (x) }, else_branch = e () => (z) { z = Neg (x) }>"""

    @staticmethod
    def calling(**bodies: str) -> onnx.ModelProto:
        """A model that calls the function `a` of the domain `own`, with these functions."""
        model = '<ir_version: 8, opset_import: ["": 18, "own": 1]> g (float[2] x) => (float[2] y) { y = own.a (x) }'
        function = '<domain: "own", opset_import: ["": 18, "own": 1]> {} (x) => (y) {{ {} }}'
        return parse_model("\n".join([model, *(function.format(name, body) for name, body in bodies.items())]))

    @pytest.mark.parametrize(
        ("bodies", "circle"),
        [
            pytest.param({"a": "y = own.a (x)"}, "a calls a", id="itself"),
            pytest.param(
                {"a": "y = own.b (x)", "b": "y = own.a (x)"}, "(a calls b calls a|b calls a calls b)", id="other"
            ),
            pytest.param(
                {"a": "y = own.b (x)", "b": "y = own.c (x)", "c": "y = own.a (x)"},
                "(a calls b calls c calls a|b calls c calls a calls b|c calls a calls b calls c)",
                id="three",
            ),
            pytest.param({"a": IN_A_BRANCH}, "a calls a", id="in-a-branch"),
            pytest.param({"a": "z = Neg (x) y = own.a (z)"}, "a calls a", id="second-node"),
        ],
    )
    def test_circle(self, bodies, circle):
        """The message has the functions in the order of their calls."""
        with pytest.raises(GraphError, match=rf"\(a function calls itself: {circle}\); copy or make it again"):
            read_graph(self.calling(**bodies))

    @pytest.mark.parametrize(
        "bodies",
        [
            pytest.param({"a": "z = own.b (x) y = own.b (z)", "b": "y = Neg (x)"}, id="called-twice"),
            pytest.param({"a": "y = own.b (x)", "b": "y = b (x)"}, id="other-domain"),
        ],
    )
    def test_no_circle(self, bodies):
        """Functions may call others, and operators of their own name in another domain."""
        assert read_graph(self.calling(**bodies)).nodes_of("a")

    def test_domain_written_out(self):
        """A function of the domain `ai.onnx` is called by a node of the default one."""
        model = self.calling(a="y = Odd (x)", odd="y = Odd (x)")
        model.functions[1].domain, model.functions[1].name = "ai.onnx", "Odd"
        with pytest.raises(GraphError, match="Odd calls Odd"):
            read_graph(model)

    @pytest.mark.skipif(not hasattr(onnx.FunctionProto(), "overload"), reason="this onnx has no overloads")
    def test_overload(self):
        """Another overload is another function."""
        model = self.calling(a="y = own.a (x)")
        model.functions[0].node[0].overload = "plain"
        assert read_graph(model).nodes_of("a")

    def test_defined_twice(self):
        """A circle is found in either of two functions of one name."""
        model = self.calling(a="y = own.a (x)", b="y = Neg (x)")
        model.functions[1].name = "a"
        with pytest.raises(GraphError, match="a calls a"):
            read_graph(model)

    def test_name_is_not_utf8(self):
        """A function name that is not UTF-8 is refused as such."""
        data = self.calling(a="y = own.a (x)").SerializeToString().replace(b"\x01a", b"\x01\xff")
        with pytest.raises(GraphError, match="is not UTF-8"):
            read_graph(onnx.ModelProto.FromString(data))
