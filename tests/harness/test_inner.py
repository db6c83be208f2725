"""Where a wrong file departs from its model is told by the module whose input is in the file, and its output is not."""

import onnx
import pytest
import torch
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.values import same_values
from onnxproof.engines.base import EngineError
from onnxproof.locating import inner
from onnxproof.locating.inner import departing_module
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
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
        pytest.param("LeakyRelu", {"alpha": 0.1}, "`act`, a LeakyReLU,", id="after-a-merged-norm"),
        pytest.param("Sigmoid", {"become": "Tanh"}, "`left`, a Sigmoid,", id="first-branch"),
        pytest.param("Softplus", {"become": "Relu"}, "`right`, a Softplus,", id="second-branch"),
    ],
)
def test_module(edit, op_type, changes, told):
    """The module is the evidence beside the culprit."""
    finding = judge(same_values, edit(op_type, **changes))
    assert finding.evidence == f"The input of {told} is among the file's values, its output is not."


def test_between_modules(edit):
    """What departs outside of all modules is in none."""
    finding = judge(same_values, edit("Tanh", become="Sigmoid"))
    assert (finding.problem != "", finding.evidence) == (True, "")


def test_right(conversion):
    """In a right file no module departs: the convolution is not taken for one, since its norm's output is there."""
    assert departing_module(conversion, conversion.model.traced) == ""


def test_large(monkeypatch, edit):
    """With large inputs none is looked for: all inner values would take gigabytes."""
    monkeypatch.setattr(inner, "MOST_INPUTS", 100)
    conversion = edit("Sigmoid", become="Tanh")
    assert departing_module(conversion, conversion.model.traced) == ""


def test_refused(monkeypatch, edit):
    """If an engine refuses to compute inner values, there is no evidence."""

    def refuse(*_):
        raise EngineError("no inner values")

    monkeypatch.setattr(inner, "values_in_onnxruntime", refuse)
    conversion = edit("Sigmoid", become="Tanh")
    assert departing_module(conversion, conversion.model.traced) == ""
