"""What specs record and keep, and the results.json that a pytest run with `--report` leaves."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from onnxproof import versions
from onnxproof.check_plugin import FINDING
from onnxproof.files import write_whole
from onnxproof.ledger import Ledger
from onnxproof.results import SCHEMA
from onnxproof.targets import Target, targets

if TYPE_CHECKING:
    from onnxproof.latency import Latency
    from onnxproof.parity import Parity, PixelParity

COMPARISON = "onnxproof-comparison"
LATENCY = "onnxproof-latency"
NOTHING: Mapping[str, str] = MappingProxyType({})

_GRAPHS = "onnxproof-graphs"
_KEPT_GRAPHS = pytest.StashKey[list[dict[str, Any]]]()


class RecordComparison(Protocol):
    def __call__(
        self, parity: "Parity", pixels: "PixelParity | None" = None, pictures: Mapping[str, str] = NOTHING
    ) -> None: ...


class RecordLatency(Protocol):
    def __call__(self, latency: "Latency", not_run: Mapping[str, str] = NOTHING) -> None: ...


class Keep(Protocol):
    def __call__(self, source: Path, name: str, target: Target | None = None, *, inputs: Sequence[str] = ()) -> str: ...


@pytest.fixture
def record_comparison(request: pytest.FixtureRequest) -> RecordComparison:
    """Puts a Parity, and the PixelParity of the pictures made from it, into results.json and the run's summary.

    `pictures` are files of the `--report` folder by what they show ("torch", "ONNX Runtime"), under the names that
    `keep` returns: the report's page shows them side by side.
    """

    def record(parity: "Parity", pixels: "PixelParity | None" = None, pictures: Mapping[str, str] = NOTHING) -> None:
        figures = {"same": parity.same, **asdict(parity), "pixels": asdict(pixels) if pixels else None}
        request.node.user_properties.append((COMPARISON, {**figures, "pictures": dict(pictures)}))

    return record


@pytest.fixture
def record_latency(request: pytest.FixtureRequest) -> RecordLatency:
    """Puts a Latency, and the reason for each contender that could not run by its name, into results.json."""

    def record(latency: "Latency", not_run: Mapping[str, str] = NOTHING) -> None:
        request.node.user_properties.append((LATENCY, {**asdict(latency), "not_run": dict(not_run)}))

    return record


@pytest.fixture(scope="session")
def shared_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a run see, for what is made once in it."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(pytestconfig, "workerinput") else folder


@pytest.fixture(scope="session")
def keep(pytestconfig: pytest.Config) -> Keep:
    """Copies a file into the `--report` folder: what the first target made at its top, the others' in a folder each.

    Returns its name in that folder, also without `--report`, where nothing is copied. `inputs`, which are a model's,
    say that the file is an ONNX file of that model: its graph goes into results.json, and the inputs that it does not
    have are marked there as folded.
    """

    def copy(source: Path, name: str, target: Target | None = None, *, inputs: Sequence[str] = ()) -> str:
        is_first = target is None or target == targets(pytestconfig)[0]
        kept = name if is_first else f"{target}/{name}"
        if pytestconfig.option.report:
            path = Path(pytestconfig.option.report, kept)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, source.read_bytes())
            if inputs:
                pytestconfig.stash[_KEPT_GRAPHS].append(_graph(source, kept, target, inputs))
        return kept

    return copy


def _graph(source: Path, kept: str, target: Target | None, inputs: Sequence[str]) -> dict[str, Any]:
    from onnxproof.graph import read_graph
    from onnxproof.graph_picture import graph_result

    return asdict(graph_result(read_graph(source), kept, target, inputs))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_KEPT_GRAPHS] = []
    if config.option.report and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Results(config), "onnxproof-results")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist hands over the graphs of what it kept."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_GRAPHS] = session.config.stash[_KEPT_GRAPHS]


class Results:
    """Collects what the tests recorded, in the process that workers report to, and writes results.json at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.page: Path | None = None
        self.problem = ""
        self.content: dict[str, Any] = {
            "schema": SCHEMA,
            "name": os.environ.get("TOX_ENV_NAME", ""),
            "environment": versions.environment(),
            "targets": [asdict(target) for target in targets(config)],
            "comparisons": [],
            "conversions": [],
            "latency": [],
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self.content["conversions"] += recorded(report, FINDING)
            for key, name in (("comparisons", COMPARISON), ("latency", LATENCY)):
                self.content[key] += [dict(figures, spec=report.nodeid) for figures in recorded(report, name)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes what a worker of pytest-xdist hands over; one that crashed hands over nothing."""
        self.config.stash[_KEPT_GRAPHS] += getattr(node, "workeroutput", {}).get(_GRAPHS, [])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from onnxproof.report import write_report

        graphs = {graph["file"]: graph for graph in self.config.stash[_KEPT_GRAPHS]}
        self.content["graphs"] = [graphs[file] for file in sorted(graphs)]
        self.content["comparisons"].sort(key=itemgetter("spec", "case"))
        self.content["latency"].sort(key=itemgetter("spec", "case"))
        self.content["conversions"].sort(key=itemgetter("case", "exporter", "opset", "check"))
        ledgers = [plugin for plugin in self.config.pluginmanager.get_plugins() if isinstance(plugin, Ledger)]
        self.content["claims"] = [claim for ledger in ledgers for claim in ledger.as_results()]
        text = json.dumps(self.content, indent=1, sort_keys=True)
        faults = self.config.getini("report_faults")
        try:
            results = write_whole(Path(self.config.option.report, "results.json"), text.encode())
            self.page = write_report([results], results.parent, self.config.rootpath / faults if faults else None)
        except OSError as error:
            self.problem = error.strerror or str(error)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Where the page is, or why there is none."""
        terminalreporter.write_sep("=", "report")
        if self.problem:
            advice = "what an earlier run left there is as it was; make room, or name another folder"
            message = f"--report {self.config.option.report}: no whole report, {self.problem}; {advice}"
            terminalreporter.write_line(message, red=True)
        else:
            terminalreporter.write_line(str(self.page))


def recorded(report: pytest.TestReport, name: str) -> Iterator[dict[str, Any]]:
    """What a test recorded under one of the names `COMPARISON`, `LATENCY` and `FINDING`."""
    for known, figures in report.user_properties:
        if known == name and isinstance(figures, dict):
            yield figures


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Every picture that was compared, with its values at truncation edges: counted, never hidden."""
    reports = [
        report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)
    ]
    pictures = {
        figures["case"]: figures for report in reports for figures in recorded(report, COMPARISON) if figures["pixels"]
    }
    if pictures:
        terminalreporter.write_sep("=", "pictures")
    for case, figures in sorted(pictures.items()):
        terminalreporter.write_line(picture_line(case, figures["difference"], **figures["pixels"]))


def picture_line(case: str, difference: float, *, values: int, edges: int, wrong: int) -> str:
    """What the run's summary says of a picture: its values at truncation edges, and the largest float difference."""
    return (
        f"{case}: {edges:,} of {values:,} values at truncation edges, {wrong:,} wrong; "
        f"largest float difference {difference:.2g}"
    )
