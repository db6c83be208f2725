"""examples/onnxproof-web is a package of its own, whose engine `--engine` finds once it is installed."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof import check
from onnxproof.cli import main
from onnxproof.engines.asked import engines_of
from onnxproof.engines.base import EngineError, engine_names, version_of
from onnxproof.results import CheckVerdict
from tests.harness.by_hand import FILE, scale_case

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnxproof-web"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder into which pip installs the example, without a network."""
    pytest.importorskip("setuptools", reason="setuptools builds the example: pip install setuptools")
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "packages"))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    return folder / "packages"


@pytest.fixture(autouse=True)
def installed(monkeypatch, packages, tmp_path):
    """The example is installed, and the test is in a folder with a right file."""
    monkeypatch.syspath_prepend(packages)
    importlib.invalidate_caches()
    monkeypatch.chdir(tmp_path)
    onnx.save(parse_model(FILE), "right.onnx")
    yield
    sys.modules.pop("onnxproof_web", None)


def test_found():
    """Its name and its version are known."""
    assert "onnxruntime-web" in engine_names()
    assert version_of("onnxruntime-web:webgpu") == "0.1.0"


def test_no_node(monkeypatch):
    """Without node it says what it needs."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineError, match=r"^onnxruntime-web needs node: https://nodejs\.org/"):
        engines_of(["onnxruntime-web:cpu"])


def test_no_package(capsys, monkeypatch, tmp_path):
    """Without the npm package, the command says how to install it."""
    node = tmp_path / "node"
    node.write_text('#!/bin/sh\necho \'{"error": "Cannot find module"}\'\n')
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["check", "cases.py:case", "--engine", "onnxruntime-web:webgpu"]) == 2
    reason = "onnxproof: --engine: onnxruntime-web is not installed here: npm install onnxruntime-web\n"
    assert capsys.readouterr().err == reason


@pytest.mark.web
class TestNode:
    """Where node and onnxruntime-web are, it runs files."""

    @pytest.fixture(autouse=True)
    def npm(self, pytestconfig, tmp_path):
        """The package that `tox -e web` has installed."""
        (tmp_path / "node_modules").symlink_to(pytestconfig.rootpath / "node_modules")

    def test_right(self):
        """A right file holds."""
        found = check(scale_case(), file="right.onnx", engines=["onnxruntime-web"], only=["same-values", "repeatable"])
        assert [(each.engine, each.verdict) for each in found] == [("onnxruntime-web", CheckVerdict.HOLDS)] * 2

    def test_refused(self, tmp_path):
        """A wrong file fails with what onnxruntime-web says."""
        onnx.save(parse_model(FILE.replace("Mul", "Odd")), "odd.onnx")
        (found,) = check(scale_case(), file="odd.onnx", engines=["onnxruntime-web"], only=["same-values"])
        assert "it does not run: onnxruntime-web: " in found.problem

    def test_abilities(self, capsys, monkeypatch):
        """The list of engines shows what it runs."""
        monkeypatch.setenv("COLUMNS", "200")
        assert main(["engines", "onnxruntime-web"]) == 0
        assert "free sizes, sizes as inputs, float16, float64" in capsys.readouterr().out
