"""docs/zoo.md is made of docs/zoo.json, and tells every run's verdict."""

import pytest

from docs.zoo_page import PAGE, faults, merged, read, render, unexplained, verdict


def finding(check, verdict, problem="", advice=""):
    return {"check": check, "verdict": verdict, "figure": "", "problem": problem, "advice": advice}


def run(*findings, exporter="torchscript"):
    measured = {"seconds": 1.0, "mebibytes": 400}
    return {"name": "net", "package": "timm", "exporter": exporter, "findings": [*findings], **measured}


def tried(*trials):
    return {"name": "net", "package": "timm", "exporter": "torchscript", "trials": [*trials]}


HOLDS = finding("exports", "holds")
REFUSED = finding("exports", "expected", "no operator", "expected: it has no such operator")
NO_FILE = finding("same-values", "not judged", "there is no file: see exports")
WRONG = finding("same-values", "fails", "1 apart")
UNJUDGED = finding("engines-agree", "not judged", "the reference evaluator does not run it")


def test_page_is_made_of_the_record():
    """The page matches the record: `python -m docs.zoo_page` updates it."""
    assert PAGE.read_text(encoding="utf-8") == render(read())


def test_everything_recorded_is_explained():
    """The record has no failure without a reason, and nothing that is not judged without a way out."""
    assert [(run["name"], run["exporter"]) for run in read()["runs"] if unexplained(run)] == []


def test_every_fault_is_caught_or_measured():
    """The record has no fault that is missed."""
    missed = [
        (file["name"], trial["fault"])
        for file in read()["faults"]
        for trial in file["trials"]
        if not (trial["caught_by"] or trial["invisible"] or trial["untried"])
    ]
    assert missed == []


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        pytest.param([HOLDS], "✓", id="holds"),
        pytest.param([REFUSED, NO_FILE], "refused", id="refused"),
        pytest.param([HOLDS, finding("dims-kept", "expected")], "✗ dims-kept", id="known-fault"),
        pytest.param([HOLDS, WRONG], "**same-values**", id="failure"),
        pytest.param(
            [HOLDS, finding("repeatable", "not judged", "it takes 9 s: --thorough runs it")], "✓", id="option"
        ),
        pytest.param([HOLDS, UNJUDGED], "**engines-agree**", id="no-way-out"),
        pytest.param([finding("exports", "fails"), NO_FILE], "**exports, same-values**", id="unknown-refusal"),
        pytest.param([finding("", "fails")], "**crash**", id="crash"),
    ],
)
def test_verdict(findings, told):
    """A run is told by its known faults, and in bold by what nobody has explained."""
    assert verdict(run(*findings)) == told


def test_a_fault_is_told_once():
    """A fault of both exporters in two checks is one line."""
    found = [finding(check, "expected", "", "expected: it is static") for check in ("dims-kept", "inputs-live")]
    line, *others = faults([run(*found), run(*found, exporter="torch.export"), run(HOLDS)])
    assert (line["name"], line["reason"], others) == ("net", "it is static", [])
    assert list(line["exporters"]) == ["torchscript", "torch.export"]
    assert list(line["checks"]) == ["dims-kept", "inputs-live"]


EARLIER = {
    "versions": {"torch": "2.13.0"},
    "runs": [run(WRONG), run(WRONG, exporter="torch.export")],
    "faults": [tried()],
}


class TestMerged:
    """A run takes the place of the one of the same architecture and exporter."""

    def test_same_versions(self):
        """The others stay, in the order of package, architecture and exporter."""
        found = merged(EARLIER, {"versions": {"torch": "2.13.0"}, "runs": [run(HOLDS)], "faults": []})
        assert [(each["exporter"], verdict(each)) for each in found["runs"]] == [
            ("torch.export", "**same-values**"),
            ("torchscript", "✓"),
        ]
        assert found["faults"] == EARLIER["faults"]

    def test_faults(self):
        """So do the faults that are tried again."""
        again = tried({"fault": "dropped-bias", "caught_by": "", "invisible": "the same bits on 7 probes"})
        found = merged(EARLIER, {"versions": {"torch": "2.13.0"}, "runs": [], "faults": [again]})
        assert (len(found["runs"]), found["faults"]) == (2, [again])

    def test_other_versions(self):
        """Runs of other versions are dropped."""
        later = {"versions": {"torch": "2.14.0"}, "runs": [run(HOLDS)], "faults": []}
        assert merged(EARLIER, later) == later
