"""Where a wrong file departs from its model is told by the module whose input is in the file, and its output is not."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.values import same_values
from onnxproof.engines.base import EngineError
from onnxproof.faults.edits import put
from onnxproof.faults.interface import output_dtype
from onnxproof.faults.values import output_clipped, output_cropped, output_transposed, outputs_exchanged, reverse
from onnxproof.locating import departure as departures
from onnxproof.locating import inner
from onnxproof.locating.clause import Departure
from onnxproof.locating.departure import departure
from onnxproof.locating.inner import _run as run
from onnxproof.locating.repro import write_repro
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import EXPORTERS, TORCHSCRIPT
from tests.harness.good_conversions.making import built, normal


class Block(nn.Module):
    """A convolution with a norm that the exporter merges into it, and two branches."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.norm.running_mean.fill_(0.5)
        self.act, self.left, self.right = nn.LeakyReLU(0.2), nn.Sigmoid(), nn.Softplus()

    def forward(self, image):
        features = self.act(self.norm(self.conv(image)))
        return self.left(features), torch.tanh(self.right(features))


@pytest.fixture
def conversion():
    """The export of a block, whose file a test edits."""
    case = Case(built(Block), {"image": normal(1, 3, 8, 9)}, output_names=["left", "right"])
    return exported(ReferenceModel(case), TORCHSCRIPT)


@pytest.fixture
def edit(conversion):
    """Edits the node of an operator in the file."""

    def change(op_type, become="", **attributes):
        model = onnx.load(conversion.file.path)
        (node,) = [node for node in model.graph.node if node.op_type == op_type]
        node.op_type = become or op_type
        for name, value in attributes.items():
            node.attribute[0].CopyFrom(onnx.helper.make_attribute(name, value))
        onnx.save(model, conversion.file.path)
        return conversion

    return change


@pytest.mark.parametrize(
    ("op_type", "changes", "told"),
    [
        pytest.param("LeakyRelu", {"alpha": 0.1}, "`act` (LeakyReLU)", id="after-a-merged-norm"),
        pytest.param("Sigmoid", {"become": "Tanh"}, "`left` (Sigmoid)", id="first-branch"),
        pytest.param("Softplus", {"become": "Relu"}, "`right` (Softplus)", id="second-branch"),
    ],
)
def test_module(edit, op_type, changes, told):
    """The module is named with its line, and how wrong its output is; the node stands in the finding."""
    finding = judge(same_values, edit(op_type, **changes))
    line = Block.forward.__code__.co_firstlineno + 1 + (op_type != "LeakyRelu")
    assert finding.evidence.startswith(f"{told}, tests/harness/test_inner.py:{line}, is the first module whose output")
    assert " where rounding explains " in finding.evidence
    assert finding.where.module == told.split("`")[1]
    assert (finding.where.evidence, finding.where.nodes) == ("scoped names", (finding.node,))


def test_between_modules(edit):
    """An operation of the model's own forward is named by its line."""
    finding = judge(same_values, edit("Tanh", become="Sigmoid"))
    line = Block.forward.__code__.co_firstlineno + 2
    assert finding.evidence.startswith(f"`tanh` of the model's own forward, tests/harness/test_inner.py:{line}, is")
    assert (finding.where.module, finding.where.type) == ("", "Block")


def test_merged_norm(conversion):
    """A convolution that holds its normalization is named with it, and compared with what that makes."""
    model = onnx.load(conversion.file.path)
    kernel = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    values = onnx.numpy_helper.to_array(kernel).copy()
    values[0, 0, 0, 0] += 1
    kernel.CopyFrom(onnx.numpy_helper.from_array(values, kernel.name))
    onnx.save(model, conversion.file.path)
    evidence = judge(same_values, conversion).evidence
    assert evidence.startswith("`conv` (Conv2d), ")
    assert ", merged with `norm`, is the first module whose output departs: " in evidence


def test_right(conversion):
    """In a right file nothing departs: the convolution is not taken for it, since its norm's output is there."""
    assert departure(conversion, conversion.model.traced) == Departure()


def test_few_at_a_time(monkeypatch, edit):
    """Values are asked for in small groups, which find the same."""
    monkeypatch.setattr(inner, "MOST_BYTES", 1)
    conversion = edit("Sigmoid", become="Tanh")
    asked = []
    monkeypatch.setattr(inner, "_run", lambda *args: asked.append(len(args[2])) or run(*args))
    assert departure(conversion, conversion.model.traced).where.module == "left"
    assert max(asked) == inner.FEWEST


def test_refused(monkeypatch, edit):
    """If an engine refuses to compute inner values, there is no evidence."""

    def refuse(*_):
        raise EngineError("no inner values")

    monkeypatch.setattr(inner, "_run", refuse)
    conversion = edit("Sigmoid", become="Tanh")
    assert departure(conversion, conversion.model.traced) == Departure()


class TestScript:
    """The nodes alone, in the repro folder, show the difference without torch."""

    @pytest.fixture
    def folder(self, edit, tmp_path):
        """The repro folder of a file whose LeakyRelu has another slope."""
        conversion = edit("LeakyRelu", alpha=0.1)
        return write_repro(tmp_path, conversion, judge(same_values, conversion))

    def test_shows(self, folder):
        """The file of the nodes has these alone; the exit status is 1 while they differ."""
        done = ended(folder)
        assert (done.returncode, "the difference shows: rounding explains" in done.stdout) == (1, True)
        assert [node.op_type for node in onnx.load(folder / "where.onnx").graph.node] == ["LeakyRelu"]

    def test_gone(self, folder):
        """It is 0 once the node is right."""
        model = onnx.load(folder / "where.onnx")
        model.graph.node[0].attribute[0].f = Block().act.negative_slope
        onnx.save(model, folder / "where.onnx")
        done = ended(folder)
        assert (done.returncode, "the difference is gone" in done.stdout) == (0, True)

    def test_not_known(self, conversion, tmp_path, edit, monkeypatch):
        """Without a place there is no such script."""
        monkeypatch.setattr(departures, "_Search", None)
        broken = edit("Sigmoid", become="Tanh")
        assert not (write_repro(tmp_path, broken, judge(same_values, broken)) / "where.py").exists()


