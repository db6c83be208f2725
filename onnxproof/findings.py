"""What a check finds, and how a check is made of a function."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from onnxproof.conversion import Conversion
from onnxproof.exporting import ExportError
from onnxproof.model_file import GraphError
from onnxproof.trees import Array

HOLDS, FAILS, EXPECTED, NOT_JUDGED = "holds", "fails", "expected", "not judged"


@dataclass(frozen=True)
class Finding:
    """What a check found: a verdict, a figure or fact, and on failure what is wrong and what to do about it.

    `evidence` is the probe that a values check failed on, with what the model and the file gave.
    """

    check: str
    verdict: str
    figure: str = ""
    problem: str = ""
    advice: str = ""
    evidence: "Evidence | None" = None


@dataclass(frozen=True)
class Evidence:
    """Inputs, and the outputs of the model and of the file on them, by name."""

    inputs: dict[str, Array]
    expected: dict[str, Array]
    actual: dict[str, Array]


class CheckError(Exception):
    """A check that fails: what is wrong, what to do, and the evidence."""

    def __init__(self, problem: str, advice: str, evidence: Evidence | None = None, figure: str = "") -> None:
        super().__init__(problem)
        self.problem, self.advice, self.evidence, self.figure = problem, advice, evidence, figure


class NotJudgedError(Exception):
    """A check that has nothing to judge; the message says why."""


@dataclass(frozen=True)
class Check:
    """A check by its id: `judge` gives a figure, or raises `CheckError` or `NotJudgedError`."""

    id: str
    sentence: str
    judge: Callable[[Conversion], str]

    def __call__(self, conversion: Conversion) -> Finding:
        """The finding on a conversion. Raises `CaseError` for a case that cannot be checked."""
        expected = conversion.case.expected.get(self.id)
        finding = _printable(self._judged(conversion))
        if expected and finding.verdict == FAILS:
            return Finding(self.id, EXPECTED, finding.figure, finding.problem, f"expected: {expected}")
        if expected and finding.verdict == HOLDS:
            problem = f"it holds, and was expected to fail: {expected}"
            return Finding(self.id, FAILS, finding.figure, problem, "take it out of the case's `expected`")
        return finding

    def _judged(self, conversion: Conversion) -> Finding:
        try:
            return Finding(self.id, HOLDS, self.judge(conversion))
        except CheckError as failure:
            return Finding(self.id, FAILS, failure.figure, failure.problem, failure.advice, failure.evidence)
        except NotJudgedError as reason:
            return Finding(self.id, NOT_JUDGED, problem=str(reason))
        except ExportError:
            return Finding(self.id, NOT_JUDGED, problem="there is no file: see exports")
        except GraphError:
            return Finding(self.id, NOT_JUDGED, problem="the file cannot be read: see well-formed")


def check(id: str) -> Callable[[Callable[[Conversion], str]], Check]:
    """Makes a check of a function; its docstring is the check's sentence."""
    return lambda judge: Check(id, judge.__doc__ or "", judge)


def first_line(error: BaseException) -> str:
    """What an error says, on one line."""
    return _escaped(re.sub(r"\s+", " ", str(error)).strip()[:300])


def _printable(finding: Finding) -> Finding:
    """The finding, in which a name out of a file cannot command the terminal."""
    figure, problem, advice = map(_escaped, (finding.figure, finding.problem, finding.advice))
    return replace(finding, figure=figure, problem=problem, advice=advice)


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
