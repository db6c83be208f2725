"""The pytest plugin: its options, and the exporters and opsets that a run is about."""

import os
import sys
from typing import Any

import pytest

from onnxproof import check_plugin, recording, versions
from onnxproof.fault_results import read_faults
from onnxproof.files import make_writable
from onnxproof.names import one_of
from onnxproof.results import ResultsError
from onnxproof.targets import Target, exporters, span, targets

_REPORT = "onnxproof-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("onnxproof", "onnxproof: does the ONNX file do what the model did?")
    group.addoption(
        "--exporter",
        action="append",
        type=one_of(versions.EXPORTERS),
        metavar="NAME",
        help=f"export with this one only, {' or '.join(versions.EXPORTERS)}, for example --exporter torchscript; may "
        "be repeated (default: every exporter of the installed torch)",
    )
    group.addoption(
        "--opset",
        action="append",
        type=int,
        metavar="N",
        help="export at this opset only, for example --opset 18; may be repeated (default: each exporter's "
        "lowest, and all of them where a spec is about opsets)",
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
        help="leave results.json, a page about it and what the specs made in this folder, for example --report report "
        "(default: leave nothing)",
    )
    parser.addini(
        "report_faults", "a faults.json whose table the page of --report shows too (default: none)", default=""
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "claim(id): the spec states this claim")
    config.addinivalue_line("markers", "instead(id): what happens where this claim does not hold; runs only there")
    if config.option.opset and not targets(config, every=True):
        known = ", ".join(f"{name} writes {span(versions.opsets(name))}" for name in exporters(config))
        raise pytest.UsageError(f"--opset {' '.join(map(str, config.option.opset))}: no exporter to run; {known}")
    if hasattr(config, "workerinput"):
        config.option.report = config.workerinput[_REPORT]
    elif config.option.report:
        _check_folder(config)
        _check_faults(config)
    config.pluginmanager.register(check_plugin, "onnxproof-checks")
    config.pluginmanager.register(recording, "onnxproof-recording")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist the folder for the report, which may be relative to another one than its own."""
    node.workerinput[_REPORT] = node.config.option.report


def pytest_report_header() -> list[str]:
    """What decides outcomes, in a project that has imported torch by now: another one has nothing to do with it."""
    if "torch" not in sys.modules:
        return []
    found = ", ".join(f"{name} {version}" for name, version in versions.environment().items() if name != "python")
    written = ", ".join(f"{name} (opsets {span(versions.opsets(name))})" for name in versions.EXPORTERS)
    return [f"onnxproof: {found}", f"exporters: {written}"]


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


def _check_folder(config: pytest.Config) -> None:
    """Makes the `--report` folder, where it can be written."""
    folder, start = config.option.report, config.invocation_params.dir
    if "--report" in config.invocation_params.args and str(start) != os.path.commonpath([folder, start]):
        raise pytest.UsageError(
            f"--report {folder}: write --report={folder}, since pytest takes a folder outside of {start} that stands "
            "alone for the project's own"
        )
    try:
        make_writable(folder)
    except OSError as error:
        raise pytest.UsageError(f"--report {folder}: {error.strerror}; name a folder that can be written") from error


def _check_faults(config: pytest.Config) -> None:
    """Reads the table of faults now: when the page is written it is late to find out."""
    faults = config.getini("report_faults")
    try:
        if faults:
            read_faults(config.rootpath / faults)
    except ResultsError as error:
        raise pytest.UsageError(f"report_faults: {error}") from error
