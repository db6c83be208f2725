"""docs/api.md names what users import, docs/names.md names what exists, and results.json is explained."""

import importlib
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from onnxproof import results

DOCS = Path(__file__).parents[2] / "docs"
FACES = ["", ".checks", ".claims", ".engines", ".exporting", ".faults", ".graph", ".parity"]
RESULTS = [found for name, found in vars(results).items() if is_dataclass(found) and not name.startswith("_")]
LISTED = re.findall(r"^::: (.+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
NEW = re.findall(r"^\|.*\| (.*) \|$", (DOCS / "names.md").read_text(encoding="utf-8"), re.MULTILINE)


def found(path: str) -> Any:
    """The object of a dotted path: of a module, of a class in it."""
    module, _, name = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        return getattr(found(module), name)


@pytest.mark.parametrize("face", FACES)
def test_face(face):
    """What a package exports is on the page."""
    exported = set(importlib.import_module(f"onnxproof{face}").__all__) - {"run", "check"}  # findings, in a list
    assert exported <= {path.rpartition(".")[2] for path in LISTED}


@pytest.mark.parametrize("path", LISTED)
def test_listed(path):
    """What is on the page exists, and says what it is."""
    assert found(path) is not None


def test_missing():
    """A name that has moved is noticed."""
    with pytest.raises(AttributeError, match="Case"):
        found("onnxproof.parity.Case")


def test_new_names():
    """The new names in docs/names.md exist."""
    for path in re.findall(r"`(onnxproof\.[\w.]+)`", " ".join(NEW)):
        assert found(path) is not None


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_results_field(kind):
    """Each field of results.json is explained under its name."""
    explained = set(re.findall(r"`(\w+)`", kind.__doc__))
    assert [field.name for field in fields(kind) if field.name not in explained] == []


def test_results_classes():
    """Every class of results.json is on the page."""
    assert {kind.__name__ for kind in RESULTS} <= {path.rpartition(".")[2] for path in LISTED}
