"""Probes are inputs that could show a fault, always the same."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from torch import nn

from onnxproof.case import Case
from onnxproof.probing.probes import Probe, other_probes, other_values, replaced, resized, same_inputs, traced

MODEL = nn.Identity()
IMAGE = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
DYNAMIC = {"image": {2: "height", 3: "width"}}


def image_case(**options: Any) -> Case:
    """An image of free size, and a factor."""
    given: dict[str, Any] = {"inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
    return Case(MODEL, **given | options)


def others(case: Case) -> list[Probe]:
    """The probes of a case in its example's sizes."""
    return list(other_probes(case, traced(case)))


class TestResized:
    """The example in other sizes of its dynamic dimensions."""

    def test_shared(self):
        """A dimension of two inputs has one size in both."""
        pair = Case(MODEL, {"a": IMAGE, "b": IMAGE}, dynamic={"a": {2: "height"}, "b": {2: "height"}})
        inputs = resized(pair, {"height": 5}).inputs
        assert inputs["a"].shape == inputs["b"].shape == (1, 3, 5, 6)

    def test_values(self):
        """The values are the example's, in another order."""
        image = resized(image_case(), {"height": 5, "width": 4}).inputs["image"]
        assert (image.shape, image.dtype) == ((1, 3, 5, 4), np.float32)
        assert np.isin(image, IMAGE).all()

    def test_same_every_time(self):
        """Two draws of two cases are the same, bit for bit."""
        first, second = ([*others(image_case()), resized(image_case(), {"height": 5, "width": 4})] for _ in range(2))
        assert [probe.id for probe in first] == [probe.id for probe in second]
        assert all(map(same_inputs, (p.inputs for p in first), (p.inputs for p in second)))

    def test_empty(self):
        """An example without values is resized to zeros."""
        empty = Case(MODEL, {"x": np.zeros((0, 2), np.float32)}, dynamic={"x": {0: "rows"}})
        np.testing.assert_array_equal(
            resized(empty, {"rows": 3}).inputs["x"], np.zeros((3, 2), np.float32), strict=True
        )


