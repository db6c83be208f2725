"""What specs record and keep, and the results.json that a pytest run with `--onnx-report` leaves."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import msgspec
import pytest

from onnxproof import versions
from onnxproof._internal.files import write_whole
from onnxproof.claims.ledger import Ledger, spec_id
from onnxproof.plugin.conversions import FINDING, GRAPHS, REFUSED, Placed
from onnxproof.plugin.machine import machine
from onnxproof.plugin.targets import targets
from onnxproof.results import (
    CheckResult,
    CheckVerdict,
    Comparison,
    GraphResult,
    Latency,
    Parity,
    PixelParity,
    RefusedCase,
    Results,
    Target,
    without_copies,
)

COMPARISON = "onnxproof-comparison"
LATENCY = "onnxproof-latency"
NOTHING: Mapping[str, str] = MappingProxyType({})

_GRAPHS = "onnxproof-graphs"

Kind = TypeVar("Kind")


class RecordComparison(Protocol):
    def __call__(
        self, parity: Parity, pixels: PixelParity | None = None, pictures: Mapping[str, str] = NOTHING
    ) -> None: ...


class RecordLatency(Protocol):
    def __call__(self, latency: Latency, not_run: Mapping[str, str] = NOTHING) -> None: ...


class Keep(Protocol):
    def __call__(self, source: Path, name: str, target: Target | None = None, *, inputs: Sequence[str] = ()) -> str: ...


@pytest.fixture
def onnx_record_comparison(request: pytest.FixtureRequest) -> RecordComparison:
    """Puts a Parity, and the PixelParity of the pictures made from it, into results.json and the run's summary.

    `pictures` are files of the report's folder by what they show ("torch", "ONNX Runtime"), under the names that
    `onnx_keep` returns: the page shows them side by side.
    """

    def record(parity: Parity, pixels: PixelParity | None = None, pictures: Mapping[str, str] = NOTHING) -> None:
        _put(request, COMPARISON, Comparison(parity, pixels, dict(pictures), spec_id(request.node)))

    return record


@pytest.fixture
def onnx_record_latency(request: pytest.FixtureRequest) -> RecordLatency:
    """Puts a Latency, and the reason for each contender that could not run by its name, into results.json."""

    def record(latency: Latency, not_run: Mapping[str, str] = NOTHING) -> None:
        _put(request, LATENCY, replace(latency, not_run=dict(not_run), spec=spec_id(request.node)))

    return record


@pytest.fixture(scope="session")
def onnx_keep(pytestconfig: pytest.Config) -> Keep:
    """Copies a file into the report's folder: at its top for the first target, for the others into a folder each.

    Returns its name in that folder, also without `--onnx-report`, when nothing is copied. With `inputs`, which are a
    model's, the file is an ONNX file of that model: its graph goes into results.json, and inputs that it does not have
    are marked there as folded.
    """

    def copy(source: Path, name: str, target: Target | None = None, *, inputs: Sequence[str] = ()) -> str:
        is_first = target is None or target == targets(pytestconfig)[0]
        kept = name if is_first else f"{target}/{name}"
        if pytestconfig.option.onnx_report:
            path = Path(pytestconfig.option.onnx_report, kept)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, source.read_bytes())
            if inputs:
                pytestconfig.stash[GRAPHS][kept] = _graph(source, kept, target, inputs)
        return kept

    return copy


def _put(request: pytest.FixtureRequest, name: str, result: object) -> None:
    request.node.user_properties.append((name, msgspec.to_builtins(result)))


def _graph(source: Path, kept: str, target: Target | None, inputs: Sequence[str]) -> dict[str, Any]:
    from onnxproof.graph.facts import read_graph
    from onnxproof.graph.record import graph_result

    return msgspec.to_builtins(graph_result(read_graph(source), kept, target, inputs))  # type: ignore[no-any-return]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[GRAPHS] = {}
    runs = not config.option.collectonly and not hasattr(config, "workerinput")
    if config.option.onnx_report and runs:
        config.pluginmanager.register(Recorder(config), "onnxproof-recorder")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over its graphs."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_GRAPHS] = session.config.stash[GRAPHS]


class Recorder:
    """Collects what the tests recorded, in the process that workers report to, and writes results.json at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.lines: list[str] = []
        self.problem = ""
        self.comparisons: list[Comparison] = []
        self.findings: list[Placed] = []
        self.latency: list[Latency] = []
        self.refused: set[RefusedCase] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self.comparisons += recorded(report, COMPARISON, Comparison)
            self.findings += recorded(report, FINDING, Placed)
            self.latency += recorded(report, LATENCY, Latency)
            self.refused |= set(recorded(report, REFUSED, RefusedCase))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes what a worker of pytest-xdist hands over; one that crashed hands over nothing."""
        self.config.stash[GRAPHS] |= getattr(node, "workeroutput", {}).get(_GRAPHS, {})

    def results(self) -> Results:
        """What the run found, in an order that does not depend on that of the tests."""
        graphs = msgspec.convert(list(self.config.stash[GRAPHS].values()), list[GraphResult])
        refused = {each.case for each in self.refused}
        findings = [placed.finding for placed in sorted(self.findings, key=_place)]
        findings = [each for each in findings if each.case not in refused or each.verdict != CheckVerdict.NOT_JUDGED]
        ledgers = [plugin for plugin in self.config.pluginmanager.get_plugins() if isinstance(plugin, Ledger)]
        return Results.of_run(
            versions.environment() | _engines(findings),
            targets(self.config),
            machine() if self.latency else None,
            claims=[claim for ledger in ledgers for claim in ledger.as_results()],
            comparisons=sorted(self.comparisons, key=attrgetter("spec", "parity.case")),
            findings=findings,
            graphs=sorted(without_copies(graphs, findings), key=attrgetter("file")),
            latency=sorted(self.latency, key=attrgetter("spec", "case")),
            refused=sorted(self.refused, key=attrgetter("case", "problem")),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the page, while pytest-xdist's processes end."""
        from onnxproof.report.page import write_run
        from onnxproof.report.runs import read_runs
        from onnxproof.report.summary import sentence

        faults = self.config.getini("onnx_report_faults")
        try:
            folder = self.config.option.onnx_report
            page = write_run(self.results(), folder, self.config.rootpath / faults if faults else None)
            said = sentence(read_runs([page.with_name("results.json")]))
            self.lines = [str(page), "".join(phrase.text for phrase in said)]
        except OSError as error:
            self.problem = error.strerror or str(error)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        """Where the page is and the sentence that it opens with, or why it could not be written, below all else."""
        yield
        terminalreporter.write_sep("=", "report")
        if self.problem:
            terminalreporter.write_line(
                f"--onnx-report {self.config.option.onnx_report}: the report is incomplete, {self.problem}; make room, "
                "or name another folder (the files of an earlier run there are unchanged)",
                red=True,
            )
        for line in self.lines:
            terminalreporter.write_line(line)


