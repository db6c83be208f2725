"""docs/api.md is what the docstrings say, and they say it of each field of results.json."""

import re
from dataclasses import fields, is_dataclass

import pytest

import onnxproof
from docs.api_page import PAGE, PARTS, definition, public_classes, render
from onnxproof import results

RESULTS = [found for name, found in vars(results).items() if is_dataclass(found) and not name.startswith("_")]


def test_page_is_made_of_the_docstrings():
    """The page says what the docstrings say: `python -m docs.api_page` makes it again."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_top_level():
    """What `onnxproof` itself exports is there."""
    assert set(onnxproof.__all__) <= {name.partition(".")[2] for part in PARTS for name in part.names}


def test_missing():
    """A name that has moved to another module is told."""
    with pytest.raises(LookupError, match=r"onnxproof/parity\.py defines no Case: correct PARTS"):
        definition("parity", "Case")


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
def test_results_field(kind):
    """Each field of results.json is explained under its name."""
    explained = set(re.findall(r"`(\w+)`", kind.__doc__))
    assert [field.name for field in fields(kind) if field.name not in explained] == []


def test_results_classes():
    """Every class of results.json is on the page."""
    assert {f"results.{kind.__name__}" for kind in RESULTS} <= set(public_classes("results"))
