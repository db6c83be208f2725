"""The tables of a report: what several runs found of each claim, file, conversion and contender."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from onnxproof.graph_picture import Picture, draw
from onnxproof.results import Checked, ClaimResult, GraphResult, LatencyResult, TimingResult
from onnxproof.runs import Run

Item = TypeVar("Item")

IN_WORDS = {"fails": "fail", "expected": "fail as expected", "not judged": "not judged", "holds": "hold"}
"""Verdicts of checks after a number, the gravest first."""


@dataclass(frozen=True)
class Shared(Generic[Item]):
    """Something that several runs have alike."""

    item: Item
    runs: tuple[Run, ...]

    @property
    def labels(self) -> list[str]:
        return [run.label for run in self.runs]


def shared(runs: Sequence[Run], of: Callable[[Run], Iterable[Item]]) -> list[Shared[Item]]:
    """What each run has, told once where several have the same."""
    groups: dict[Hashable, tuple[Item, list[Run]]] = {}
    for run in runs:
        for item in of(run):
            groups.setdefault(msgspec.json.encode(item), (item, []))[1].append(run)
    return [Shared(item, tuple(found)) for item, found in groups.values()]


# Claims


@dataclass(frozen=True)
class Cell:
    """A claim in one run: its mark, or one per exporter where they differ, and the number of its detail."""

    label: str
    marks: tuple[str, ...]
    spoken: str
    detail: int


@dataclass(frozen=True)
class Row:
    """A claim in every run; None where a run has nothing on it."""

    id: str
    statement: str
    cells: tuple[Cell | None, ...]

    @property
    def verdicts(self) -> tuple[str, ...]:
        return tuple(sorted({verdict for cell in self.cells if cell for verdict in cell.marks}))

    @property
    def differs(self) -> bool:
        return len({cell.marks for cell in self.cells if cell}) > 1


@dataclass
class Matrix:
    """The claims by chapter, and what is told of a cell: cells that tell the same share it."""

    chapters: dict[str, list[Row]] = field(default_factory=dict)
    details: list[ClaimResult] = field(default_factory=list)


def claim_matrix(runs: Sequence[Run]) -> Matrix:
    """A row a claim, a cell a run, chapters and claims in the order in which they come."""
    by_run = [{claim.id: claim for claim in run.results.claims if claim.verdicts} for run in runs]
    details = [each.item for each in shared(runs, lambda run: run.results.claims)]
    number_of = {msgspec.json.encode(claim): number for number, claim in enumerate(details)}
    matrix = Matrix(details=details)
    for id in dict.fromkeys(id for claims in by_run for id in claims):
        found = [claims.get(id) for claims in by_run]
        cells = tuple(
            Cell(run.label, _marks(claim), spoken(claim), number_of[msgspec.json.encode(claim)]) if claim else None
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


def _marks(claim: ClaimResult) -> tuple[str, ...]:
    verdicts = tuple(verdict for _, verdict in _in_order(claim))
    return verdicts[:1] if len(set(verdicts)) == 1 else verdicts


def _in_order(claim: ClaimResult) -> list[tuple[str, str]]:
    """The verdicts by exporter; what needs none comes last."""
    return sorted(claim.verdicts.items(), key=lambda pair: (not pair[0], pair[0]))


# Graphs and conversions


def drawn_graphs(runs: Sequence[Run]) -> list[tuple[Shared[GraphResult], Picture]]:
    """The graph of each file with its picture, by the target and the file."""
    found = shared(runs, lambda run: run.results.graphs)
    found.sort(key=lambda each: (each.item.file.rpartition("/")[2], each.item.target))
    return [(each, draw(each.item)) for each in found]


@dataclass(frozen=True)
class Conversion:
    """What the checks found of one conversion."""

    case: str
    made: str
    checks: tuple[Checked, ...]

    @property
    def counts(self) -> str:
        counts: Counter[str] = Counter(check.verdict for check in self.checks)
        return ", ".join(f"{counts[verdict]} {text}" for verdict, text in IN_WORDS.items() if counts[verdict])

    @property
    def exceptions(self) -> list[Checked]:
        return [check for check in self.checks if check.verdict != "holds"]

    @property
    def fails(self) -> bool:
        return any(check.verdict == "fails" for check in self.checks)


def conversions(runs: Sequence[Run]) -> list[Shared[Conversion]]:
    """Each conversion of each run with its checks; those that fail first."""
    found = shared(runs, _conversions)
    return sorted(found, key=lambda each: not each.item.fails)


def _conversions(run: Run) -> Iterator[Conversion]:
    groups: dict[tuple[str, str], list[Checked]] = {}
    for check in run.results.conversions:
        made = f"{check.exporter or check.file}, opset {check.opset}" if check.opset else check.exporter or check.file
        groups.setdefault((check.case, made), []).append(check)
    for (case, made), checks in groups.items():
        yield Conversion(case, made, tuple(checks))


# Latency


@dataclass(frozen=True)
class Bar:
    """A contender, with its ratio's interval in percent of the chart's width."""

    timing: TimingResult
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Chart:
    """Contenders of one workload; `one` is where a ratio of 1 stands, in percent."""

    run: Run
    latency: LatencyResult
    one: float
    bars: tuple[Bar, ...]


def charts(runs: Sequence[Run]) -> list[Chart]:
    """The latencies of every run, each chart up to its own largest ratio."""
    return [_chart(run, latency) for run in runs for latency in run.results.latency]


def _chart(run: Run, latency: LatencyResult) -> Chart:
    bounds = [timing.ratio.high for timing in latency.timings if math.isfinite(timing.ratio.high)]
    largest = max([1.0, *bounds]) * 1.05

    def percent(ratio: float) -> float:
        return min(max(100 * ratio / largest, 0), 100) if math.isfinite(ratio) else 100

    bars = (
        Bar(each, percent(each.ratio.low), percent(each.ratio.median), percent(each.ratio.high))
        for each in latency.timings
    )
    return Chart(run, latency, percent(1), tuple(bars))
