"""What the harness' own tests share."""

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.conversion import Conversion
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FILE, scale_case


@pytest.fixture
def pytester(pytester, monkeypatch):
    """pytest in pytest, without its log file: it stays open after a usage error, which warns at any later moment."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:logging")
    return pytester


@pytest.fixture
def given(tmp_path):
    """A file that is written out as text, given for a case."""

    def make(case, text, **options):
        path = tmp_path / "model.onnx"
        onnx.save(parse_model(text), path)
        return Conversion(case, exporter=TORCHSCRIPT, given=path, **options)

    return make


@pytest.fixture
def right(given):
    """A right file, in no time."""
    return given(scale_case(), FILE)
