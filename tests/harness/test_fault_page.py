"""docs/faults.md and docs/faults.json are of one run, with every fault and every good conversion."""

import json
from collections import Counter

import pytest

from docs import where_table
from docs.engine_reasons import REASONS
from docs.fault_page import ENGINES, PAGE, RESULTS, is_unseen, render
from onnxproof.report.faults import fault_table, mark
from onnxproof.versions import torch_export_is_available
from tests.harness.located import MADE_BY
from tests.harness.lossy import LOSSY, LOSSY_PAIRS
from tests.harness.proof import ENGINE_PAIRS, GOOD_PAIRS, MODEL_PAIRS, TABLED, TABLED_PAIRS

needs_both_exporters = pytest.mark.skipif(
    not torch_export_is_available, reason="the page is about both exporters, and this torch has one"
)


UNREADABLE = {"truncated-file", "empty-file", "missing-external-data", "cut-external-data", "external-data-outside"}
"""Faults of files that onnxproof gives to no engine."""


@pytest.fixture(scope="module")
def found():
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def test_page_is_made_of_the_results(found):
    """The page matches the results: `python -m docs.fault_table --page` updates it."""
    assert PAGE.read_text(encoding="utf-8") == render(found)


def test_where_is_made_of_its_results():
    """The table of named modules matches its results: `python -m docs.where_table --page` updates it."""
    found = json.loads(where_table.RESULTS.read_text(encoding="utf-8"))
    page = where_table.PAGE.read_text(encoding="utf-8")
    assert page == where_table.render(page, found)
    assert where_table.table(found["rows"]) in page
    assert where_table.verify_table(found) in page
    assert {row["made_by"] for row in found["rows"]} == set(MADE_BY)


@needs_both_exporters
def test_every_fault_is_there(found):
    """The results have each fault on each file and exporter, with its current sentence."""
    rows = [(row["on"], row["id"], row["sentence"], row["caught_by"]) for row in found["faults"]]
    pairs = [*((subject.id, fault) for subject, fault in TABLED_PAIRS), *((on, fault) for fault, on in MODEL_PAIRS)]
    assert rows == [(on, fault.id, fault.sentence, fault.caught_by) for on, fault in pairs]


@needs_both_exporters
def test_every_good_conversion_is_there(found):
    """The results have each good conversion."""
    expected = [subject.id for subject in TABLED] + [f"{good.id}-{exporter}" for good, exporter in GOOD_PAIRS]
    assert [row["id"] for row in found["good"]] == expected


def test_every_lossy_fault_is_there(found):
    """The results have each fault of a lossy file, caught by its check, and no alarm of a right one."""
    rows = found["lossy"]["faults"]
    pairs = [(subject.id, fault) for subject, fault in LOSSY_PAIRS]
    expected = [(on, fault.id, fault.sentence, fault.caught_by) for on, fault in pairs]
    assert [(row["on"], row["id"], row["sentence"], row["caught_by"]) for row in rows] == expected
    assert [row["id"] for row in rows if row["caught_by"] not in row["checks"]] == []
    assert [(row["id"], row["checks"]) for row in found["lossy"]["good"]] == [(subject.id, []) for subject in LOSSY]


def test_every_unseen_fault_has_a_reason(found):
    """The page says why the traced inputs do not show a fault."""
    page = render(found)
    assert [row["id"] for row in found["faults"] if is_unseen(row) and f"({row['caught_by']})." not in page] == []


@needs_both_exporters
def test_every_fault_in_other_engines():
    """Other engines were asked about each fault of a file that can be read."""
    rows = json.loads(ENGINES.read_text(encoding="utf-8"))["faults"]
    pairs = [(subject.id, fault.id) for subject, fault in ENGINE_PAIRS]
    asked = [(row["on"], row["id"]) for row in rows]
    assert [pair for pair in pairs if pair in asked] == asked
    assert {id for _, id in {*pairs} - {*asked}} == UNREADABLE
    assert {sight for row in rows for sight in row["seen"].values()} <= {"same", "hidden", "shown", "refused"}


def test_every_difference_of_an_engine_has_a_reason():
    """What looks otherwise in an engine has one reason, and each reason is of something that was seen."""
    rows = json.loads(ENGINES.read_text(encoding="utf-8"))["faults"]
    seen = {(sight, engine, row["id"]) for row in rows for engine, sight in row["seen"].items() if sight != "same"}
    given = Counter((each.sight, engine, fault) for each in REASONS for engine in each.engines for fault in each.faults)
    assert given == dict.fromkeys(seen, 1)


def test_rates(found):
    """Each tool has one row, which counts every fault that it was asked about."""
    own, *peers = fault_table(found).rates
    assert (own.tool, own.asked, own.judged) == ("onnxproof", len(found["faults"]), len(found["good"]))
    for rate in peers:
        answers = [row["peers"][rate.tool] for row in found["faults"]]
        assert rate.asked == len(answers) - answers.count(None)
        assert rate.caught + rate.alike == len([answer for answer in answers if answer])


@pytest.mark.parametrize(
    ("answer", "of_good", "expected"),
    [
        pytest.param(None, None, "–", id="not-asked"),
        pytest.param("", "", "✗", id="missed"),
        pytest.param("0.9", "", "✓", id="caught"),
        pytest.param("not allclose", "not allclose", "≈", id="good-file-too"),
        pytest.param("ValueError: shapes", "not allclose", "✓", id="for-another-reason"),
    ],
)
def test_mark(answer, of_good, expected):
    """A file is caught if it is rejected, and the good one is not in the same way."""
    row = {"kind": "file", "on": "good", "peers": {"allclose": answer}}
    assert mark(row, "allclose", {"good": {"peers": {"allclose": of_good}}}) == expected
