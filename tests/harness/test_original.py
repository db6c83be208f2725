"""The reference model answers each probe, finds its reactions, and refuses what cannot be judged."""

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof._internal.trees import same_bits
from onnxproof.case import Case, CaseError
from onnxproof.faults.models import Computed
from onnxproof.probing.originals import MOST_BYTES
from onnxproof.probing.probes import resized
from onnxproof.probing.reactions import Change
from onnxproof.probing.reference import ReferenceModel, reference
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
        if x.dtype != torch.float32:
            raise TypeError("float32 alone")
        return x @ torch.ones(4, 2)


class Gives(nn.Module):
    """A model that returns the same for any input."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, *_):
        return self.value


class Behind(nn.Module):
    """A model that leaves nothing of one row."""

    def forward(self, x):
        return x[1:]


class Along(nn.Module):
    """A model that divides by the number of the other rows."""

    def forward(self, x):
        return x * (torch.arange(len(x)) / (len(x) - 1))[:, None]


class Direction(nn.Module):
    """A model that divides by a length."""

    def forward(self, x):
        return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)


@pytest.fixture
def scale():
    """The reference of `Scale`."""
    return ReferenceModel(scale_case())


class TestReference:
    """A probe's reference is the model's outputs, and those in float64 if it runs in float64."""

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
        """Refused inputs have no reference."""
        case = scale_case(Choosy())
        assert ReferenceModel(case).ask(resized(case, {"rows": 9}).inputs) is None

    def test_model_stays(self):
        """The user's model is not run, and so not changed."""
        model = Counts()
        ReferenceModel(Case(model, {"x": ROWS})).ask({"x": ROWS})
        assert model.runs == 0


class TestFunction:
    """`reference` asks any model for its outputs, in float32 and float64."""

    def test_both(self):
        """Both have the names given; the inputs are in the order of the arguments."""
        found = reference(Scale(), {"x": ROWS, "factor": FACTOR}, ("scaled", "total"))
        np.testing.assert_array_equal(found.values["scaled"], ROWS * FACTOR, strict=True)
        np.testing.assert_array_equal(found.exact["total"], ROWS.astype(np.float64).sum(-1), strict=True)
        assert list(found.values) == list(found.exact) == ["scaled", "total"]

    def test_one_output(self):
        """A single output is called `output`."""
        found = reference(nn.Identity(), {"x": ROWS})
        assert (list(found.values), found.exact["output"].dtype) == (["output"], np.float64)

    def test_refused(self):
        """The model's error is raised."""
        with pytest.raises(ValueError, match="too many"):
            reference(Choosy(), {"x": np.resize(ROWS, (9, 4)), "factor": FACTOR})


