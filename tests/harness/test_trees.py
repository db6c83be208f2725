"""Nested values have named leaves, keep their nesting when they are changed, and survive torch and back."""

from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
import torch

from onnxproof._internal.trees import is_named_tuple, leaves, map_leaves, to_array, to_tensor


class State(NamedTuple):
    hidden: int
    cell: int


NESTED = {"image": 1, "state": State(2, 3), "more": {"scale": 4, "sizes": [5, (6,)]}, "none": None}


class TestLeaves:
    """The leaves of nested values are named by their path."""

    def test_names(self):
        """Items of lists and tuples are numbered, fields and keys have their names, and None is a leaf."""
        assert leaves(NESTED) == {
            "image": 1,
            "state.hidden": 2,
            "state.cell": 3,
            "more.scale": 4,
            "more.sizes.0": 5,
            "more.sizes.1.0": 6,
            "none": None,
        }

    @pytest.mark.parametrize("empty", [(), [], {}], ids=["tuple", "list", "dict"])
    def test_empty(self, empty):
        """An empty value has no leaves."""
        assert leaves({"x": empty}) == {}

    def test_array(self):
        """An array is one leaf, whatever its shape."""
        array = np.zeros((2, 3))
        assert leaves({"x": array})["x"] is array

    @pytest.mark.parametrize(
        ("value", "named"),
        [pytest.param(State(1, 2), True, id="named-tuple"), pytest.param((1, 2), False, id="tuple")],
    )
    def test_named_tuple(self, value, named):
        """Named tuples are recognized."""
        assert is_named_tuple(value) is named


class TestMap:
    """`map_leaves` changes the leaves and keeps the nesting."""

    def test_nesting(self):
        """Lists, tuples, named tuples and dicts stay what they are."""
        assert repr(map_leaves(lambda _, leaf: leaf, NESTED)) == repr(NESTED)

    def test_names(self):
        """Each leaf has the same name as in `leaves`."""
        assert leaves(map_leaves(lambda name, _: name, NESTED)) == {name: name for name in leaves(NESTED)}

    def test_original(self):
        """The original is not changed."""
        given = {"x": [1, 2]}
        assert map_leaves(lambda _, leaf: leaf + 1, given) == {"x": [2, 3]}
        assert given == {"x": [1, 2]}


class TestTensors:
    """Arrays become tensors and tensors become arrays, value for value."""

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8, np.bool_])
    def test_both_ways(self, dtype):
        """dtype, shape and values come back."""
        array = np.arange(6).reshape(2, 3).astype(dtype)
        back = to_array(to_tensor(array))
        assert (back.dtype, back.tolist()) == (array.dtype, array.tolist())

    def test_bfloat16(self):
        """bfloat16, which numpy does not have, is ml_dtypes' in an array."""
        tensor = torch.tensor([1.0, 2.5, -3.0], dtype=torch.bfloat16)
        array = to_array(tensor)
        assert array.dtype == ml_dtypes.bfloat16
        assert torch.equal(to_tensor(array), tensor)

    def test_slice(self):
        """A tensor that is not contiguous is read in its own order."""
        tensor = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T
        assert to_array(tensor).astype(int).tolist() == [[0, 3], [1, 4], [2, 5]]

    def test_scalar(self):
        """A numpy number is a tensor without dimensions."""
        assert to_tensor(np.float32(3)).shape == ()

    def test_copy(self):
        """The tensor shares no memory."""
        array = np.zeros(2)
        to_tensor(array).add_(1)
        assert array.tolist() == [0, 0]

    def test_gradient(self):
        """A parameter can be read."""
        assert to_array(torch.nn.Parameter(torch.ones(2))).tolist() == [1, 1]

    @pytest.mark.parametrize("value", [3, 2.5, True, None, "text"])
    def test_others(self, value):
        """Other values stay what they are."""
        assert to_tensor(value) is value
        assert to_array(value) is value
