"""The faults that suit a right file are put into it: each is caught, or leaves the outputs what they are."""

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from onnxproof.case import Case
from onnxproof.faults.fault import FAULTS, Fault, fault
from onnxproof.faults.trials import Trial, trials
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FILE, scale_case

CAUGHT = {
    "input-renamed": "inputs-kept",
    "batch-frozen": "dims-kept",
    "output-renamed": "outputs-kept",
    "truncated-file": "well-formed",
    "missing-external-data": "self-contained",
    "flipped-kernel": "same-values",
}
INVISIBLE = ("dropped-bias", "one-weight-off")
UNSUITED = ("linear-for-cubic", "output-dropped", "inputs-swapped")
TRIED = (*CAUGHT, *INVISIBLE, *UNSUITED)


class Net(nn.Module):
    """A convolution without bias and a linear layer, one of whose inputs is always zero."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Linear(4, 2)
        with torch.no_grad():
            self.conv.bias.zero_()
            self.last.weight[0, 0] = 9.0

    def forward(self, image):
        features = torch.relu(self.conv(image)).mean((2, 3))  # (N, 4)
        return self.last(features * torch.tensor([0.0, 1.0, 1.0, 1.0]))


@pytest.fixture(scope="module")
def good():
    """The right file of `Net`."""
    image = np.random.default_rng(0).random((2, 3, 8, 9), np.float32)
    case = Case(Net().eval(), {"image": image}, dynamic={"image": {0: "batch", 2: "height", 3: "width"}})
    return exported(ReferenceModel(case), TORCHSCRIPT)


@pytest.fixture(scope="module")
def found(good):
    """The trial of each fault that suits it."""
    return {trial.fault: trial for trial in trials(good, [each for each in FAULTS if each.id in TRIED])}


def changed(edit):
    """A fault that `edit` makes, in a table of its own."""
    before = list(FAULTS)
    fault(caught_by="same-values")(edit)
    added = FAULTS[len(before) :]
    FAULTS[:] = before
    return added


class TestTrials:
    """Each fault that fits has a trial."""

    @pytest.mark.parametrize("id", CAUGHT)
    def test_caught(self, found, id):
        """The check that is named for a fault catches it."""
        assert found[id] == Trial(id, CAUGHT[id])

    def test_unsuited(self, found):
        """A fault that needs what the file does not have is left out."""
        assert set(found) == {*CAUGHT, *INVISIBLE}

    @pytest.mark.parametrize("id", INVISIBLE)
    def test_invisible(self, found, good, id):
        """A fault without effect is told by the bits of all outputs: a bias of zeros, a weight of a dead feature."""
        assert found[id] == Trial(id, "", f"the same bits on {len(good.model.judged)} probes")

    def test_file(self, good, found):
        """The file itself stays as it is."""
        assert found
        assert not any("fault" in tensor.name for tensor in onnx.load(good.file.path).graph.initializer)


class TestMeasured:
    """What no check catches is compared with the right file."""

    @pytest.fixture
    def right(self, given):
        """A right file, as if an exporter had written it."""
        conversion = given(scale_case(), FILE)
        conversion.file.written_by = TORCHSCRIPT
        return conversion

    def test_rounding(self, right):
        """The figures are the largest error, and what rounding explains."""

        def slightly_more(model):
            """Twice the factor, and half of that."""
            three = onnx.helper.make_tensor("three", onnx.TensorProto.FLOAT, [1], [3.0])
            model.graph.initializer.append(three)
            node = model.graph.node[0]
            node.input[0] = "x_by_three"
            model.graph.node.insert(0, onnx.helper.make_node("Div", ["x_three_times", "three"], ["x_by_three"]))
            model.graph.node.insert(0, onnx.helper.make_node("Mul", ["x", "three"], ["x_three_times"]))

        (trial,) = trials(right, changed(slightly_more))
        assert trial.caught_by == ""
        assert trial.invisible.startswith(f"on {len(right.model.judged)} probes at most ")

    def test_missed(self, right):
        """A fault of what the file declares is not excused by its outputs."""

        def renamed_graph(model):
            """The graph has another name."""
            model.graph.name = "another"

        (made,) = changed(renamed_graph)
        (trial,) = trials(right, [Fault(made.id, made.sentence, "well-formed", made.apply)])
        assert trial == Trial("renamed-graph")

    def test_no_change(self, right):
        """A fault that changes nothing does not suit the file."""
        assert list(trials(right, changed(lambda model: None))) == []

    def test_of_a_wrong_file(self, right):
        """What fails on the file as it is catches no fault in it."""
        onnx.save(parse_model(FILE.replace("Mul (", "Div (")), right.file.path)
        found = trials(Conversion(right.model, right.file), [each for each in FAULTS if each.id == "opset-raised"])
        assert list(found) == [Trial("opset-raised", untried="opset-kept does not hold of the right file")]

    @pytest.mark.parametrize(("bound", "shown_by"), [(100, "values × 16"), (1000, "")])
    def test_shown_by_others(self, right, bound, shown_by):
        """Inputs that the case does not have show it: values as large as those of the case stay below the bound."""

        def clipped(model):
            """Large values are clipped."""
            clip_output(model, bound)

        (trial,) = trials(right, changed(clipped))
        assert (trial.caught_by, trial.shown_by) == ("", shown_by)
        assert trial.invisible.startswith("the same bits on ")


def clip_output(model, bound):
    """Clips the first output of `FILE` to -bound..bound."""
    for name, value in (("low", -bound), ("high", bound)):
        model.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.FLOAT, [], [value]))
    model.graph.node[0].output[0] = "before"
    model.graph.node.insert(1, onnx.helper.make_node("Clip", ["before", "low", "high"], ["scaled"]))
