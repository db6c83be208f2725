"""The proof of comparisons: right files that tools made of good ones, and every fault of a file."""

import gc
import math

import pytest

from onnxproof.case import Case
from onnxproof.checks import CHECKS
from onnxproof.probing.budget import SECONDS as BUDGET
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from tests.harness.proof import FILE_PAIRS, GOOD_PAIRS, PROVING, ask_no_culprit, failing, findings, good_subjects
from tests.harness.real_sizes import REAL_SUBJECTS
from tests.harness.tools import TOOLS

pytestmark = pytest.mark.comparison


@pytest.fixture(autouse=True)
def collected():
    """Ends the processes of a test's conversions, whose failures hold them in cycles."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def originals():
    """The good file of each subject as an original, with its case's inputs."""
    good = good_subjects()
    return {subject: (good(subject), as_original(good(subject))) for subject in PROVING}


def as_original(conversion, budget=BUDGET) -> ReferenceModel:
    """The file of a conversion as the original of a case, on the same inputs."""
    given = [conversion.feeds(inputs) for inputs in (conversion.case.inputs, *conversion.case.also)]
    return ReferenceModel(Case(conversion.file.path, given[0], also=given[1:]), budget)


def test_there_are_enough():
    """At least a hundred right pairs are judged."""
    assert len(GOOD_PAIRS) * len(TOOLS) >= 100


@pytest.mark.parametrize(
    ("good", "exporter"), [pytest.param(*pair, id=f"{pair[0].id}-{pair[1]}") for pair in GOOD_PAIRS]
)
def test_no_false_alarm(good, exporter, tmp_path):
    """No check fails on what a tool makes of a good file."""
    conversion = exported(ReferenceModel(good.make()), exporter, good.opset)
    original = as_original(conversion)
    for name, tool in TOOLS.items():
        after = tmp_path / f"{name}.onnx"
        tool(conversion.file.path, after)
        assert (name, failing(Conversion(original, GivenFile(after)))) == (name, [])


@pytest.mark.parametrize(
    ("subject", "fault"),
    [
        pytest.param(*pair, id=f"{pair[1].id}-{pair[0].id}", marks=pytest.mark.xdist_group(pair[0].id))
        for pair in FILE_PAIRS
    ],
)
def test_file_fault(originals, tmp_path, monkeypatch, subject, fault):
    """A fault in the file that was made is caught by the check named for it.

    A large one runs through that check alone, in the reference evaluator if it is `--thorough`, and where it is wrong
    is not asked.
    """
    good, original = originals[subject]
    after = GivenFile(fault.apply(good.file.path, tmp_path), subject.opset)
    checks = [fault.caught_by] if subject in REAL_SUBJECTS else CHECKS
    if subject in REAL_SUBJECTS:
        ask_no_culprit(monkeypatch)
    found = {finding.check: finding for finding in findings(Conversion(original, after), checks)}
    caught = found[fault.caught_by]
    if subject in REAL_SUBJECTS and "--thorough" in caught.problem:
        assert caught.verdict == CheckVerdict.NOT_JUDGED
        (caught,) = findings(Conversion(as_original(good, math.inf), after), checks)
    assert caught.verdict == CheckVerdict.FAILS