def ended(folder):
    """where.py, after it has run."""
    return subprocess.run([sys.executable, folder / "where.py"], capture_output=True, text=True, check=False)


class Heads(nn.Module):
    """Two layers of the same form, and two outputs of the same shape."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image):
        return self.one(image), self.two(image).sigmoid()


def stride(model):
    """Gives the convolution another stride."""
    (node,) = (node for node in model.graph.node if node.op_type == "Conv")
    put(node, strides=[2, 2])


class Mixed(nn.Module):
    """Large values and small ones in one output, of which the export scales the small ones a little."""

    def forward(self, places):
        scale = 1.001 if torch.onnx.is_in_onnx_export() else 1.0
        return torch.cat([500 * places.sigmoid(), (scale * places).tanh()], -1)


def test_small_beside_large():
    """Wrong small values are not taken for right ones that stand beside large ones, and blamed on what comes later."""
    conversion = exported(ReferenceModel(Case(Mixed().eval(), {"places": normal(4, 50, 40)})), TORCHSCRIPT)
    found = judge(same_values, conversion).evidence
    line = Mixed.forward.__code__.co_firstlineno + 2
    assert found.startswith(f"`tanh` of the model's own forward, tests/harness/test_inner.py:{line}, is the first")


class TestKinds:
    """Kinds of culprit are told apart."""

    @pytest.fixture(params=EXPORTERS)
    def evidence(self, request):
        """The evidence for a file after an edit of its model."""

        def found(change, model=Heads, names=("left", "right")):
            case = Case(built(model), {"image": normal(1, 3, 8, 9)}, output_names=list(names))
            conversion = exported(ReferenceModel(case), request.param)
            model = onnx.load(conversion.file.path)
            change(model)
            onnx.save(model, conversion.file.path)
            return judge(same_values, conversion).evidence

        return found

    def test_modules_exchanged(self, evidence):
        """Two modules have each other's weights."""

        def exchange(model):
            one, two = (node for node in model.graph.node if node.op_type == "Conv")
            one.input[1:], two.input[1:] = list(two.input[1:]), list(one.input[1:])

        found = evidence(exchange)
        assert found.startswith("`one` (Conv2d), ")
        assert found.endswith("It has the weights of `two`: the two modules, or their inputs, are exchanged.")

    def test_input_permuted(self, evidence):
        """Without the node that permutes an input, what follows is right."""
        found = evidence(lambda model: reverse(model, "image"))
        assert found.endswith("The input `image` is permuted: without Slice → image_changed the output is right.")

    def test_permuted_and_wrong(self, evidence):
        """If what follows is wrong without it too, it is not blamed."""

        def both(model):
            reverse(model, "image")
            for node in (node for node in model.graph.node if node.op_type == "Conv"):
                node.input[2:] = []

        assert "permuted" not in evidence(both)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            pytest.param(output_dtype, ": its dtype is float64, the model's float32", id="dtype"),
            pytest.param(output_transposed, ": it has the same values in another order", id="transposed"),
            pytest.param(output_cropped, ": it is cropped to (1, 3, 8, 8)", id="cropped"),
            pytest.param(output_clipped, "", id="clipped"),
        ],
    )
    def test_wrong_at_the_end(self, evidence, change, told):
        """What is right inside is said so, with what the end makes of it."""
        found = evidence(change)
        assert found.startswith("The output `left` is right inside, as `left")
        assert f"`, and wrong at the end{told}. Node " in found

    def test_weights_of_no_module(self, evidence):
        """A function that takes another module's weights is not exchanged with it."""

        class Shares(nn.Module):
            def __init__(self):
                super().__init__()
                self.one = nn.Conv2d(3, 3, 3)

            def forward(self, image):
                return torch.conv2d(image, self.one.weight)

        found = evidence(stride, Shares, ["left"])
        assert found.startswith("`conv2d` of the model's own forward, ")
        assert "exchanged" not in found

    def test_outputs_exchanged(self, evidence):
        """An output that has another one's values."""
        assert "as `right`, and wrong at the end: it has the values of `right`." in evidence(outputs_exchanged)


LOGARITHM = """
<ir_version: 8, opset_import: ["": 18]>
g (float[3] x) => (float[3] y) { share = Sigmoid (x) y = Log (share) }
"""


@pytest.mark.parametrize(
    ("share_off", "logarithm_off", "wrong"),
    [
        pytest.param(1e-8, 0, "share", id="input"),
        pytest.param(0, 0.1, "y", id="node"),
        pytest.param(0, 0, "y", id="none"),
    ],
)
def test_wrong_on_its_inputs(share_off, logarithm_off, wrong):
    """A logarithm that is right of a share which is a little off departs, but the share is what is wrong."""
    x = np.array([2, -1, -16], np.float32)
    share = 1 / (1 + np.exp(-x))
    theirs = {"x": x, "share": share, "y": np.log(share)}
    off = share + np.float32(share_off)
    ours = {"x": x, "share": off, "y": np.log(off) + np.float32(logarithm_off)}
    assert inner.wrong_on_its_inputs(parse_model(LOGARITHM), "y", ours, theirs) == wrong
