"""Options of the zoo, and what its runs leave."""

import json
from importlib.metadata import version

import pytest

from docs.zoo_page import PAGE, RESULTS, render
from zoo.architecture import ARCHITECTURES

STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")
RUNS = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption(
        "--record",
        action="store_true",
        help="write what the runs found to docs/zoo.json, and docs/zoo.md from it (default: write nothing)",
    )


def pytest_configure(config):
    config.stash[RUNS] = []


@pytest.fixture
def keep_run(pytestconfig):
    """Adds a run to what `--record` writes."""
    return pytestconfig.stash[RUNS].append


def pytest_sessionfinish(session):
    runs = session.config.stash[RUNS]
    if not session.config.option.record or not runs:
        return
    packages = {architecture.package for architecture in ARCHITECTURES.values()}
    found = {"versions": {name: version(name) for name in (*STACK, *sorted(packages))}, "runs": runs}
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(found), encoding="utf-8")