class TestOtherInputs:
    """A case is judged on its example, on the user's inputs, and on the example with other values."""

    def test_order(self):
        """The user's own are first."""
        found = [probe.id for probe in others(image_case(also=[{"image": -IMAGE, "factor": 3}]))]
        assert found == ["also[0]", "shuffled", "scaled to 1", "small", "negated", "zero"]

    def test_other_base(self):
        """Other values may have other sizes than the example's."""
        base = resized(image_case(), {"height": 5, "width": 4})
        found = {probe.id: probe for probe in other_probes(image_case(), base)}
        assert found["negated"].sizes == {"height": 5, "width": 4}
        np.testing.assert_array_equal(found["negated"].inputs["image"], -base.inputs["image"])

    def test_sizes_of_also(self):
        """The sizes of the user's inputs are known."""
        case = image_case(also=[{"image": IMAGE[..., :4], "factor": 3}])
        assert others(case)[0].sizes == {"height": 8, "width": 4}

    def test_parameters_stay(self):
        """A factor is the example's on every probe but the user's own."""
        assert {probe.inputs["factor"] for probe in others(image_case())} == {2}

    def test_nothing_new(self):
        """A change without effect is not a probe: integers are shuffled and drawn, and NaN stays NaN."""
        tokens, nothing = (Case(MODEL, {"x": x}) for x in (np.arange(20) + 2**60, np.full(20, np.nan)))
        assert [probe.id for probe in others(tokens)] == ["shuffled", "drawn"]
        assert [probe.id for probe in others(nothing)] == ["zero"]

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
    @pytest.mark.parametrize("largest", [8, 0.5], ids=["above-1", "below-1"])
    def test_scaled(self, dtype, largest):
        """Floats are also scaled to 1, made small with a few zeros, negated, and 0, in their own dtype."""
        values = np.linspace(-largest, largest / 2, 20).astype(dtype)
        found = {probe.id: probe.inputs["x"] for probe in others(Case(MODEL, {"x": values}))}
        one, small, negated, zero = (found[id] for id in ("scaled to 1", "small", "negated", "zero"))
        assert {array.dtype for array in found.values()} == {values.dtype}
        assert (one.min(), one.max()) == (-1, 0.5)
        assert np.count_nonzero(small == 0) == 2 + (0 in values)
        np.testing.assert_array_equal(small.astype(float), np.where(small == 0, 0, values.astype(float) / 128))
        np.testing.assert_array_equal(negated, -values)
        assert not np.frombuffer(zero.tobytes(), np.uint8).any()

    @pytest.mark.parametrize("largest", [0, 1, np.inf])
    def test_not_scaled(self, largest):
        """Values whose largest is 0, 1 or infinite are not scaled."""
        values = np.array([largest] + [0] * 19, np.float32)
        assert "scaled to 1" not in {probe.id for probe in others(Case(MODEL, {"x": values}))}

    @pytest.mark.parametrize(
        ("value", "others"),
        [
            pytest.param(True, [False], id="bool"),
            pytest.param(2, [3], id="int"),
            pytest.param(0.5, [1.5], id="float"),
            pytest.param(None, [], id="none"),
            pytest.param(np.array([True]), [[False], [False]], id="bool-array"),
            pytest.param(np.array([255], np.uint8), [[0]], id="largest-integer"),
            pytest.param(np.array([], np.float32), [], id="empty"),
            pytest.param(np.nan, [], id="nan"),
            pytest.param(np.array([np.nan], np.float32), [], id="nan-array"),
            pytest.param(np.array([1e10], np.float32), [[1], [78125000], [-1e10]], id="one-more-is-the-same"),
        ],
    )
    def test_other_values(self, value, others):
        """Each kind of value has another one of its kind, if there is one."""
        found = other_values(Case(MODEL, {"image": IMAGE, "x": value}), "x")
        assert [np.asarray(other).tolist() for other in found] == others

    def test_other_elements(self):
        """Each number of a small array is changed by itself: one of two factors may be folded."""
        found = list(other_values(Case(MODEL, {"factor": np.array([2.0, 3.0])}), "factor"))
        assert [other.tolist() for other in found[:2]] == [[3, 3], [2, 4]]

    @pytest.mark.parametrize(("size", "changed"), [(16, 1), (17, 0)], ids=["small", "large"])
    def test_large_array(self, size, changed):
        """Those of a large array are not: it is shuffled first."""
        own = np.arange(0.0, 2 * size, 2)
        first = next(other_values(Case(MODEL, {"x": own}), "x"))
        assert np.count_nonzero(np.sort(first) != own) == changed

    def test_own_arrays(self):
        """The user's arrays of the same shape are first."""
        also = [{"factor": np.array(factor)} for factor in ([2.0, 3.0], [4.0], [4.0, 5.0])]
        found = other_values(Case(MODEL, {"factor": np.array([2.0, 3.0])}, also=also), "factor")
        assert next(found).tolist() == [4, 5]

    def test_own_values(self):
        """The user's own values come first, and the example's are left out."""
        case = image_case(also=[{"image": IMAGE, "factor": 2}, {"image": IMAGE, "factor": 4}])
        assert list(other_values(case, "factor")) == [4, 3]

    def test_replaced(self):
        """One leaf is replaced, and the others stay."""
        inputs = image_case().inputs
        other = replaced(inputs, "factor", 3)
        assert other["factor"] == 3
        assert same_inputs(replaced(other, "factor", 2), inputs)
        assert not same_inputs(other, inputs)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
    def test_nan(self, dtype):
        """NaN is the same as itself, in its place."""
        here, there = ({"x": np.array(values, dtype)} for values in ([np.nan, 1], [1, np.nan]))
        assert same_inputs(here, {"x": here["x"].copy()})
        assert not same_inputs(here, there)
        assert same_inputs({"x": float("nan")}, {"x": float("nan")})
        assert not same_inputs({"x": float("nan")}, {"x": 1.0})

    @pytest.mark.parametrize("dtype", ["U3", object])
    def test_words(self, dtype):
        """Words are compared too, although no model takes them."""
        words = np.array(["one", "two"], dtype)
        assert same_inputs({"x": words}, {"x": words.copy()})
        assert not same_inputs({"x": words}, {"x": words[::-1]})

    def test_number_and_array(self):
        """A number is not the same as an array."""
        assert not same_inputs({"x": 2}, {"x": np.array([2, 2])})
        assert not same_inputs({"x": np.array([2, 2])}, {"x": 2})
