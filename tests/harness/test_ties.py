"""Equal values may be picked in any order where a sort need not keep theirs."""

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.parity.compare import compare
from onnxproof.probing.reference import reference

COUNTS = np.repeat([2, 1], [300, 10])
VALUES = np.random.default_rng(1).permutation(np.repeat(np.linspace(4, -4, 310, dtype=np.float32), COUNTS))[None]
"""The largest are there twice."""


class Order(nn.Module):
    """The places of the largest values of what rounds each value."""

    def forward(self, x):
        values, places = torch.sigmoid(x).topk(610)
        return values, places


@pytest.fixture
def picked():
    return reference(Order(), {"x": VALUES}, ("values", "places"))


def test_each_pair(picked):
    """Every pair may be the other way round, however many there are."""
    values, places = picked.values.values()
    actual = {"values": values, "places": places[:, [*(np.arange(600) ^ 1), *range(600, 610)]]}
    assert [parity.problem for parity in compare(actual, picked, "")] == ["", ""]


def test_neighbours(picked):
    """The places of other values may not."""
    values, places = picked.values.values()
    actual = {"values": values, "places": places[:, ::-1]}
    assert not compare(actual, picked, "")[1].same
