"""The tables of a page: the claims, graphs and conversions of several runs."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from onnxproof.report.graphs import view
from onnxproof.report.paths import without_folders
from onnxproof.report.runs import Run
from onnxproof.results import (
    CheckResult,
    CheckVerdict,
    ClaimResult,
    ClaimVerdict,
    FileLosses,
    GraphResult,
    tally,
)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shared(Generic[Item]):
    """An item, and the runs that have it."""

    item: Item
    runs: tuple[Run, ...]

    @property
    def labels(self) -> list[str]:
        return [run.label for run in self.runs]


def shared(runs: Sequence[Run], of: Callable[[Run], Iterable[Item]]) -> list[Shared[Item]]:
    """The items of all runs; equal items of several runs are one."""
    groups: dict[Hashable, tuple[Item, list[Run]]] = {}
    for run in runs:
        for item in of(run):
            groups.setdefault(msgspec.json.encode(item), (item, []))[1].append(run)
    return [Shared(item, tuple(found)) for item, found in groups.values()]


# Claims


@dataclass(frozen=True)
class Cell:
    """A claim in one run: its mark, or one per exporter with its name if they differ, and the number of its detail."""

    label: str
    marks: tuple[ClaimVerdict, ...]
    names: tuple[str, ...]
    spoken: str
    detail: int


@dataclass(frozen=True)
class Row:
    """A claim in every run; None for a run that did not judge it."""

    id: str
    statement: str
    cells: tuple[Cell | None, ...]

    @property
    def verdicts(self) -> tuple[ClaimVerdict, ...]:
        return tuple(sorted({verdict for cell in self.cells if cell for verdict in cell.marks}))

    @property
    def differs(self) -> bool:
        return len({cell.marks for cell in self.cells if cell}) > 1


@dataclass
class Matrix:
    """The claims by chapter, and the details that cells refer to; equal cells share one."""

    chapters: dict[str, list[Row]] = field(default_factory=dict)
    details: list[ClaimResult] = field(default_factory=list)


def claim_matrix(runs: Sequence[Run]) -> Matrix:
    """A row for each claim and a cell for each run; chapters and claims keep the order of the runs."""
    by_run = [{claim.id: claim for claim in run.results.claims if claim.verdicts} for run in runs]
    details = [each.item for each in shared(runs, lambda run: run.results.claims)]
    number_of = {msgspec.json.encode(claim): number for number, claim in enumerate(details)}
    matrix = Matrix(details=details)
    for id in dict.fromkeys(id for claims in by_run for id in claims):
        found = [claims.get(id) for claims in by_run]
        cells = tuple(
            Cell(run.label, _marks(claim), _names(claim), spoken(claim), number_of[msgspec.json.encode(claim)])
            if claim
            else None
            for run, claim in zip(runs, found, strict=True)
        )
        first = next(filter(None, found))
        matrix.chapters.setdefault(first.chapter, []).append(Row(id, first.statement, cells))
    return matrix


def spoken(claim: ClaimResult) -> str:
    """A claim's verdicts in words."""
    found = _in_order(claim)
    if len(_marks(claim)) == 1:
        return found[0][1]
    return ", ".join(f"{exporter or 'without an exporter'}: {verdict}" for exporter, verdict in found)


def _marks(claim: ClaimResult) -> tuple[ClaimVerdict, ...]:
    verdicts = tuple(verdict for _, verdict in _in_order(claim))
    return verdicts[:1] if len(set(verdicts)) == 1 else verdicts


def _names(claim: ClaimResult) -> tuple[str, ...]:
    """The exporters of the marks, if there are several."""
    return tuple(exporter or "no exporter" for exporter, _ in _in_order(claim)) if len(_marks(claim)) > 1 else ()


def _in_order(claim: ClaimResult) -> list[tuple[str, ClaimVerdict]]:
    """The verdicts by exporter; the one without an exporter is last."""
    return sorted(claim.verdicts.items(), key=lambda pair: (not pair[0], pair[0]))


# Graphs and conversions


def drawn_graphs(runs: Sequence[Run]) -> list[tuple[Shared[GraphResult], dict[str, Any]]]:
    """The graph of each file that is not a conversion's, with its view, sorted by file name and target."""
    found = shared(runs, lambda run: (graph for graph in run.results.graphs if not _is_in_repro(graph, run)))
    found.sort(key=lambda each: (each.item.file.rpartition("/")[2], each.item.target))
    return [(each, view(each.item)) for each in found]


