"""The library and the command refuse hostile and damaged ONNX files by name."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto, helper
from onnx.parser import parse_model

from onnxproof.checks.run import CHECKS
from onnxproof.cli import main
from onnxproof.engines.base import EngineError, engine
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError, external_files, load_model
from tests import facts

RIGHT = """
<ir_version: 8, opset_import: ["": 18]>
double (float[rows, 4] x) => (float[rows, 4] y) <float two = {2}> { y = Mul (x, two) }
"""
MODELS = """
import numpy as np
from torch import nn
from onnxproof import Case

class Double(nn.Module):
    def forward(self, x):
        return x * 2

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
double = Case(Double(), {"x": X}, dynamic={"x": {0: "rows"}})
"""


@pytest.fixture
def model() -> ModelProto:
    return parse_model(RIGHT)


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Writes a model, or bytes, to hostile.onnx in the run's folder, which has a case for it."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "models.py").write_text(MODELS)
    monkeypatch.chdir(folder)

    def to(content: ModelProto | bytes) -> Path:
        path = folder / "hostile.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return path

    return to


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs `onnxproof check` on hostile.onnx in this process; returns its status and output."""
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("onnxproof.checks.interface.run_without_torch", lambda *_: "")

    def check():
        status = main(["check", "models.py:double", "--onnx", "hostile.onnx"])
        return status, *capfd.readouterr()

    return check


def in_a_function(model: ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    model.functions.append(helper.make_function("own", "two", [], ["y"], [node], [helper.make_opsetid("", 18)]))


def in_a_default(model: ModelProto, tensor: TensorProto) -> None:
    in_a_function(model, tensor)
    function = model.functions[0]
    function.attribute_proto.append(function.node[0].attribute[0])
    del function.node[:]


def in_a_branch(model: ModelProto, tensor: TensorProto) -> None:
    branch = helper.make_graph([], "branch", [], [ValueInfoProto(name="two")], [tensor])
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=branch, else_branch=branch))


