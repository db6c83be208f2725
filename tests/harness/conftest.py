"""What the harness' own tests share."""

import sys
from pathlib import Path

import onnx
import pytest
from _pytest.pytester import SysModulesSnapshot
from onnx.parser import parse_model

from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from tests.harness.by_hand import FILE, scale_case


@pytest.fixture
def kept_imports(monkeypatch, tmp_path_factory):
    """What pytester's runs import stays, but for their own files: parts of torch, imported late, cannot be twice."""
    folder = tmp_path_factory.getbasetemp()

    def is_kept(name):
        file = getattr(sys.modules[name], "__file__", None)
        return not (file and Path(file).is_relative_to(folder))

    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot", lambda preserve: SysModulesSnapshot(is_kept))


@pytest.fixture
def pytester(kept_imports, pytester, monkeypatch):
    """pytest in pytest, without its log file: it stays open after a usage error, which warns at any later moment."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:logging")
    return pytester


@pytest.fixture
def given(tmp_path):
    """A file that is written out as text, given for a case."""

    def make(case, text, **options):
        path = tmp_path / "model.onnx"
        onnx.save(parse_model(text), path)
        return Conversion(ReferenceModel(case), GivenFile(path, **options))

    return make


@pytest.fixture
def right(given):
    """A right file, in no time."""
    return given(scale_case(), FILE)
