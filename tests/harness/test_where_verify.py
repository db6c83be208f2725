"""How PyTorch's own search for the place of a fault is read."""

import json
from dataclasses import replace

import pytest
import torch
from packaging.version import Version

from docs.where_table import RESULTS
from onnxproof.faults import FAULTS
from onnxproof.versions import TORCH_EXPORT
from tests.harness.located import good, located

RECORDED = Version(json.loads(RESULTS.read_text(encoding="utf-8"))["versions"]["torch"])

pytestmark = pytest.mark.skipif(
    Version(torch.__version__).release != RECORDED.release, reason="docs/where.json is of another torch"
)


@pytest.fixture(scope="module")
def verification():
    from docs.where_verify import Verification

    return Verification(good("two-heads", TORCH_EXPORT))


def broken(id):
    """The file of a fault, there until the next one is asked for."""
    return located("two-heads", TORCH_EXPORT, "exporter", [fault for fault in FAULTS if fault.id == id])


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        pytest.param("wrong-pads", "right", id="warned-of"),
        pytest.param("one-weight-nan", "right", id="not-a-number"),
        pytest.param("output-cropped", "right", id="stopped-at"),
        pytest.param("weights-float16", "none", id="within-its-tolerance"),
    ],
)
def test_verdict(verification, fault, verdict):
    """The first value names its module, whether it differs or ends the search."""
    assert [verification.verdict(each) for each in broken(fault)] == [verdict]


def test_other_module(verification):
    """A value of another module is no place of the fault."""
    found = (replace(each, holders=("fine",)) for each in broken("wrong-pads"))
    assert [verification.verdict(each) for each in found] == ["wrong"]


def test_right_file(verification, monkeypatch):
    """What is reported of the right file too says nothing."""
    for found in broken("wrong-pads"):
        monkeypatch.setattr(verification, "path", found.path)
        assert verification.verdict(found) == "alike"
        break
    else:
        pytest.fail("the fault does not show")