def as_sparse(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.sparse_initializer.append(SparseTensorProto(values=tensor, dims=[2]))


PLACES = {
    "attribute": lambda model, tensor: model.graph.node.append(helper.make_node("Constant", [], ["z"], value=tensor)),
    "branch": in_a_branch,
    "function": in_a_function,
    "default": in_a_default,
    "sparse": as_sparse,
}
"""Places of a tensor other than the main graph's initializers."""


class TestExternalData:
    """Data is only read from beside the file."""

    @pytest.fixture
    def secret(self, tmp_path):
        """A file outside of the run's folder that would fit the tensor."""
        path = tmp_path / "secret"
        path.write_bytes(np.array([3, 4], np.float32).tobytes())
        return path

    @pytest.fixture
    def point(self, model, write):
        """Writes a model whose constant lies in another file."""

        def to(location: str, **more: str) -> Path:
            model.graph.initializer[0].CopyFrom(TensorProto(name="two", data_type=TensorProto.FLOAT, dims=[2]))
            two = model.graph.initializer[0]
            two.data_location = TensorProto.EXTERNAL
            for key, value in {"location": location, **more}.items():
                two.external_data.add(key=key, value=value)
            return write(model)

        return to

    @pytest.fixture(params=["absolute", "parent", "link"])
    def outside(self, request, point, secret):
        """A file whose data is in the secret, by each kind of path."""
        locations = {"absolute": str(secret), "parent": "data/../../secret", "link": "link"}
        path = point(locations[request.param])
        path.with_name("link").symlink_to(secret)
        return path

    def test_outside(self, outside):
        """The file is refused before its data is opened."""
        with pytest.raises(GraphError, match=r"hostile\.onnx: its external data .* leads out of its folder; put it"):
            load_model(outside)

    @pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
    def test_every_place(self, model, write, secret, place):
        """External data of tensors elsewhere in the file is named, and refused too."""
        tensor = TensorProto(name="two", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value="../secret")
        place(model, tensor)
        path = write(model)
        assert external_files(path) == (Path("../secret"),)
        with pytest.raises(GraphError, match=r"its external data \.\./secret leads out of its folder"):
            load_model(path)

    def test_outside_is_named(self, outside, run):
        """The command says so in one line."""
        status, out, err = run()
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "hostile.onnx: its external data" in err

    def test_inside(self, point, secret):
        """The same data beside the file is read, even through a detour inside the folder."""
        path = point("data/../beside")
        path.with_name("data").mkdir()
        path.with_name("beside").write_bytes(secret.read_bytes())
        np.testing.assert_array_equal(read_graph(path).constants["two"], [3, 4])

    @pytest.mark.skipif(not facts.onnx_checks_external_data, reason="this onnx opens whatever is named")
    @pytest.mark.parametrize(
        "entries",
        [
            pytest.param({"location": ""}, id="no-name"),
            pytest.param({"location": "."}, id="folder"),
            pytest.param({"location": "pipe"}, id="pipe"),
            pytest.param({"location": "beside\0"}, id="nul"),
            pytest.param({"location": "beside" * 1000}, id="long-name"),
            pytest.param({"location": "beside", "offset": "one"}, id="offset-no-number"),
            pytest.param({"location": "beside", "offset": "9" * 30}, id="offset-past-the-end"),
            pytest.param({"location": "beside", "length": str(2**50)}, id="length-past-the-end"),
            pytest.param({"location": "beside", "length": "-1"}, id="length-negative"),
            pytest.param({"location": "beside", "lenght": "8"}, id="no-such-key"),
        ],
    )
    def test_entry(self, point, secret, entries):
        """An entry that names no data is refused without waiting."""
        path = point(**entries)
        path.with_name("beside").write_bytes(secret.read_bytes())
        os.mkfifo(path.with_name("pipe"))
        with pytest.raises(GraphError, match=r"hostile\.onnx: "):
            load_model(path)


def first_node(model: ModelProto) -> NodeProto:
    return model.graph.node[0]


def first_tensor(model: ModelProto) -> TensorProto:
    return model.graph.initializer[0]


def make_constant(model: ModelProto, *attributes: AttributeProto, outputs: tuple[str, ...] = ("y",)) -> None:
    """Turns the model's node into a Constant."""
    first_node(model).CopyFrom(NodeProto(op_type="Constant", output=outputs, attribute=attributes))


def rename(model: ModelProto, old: bytes, new: bytes) -> None:
    """Replaces a name by bytes that onnx's own classes do not take."""
    model.ParseFromString(model.SerializeToString().replace(old, new))


DAMAGES = {
    "dims-huge": lambda model: first_tensor(model).dims.extend([2**40, 2**20]),
    "dims-past-64-bits": lambda model: first_tensor(model).dims.extend([2**62, 2**62]),
    "dims-zero-times-huge": lambda model: first_tensor(model).CopyFrom(
        TensorProto(name="two", data_type=TensorProto.FLOAT, dims=[0, 2**62], raw_data=b"")
    ),
    "data-missing": lambda model: first_tensor(model).CopyFrom(
        TensorProto(name="two", data_type=TensorProto.FLOAT, dims=[2**40])
    ),
    "data-ragged": lambda model: first_tensor(model).CopyFrom(
        TensorProto(name="two", data_type=TensorProto.FLOAT, dims=[1], raw_data=b"123")
    ),
    "dtype-unknown": lambda model: setattr(first_tensor(model), "data_type", 99),
    "dtype-undefined": lambda model: setattr(first_tensor(model), "data_type", TensorProto.UNDEFINED),
    "strings-not-utf8": lambda model: first_tensor(model).CopyFrom(
        TensorProto(name="two", data_type=TensorProto.STRING, dims=[1], string_data=[b"\xff"])
    ),
    "constant-of-nothing": make_constant,
    "constant-of-two": lambda model: make_constant(model, *[helper.make_attribute("value_int", 1)] * 2),
    "constant-unnamed": lambda model: make_constant(model, helper.make_attribute("value_int", 1), outputs=()),
    "constant-of-no-tensor": lambda model: make_constant(model, helper.make_attribute("value", "text")),
    "constant-of-another-kind": lambda model: make_constant(model, helper.make_attribute("value_int", "text")),
    "attribute-empty": lambda model: first_node(model).attribute.add(name="a", type=AttributeProto.TENSOR),
    "input-of-unknown-dtype": lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 99),
    "operator-not-utf8": lambda model: rename(model, b"Mul", b"M\xff\xfe"),
    "name-not-utf8": lambda model: rename(model, b"\x01x", b"\x01\xff"),
}
"""Changes after which protobuf still reads the model, but a value in it is invalid."""

UNTYPED = ValueInfoProto(name="x")


def circle(model: ModelProto) -> None:
    """Two nodes that wait for each other."""
    model.graph.node.extend([helper.make_node("Neg", ["b"], ["a"]), helper.make_node("Neg", ["a"], ["b"])])


def recursion(model: ModelProto) -> None:
    """A function that calls itself."""
    own = helper.make_opsetid("own", 1)
    model.opset_import.append(own)
    node = helper.make_node("again", ["x"], ["y"], domain="own")
    model.functions.append(helper.make_function("own", "again", ["x"], ["y"], [node], [own]))
    first_node(model).CopyFrom(node)


