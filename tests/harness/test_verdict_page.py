"""docs/verdicts.md is made of the recorded runs, each of its own stack."""

from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from docs.verdict_page import PAGE, RUNS, read_runs, render
from onnxproof.claims.claim import read_claims
from onnxproof.results import ClaimResult, ClaimVerdict, Departure, Results, ResultsError, as_json, read_results

STACKS = {path.stem: path for path in (PAGE.parents[1] / "stacks").glob("*.txt")}
RECORDED = sorted(RUNS.glob("*.json"))
CLAIMS = read_claims(PAGE.parents[1] / "tests" / "claims.toml")

SUM = ClaimResult("sum", "numbers", "One and one is two.", {"": ClaimVerdict.HOLDS}, [], [], [])
ORDER = ClaimResult(
    "order",
    "letters",
    "B comes before A.",
    {"one": ClaimVerdict.DEPARTS, "two": ClaimVerdict.NOT_APPLICABLE},
    [Departure("one", "A | B", "test_a_comes_first", "https://a.org")],
    ["two has no letters"],
    [],
)
NEW = replace(Results.of_run({"torch": "2.13.0+cpu", "numpy": "2.4.6"}, claims=[SUM, ORDER]), name="new")
OLD = replace(NEW, name="old", environment={"torch": "2.9.1"}, claims=[SUM])


class TestRecorded:
    """The recorded runs, the page and the stacks agree."""

    def test_page_is_made_of_the_runs(self):
        """The page matches the recorded runs: `python -m docs.verdict_page` updates it."""
        assert PAGE.read_text(encoding="utf-8") == render(read_runs())

    @pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
    def test_run_is_of_its_stack(self, path):
        """A run has the name of its file, and the versions that the stack pins."""
        run = read_results(path)
        stack = next((STACKS[factor] for factor in path.stem.split("-") if factor in STACKS), STACKS["torch2.13"])
        python = {"python_version": run.environment["python"].rpartition(".")[0]}
        pins = map(Requirement, stack.read_text(encoding="utf-8").splitlines())
        pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(python)]
        assert run.name == path.stem
        assert {"torch", "onnx", "onnxruntime"} <= {pin.name for pin in pins}
        assert [str(pin) for pin in pins if run.environment[pin.name] not in pin.specifier] == []

    @pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
    def test_run_has_every_claim(self, path):
        """A run has a verdict on each claim as it stands: `tox -e matrix -- --specs` records all of them again."""
        stated = [(claim.id, claim.chapter, claim.statement) for claim in read_results(path).claims]
        assert stated == [(claim.id, claim.chapter, claim.statement) for claim in CLAIMS]


class TestPage:
    """The page has what the runs found."""

    @pytest.fixture
    def page(self):
        return render({"old": OLD, "new": NEW}).splitlines()

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param("| old | 1 | 0 | 0 | 0 |", id="counts-old"),
            pytest.param("| new | 1 | 1 | 0 | 0 |", id="counts-new"),
            pytest.param("| `sum` |  | ✓ | ✓ |", id="of-no-exporter"),
            pytest.param("| `order` | one |  | ≠ |", id="departs"),
            pytest.param("| `order` | two |  | – |", id="not-applicable"),
            pytest.param("- `order`: B comes before A.", id="statement"),
            pytest.param(
                r"| `order` | one | A \| B ([link](https://a.org)) | `test_a_comes_first` | new |",
                id="departure",
            ),
            pytest.param("| `order` | two has no letters | new |", id="reason"),
            pytest.param("| old |  | 2.9.1 |  |  |  |  |  |  |", id="versions-old"),
            pytest.param("| new |  | 2.13.0+cpu |  |  |  |  | 2.4.6 |  |", id="versions-new"),
        ],
    )
    def test_line(self, page, line):
        """Each run has a column of verdicts and a row of versions; departures name their runs."""
        assert line in page

    def test_exporters_of_a_claim_are_neighbours(self):
        """An exporter that only a later run has is next to the claim's other exporters."""
        earlier = replace(ORDER, verdicts={"one": ClaimVerdict.HOLDS})
        last = replace(earlier, id="last")
        page = render({"old": replace(NEW, claims=[earlier, last]), "new": replace(NEW, claims=[ORDER, last])})
        assert "| `order` | one | ✓ | ≠ |\n| `order` | two |  | – |\n| `last` | one | ✓ | ✓ |" in page

    def test_everywhere(self):
        """A departure in every run has "all" in place of the environments."""
        assert "| `test_a_comes_first` | all |" in render({"new": NEW, "newer": NEW})

    @pytest.mark.parametrize(
        ("verdict", "holding", "failing"), [(ClaimVerdict.HOLDS, 1, "none"), (ClaimVerdict.FAILING, 0, 1)]
    )
    def test_summary(self, verdict, holding, failing):
        """The first sentence counts each claim once, by the gravest of its verdicts."""
        page = render({"old": replace(OLD, claims=[replace(SUM, verdicts={"": verdict})]), "new": NEW})
        departing = "1 depart from the document in at least one"
        assert f"Of 2 claims, {holding} hold in all 2, {departing}, and {failing} fail." in page


class TestReading:
    """Runs are read from a folder."""

    @pytest.fixture
    def folder(self, tmp_path):
        """A folder with runs in two environments."""
        for name, run in {"torch2.13": NEW, "torch2.9": OLD}.items():
            (tmp_path / f"{name}.json").write_text(as_json(run), encoding="utf-8")
        return tmp_path

    def test_order(self, folder):
        """They are in the order of the numbers in their names."""
        assert list(read_runs(folder).items()) == [("torch2.9", OLD), ("torch2.13", NEW)]

    def test_broken(self, folder):
        """A broken one is named."""
        (folder / "torch2.9.json").write_text("{")
        with pytest.raises(ResultsError, match=r"torch2\.9\.json: broken"):
            read_runs(folder)