def _is_in_repro(graph: GraphResult, run: Run) -> bool:
    return graph.file.rpartition("/")[0] in {finding.repro for finding in run.results.findings if finding.repro}


@dataclass(frozen=True)
class CheckedConversion:
    """The findings of one conversion, first those that fail, the graph of its file if it was kept, and its losses.

    `ran` are the checks with their engines in the order in which they ran.
    """

    case: str
    made: str
    findings: tuple[CheckResult, ...]
    graph: GraphResult | None = None
    losses: FileLosses | None = None
    ran: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.case} ({self.made})"

    @property
    def failing(self) -> list[CheckResult]:
        return [finding for finding in self.findings if finding.verdict == CheckVerdict.FAILS]

    @cached_property
    def view(self) -> dict[str, Any]:
        if not self.graph:
            return {}
        errors = {name: error for found in self.failing if found.where for name, error in found.where.errors}
        return view(self.graph, filter(None, (finding.node for finding in self.failing)), errors)

    def place_of(self, node: str) -> int | None:
        """The box of the node with an output of this name in `view`; None if there is none."""
        places = (
            place for place, box in enumerate(self.view.get("boxes", ())) if node and node in box.get("gives", ())
        )
        return next(places, None)

    @property
    def counts(self) -> str:
        return tally(finding.verdict for finding in self.findings)

    @property
    def exceptions(self) -> list[tuple[CheckResult, list[str]]]:
        """The findings that do not hold, each with its check and engine; those with the same text are together."""
        groups: dict[CheckResult, list[str]] = {}
        for finding in self.findings:
            if finding.verdict != CheckVerdict.HOLDS:
                groups.setdefault(replace(finding, check="", figure="", engine=""), []).append(finding.name)
        return list(groups.items())

    @property
    def engines(self) -> list[str]:
        """The engines that it was checked in, in that order; none for ONNX Runtime on the CPU alone."""
        if not any(finding.is_elsewhere for finding in self.findings):
            return []
        return [engine for engine in dict.fromkeys(engine for _, engine in self.ran) if engine]

    @property
    def by_engine(self) -> list[tuple[str, list[CheckResult | None]]]:
        """Each check of what the file does in an engine, with its finding in each of `engines`."""
        found = {(finding.check, finding.engine): finding for finding in self.findings if finding.engine}
        checks = dict.fromkeys(check for check, engine in self.ran if engine)
        return [(check, [found.get((check, engine)) for engine in self.engines]) for check in checks]

    @property
    def fails(self) -> bool:
        return bool(self.failing)

    @property
    def undecided(self) -> list[CheckResult]:
        return [finding for finding in self.findings if finding.verdict == CheckVerdict.UNDECIDED]


_ORDER = (
    CheckVerdict.FAILS,
    CheckVerdict.UNDECIDED,
    CheckVerdict.EXPECTED,
    CheckVerdict.NOT_JUDGED,
    CheckVerdict.HOLDS,
)


def conversions(runs: Sequence[Run]) -> list[Shared[CheckedConversion]]:
    """The conversions of all runs, first those that fail, and then those that are undecided."""
    return sorted(shared(runs, _conversions), key=lambda each: (not each.item.fails, not each.item.undecided))


def _conversions(run: Run) -> Iterator[CheckedConversion]:
    groups: dict[tuple[str, str, str, int | None], list[CheckResult]] = {}
    for finding in run.results.findings:
        key = finding.case, finding.exporter, finding.file, finding.opset
        groups.setdefault(key, []).append(_without_folders(finding))
    for (case, exporter, file, opset), findings in groups.items():
        made = (exporter or Path(file).name) + (f", opset {opset}" if opset else "")
        ran = tuple((finding.check, finding.engine) for finding in findings)
        findings.sort(key=lambda finding: _ORDER.index(finding.verdict))
        folders = {finding.repro for finding in findings if finding.repro}
        graphs = (graph for graph in run.results.graphs if graph.file.rpartition("/")[0] in folders)
        of_file = (each for each in run.results.losses if each.conversion == (case, exporter, file, opset))
        yield CheckedConversion(case, made, tuple(findings), next(graphs, None), next(of_file, None), ran)


def _without_folders(finding: CheckResult) -> CheckResult:
    """The finding without the machine's folders in its texts."""
    figure, problem, advice, evidence = map(
        without_folders, (finding.figure, finding.problem, finding.advice, finding.evidence)
    )
    return replace(finding, figure=figure, problem=problem, advice=advice, evidence=evidence)
