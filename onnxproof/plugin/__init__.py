"""The pytest plugin: its options, and the exporters and opsets of a run."""

import os
import sys
from typing import Any

import pytest

from onnxproof import versions
from onnxproof._internal.files import make_writable
from onnxproof._internal.forked import SECONDS
from onnxproof._internal.names import one_of
from onnxproof.plugin import conversions, recording
from onnxproof.plugin.targets import exporters, own_opsets, span, targets
from onnxproof.probing.budget import SECONDS as BUDGET
from onnxproof.results import ResultsError, Target

_REPORT = "onnxproof-report"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("onnxproof", "onnxproof: does the ONNX file do what the model did?")
    group.addoption(
        "--onnx-exporter",
        action="append",
        type=one_of(versions.EXPORTERS),
        metavar="NAME",
        help=f"export with this one only, {' or '.join(versions.EXPORTERS)}, for example --onnx-exporter torchscript; "
        "may be repeated (default: every exporter of the installed torch)",
    )
    group.addoption(
        "--onnx-opset",
        action="append",
        type=int,
        metavar="N",
        help="export at this opset only, for example --onnx-opset 18; may be repeated (default: that of onnx_opsets or "
        "of torch, and all of them in a spec about opsets)",
    )
    group.addoption(
        "--onnx-engine",
        action="append",
        metavar="NAME",
        help="run each conversion check of values in this engine, which `onnxproof engines` lists, for example "
        "--onnx-engine openvino; may be repeated (default: those of the case, those of onnx_engines, or onnxruntime)",
    )
    group.addoption(
        "--onnx-claim",
        action="append",
        metavar="ID",
        help="run the specs of this claim only, for example --onnx-claim operator-order; may be repeated (default: "
        "all)",
    )
    group.addoption(
        "--onnx-report",
        type=os.path.abspath,
        metavar="DIR",
        help="leave results.json, a page about it and the files that the specs keep in this folder, for example "
        "--onnx-report report (default: leave nothing)",
    )
    group.addoption(
        "--onnx-timeout",
        type=float,
        default=SECONDS,
        metavar="SECONDS",
        help="end an export, or a run in an engine, that takes longer, for example --onnx-timeout 60; 0 is no limit, "
        "and no process of their own, for a debugger (default: %(default)g)",
    )
    group.addoption(
        "--onnx-budget",
        type=float,
        default=BUDGET,
        metavar="SECONDS",
        help="spend this much on a case's inputs besides the example, counted in operations, for example "
        "--onnx-budget 60 (default: %(default)g)",
    )
    group.addoption(
        "--onnx-thorough",
        action="store_true",
        help="leave out no input and no engine of the conversion checks, whatever it costs (default: off)",
    )
    parser.addini(
        "onnx_opsets",
        "the opset of each exporter, a line each, for example torchscript 17 (default: torch's)",
        type="linelist",
    )
    parser.addini(
        "onnx_engines",
        "the engines of cases that name none, a line each, for example openvino (default: onnxruntime)",
        type="linelist",
    )
    parser.addini(
        "onnx_report_faults",
        "a faults.json whose table is on the page of --onnx-report too (default: none)",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    own_opsets(config)
    config.addinivalue_line("markers", "claim(id): the spec states this claim")
    config.addinivalue_line("markers", "instead(id): what happens where this claim does not hold; runs only there")
    if config.option.onnx_opset and not targets(config, every=True):
        known = ", ".join(f"{name} writes {span(versions.opsets(name))}" for name in exporters(config))
        asked = " ".join(map(str, config.option.onnx_opset))
        raise pytest.UsageError(f"--onnx-opset {asked}: no exporter to run; {known}")
    if hasattr(config, "workerinput"):
        config.option.onnx_report = config.workerinput[_REPORT]
    elif config.option.onnx_report:
        _check_folder(config)
        _check_faults(config)
    config.pluginmanager.register(conversions, "onnxproof-conversions")
    config.pluginmanager.register(recording, "onnxproof-recording")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Sends a worker of pytest-xdist the report's folder, which may be relative to another one than its own."""
    node.workerinput[_REPORT] = node.config.option.onnx_report


def pytest_report_header() -> list[str]:
    """What decides outcomes; shown only if torch is already imported."""
    if "torch" not in sys.modules:
        return []
    found = ", ".join(f"{name} {version}" for name, version in versions.environment().items() if name != "python")
    written = ", ".join(f"{name} (opsets {span(versions.opsets(name))})" for name in versions.EXPORTERS)
    return [f"onnxproof: {found}", f"exporters: {written}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`onnx_target` is one Target per exporter, `onnx_every_target` one per exporter and opset."""
    for fixture in ("onnx_target", "onnx_every_target"):
        if fixture in metafunc.fixturenames and not _is_conversion(metafunc):
            found = targets(metafunc.config, every=fixture == "onnx_every_target")
            metafunc.parametrize(fixture, found, ids=map(str, found), scope="session", indirect=True)


def _is_conversion(metafunc: pytest.Metafunc) -> bool:
    return bool(metafunc.definition.get_closest_marker(conversions.MARKER))


@pytest.fixture(scope="session")
def onnx_target(request: pytest.FixtureRequest) -> Target:
    """Each exporter asked for, at the opsets asked for, or at that of `onnx_opsets` or torch's default."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def onnx_every_target(request: pytest.FixtureRequest) -> Target:
    """Each exporter asked for, at the opsets asked for or at every one that it writes."""
    return request.param  # type: ignore[no-any-return]


def _check_folder(config: pytest.Config) -> None:
    """Makes the folder of the report, or says why it cannot be written."""
    folder, start = config.option.onnx_report, config.invocation_params.dir
    if "--onnx-report" in config.invocation_params.args and str(start) != os.path.commonpath([folder, start]):
        raise pytest.UsageError(
            f"--onnx-report {folder}: write --onnx-report={folder}, since pytest takes a folder outside of {start} "
            "that stands alone for the project's own"
        )
    try:
        make_writable(folder)
    except OSError as error:
        raise pytest.UsageError(
            f"--onnx-report {folder}: {error.strerror}; name a folder that can be written"
        ) from error


def _check_faults(config: pytest.Config) -> None:
    """Reads the table of faults now: when the page is written it is too late to refuse it."""
    faults = config.getini("onnx_report_faults")
    if not faults:
        return
    from onnxproof.report.faults import read_faults

    try:
        read_faults(config.rootpath / faults)
    except ResultsError as error:
        raise pytest.UsageError(f"onnx_report_faults: {error}") from error
