"""The proof for files that may lose accuracy: each fault is caught by its check, and no right file raises an alarm."""

from dataclasses import replace
from functools import cache

import pytest

from onnxproof.case import Case
from onnxproof.checks import CHECKS, judge
from onnxproof.checks.run import LOSS_CHECKS
from onnxproof.faults import LOSSY_FAULTS, Unsuited
from onnxproof.locating import losses
from onnxproof.locating.losses import losses_of
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from tests.harness.broken_rows import broken_rows
from tests.harness.lossy import LOSSY, LOSSY_PAIRS, RIGHT, SUITED, suits, written

pytestmark = pytest.mark.proof
ALL = CHECKS | LOSS_CHECKS


def on_subject(subject, *fault):
    """A parameter that runs in one process with the others of its subject."""
    ids = [one.id for one in (*fault, subject)]
    return pytest.param(subject, *fault, id="-".join(ids), marks=pytest.mark.xdist_group(f"lossy-{subject.id}"))


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """The right file of a subject."""
    found = written(tmp_path_factory.mktemp("lossy"))

    def get(subject):
        if "-float16" in subject.id:
            pytest.importorskip("onnxconverter_common")
        return found(subject)

    return get


def not_holding(conversion):
    """What the checks say that do not hold, but of what cannot be judged of a given file."""
    found = [judge(check, conversion) for check in ALL.values()]
    return [str(each) for each in found if each.verdict != CheckVerdict.HOLDS and not is_known(each)]


def is_known(finding):
    """A file that is given is not exported; onnx's evaluator lacks operators of quantized files."""
    is_known = finding.check in ("exports", "opset-kept", "engines-agree")
    return finding.verdict == CheckVerdict.NOT_JUDGED and is_known


@pytest.mark.parametrize("subject", [on_subject(subject) for subject in RIGHT])
class TestGood:
    """A right file keeps the loss that is stated of it."""

    def test_holds(self, good, subject):
        """Every check holds."""
        assert not_holding(good(subject)) == []

    def test_compared(self, good, subject):
        """Every check holds beside the file that it was made of."""
        right = good(subject)
        case = right.case
        before = right.file.path.with_name("before.onnx")
        original = Case(before, case.inputs, also=case.also, samples=case.samples, loss=case.loss)
        assert not_holding(Conversion(ReferenceModel(original), GivenFile(right.file.path))) == []

    def test_few_samples(self, good, subject):
        """Ten samples decide nothing."""
        case = replace(good(subject).case, samples=good(subject).case.samples[:10])
        found = judge(ALL["loss-kept"], Conversion(ReferenceModel(case), good(subject).file))
        assert found.verdict == CheckVerdict.UNDECIDED


@pytest.mark.parametrize(("subject", "fault"), [on_subject(*pair) for pair in LOSSY_PAIRS])
def test_fault(good, tmp_path, subject, fault):
    """A broken file is caught by the check named for what broke it."""
    broken = good(subject).of_file(fault.apply(good(subject).file.path, tmp_path))
    assert judge(ALL[fault.caught_by], broken).verdict == CheckVerdict.FAILS


@pytest.fixture(scope="session")
def error(good):
    """The error of a subject's right file, as its table says."""
    return cache(lambda subject: losses_of(good(subject)).error)


WORSE = 1.5
"""How many times the right file's error a fault makes that no other node's rounding hides."""


@pytest.mark.parametrize(("subject", "fault"), [on_subject(*pair) for pair in LOSSY_PAIRS])
def test_where(good, error, tmp_path, monkeypatch, subject, fault):
    """A fault that makes a file worse is in the first row of its table, or in no row since it is no rounding."""
    monkeypatch.setattr(losses, "MOST_SAMPLES", 2)
    right = good(subject)
    broken = right.of_file(fault.apply(right.file.path, tmp_path))
    found = losses_of(broken)
    if found.error > WORSE * error(subject) and "computes something else" not in found.told:
        assert found.rows[0].node in broken_rows(right.file.path, broken.file.path, right.case)


def test_every_fault_is_applied():
    """There is a right file for each fault."""
    assert {fault.id for _, fault in LOSSY_PAIRS} == {fault.id for fault in LOSSY_FAULTS} == {*SUITED}


@pytest.mark.parametrize(
    ("subject", "fault"),
    [on_subject(subject, fault) for subject in LOSSY for fault in LOSSY_FAULTS if not suits(fault, subject)],
)
def test_unsuited(good, tmp_path, subject, fault):
    """A fault that is left out on a subject cannot be applied to it."""
    with pytest.raises(Unsuited):
        fault.apply(good(subject).file.path, tmp_path)
