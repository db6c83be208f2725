"""The proof of the checks: the check named for each fault catches it, and none fails on good files.

The good conversions of other kinds are in test_good_conversions.py.
"""

import pytest

from onnxproof.checks import CHECKS
from onnxproof.faults import FAULTS
from onnxproof.faults.fault import Unsuited
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from tests.harness.proof import (
    FILE_PAIRS,
    MODEL_PAIRS,
    PROVING,
    TABLED_PAIRS,
    UNSUITED,
    ask_no_culprit,
    failing,
    findings,
    good_subjects,
)
from tests.harness.real_sizes import REAL_SUBJECTS

pytestmark = pytest.mark.proof


def on_subject(subject, *fault):
    """A parameter that runs in one process with the others of its subject."""
    ids = [one.id for one in (*fault, subject)]
    return pytest.param(subject, *fault, id="-".join(ids), marks=pytest.mark.xdist_group(subject.id))


@pytest.fixture(scope="session")
def good():
    """The good conversion of a subject."""
    return good_subjects()


@pytest.mark.parametrize("subject", [on_subject(subject) for subject in PROVING])
def test_subject_is_good(good, subject):
    """Every check holds on a good file, except those that are expected to fail."""
    case = subject.make()
    expected = dict.fromkeys(CHECKS, CheckVerdict.HOLDS)
    expected |= {id: CheckVerdict.EXPECTED for id in CHECKS if case.why_expected(id, subject.exporter)}
    if not case.dynamic:
        expected["dims-kept"] = CheckVerdict.NOT_JUDGED
    assert {finding.check: finding.verdict for finding in findings(good(subject))} == expected


@pytest.mark.parametrize(("subject", "fault"), [on_subject(*pair) for pair in TABLED_PAIRS])
def test_file_fault(good, tmp_path, subject, fault):
    """A broken file is caught by the check named for what broke it."""
    broken = good(subject).of_file(fault.apply(good(subject).file.path, tmp_path))
    assert fault.caught_by in failing(broken)


@pytest.mark.parametrize(("subject", "fault"), [on_subject(*pair) for pair in FILE_PAIRS if pair[0] in REAL_SUBJECTS])
def test_file_fault_at_real_size(good, tmp_path, monkeypatch, subject, fault):
    """So is a large one, which runs through that check alone; where it goes wrong is not asked."""
    ask_no_culprit(monkeypatch)
    broken = good(subject).of_file(fault.apply(good(subject).file.path, tmp_path))
    assert failing(broken, [fault.caught_by]) == [fault.caught_by]


def test_every_file_fault_is_applied():
    """There is a good file for each fault."""
    assert {fault.id for _, fault in FILE_PAIRS} == {fault.id for fault in FAULTS}


@pytest.mark.parametrize(
    ("subject", "fault"),
    [on_subject(subject, fault) for subject in PROVING for fault in FAULTS if fault.id in UNSUITED[subject.id]],
)
def test_unsuited(good, tmp_path, subject, fault):
    """A fault that is left out on a subject cannot be applied to it."""
    with pytest.raises(Unsuited):
        fault.apply(good(subject).file.path, tmp_path)


@pytest.mark.parametrize(
    ("fault", "exporter"), [pytest.param(*pair, id=f"{pair[0].id}-{pair[1]}") for pair in MODEL_PAIRS]
)
def test_model_fault(fault, exporter):
    """A conversion that goes wrong in the exporter is caught by the check named for it."""
    assert fault.caught_by in failing(exported(ReferenceModel(fault.make()), exporter, fault.opset))