ILL_FORMED = {
    "circle": circle,
    "own-input": lambda model: first_node(model).input.__setitem__(0, "y"),
    "output-twice": lambda model: model.graph.node.append(first_node(model)),
    "input-twice": lambda model: model.graph.input.append(model.graph.input[0]),
    "constant-twice": lambda model: model.graph.initializer.append(first_tensor(model)),
    "attribute-twice": lambda model: first_node(model).attribute.extend([helper.make_attribute("a", 1)] * 2),
    "attribute-untyped": lambda model: first_node(model).attribute.add(name="a"),
    "input-untyped": lambda model: model.graph.input[0].CopyFrom(UNTYPED),
    "recursion": recursion,
}
"""Changes that make a graph illegal, but comparable; functions that call themselves cannot be read."""


class TestDamage:
    """Unreadable files are refused, and illegal graphs fail the check `well-formed`."""

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
    def test_facts(self, model, write, damage):
        """A damaged file is refused, and the message names it and says what to do."""
        damage(model)
        with pytest.raises(GraphError, match=r"hostile\.onnx: not a readable ONNX file \(.+\); copy or make it again"):
            read_graph(write(model))

    @pytest.mark.parametrize("name", ["onnxruntime", "reference", "opencv"])
    @pytest.mark.parametrize("damage", [DAMAGES["dims-huge"], DAMAGES["operator-not-utf8"]], ids=["dims", "name"])
    def test_engines(self, model, write, capfd, damage, name):
        """An engine refuses it, or its inputs, and prints nothing."""
        damage(model)
        with pytest.raises(EngineError):
            engine(name).open(write(model)).run({"x": np.ones((2, 4), np.float32)})
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize("damage", (DAMAGES | ILL_FORMED).values(), ids=[*DAMAGES, *ILL_FORMED])
    def test_command(self, model, write, run, damage):
        """The command shows every check's finding, `well-formed` fails, and nothing reaches stderr."""
        damage(model)
        write(model)
        status, out, err = run()
        assert (status, err) == (1, "")
        assert "│ well-formed        │ fails" in out
        assert all(id in out for id in CHECKS)

    @pytest.mark.parametrize("damage", ILL_FORMED.values(), ids=list(ILL_FORMED))
    def test_comparison(self, model, damage):
        """An illegal graph can be compared: it equals itself, and not the right one."""
        right = parse_model(RIGHT)
        damage(model)
        assert graph_differences(model, model) == ()
        assert graph_differences(model, right) != ()

    def test_damaged_comparison(self, model):
        """A damaged one cannot."""
        DAMAGES["dims-huge"](model)
        with pytest.raises(GraphError, match="the model: not a readable"):
            graph_differences(parse_model(RIGHT), model)

    def test_right(self, model, write, run):
        """The undamaged file holds."""
        write(model)
        assert run()[0] == 0


class TestNesting:
    """Nested graphs are read as deep as protobuf allows, and refused if they are deeper."""

    @staticmethod
    def nested(depth: int) -> bytes:
        """A model with that many nested graphs, in bytes: protobuf's own classes stop earlier."""
        graph = b""
        for _ in range(depth):
            attribute = field(1, b"body") + field(6, graph) + bytes([0xA0, 0x01, AttributeProto.GRAPH])
            graph = field(1, field(2, b"z") + field(4, b"If") + field(5, attribute))
        return parse_model(RIGHT).SerializeToString() + field(7, graph)

    @pytest.mark.parametrize("read", [load_model, read_graph, external_files])
    @pytest.mark.parametrize("depth", [50, 5000])
    def test_deep(self, write, read, depth):
        """A deeper file is refused by name."""
        with pytest.raises(GraphError, match=r"hostile\.onnx: not a readable ONNX file"):
            read(write(self.nested(depth)))

    def test_less_deep(self, write):
        """Twenty nested graphs are read and compared."""
        model = load_model(write(self.nested(20)))
        assert len(read_graph(model).nodes) == 2
        assert graph_differences(model, model) == ()

    def test_command(self, write, run):
        """The command says so in one line."""
        write(self.nested(5000))
        status, out, err = run()
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert "--onnx hostile.onnx: not a readable ONNX file" in err


def field(number: int, content: bytes) -> bytes:
    """A field of bytes as protobuf writes it."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    high, low = divmod(number, 128)
    return bytes([low | 128]) + varint(high) if high else bytes([low])


@pytest.mark.parametrize("name", ["x\0y", "\x1b[31mx", "\u202ex", "x\n\ny", "[bold]x", "x" * 10_000])
def test_names(model, write, run, name):
    """No name can control the terminal."""
    model.graph.input[0].name = first_node(model).input[0] = name
    write(model)
    status, out, err = run()
    assert (status, err) == (1, "")
    assert "inputs-kept" in out
    assert all(char.isprintable() for line in out.splitlines() for char in line)
