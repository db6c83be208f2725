"""A case says what does not fit together in it, and is judged on inputs that could show a fault, always the same."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import (
    MOST_VALUES,
    Case,
    CaseError,
    other_values,
    probes,
    replaced,
    resized,
    same_inputs,
)
from onnxproof.trees import leaves

MODEL = nn.Identity()
NESTED = {"state": (torch.ones(2), {"cell": np.zeros(3)}), "scale": 2.5, "mask": None}
IMAGE = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
DYNAMIC = {"image": {2: "height", 3: "width"}}


def image_case(**options: Any) -> Case:
    """An image of free size, and a factor."""
    given: dict[str, Any] = {"inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
    return Case(MODEL, **given | options)


def drawn(case: Case) -> list[dict[str, int]]:
    """The sizes that were drawn for a case."""
    return [
        dict(probe.sizes) for probe in probes(case) if probe.id == ", ".join(f"{k} {v}" for k, v in probe.sizes.items())
    ]


class TestMistakes:
    """What does not fit together is told when the case is made, by name."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param(
                {"model": len}, "the model is a builtin_function_or_method; give a torch.nn.Module", id="model"
            ),
            pytest.param({"inputs": [IMAGE]}, "inputs is no mapping of input names to values", id="list"),
            pytest.param({"inputs": {}}, "inputs is no mapping of input names to values", id="no-inputs"),
            pytest.param(
                {"also": [{"image": IMAGE}]}, r"also\[0\] has the inputs image, the case has image, factor", id="also"
            ),
            pytest.param(
                {"also": [{"factor": 2, "image": IMAGE}]}, r"also\[0\] has the inputs factor, image", id="order"
            ),
            pytest.param(
                {"dynamic": {"picture": {2: "height"}}}, "names 'picture', which is no array; there is image", id="name"
            ),
            pytest.param({"dynamic": {"factor": {0: "n"}}}, "names 'factor', which is no array", id="number"),
            pytest.param(
                {"dynamic": {"image": {4: "n"}}}, "names axis 4 of 'image', which has 4 dimensions", id="axis"
            ),
            pytest.param({"dynamic": {"image": {-1: "n"}}}, "names axis -1 of 'image'", id="negative-axis"),
            pytest.param(
                {"dynamic": {"image": {2: "n", 3: "n"}}}, r"'n' has the sizes \[6, 8\] in the inputs", id="sizes"
            ),
        ],
    )
    def test_case(self, options, message):
        """The error says which part, and what there is."""
        given = {"model": MODEL, "inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
        with pytest.raises(CaseError, match=message):
            Case(**given | options)

    def test_fitting(self):
        """What fits together is a case, named after its model."""
        case = image_case(also=[{"image": IMAGE[..., :4], "factor": 3}])
        assert (case.name, case.sizes) == ("Identity", {"height": 8, "width": 6})


class TestInputs:
    """Inputs are arrays, tensors, numbers and None, nested as the model takes them."""

    def test_nested(self):
        """Tensors become arrays where they stand; leaves are named by their path."""
        found = leaves(Case(MODEL, NESTED).inputs)
        assert list(found) == ["state.0", "state.1.cell", "scale", "mask"]
        assert isinstance(found["state.0"], np.ndarray)

    def test_required(self):
        """Arrays are required in the file, and a number or None is not, unless it varies."""
        assert Case(MODEL, NESTED).required_inputs == ("state.0", "state.1.cell")
        varied = Case(MODEL, NESTED, also=[{**NESTED, "scale": 3.5}])
        assert varied.required_inputs == ("state.0", "state.1.cell", "scale")

    def test_data(self):
        """Large and dynamic arrays hold data; a few numbers are a parameter, whose values stay."""
        inputs = {"image": IMAGE, "factor": np.array([2.0, 2.0]), "rows": np.ones(3)}
        assert Case(MODEL, inputs, dynamic={"rows": {0: "n"}}).data_inputs == ("image", "rows")

    def test_replaced(self):
        """One leaf is replaced, and the others stay."""
        inputs = Case(MODEL, NESTED).inputs
        other = replaced(inputs, "scale", 3)
        assert other["scale"] == 3
        assert same_inputs(replaced(other, "scale", 2.5), inputs)
        assert not same_inputs(other, inputs)


class TestDraws:
    """Inputs of other sizes are drawn along the dynamic dimensions."""

    def test_sizes(self):
        """Sizes are prime, odd, large and 1, and differ from one dimension to the next."""
        prime, odd, large, one = drawn(image_case())
        assert prime == {"height": 7, "width": 11}
        assert [size % 2 for size in odd.values()] == [1, 1]
        assert large["height"] > 8
        assert large["width"] > 6
        assert one == {"height": 1, "width": 1}
        assert [len(set(sizes.values())) for sizes in (prime, odd, large)] == [2, 2, 2]

    def test_equal_sizes(self):
        """They differ where those of the example are the same, so that swapped dimensions show."""
        square = drawn(image_case(inputs={"image": IMAGE[:, :, :6], "factor": 2}))
        assert [len(set(sizes.values())) for sizes in square[:3]] == [2, 2, 2]

    def test_shared(self):
        """A dimension of two inputs has one size in both."""
        pair = Case(MODEL, {"a": IMAGE, "b": IMAGE}, dynamic={"a": {2: "height"}, "b": {2: "height"}})
        inputs = resized(pair, {"height": 5}).inputs
        assert inputs["a"].shape == inputs["b"].shape == (1, 3, 5, 6)

    def test_static(self):
        """Without dynamic dimensions no other size is drawn."""
        assert drawn(image_case(dynamic={})) == []

    def test_large_example(self):
        """A large example is not made larger, and its values are changed at a smaller size."""
        large = np.random.default_rng(0).normal(size=(512, 256)).astype(np.float32)
        found = list(probes(Case(MODEL, {"x": large}, dynamic={"x": {0: "rows"}})))
        assert large.size > MOST_VALUES
        assert max(probe.inputs["x"].size for probe in found[1:]) <= MOST_VALUES
        assert "shuffled" in {probe.id for probe in found}

    def test_values(self):
        """The values are the example's, in another order."""
        image = resized(image_case(), {"height": 5, "width": 4}).inputs["image"]
        assert (image.shape, image.dtype) == ((1, 3, 5, 4), np.float32)
        assert np.isin(image, IMAGE).all()

    def test_same_every_time(self):
        """Two draws of two cases are the same, bit for bit."""
        first, second = (list(probes(image_case())) for _ in range(2))
        assert [probe.id for probe in first] == [probe.id for probe in second]
        assert all(map(same_inputs, (p.inputs for p in first), (p.inputs for p in second)))

    def test_empty(self):
        """An example without values can be resized: to zeros."""
        empty = Case(MODEL, {"x": np.zeros((0, 2), np.float32)}, dynamic={"x": {0: "rows"}})
        assert resized(empty, {"rows": 3}).inputs["x"].tolist() == [[0, 0]] * 3


class TestOtherInputs:
    """A case is judged on its example first, on what the user adds, and on the example in other values."""

    def test_order(self):
        """The example is first, then the user's own."""
        found = [probe.id for probe in probes(image_case(also=[{"image": -IMAGE, "factor": 3}]))]
        assert found[:6] == ["traced", "also[0]", "shuffled", "scaled to 1", "small", "negated"]

    def test_sizes_of_also(self):
        """The sizes of what the user adds are known."""
        case = image_case(also=[{"image": IMAGE[..., :4], "factor": 3}])
        assert list(probes(case))[1].sizes == {"height": 8, "width": 4}

    def test_parameters_stay(self):
        """A factor is the example's on every probe but the user's own."""
        assert {probe.inputs["factor"] for probe in probes(image_case())} == {2}

    def test_nothing_new(self):
        """Values that a change leaves as they are are no probe: integers are shuffled alone."""
        tokens = Case(MODEL, {"tokens": np.arange(20)})
        assert [probe.id for probe in probes(tokens)] == ["traced", "shuffled"]

    @pytest.mark.parametrize(
        ("value", "others"),
        [
            pytest.param(True, [False], id="bool"),
            pytest.param(2, [3], id="int"),
            pytest.param(0.5, [1.5], id="float"),
            pytest.param(None, [], id="none"),
            pytest.param(np.array([True]), [[False], [False]], id="bool-array"),
            pytest.param(np.array([], np.float32), [], id="empty"),
        ],
    )
    def test_other_values(self, value, others):
        """Each kind of value has another one of its kind, where there is one."""
        found = other_values(Case(MODEL, {"image": IMAGE, "x": value}), "x")
        assert [np.asarray(other).tolist() for other in found] == others

    def test_other_elements(self):
        """Each number of a small array is changed by itself: one of two factors may be folded."""
        found = list(other_values(Case(MODEL, {"factor": np.array([2.0, 3.0])}), "factor"))
        assert [other.tolist() for other in found[:2]] == [[3, 3], [2, 4]]

    def test_own_values(self):
        """The user's own values come first, and those of the example are no others."""
        case = image_case(also=[{"image": IMAGE, "factor": 2}, {"image": IMAGE, "factor": 4}])
        assert list(other_values(case, "factor")) == [4, 3]
