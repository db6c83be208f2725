"""A check's finding is its function's figure or error, compared with what the case expects."""

import json

import numpy as np
import pytest
from torch import nn

from onnxproof._internal.texts import one_line
from onnxproof.case import Case
from onnxproof.checks import values
from onnxproof.checks.check import CheckError, NotJudgedError, judge
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun, Finding
from onnxproof.graph.load import GraphError
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FILE, scale_case

RUN = FailingRun({"x": np.zeros(1)}, {"y": np.ones(1)}, {"y": np.zeros(1)})
FAILURE = CheckError("it is wrong", "Mend it.", evidence="line 3", figure="3 of 2", run=RUN)


def finding_of(outcome, expected=None):
    """The finding of a check that returns or raises the outcome, on a case that expects checks to fail."""

    def its_id(conversion):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    case = Case(nn.Identity(), {"x": np.zeros(1)}, expected=expected or {})
    return judge(its_id, exported(ReferenceModel(case), TORCHSCRIPT, 11))


def finding(verdict, **texts):
    return Finding("Identity", "torchscript", "", 11, "its-id", verdict, **texts)


class TestVerdict:
    """The verdict follows from the outcome."""

    @pytest.mark.parametrize(
        ("outcome", "found"),
        [
            pytest.param("1 of 2", finding(CheckVerdict.HOLDS, figure="1 of 2"), id="holds"),
            pytest.param(
                FAILURE,
                finding(
                    CheckVerdict.FAILS, figure="3 of 2", problem="it is wrong", advice="Mend it.", evidence="line 3"
                ),
                id="fails",
            ),
            pytest.param(
                NotJudgedError("no reason"), finding(CheckVerdict.NOT_JUDGED, problem="no reason"), id="not-judged"
            ),
            pytest.param(
                ExportError("refused"),
                finding(CheckVerdict.NOT_JUDGED, problem="there is no file: see exports"),
                id="no-file",
            ),
            pytest.param(
                GraphError("cut"),
                finding(CheckVerdict.NOT_JUDGED, problem="the file cannot be read: see well-formed"),
                id="no-model",
            ),
        ],
    )
    def test_outcome(self, outcome, found):
        """A returned text is the figure; a raised one is the problem or the reason."""
        assert finding_of(outcome) == found

    def test_run(self):
        """The run that shows a failure is kept."""
        assert finding_of(FAILURE).run is RUN

    def test_other_errors(self):
        """Any other error is raised."""
        with pytest.raises(ZeroDivisionError):
            finding_of(ZeroDivisionError())

    def test_message(self):
        """The text of a CheckError is its problem."""
        assert str(CheckError("it is wrong", "mend it")) == "it is wrong"


class TestExpected:
    """A case may expect a check to fail, and no other verdict."""

    def test_fails(self):
        """A failure that is expected is reported with the reason."""
        assert finding_of(FAILURE, {"its-id": "known"}) == finding(
            CheckVerdict.EXPECTED, figure="3 of 2", problem="it is wrong", advice="expected: known"
        )

    def test_holds(self):
        """A check that holds but was expected to fail, fails."""
        assert finding_of("1 of 2", {"its-id": "known"}) == finding(
            CheckVerdict.FAILS,
            figure="1 of 2",
            problem="the check holds, and was expected to fail: known",
            advice="Take it out of the case's `expected`.",
        )

    @pytest.mark.parametrize(
        ("exporter", "verdict"), [("torchscript", CheckVerdict.EXPECTED), ("torch.export", CheckVerdict.FAILS)]
    )
    def test_exporter(self, exporter, verdict):
        """It may be expected of one exporter."""
        assert finding_of(FAILURE, {"its-id": {exporter: "known"}}).verdict == verdict

    @pytest.mark.parametrize(
        "outcome", [NotJudgedError("no reason"), ExportError("refused")], ids=["reason", "no-file"]
    )
    def test_not_judged(self, outcome):
        """A check not judged stays so."""
        assert finding_of(outcome, {"its-id": "known"}) == finding_of(outcome)

    def test_another_check(self):
        """What is expected of another check does not count."""
        assert finding_of(FAILURE, {"another-id": "known"}) == finding_of(FAILURE)


