"""The pytest plugin: which exporters and opsets a run is about, and the results.json that it leaves."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from onnxproof import check_plugin, versions
from onnxproof.check_plugin import FINDING
from onnxproof.files import make_writable, write_whole
from onnxproof.ledger import Ledger

if TYPE_CHECKING:
    from onnxproof.latency import Latency
    from onnxproof.parity import Parity, PixelParity

SCHEMA = 1
COMPARISON = "onnxproof-comparison"
LATENCY = "onnxproof-latency"


@dataclass(frozen=True)
class Target:
    """What a spec exports with; its text is the id in a parametrized test."""

    exporter: str
    opset: int

    def __str__(self) -> str:
        return f"{self.exporter}-opset{self.opset}"


class RecordComparison(Protocol):
    def __call__(self, parity: "Parity", pixels: "PixelParity | None" = None) -> None: ...


class RecordLatency(Protocol):
    def __call__(self, latency: "Latency", not_run: Mapping[str, str] = {}) -> None: ...


class Keep(Protocol):
    def __call__(self, source: Path, name: str, target: Target | None = None) -> None: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("onnxproof", "onnxproof: does the ONNX file do what the model did?")
    group.addoption(
        "--exporter",
        action="append",
        choices=versions.EXPORTERS,
        help="export with this one only; may be repeated (default: every exporter of the installed torch)",
    )
    group.addoption(
        "--opset",
        action="append",
        type=int,
        metavar="N",
        help="export at this opset only; may be repeated (default: each exporter's lowest, and all of them where a "
        "spec is about opsets)",
    )
    group.addoption(
        "--claim",
        action="append",
        metavar="ID",
        help="run the specs of this claim only, for example --claim operator-order; may be repeated (default: all)",
    )
    group.addoption(
        "--report",
        type=os.path.abspath,
        metavar="DIR",
        help="leave results.json and what the specs made in this folder, for example --report report (default: leave "
        "nothing)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim(id): the spec states this claim")
    config.pluginmanager.register(check_plugin, "onnxproof-checks")
    config.addinivalue_line("markers", "instead(id): what happens where this claim does not hold; runs only there")
    if config.option.opset and not targets(config, every=True):
        known = ", ".join(f"{name} writes {_span(versions.opsets(name))}" for name in _exporters(config))
        raise pytest.UsageError(f"--opset {' '.join(map(str, config.option.opset))}: no exporter to run; {known}")
    if config.option.report:
        _check_folder(config)
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Results(config), "onnxproof-results")


def pytest_report_header() -> list[str]:
    """What decides outcomes, in a project that has imported torch by now: another one has nothing to do with it."""
    if "torch" not in sys.modules:
        return []
    found = ", ".join(f"{name} {version}" for name, version in versions.environment().items() if name != "python")
    exporters = ", ".join(f"{name} (opsets {_span(versions.opsets(name))})" for name in versions.EXPORTERS)
    return [f"onnxproof: {found}", f"exporters: {exporters}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`target` is one Target per exporter, `every_target` one per exporter and opset."""
    for fixture in ("target", "every_target"):
        definitions = metafunc._arg2fixturedefs.get(fixture, ())
        if definitions and definitions[-1].func.__module__ == __name__:  # and not a fixture of the project's own
            found = targets(metafunc.config, every=fixture == "every_target")
            metafunc.parametrize(fixture, found, ids=map(str, found), scope="session", indirect=True)


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """Each exporter asked for, at the opsets asked for or at its lowest."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def every_target(request: pytest.FixtureRequest) -> Target:
    """Each exporter asked for, at the opsets asked for or at every one that it writes."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def record_comparison(request: pytest.FixtureRequest) -> RecordComparison:
    """Puts a Parity, and the PixelParity of the pictures made from it, into results.json and the run's summary."""

    def record(parity: "Parity", pixels: "PixelParity | None" = None) -> None:
        figures = {"same": parity.same, **asdict(parity), "pixels": asdict(pixels) if pixels else None}
        request.node.user_properties.append((COMPARISON, figures))

    return record


@pytest.fixture
def record_latency(request: pytest.FixtureRequest) -> RecordLatency:
    """Puts a Latency, and the reason for each contender that could not run, into results.json."""

    def record(latency: "Latency", not_run: Mapping[str, str] = {}) -> None:
        request.node.user_properties.append((LATENCY, {**asdict(latency), "not_run": dict(not_run)}))

    return record


@pytest.fixture(scope="session")
def shared_folder(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a run see, for what is made once in it."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(pytestconfig, "workerinput") else folder


@pytest.fixture(scope="session")
def keep(pytestconfig: pytest.Config) -> Keep:
    """Copies a file into the `--report` folder: what the first target made at its top, the others' in a folder each."""

    def copy(source: Path, name: str, target: Target | None = None) -> None:
        report = pytestconfig.option.report
        if report:
            is_first = target in (None, targets(pytestconfig)[0])
            folder = Path(report) if is_first else Path(report, str(target))
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / name, source.read_bytes())

    return copy


class Results:
    """Collects what the tests recorded, in the process that workers report to, and writes results.json at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.folder = Path(config.option.report)
        self.content: dict[str, Any] = {
            "schema": SCHEMA,
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

    def pytest_sessionfinish(self) -> None:
        self.content["comparisons"].sort(key=lambda figures: (figures["spec"], figures["case"]))
        self.content["latency"].sort(key=lambda figures: (figures["spec"], figures["case"]))
        self.content["conversions"].sort(key=itemgetter("case", "exporter", "opset", "check"))
        ledgers = [plugin for plugin in self.config.pluginmanager.get_plugins() if isinstance(plugin, Ledger)]
        self.content["claims"] = [claim for ledger in ledgers for claim in ledger.as_results()]
        write_whole(self.folder / "results.json", json.dumps(self.content, indent=1, sort_keys=True).encode())


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
        pixels = figures["pixels"]
        terminalreporter.write_line(
            f"{case}: {pixels['edges']:,} of {pixels['values']:,} values at truncation edges, {pixels['wrong']:,} "
            f"wrong; largest float difference {figures['difference']:.2g}"
        )


def _exporters(config: pytest.Config) -> tuple[str, ...]:
    return tuple(dict.fromkeys(config.option.exporter or versions.EXPORTERS))


def targets(config: pytest.Config, *, every: bool = False) -> list[Target]:
    """What a run exports with: each exporter asked for at its lowest opset, at `every` one, or at those asked for."""
    asked = config.option.opset
    found = []
    for exporter in _exporters(config):
        written = versions.opsets(exporter)
        chosen = [opset for opset in written if opset in asked] if asked else written if every else written[:1]
        found += [Target(exporter, opset) for opset in chosen]
    return found


def _span(opsets: range) -> str:
    return f"{opsets[0]} to {opsets[-1]}"


def _check_folder(config: pytest.Config) -> None:
    """Makes the `--report` folder, where it can be written."""
    folder, start = Path(config.option.report), config.invocation_params.dir
    if "--report" in config.invocation_params.args and start not in folder.parents:
        raise pytest.UsageError(
            f"--report {folder}: write --report={folder}, since pytest takes a folder outside of {start} that stands "
            "alone for the project's own"
        )
    try:
        make_writable(folder)
    except OSError as error:
        raise pytest.UsageError(f"--report {folder}: {error.strerror}; name a folder that can be written") from error