class TestJudged:
    """A file is judged on the probes that its model accepts."""

    def test_refused(self):
        """Refused probes are left out; the example is first, and is the traced one."""
        original = ReferenceModel(scale_case(Choosy()))
        assert [judged.probe.sizes["rows"] for judged in original.judged] == [6, 6, 6, 6, 6, 6, 7, 1, 3, 4]
        assert original.traced is original.judged[0]
        assert original.traced.probe.id == "traced"

    def test_references(self, scale):
        """Each has its own reference."""
        references = [judged.reference for judged in scale.judged]
        scaled = [judged.probe.inputs["x"] * FACTOR for judged in scale.judged]
        assert all(map(np.array_equal, (reference.values["output_0"] for reference in references), scaled))

    def test_another(self, scale):
        """Another probe has a reference too, or is None if the model refuses it."""
        judged = scale.judge(resized(scale.case, {"rows": 4}))
        assert judged.reference.values["output_0"].shape == (4, 4)
        choosy = scale_case(Choosy())
        assert ReferenceModel(choosy).judge(resized(choosy, {"rows": 9})) is None

    def test_refuses_example(self):
        """If a model refuses its example, the first line of its error is shown."""
        case = scale_case(Choosy(), inputs={"x": np.resize(ROWS, (9, 4)), "factor": FACTOR})
        with pytest.raises(CaseError, match=r"^the model refuses its inputs: ValueError: too many$"):
            _ = ReferenceModel(case).judged

    def test_no_tensor(self):
        """Its outputs have to be tensors."""
        with pytest.raises(CaseError, match="the model's output is of type str; an ONNX file has tensors alone"):
            _ = ReferenceModel(Case(Gives("text"), {"x": ROWS})).traced

    @pytest.mark.parametrize("kind", ["parameter", "buffer"])
    def test_large(self, kind):
        """A model with 2 GiB of weights is not checked: a file cannot hold it."""
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
    """The model reacts to a change of an input or a size if its outputs change."""

    def test_changes(self, scale):
        """Each reaction has the changed inputs and the model's outputs."""
        reactions = scale.reactions
        assert list(reactions) == [Change("input", "x"), Change("input", "factor"), ROWS_CHANGE]
        assert [len(inputs["x"]) for inputs, _ in reactions[ROWS_CHANGE]] == [7]
        inputs, values = reactions[Change("input", "factor")][0]
        assert inputs["factor"] == [3]
        np.testing.assert_array_equal(inputs["x"], ROWS)
        np.testing.assert_array_equal(values["output_0"], ROWS * 3)

    def test_none(self):
        """Without a change of the outputs, it does not react."""
        deaf = ReferenceModel(scale_case(Gives(torch.ones(2))))
        assert deaf.reactions == {Change("input", "x"): [], Change("input", "factor"): [], ROWS_CHANGE: []}

    def test_refused(self):
        """It does not react to what it refuses."""
        reactions = ReferenceModel(scale_case(Choosy())).reactions
        assert [len(inputs["x"]) for inputs, _ in reactions[ROWS_CHANGE]] == [7]

    def test_one_output(self):
        """A change of one output is enough."""
        assert ReferenceModel(scale_case()).reactions[Change("input", "factor")]  # the sum does not show it


class TestRepeats:
    """A model repeats itself if it returns the same bits again."""

    def test_does(self, scale):
        """A module in eval mode does."""
        assert scale.repeats

    def test_does_not(self):
        """One that keeps state does not."""
        assert not ReferenceModel(Case(Counts(), {"x": ROWS})).repeats


class TestSameBits:
    """Outputs are compared by position, bit for bit."""

    @pytest.mark.parametrize("other", [ONE, {"z": np.array([1.0, 2.0])}], ids=["same", "other-name"])
    def test_same(self, other):
        """Names are not compared."""
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


@pytest.mark.parametrize("module", [Behind(), Along()], ids=["no value", "no number"])
def test_sizes_that_leave_nothing(module):
    """Sizes at which no output has a number are too small for the model."""
    model = ReferenceModel(Case(module, {"x": ROWS}, {"x": {0: "rows"}}))
    assert {"rows": 1} in model.sizes.refused
    assert all(judged.reference.values["output"].size for judged in model.judged)
    assert model.judge(resized(model.case, {"rows": 1})) is None


def test_values_that_are_divided_by_nothing():
    """Made-up values at which the model's outputs are not finite are left out; the user's own are not."""
    zero = {"x": np.zeros_like(ROWS)}
    made_up, own = (ReferenceModel(Case(Direction(), {"x": ROWS}, also=also)) for also in ([], [zero]))
    assert [judged.probe.id for judged in made_up.judged] == ["traced", "shuffled", "scaled to 1", "small", "negated"]
    assert own.judged[1].probe.id == "also[0]"


def test_small_values_without_zeros():
    """Small values have a few zeros, but for a model that is not finite on these."""
    logarithms, sums = (
        ReferenceModel(Case(Computed(function), {"image": ROWS})) for function in (lambda x: x.abs().log(), torch.sum)
    )
    (small,), (with_zeros,) = (
        [judged.probe.inputs["image"] for judged in model.judged if judged.probe.id == "small"]
        for model in (logarithms, sums)
    )
    assert small.all()
    assert not with_zeros.all()


def test_equal_values_that_decide():
    """Zeros are left out where the model decides by its values, of which all are equal then; the user's own are not."""
    zero = {"image": np.zeros_like(ROWS)}
    ordered, own, plain = (
        ReferenceModel(Case(Computed(function), {"image": ROWS}, also=also))
        for function, also in ((torch.argsort, []), (torch.argsort, [zero]), (torch.tanh, []))
    )
    assert "zero" not in {judged.probe.id for judged in ordered.judged}
    assert own.judged[1].probe.id == "also[0]"
    assert "zero" in {judged.probe.id for judged in plain.judged}