def _engines(findings: Sequence[CheckResult]) -> dict[str, str]:
    """The versions of the engines besides ONNX Runtime and the reference evaluator."""
    names = [finding.engine for finding in findings if finding.is_elsewhere]
    if not names:
        return {}
    from onnxproof.engines.asked import versions_of

    return versions_of(names)


def _place(placed: Placed) -> tuple[str, str, int, int]:
    found = placed.finding
    return found.case, found.exporter, found.opset or 0, placed.place


def recorded(report: pytest.TestReport, name: str, kind: type[Kind]) -> Iterator[Kind]:
    """What a test recorded under one of the names `COMPARISON`, `LATENCY`, `FINDING` and `REFUSED`."""
    for known, figures in report.user_properties:
        if known == name and isinstance(figures, dict):
            yield msgspec.convert(figures, kind)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every picture that was compared, with its values at truncation edges: counted, never hidden."""
    reports = [
        report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)
    ]
    comparisons = (found for report in reports for found in recorded(report, COMPARISON, Comparison))
    lines = {found.parity.case: picture_line(found.parity, found.pixels) for found in comparisons if found.pixels}
    if lines:
        terminalreporter.write_sep("=", "pictures")
    for case in sorted(lines):
        terminalreporter.write_line(lines[case])


def picture_line(parity: Parity, pixels: PixelParity) -> str:
    """A picture in the run's summary: its values at truncation edges, and the largest float difference."""
    return (
        f"{parity.case}: {pixels.edges:,} of {pixels.values:,} values at truncation edges, {pixels.wrong:,} wrong; "
        f"largest float difference {parity.difference:.2g}"
    )
