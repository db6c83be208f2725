"""The faults that were put into right files: what the cases would notice."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from onnxproof.report.runs import Run
from onnxproof.results import TrialResult


@dataclass(frozen=True)
class CaseTrials:
    """The trials of one conversion, those that nothing caught first."""

    conversion: str
    trials: tuple[TrialResult, ...]

    @property
    def caught(self) -> int:
        """How many a check caught."""
        return sum(bool(trial.caught_by) for trial in self.trials)

    @property
    def tried(self) -> int:
        """How many a check could have caught."""
        return sum(not trial.untried for trial in self.trials)

    @property
    def rate(self) -> str:
        """How many of those that a check could have seen were caught."""
        share = f", {self.caught / self.tried:.0%}" if self.tried else ""
        return f"{self.caught} of {self.tried} caught{share}"


def case_trials(run: Run) -> Iterator[CaseTrials]:
    """The trials of a run by conversion."""
    for conversion, found in groupby(run.results.trials, attrgetter("conversion")):
        yield CaseTrials(conversion, tuple(sorted(found, key=lambda trial: bool(trial.caught_by))))
