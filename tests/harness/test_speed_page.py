"""docs/speed.md and docs/srcnn.md match docs/speed.json."""

import json

import pytest

from benchmarks.costs import COSTS as COSTS_ASKED
from docs.speed_page import COSTS, PAGE, RESULTS, met, render, summary
from onnxproof.results import Ratio

CASE_STUDY = PAGE.with_name("srcnn.md")


@pytest.fixture
def found():
    return json.loads(RESULTS.read_text(encoding="utf-8"))


@pytest.fixture
def checks():
    return json.loads(COSTS.read_text(encoding="utf-8"))


@pytest.fixture
def slower(found):
    """The same results, if everything but the operator and the network had taken a tenth of its time."""
    for ratio in [timing["ratio"] for timed in found["latency"] for timing in timed["timings"]]:
        ratio.update({bound: value / 10 for bound, value in ratio.items()})
    return found


def on_one_line(text):
    return " ".join(text.split())


def test_page_is_made_of_the_results(found, checks):
    """The page matches the results: `python -m docs.speed_table --page` updates it."""
    assert PAGE.read_text(encoding="utf-8") == render(found, checks)


def test_every_cost_is_there(checks):
    """The page has each case of the benchmark."""
    assert [row["title"] for row in checks["costs"]] == [cost.title for cost in COSTS_ASKED]


def test_case_study_has_the_figures(found):
    """The case study has the `summary` of the results, word for word."""
    assert on_one_line(summary(found)) in on_one_line(CASE_STUDY.read_text(encoding="utf-8"))


def test_slower_results(slower, checks):
    """The page says which measures are not met, and the case study no longer has the figures."""
    assert "| no |" in render(slower, checks)
    assert "| no |" not in PAGE.read_text(encoding="utf-8")
    assert on_one_line(summary(slower)) not in on_one_line(CASE_STUDY.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("ratio", "bounds", "expected"),
    [
        pytest.param((8.1, 8.5, 9.0), {"least": 8}, "yes", id="above"),
        pytest.param((7.9, 8.5, 9.0), {"least": 8}, "in the median, not in the whole interval", id="reaches-below"),
        pytest.param((7.0, 7.9, 9.0), {"least": 8}, "no", id="below"),
        pytest.param((1.1, 1.3, 1.4), {"most": 1.5}, "yes", id="under"),
        pytest.param((1.1, 1.3, 1.6), {"most": 1.5}, "in the median, not in the whole interval", id="reaches-above"),
        pytest.param((1.1, 1.6, 1.7), {"most": 1.5}, "no", id="over"),
    ],
)
def test_met(ratio, bounds, expected):
    """A measure is met if the median is within its bounds, and wholly if the interval is."""
    low, median, high = ratio
    assert met(Ratio(median, low, high), **bounds) == expected