class TestText:
    """A finding is text, and plain values for JSON."""

    def test_failure(self):
        """A failure has the problem, the advice and the evidence."""
        text = "Identity-torchscript: its-id: it is wrong\n→ Mend it.\n  line 3"
        assert str(finding_of(FAILURE)) == text

    def test_holds(self):
        """A holding check has its figure."""
        assert str(finding_of("1 of 2")) == "Identity-torchscript: its-id: holds: 1 of 2"

    def test_dict(self):
        """JSON has all but the arrays."""
        found = finding_of(FAILURE).as_dict()
        assert json.loads(json.dumps(found)) == found
        assert (found["check"], found["verdict"], found["evidence"]) == ("its-id", "fails", "line 3")
        assert "run" not in found


class TestOneLine:
    """An error's text is shortened to a line."""

    @pytest.mark.parametrize(
        ("said", "line"),
        [("one\n  two\tthree\r\n", "one two three"), ("x" * 501, "x" * 500), ("", "")],
        ids=["lines", "long", "nothing"],
    )
    def test_text(self, said, line):
        """White space becomes a space, and text after 500 characters is cut."""
        assert one_line(ValueError(said)) == line

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
        """Terminal control characters are escaped."""
        assert one_line(ValueError(said)) == line

    def test_every_text(self):
        """So they are in all texts of a finding, which keep new lines."""
        found = finding_of(CheckError("one\n\x07", "two\n\x07", figure="three\n\x07"))
        assert (found.problem, found.advice, found.figure) == ("one\n\\x07", "two\n\\x07", "three\n\\x07")


class TestNode:
    """A failure that names a node of the file has the node's first output."""

    @staticmethod
    def of(given, message, node=""):
        text = FILE.replace("scaled = Mul", "[times] scaled = Mul")
        return judge(fails(CheckError(message, "Mend it.", node=node)), given(scale_case(), text)).node

    @pytest.mark.parametrize(
        "message",
        [
            "Non-zero status code returned while running Mul node. Name:'times' Status Message: no",
            "Node (times) Op (Mul) [ShapeInferenceError] no",
            "Could not find an implementation for Mul(7) node with name 'times'",
            "Inference error(s): (op_type:Mul, node name: times): [ShapeInferenceError] no",
        ],
    )
    def test_message(self, given, message):
        """ONNX Runtime and onnx's checker name it in their own ways."""
        assert self.of(given, message) == "scaled"
        assert self.of(given, message.replace("times", "other")) == ""

    def test_other_words(self, given):
        """A word that is also a node's name is not one."""
        assert self.of(given, "the output is 3 times as large, 'times' (times)") == ""

    def test_check_knows(self, given):
        """A node that the check gives is not sought."""
        assert self.of(given, "Name:'times'", node="total") == "total"

    def test_no_file(self, tmp_path):
        """Without a readable file there is none."""
        (tmp_path / "text.onnx").write_text("text")
        conversion = Conversion(ReferenceModel(scale_case()), GivenFile(tmp_path / "text.onnx"))
        assert judge(fails(CheckError("Name:'times'", "")), conversion).node == ""

    def test_engine(self, given):
        """What ONNX Runtime says of a node that fails at work names it, in each version."""
        text = FILE.replace("scaled = Mul (x, factor)", "[shaped] flat = Reshape (x, sizes) scaled = Mul (x, factor)")
        text = text.replace("<float[1] two", "<int64[2] sizes = {5, 5}, float[1] two")
        found = judge(values.same_values, given(scale_case(), text))
        assert (found.verdict, found.node) == (CheckVerdict.FAILS, "flat")


def fails(error):
    """A check that fails."""

    def its_id(conversion):
        raise error

    return its_id
