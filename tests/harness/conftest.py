"""What the harness' own tests share."""

import pytest


@pytest.fixture
def pytester(pytester, monkeypatch):
    """pytest in pytest, without its log file: it stays open after a usage error, which warns at any later moment."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:logging")
    return pytester
