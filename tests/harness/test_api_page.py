"""docs/api.md matches the docstrings, docs/names.md names what exists, and results.json is explained."""

import importlib
import re
from dataclasses import fields, is_dataclass

import griffe
import pytest

from docs.api_page import PAGE, reader, render
from onnxproof import results

FACES = ["", ".checks", ".claims", ".engines", ".exporting", ".faults", ".graph", ".parity"]
RESULTS = [found for name, found in vars(results).items() if is_dataclass(found) and not name.startswith("_")]
HEADINGS = re.findall(r"^### `(.+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_page_is_made_of_the_docstrings():
    """The page matches the docstrings: `python -m docs.api_page` updates it."""
    assert PAGE.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize("face", FACES)
def test_face(face):
    """What a package exports is on the page."""
    exported = set(importlib.import_module(f"onnxproof{face}").__all__) - {"run"}  # onnxproof.check
    assert exported <= {heading.rpartition(".")[2] for heading in HEADINGS}


def test_missing():
    """A name that has moved is a KeyError."""
    with pytest.raises(KeyError, match="Case"):
        reader()("onnxproof.parity.Case")


def test_new_names():
    """The new names in docs/names.md exist."""
    rows = re.findall(r"^\|.*\| (.*) \|$", PAGE.with_name("names.md").read_text(encoding="utf-8"), re.MULTILINE)
    find = reader()
    for path in re.findall(r"`(onnxproof\.[\w.]+)`", " ".join(rows)):
        assert isinstance(find(path), griffe.Object | griffe.Alias)


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_results_field(kind):
    """Each field of results.json is explained under its name."""
    explained = set(re.findall(r"`(\w+)`", kind.__doc__))
    assert [field.name for field in fields(kind) if field.name not in explained] == []


def test_results_classes():
    """Every class of results.json is on the page."""
    assert {kind.__name__ for kind in RESULTS} <= {heading.rpartition(".")[2] for heading in HEADINGS}
