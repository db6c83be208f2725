"""Options of the zoo, and what its runs leave."""

import json
from importlib.metadata import version

import pytest

from docs.zoo_page import PAGE, RESULTS, Run, Zoo, merged, read, render

STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")
PACKAGES = ("transformers", "timm", "torchvision", "spandrel", "segmentation-models-pytorch", "ultralytics")
RUN = "run of the zoo"


def pytest_addoption(parser):
    parser.addoption(
        "--record",
        action="store_true",
        help="write what the runs found to docs/zoo.json, in place of what it has of the same architectures and "
        "exporters, and docs/zoo.md from it (default: write nothing)",
    )


@pytest.fixture
def keep_run(record_property):
    """Adds a run to what `--record` writes."""
    return lambda run: record_property(RUN, run)


def pytest_sessionfinish(session):
    if session.config.option.record and not hasattr(session.config, "workerinput"):
        record(recorded(session.config))


def recorded(config) -> list[Run]:
    """The runs of all workers."""
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    reports = [report for found in stats.values() for report in found if getattr(report, "when", "") == "call"]
    return [value for report in reports for name, value in report.user_properties if name == RUN]


def record(runs: list[Run]) -> None:
    found = Zoo(versions={name: version(name) for name in (*STACK, *PACKAGES)}, runs=runs)
    if RESULTS.exists():
        found = merged(read(), found)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(found), encoding="utf-8")
