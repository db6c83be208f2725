"""Fixtures of the tests of onnxproof itself."""

import shutil
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
    """Keeps what pytester's runs import, except their own files: parts of torch cannot be imported twice."""
    folder = tmp_path_factory.getbasetemp()

    def is_kept(name):
        file = getattr(sys.modules[name], "__file__", None)
        return not (file and Path(file).is_relative_to(folder))

    monkeypatch.setattr("_pytest.pytester.SysModulesSnapshot", lambda preserve: SysModulesSnapshot(is_kept))


@pytest.fixture
def pytester(kept_imports, pytester, monkeypatch):
    """`pytester` without pytest's log file, which stays open after a usage error and warns at any later time."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-pno:logging")
    return pytester


@pytest.fixture
def given(tmp_path):
    """A conversion of a case to a file given as text."""

    def make(case, text, **options):
        path = tmp_path / "model.onnx"
        onnx.save(parse_model(text), path)
        return Conversion(ReferenceModel(case), GivenFile(path, **options))

    return make


@pytest.fixture
def right(given):
    """The right file of `Scale`."""
    return given(scale_case(), FILE)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; without one, the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium found")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium)
        yield found
        found.close()


@pytest.fixture
def opened(browser, address):
    """Opens the page at a module's `address` in a window; in the end, the console is empty and nothing was fetched."""
    contexts, heard = [], []

    def get(**window):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **window}))
        contexts[-1].set_default_timeout(60_000)  # milliseconds, on a machine that is busy
        page = contexts[-1].new_page()
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
        page.goto(address)
        page.evaluate("document.querySelector('.viewer .left')?.decode()")
        return page

    yield get
    for context in contexts:
        context.close()
    assert heard == []
