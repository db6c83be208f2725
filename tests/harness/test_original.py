"""The original gives a reference for each probe, tells what it reacts to, and refuses what cannot be judged."""

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import Case, CaseError
from onnxproof.probing.probes import resized
from onnxproof.probing.reference import MOST_BYTES, Change, ReferenceModel, reference, same_bits
from tests.harness.by_hand import FACTOR, ROWS, Scale, scale_case

ONE = {"y": np.array([1.0, 2.0])}


class Choosy(Scale):
    """A model that takes up to eight rows."""

    def forward(self, x, factor):
        if len(x) > 8:
            raise ValueError("too many\nrows\nfor me")
        return super().forward(x, factor)


class Counts(nn.Module):
    """A model that counts its runs."""

    def __init__(self):
        super().__init__()
        self.runs = nn.Parameter(torch.zeros(()), requires_grad=False)

    def forward(self, x):
        self.runs += 1
        return x + self.runs


class Float32Alone(nn.Module):
    """A model that does not run in float64."""

    def forward(self, x):
        return x @ torch.ones(4, 2)


class Gives(nn.Module):
    """A model that gives the same whatever it is given."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, *_):
        return self.value


@pytest.fixture
def scale():
    """The original of `Scale`."""
    return ReferenceModel(scale_case())


class TestReference:
    """A probe's reference is what the model gives, and what it gives in float64 where it can."""

    def test_values(self, scale):
        """The values are the model's own, the exact ones float64."""
        asked = scale.ask({"x": ROWS, "factor": FACTOR})
        np.testing.assert_array_equal(asked.values["output_0"], ROWS * FACTOR, strict=True)
        np.testing.assert_array_equal(asked.exact["output_1"], ROWS.astype(np.float64).sum(-1), strict=True)

    def test_names(self):
        """Both have the names that the case gives."""
        asked = ReferenceModel(scale_case(output_names=["scaled", "total"])).ask({"x": ROWS, "factor": FACTOR})
        assert list(asked.values) == list(asked.exact) == ["scaled", "total"]

    def test_float32_alone(self):
        """A model that does not run in float64 has no exact values."""
        asked = ReferenceModel(Case(Float32Alone(), {"x": ROWS})).ask({"x": ROWS})
        assert (asked.values["output"].shape, asked.exact) == ((6, 2), None)

    def test_refused(self):
        """Inputs that the model refuses have none."""
        case = scale_case(Choosy())
        assert ReferenceModel(case).ask(resized(case, {"rows": 9}).inputs) is None

    def test_model_stays(self):
        """The model that the user gave is not run, and so not changed."""
        model = Counts()
        ReferenceModel(Case(model, {"x": ROWS})).ask({"x": ROWS})
        assert model.runs == 0


class TestFunction:
    """`reference` asks any model for its outputs, in float32 and float64."""

    def test_both(self):
        """Both have the names that are given; the inputs are in the order of the arguments."""
        found = reference(Scale(), {"x": ROWS, "factor": FACTOR}, ("scaled", "total"))
        np.testing.assert_array_equal(found.values["scaled"], ROWS * FACTOR, strict=True)
        np.testing.assert_array_equal(found.exact["total"], ROWS.astype(np.float64).sum(-1), strict=True)
        assert list(found.values) == list(found.exact) == ["scaled", "total"]

    def test_one_output(self):
        """A single output is called `output`."""
        found = reference(nn.Identity(), {"x": ROWS})
        assert (list(found.values), found.exact["output"].dtype) == (["output"], np.float64)

    def test_refused(self):
        """What the model raises is raised."""
        with pytest.raises(ValueError, match="too many"):
            reference(Choosy(), {"x": np.resize(ROWS, (9, 4)), "factor": FACTOR})


