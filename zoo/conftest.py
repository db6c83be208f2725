"""Options of the zoo, and what its runs leave."""

import json
from importlib.metadata import version

import pytest

from docs.zoo_page import PAGE, RESULTS, Run, Tried, Zoo, merged, read, render

PACKAGES = ("transformers", "timm", "torchvision", "spandrel", "segmentation-models-pytorch", "ultralytics")
STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", *PACKAGES)
RUN, TRIED = "run of the zoo", "faults in a file of the zoo"


def pytest_addoption(parser):
    parser.addoption(
        "--record",
        action="store_true",
        help="write each run to docs/zoo.json, in place of an earlier one of the same architecture and exporter, and "
        "docs/zoo.md from it (default: write nothing)",
    )


def pytest_configure(config):
    if config.option.record and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(), "record of the zoo")


@pytest.fixture
def keep_run(record_property):
    """Hands a run to the process that records it."""
    return lambda run: record_property(RUN, run)


@pytest.fixture
def keep_tried(record_property):
    """Hands the faults tried on a file to the process that records them."""
    return lambda tried: record_property(TRIED, tried)


class Recorder:
    """Writes each run once it is over: all of them take long."""

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            runs, tried = ([value for name, value in report.user_properties if name == kind] for kind in (RUN, TRIED))
            record(runs, tried)


def record(runs: list[Run], tried: list[Tried]) -> None:
    found = Zoo(versions={name: version(name) for name in STACK}, runs=runs, faults=tried)
    if RESULTS.exists():
        found = merged(read(), found)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(found), encoding="utf-8")
