"""The module that is named is the one that holds the fault, with names in the file and without."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from onnxproof.faults import FAULTS
from onnxproof.results import Where
from onnxproof.versions import EXPORTERS
from tests.harness.located import MADE_BY, NETWORKS, Located, located

SHARE = 0.95
FEW = [fault for fault in FAULTS if fault.id in ("wrong-pads", "dropped-relu", "output-transposed", "weights-shuffled")]


@pytest.mark.parametrize("made_by", ["exporter", "no names"])
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_few(exporter, made_by):
    """A few faults are found at their places."""
    found = list(located("two-heads", exporter, made_by, FEW))
    assert [each.verdict for each in found] == ["right"] * len(FEW)
    assert all(len(each.holders) <= 3 for each in found)


@pytest.mark.locating
@pytest.mark.parametrize("made_by", MADE_BY)
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("network", NETWORKS)
def test_all(network, exporter, made_by):
    """Of all faults most are, and none is put into a wrong module of a file that names its modules."""
    found = list(located(network, exporter, made_by))
    counts = Counter(each.verdict for each in found)
    assert counts["right"] >= SHARE * len(found) > 0
    assert not [each for each in found if each.says == "metadata" and each.verdict == "wrong"]


FOUND = Located("n", "e", "m", "f", ("a",), ("v",), Where("a", "Conv2d", "", ("v",), "values"), "", "", Path(), {}, 0.0)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        pytest.param({}, "right", id="module"),
        pytest.param({"holders": ("b", "")}, "wrong", id="other-module"),
        pytest.param({"where": None}, "none", id="nothing-named"),
        pytest.param({"where": Where("", "", "", ("v",), "values")}, "right", id="at-the-end"),
        pytest.param({"where": Where("", "", "", ("w",), "values")}, "wrong", id="elsewhere-at-the-end"),
    ],
)
def test_verdict(changes, verdict):
    """What is counted as right."""
    assert replace(FOUND, **changes).verdict == verdict
