"""Engines of another package, which its entry points name."""

import importlib
import os
import sys
from pathlib import Path

import pytest

MODULE = """
import os
import time

import numpy as np

from onnxproof.engines import EngineError, engine


class Own:
    version, forkable = "9", True

    def __init__(self, option=""):
        self.option = option
        self.name = type(self).__name__.lower() + (f":{option}" if option else "")

    def open(self, path):
        return Session(self, engine("onnxruntime").open(path))

    def change(self, outputs):
        return outputs


class Session:
    def __init__(self, owner, session):
        self.owner, self.session = owner, session

    def run(self, inputs):
        return self.owner.change(self.session.run(inputs))


class Same(Own):
    def require(self):
        if self.option == "absent":
            raise EngineError("same: node is not installed: apt install nodejs")


class Doubled(Own):
    def change(self, outputs):
        return {name: array * 2 for name, array in outputs.items()}


class Aborts(Own):
    def change(self, outputs):
        print("the last words")
        os.abort()


class Hangs(Own):
    def change(self, outputs):
        if self.option == "now":
            time.sleep(600)
        return outputs


class Random(Own):
    def change(self, outputs):
        return {name: array + np.float32(np.random.default_rng().random() * 1e-7) for name, array in outputs.items()}
"""
ENTRY_POINTS = """
[onnxproof.engines]
same = engines_of_others:Same
doubled = engines_of_others:Doubled
aborts = engines_of_others:Aborts
hangs = engines_of_others:Hangs
random = engines_of_others:Random
broken = engines_of_others:NoSuchName
"""


@pytest.fixture
def other_engines(monkeypatch, tmp_path_factory):
    """Installs the package for a test: same, doubled, aborts, hangs, random and broken are engines."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "engines_of_others.py").write_text(MODULE)
    about = folder / "engines_of_others-9.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: engines-of-others\nVersion: 9\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(folder)
    places = [str(folder), str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("engines_of_others", None)
