"""A check's finding is its function's figure, or what it raised, held against what the case expects of it."""

import numpy as np
import pytest
from torch import nn

from onnxproof.case import Case
from onnxproof.checks import CHECKS, findings
from onnxproof.conversion import Conversion
from onnxproof.exporting import ExportError
from onnxproof.findings import (
    EXPECTED,
    FAILS,
    HOLDS,
    NOT_JUDGED,
    CheckError,
    Evidence,
    Finding,
    NotJudgedError,
    check,
    first_line,
)
from onnxproof.model_file import GraphError
from onnxproof.versions import TORCHSCRIPT

EVIDENCE = Evidence({"x": np.zeros(1)}, {"y": np.ones(1)}, {"y": np.zeros(1)})
FAILURE = CheckError("it is wrong", "mend it", EVIDENCE, "3 of 2")


def finding_of(outcome, expected=None):
    """What a check finds whose function gives or raises the outcome, of a case that expects something of checks."""

    @check("its-id")
    def judged(conversion):
        """The sentence."""
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert (judged.id, judged.sentence) == ("its-id", "The sentence.")
    case = Case(nn.Identity(), {"x": np.zeros(1)}, expected=expected or {})
    return judged(Conversion(case, exporter=TORCHSCRIPT))


class TestVerdict:
    """The verdict is what the function did."""

    @pytest.mark.parametrize(
        ("outcome", "finding"),
        [
            pytest.param("1 of 2", Finding("its-id", HOLDS, "1 of 2"), id="holds"),
            pytest.param(FAILURE, Finding("its-id", FAILS, "3 of 2", "it is wrong", "mend it", EVIDENCE), id="fails"),
            pytest.param(NotJudgedError("no reason"), Finding("its-id", NOT_JUDGED, "", "no reason"), id="not-judged"),
            pytest.param(
                ExportError("refused"), Finding("its-id", NOT_JUDGED, "", "there is no file: see exports"), id="no-file"
            ),
            pytest.param(
                GraphError("cut"),
                Finding("its-id", NOT_JUDGED, "", "the file cannot be read: see well-formed"),
                id="no-model",
            ),
        ],
    )
    def test_outcome(self, outcome, finding):
        """What is given is a figure, and what is raised the problem or the reason."""
        assert finding_of(outcome) == finding

    def test_other_errors(self):
        """Any other error is not a finding."""
        with pytest.raises(ZeroDivisionError):
            finding_of(ZeroDivisionError())

    def test_message(self):
        """A failure that nobody makes a finding of says what is wrong."""
        assert str(CheckError("it is wrong", "mend it")) == "it is wrong"


class TestExpected:
    """A case may expect a check to fail, and no other verdict."""

    def test_fails(self):
        """A failure that is expected is told with the reason."""
        assert finding_of(FAILURE, {"its-id": "known"}) == Finding(
            "its-id", EXPECTED, "3 of 2", "it is wrong", "expected: known"
        )

    def test_holds(self):
        """A check that holds although it was expected to fail, fails."""
        assert finding_of("1 of 2", {"its-id": "known"}) == Finding(
            "its-id",
            FAILS,
            "1 of 2",
            "it holds, and was expected to fail: known",
            "take it out of the case's `expected`",
        )

    @pytest.mark.parametrize(
        "outcome", [NotJudgedError("no reason"), ExportError("refused")], ids=["reason", "no-file"]
    )
    def test_not_judged(self, outcome):
        """What could not be judged stays so."""
        assert finding_of(outcome, {"its-id": "known"}) == finding_of(outcome)

    def test_another_check(self):
        """What is expected of another check is not expected of this one."""
        assert finding_of(FAILURE, {"another-id": "known"}) == finding_of(FAILURE)


class TestAll:
    """`findings` are those of every check, in their order."""

    def test_order(self, monkeypatch):
        """Each check is asked when its finding is."""
        asked, conversion = [], Conversion(Case(nn.Identity(), {"x": np.zeros(1)}), exporter=TORCHSCRIPT)
        monkeypatch.setattr("onnxproof.findings.Check.__call__", lambda check, of: asked.append((check.id, of)))
        found = findings(conversion)
        next(found)
        assert asked == [("exports", conversion)]
        assert len(list(found)) == len(CHECKS) - 1
        assert asked == [(id, conversion) for id in CHECKS]


class TestFirstLine:
    """What an error says is shortened to a line."""

    @pytest.mark.parametrize(
        ("said", "line"),
        [("one\n  two\tthree\r\n", "one two three"), ("x" * 301, "x" * 300), ("", "")],
        ids=["lines", "long", "nothing"],
    )
    def test_text(self, said, line):
        """White space is a space, and what is past 300 characters is left out."""
        assert first_line(ValueError(said)) == line

    @pytest.mark.parametrize(
        ("said", "line"),
        [
            pytest.param("a\x1b[31m", r"a\x1b[31m", id="colour"),
            pytest.param("\u202ea", r"\u202ea", id="right-to-left"),
            pytest.param("a\0", r"a\x00", id="nul"),
            pytest.param("× → é", "× → é", id="printable"),
        ],
    )
    def test_commands(self, said, line):
        """What would command a terminal is written out."""
        assert first_line(ValueError(said)) == line

    def test_every_text(self):
        """So it is in all that a finding says, in which a new line stays one."""
        finding = finding_of(CheckError("one\n\x07", "two\n\x07", figure="three\n\x07"))
        assert (finding.problem, finding.advice, finding.figure) == ("one\n\\x07", "two\n\\x07", "three\n\\x07")