class TestJudged:
    """The probes that a model accepts are what its file is judged on."""

    def test_refused(self):
        """Those that it refuses are left out; the example is first, and is the traced one."""
        original = ReferenceModel(scale_case(Choosy()))
        assert [judged.probe.sizes["rows"] for judged in original.judged] == [6, 6, 6, 6, 6, 7, 1]
        assert original.traced is original.judged[0]
        assert original.traced.probe.id == "traced"

    def test_references(self, scale):
        """Each has its own reference, and all the rounding that is usual."""
        references = [judged.reference for judged in scale.judged]
        scaled = [judged.probe.inputs["x"] * FACTOR for judged in scale.judged]
        assert all(map(np.array_equal, (reference.values["output_0"] for reference in references), scaled))
        assert all(reference.rounding == references[0].rounding for reference in references)
        assert references[0].rounding["output_1"].largest > 0

    def test_another(self, scale):
        """Another probe gets the usual rounding too, and None where the model refuses it."""
        judged = scale.judge(resized(scale.case, {"rows": 4}))
        assert judged.reference.values["output_0"].shape == (4, 4)
        assert judged.reference.rounding == scale.traced.reference.rounding
        choosy = scale_case(Choosy())
        assert ReferenceModel(choosy).judge(resized(choosy, {"rows": 9})) is None

    def test_refuses_example(self):
        """A model that refuses its example is told with the first line of its error."""
        case = scale_case(Choosy(), inputs={"x": np.resize(ROWS, (9, 4)), "factor": FACTOR})
        with pytest.raises(CaseError, match=r"^the model refuses its inputs: ValueError: too many$"):
            _ = ReferenceModel(case).judged

    def test_no_tensor(self):
        """What it gives has to be tensors."""
        with pytest.raises(CaseError, match="the model's output is a str; an ONNX file has tensors alone"):
            _ = ReferenceModel(Case(Gives("text"), {"x": ROWS})).traced

    @pytest.mark.parametrize("kind", ["parameter", "buffer"])
    def test_large(self, kind):
        """A model of 2 GiB of weights is not checked: a file cannot hold it."""
        model = Gives(torch.ones(1))
        weights = torch.empty(MOST_BYTES // 4, device="meta")
        if kind == "parameter":
            model.weights = nn.Parameter(weights)
        else:
            model.register_buffer("weights", weights)
        with pytest.raises(CaseError, match=r"^the model holds 2\.0 GiB of weights; up to 2 GiB can be checked$"):
            _ = ReferenceModel(Case(model, {"x": ROWS})).traced


ROWS_CHANGE = Change("size", "rows")


class TestReactions:
    """What the model reacts to are changes of its inputs and sizes that its outputs show."""

    def test_changes(self, scale):
        """Each is told with the changed inputs and what the model gives."""
        reactions = scale.reactions
        assert list(reactions) == [Change("input", "x"), Change("input", "factor"), ROWS_CHANGE]
        assert [len(inputs["x"]) for inputs, _ in reactions[ROWS_CHANGE]] == [7, 9]
        inputs, values = reactions[Change("input", "factor")][0]
        assert inputs["factor"] == [3]
        np.testing.assert_array_equal(inputs["x"], ROWS)
        np.testing.assert_array_equal(values["output_0"], ROWS * 3)

    def test_none(self):
        """A change that its outputs do not show is no reaction."""
        deaf = ReferenceModel(scale_case(Gives(torch.ones(2))))
        assert deaf.reactions == {Change("input", "x"): [], Change("input", "factor"): [], ROWS_CHANGE: []}

    def test_refused(self):
        """A change that it refuses is none either."""
        reactions = ReferenceModel(scale_case(Choosy())).reactions
        assert [len(inputs["x"]) for inputs, _ in reactions[ROWS_CHANGE]] == [7]

    def test_one_output(self):
        """One output of several that shows it is enough."""
        assert ReferenceModel(scale_case()).reactions[Change("input", "factor")]  # the sum does not show it


class TestRepeats:
    """A model repeats itself when it gives the same bits again."""

    def test_does(self, scale):
        """A module in eval mode does."""
        assert scale.repeats

    def test_does_not(self):
        """One that keeps state does not."""
        assert not ReferenceModel(Case(Counts(), {"x": ROWS})).repeats


class TestSameBits:
    """Outputs are the same by position, bit for bit."""

    @pytest.mark.parametrize("other", [ONE, {"z": np.array([1.0, 2.0])}], ids=["same", "other-name"])
    def test_same(self, other):
        """Names are another matter."""
        assert same_bits(ONE, other)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param({"y": np.array([1.0, 3.0])}, id="value"),
            pytest.param({"y": np.array([[1.0, 2.0]])}, id="shape"),
            pytest.param({}, id="none"),
            pytest.param({**ONE, "z": np.ones(1)}, id="more"),
        ],
    )
    def test_other(self, other):
        """Values, shapes and the number of outputs count."""
        assert not same_bits(ONE, other)
        assert not same_bits(other, ONE)

    def test_sign_of_zero(self):
        """A zero of the other sign is another value."""
        assert not same_bits({"y": np.zeros(1)}, {"y": -np.zeros(1)})
