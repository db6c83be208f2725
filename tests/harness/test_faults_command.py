"""`onnxproof faults` says which faults a case would notice, and what it needs to notice more."""

import json
from pathlib import Path

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.cli import faults, main
from onnxproof.faults import FAULTS
from onnxproof.results import read_results
from tests.harness.by_hand import FILE
from tests.harness.test_trials import changed, clip_output

CASE = """
import numpy as np
from tests.harness.by_hand import scale_case
case = scale_case()
case_of_file = scale_case().__class__("right.onnx", dict(case.inputs), dict(case.dynamic))
"""


def clipped(model):
    """Large values are clipped."""
    clip_output(model, 100)


def hugely_clipped(model):
    """Huge values are clipped."""
    clip_output(model, 1e6)


def renamed(model):
    """The output has another name."""
    model.graph.node[0].output[0] = model.graph.output[0].name = "other"


@pytest.fixture
def ask(monkeypatch, tmp_path, capsys):
    """Runs the command with some faults on the right file; gives the exit status and what is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("my_case.py").write_text(CASE)
    onnx.save(parse_model(FILE), "right.onnx")

    def run(*edits, arguments=("my_case.py:case", "--onnx", "right.onnx")):
        monkeypatch.setattr(faults, "FAULTS", [each for edit in edits for each in changed(edit)] or FAULTS)
        status = main(["faults", *arguments])
        return status, capsys.readouterr()

    return run


class TestPage:
    """`--report` leaves the table as a page, and as results.json."""

    def test_left(self, ask):
        """What nothing caught is first; the opening sentence counts."""
        status, printed = ask(
            renamed, clipped, arguments=("my_case.py:case_of_file", "--onnx", "right.onnx", "--report", "left")
        )
        page = Path("left/index.html").read_text()
        trials = read_results("left/results.json").trials
        assert (status, printed.out.splitlines()[-1]) == (1, "left/index.html")
        assert [(each.fault, each.caught_by) for each in trials] == [("renamed", "outputs-kept"), ("clipped", "")]
        assert "1 of 2 faults put into right files" in page
        assert page.index("<code>clipped</code>") < page.index("<code>renamed</code>")

    def test_refused(self, ask):
        """A folder that cannot be written is refused before anything runs."""
        Path("taken").write_text("")
        status, printed = ask(renamed, arguments=("my_case.py:case", "--onnx", "right.onnx", "--report", "taken"))
        assert (status, printed.err.splitlines()[-1].startswith("onnxproof")) == (2, True)


class TestCommand:
    """The table has each fault, the last lines say what to add."""

    def test_caught(self, ask):
        """What a check sees is caught by it, and the exit status is 0."""
        status, printed = ask(renamed, arguments=("my_case.py:case_of_file", "--onnx", "right.onnx"))
        assert (status, "renamed" in printed.out, "outputs-kept" in printed.out) == (0, True, True)
        assert printed.out.endswith("1 of 1 caught, 100%\n")

    def test_to_add(self, ask):
        """What only other inputs show names them, and the exit status is 1."""
        status, printed = ask(clipped)
        assert (status, "0 of 1 caught, 0%" in printed.out) == (1, True)
        assert (
            "→ Give inputs as values × 16 in the case's `also`, if the model meets such: they show clipped."
            in printed.out
        )

    def test_alike(self, ask):
        """What nothing shows may be no fault."""
        status, printed = ask(hugely_clipped)
        assert status == 0
        assert "No input that was tried shows hugely-clipped: they may change nothing in this file." in printed.out

    def test_left_open(self, ask):
        """What the case leaves open is to be given."""
        status, printed = ask()
        assert status == 1
        assert (
            "→ No check of this case sees output-renamed: give what it leaves open, such as `output_names`."
            in printed.out
        )

    def test_json(self, ask):
        """JSON has the trials of each conversion, and nothing else is printed."""
        status, printed = ask(clipped, arguments=("my_case.py:case", "--onnx", "right.onnx", "--json"))
        (trials,) = json.loads(printed.out).values()
        assert (status, [(trial["fault"], trial["shown_by"]) for trial in trials]) == (1, [("clipped", "values × 16")])

    def test_every_fault(self, ask):
        """Every fault that suits the file is tried, none is missed."""
        status, printed = ask(arguments=("my_case.py:case_of_file", "--onnx", "right.onnx", "--json"))
        (trials,) = json.loads(printed.out).values()
        assert (status, len(trials) > 10) == (0, True)
        assert [
            trial["fault"] for trial in trials if not (trial["caught_by"] or trial["invisible"] or trial["untried"])
        ] == []

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            pytest.param(("my_case.py:case", "--onnx", "none.onnx"), "--onnx none.onnx: no such file", id="no-file"),
            pytest.param(("my_case.py:none",), "my_case.py has no 'none'", id="no-case"),
            pytest.param(
                ("my_case.py:case_of_file",), "my_case.py:case_of_file: right.onnx is compared", id="one-file"
            ),
        ],
    )
    def test_refused(self, ask, arguments, reason):
        """One line says why it cannot run."""
        status, printed = ask(arguments=arguments)
        assert (status, printed.out, printed.err.count("\n")) == (2, "", 1)
        assert printed.err.startswith(f"onnxproof: {reason}")
