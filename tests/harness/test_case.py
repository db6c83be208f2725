"""A case says what does not fit together in it, and knows its inputs by name."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import Case, CaseError
from onnxproof.trees import leaves

MODEL = nn.Identity()
NESTED = {"state": (torch.ones(2), {"cell": np.zeros(3)}), "scale": 2.5, "mask": None}
IMAGE = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
DYNAMIC = {"image": {2: "height", 3: "width"}}


def image_case(**options: Any) -> Case:
    """An image of free size, and a factor."""
    given: dict[str, Any] = {"inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
    return Case(MODEL, **given | options)


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
            pytest.param({"dynamic": {"image": {2: "n", 3: "n"}}}, r"'n' has the sizes \[6, 8\] in inputs", id="sizes"),
            pytest.param(
                {
                    "inputs": {"image": IMAGE[..., :6, :], "factor": 2},
                    "dynamic": {"image": {2: "n", 3: "n"}},
                    "also": [{"image": IMAGE, "factor": 2}],
                },
                r"'n' has the sizes \[6, 8\] in also\[0\]",
                id="sizes-of-also",
            ),
            pytest.param(
                {"also": [{"image": IMAGE[0], "factor": 2}]},
                r"image has 3 dimensions in also\[0\], the case's has 4",
                id="rank",
            ),
            pytest.param(
                {"also": [{"image": 3, "factor": 2}]}, r"image has 0 dimensions in also\[0\]", id="number-for-array"
            ),
            pytest.param(
                {"also": [{"image": IMAGE, "factor": np.array([2.0, 3.0])}]},
                r"factor has 1 dimensions in also\[0\], the case's has 0",
                id="array-for-number",
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

    def test_missing_input(self):
        """What is None in the case's inputs may be an array in others, and an array of no dimensions a number."""
        case = Case(MODEL, {"mask": None, "factor": 2}, also=[{"mask": IMAGE, "factor": np.array(3)}])
        assert case.also[0]["factor"] == 3


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
