"""A stated loss is judged on samples, with three outcomes, and excuses no other fault."""

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

import onnxproof
from onnxproof import CaseError, CheckVerdict
from onnxproof.checks.check import judge
from onnxproof.checks.engines import engines_agree, optimizer_neutral
from onnxproof.checks.loss import loss_kept
from onnxproof.checks.run import CHECKS, LOSS_CHECKS, choose
from onnxproof.checks.values import same_values, same_values_unseen
from onnxproof.cli import main
from onnxproof.report.page import page
from onnxproof.report.runs import Run
from onnxproof.results import Results
from tests.harness.by_hand import FACTOR, FILE, ROWS, FakeEngine, edited, in_engines, scale_case, seen

LOSS = "agrees >= 99%"
FLIPPED = 1000.0
"""The first value of a sample on which the file of `flipping` decides otherwise."""


def samples(count, lost=0, label=None):
    """Distinct inputs; the file of `flipping` loses the last ones."""
    found = [
        {"x": np.random.default_rng(index).normal(size=(6, 4)).astype(np.float32), "factor": FACTOR}
        for index in range(count)
    ]
    for sample in found[count - lost :]:
        sample["x"][0, 0] += FLIPPED
    return found if label is None else [(sample, label) for sample in found]


def run(inputs, change=lambda scaled, total: (scaled, total)):
    """What `Scale` computes, changed where the sample says so."""
    scaled, total = inputs["x"] * inputs["factor"], inputs["x"].sum(-1)
    if inputs["x"][0, 0] > FLIPPED / 2:
        scaled, total = change(scaled, total)
    return {"scaled": scaled, "total": total}


def flip(scaled, total):
    return -scaled, -total


@pytest.fixture
def lossy(given):
    """A conversion of `Scale` with a loss, whose engine changes some samples."""

    def make(change=flip, text=FILE, **options):
        conversion = given(scale_case(**{"loss": LOSS, **options}), text)
        return in_engines(conversion, onnxruntime=FakeEngine(lambda inputs: run(inputs, change)))

    return make


class TestShares:
    """The share that is shown decides."""

    @pytest.mark.parametrize(
        ("count", "lost", "verdict", "text"),
        [
            (299, 0, "holds", "299 samples without a flip: at least 99 % at 95 %"),
            (
                120,
                0,
                "undecided",
                "120 samples without a flip: at least 97.5 % of inputs at 95 %, 99 % is stated; 299 are needed",
            ),
            (300, 1, "undecided", "473 are needed with no more than 1 lost"),
            (100, 6, "fails", "100 samples with 6 flips: at most 97.3 % of inputs at 95 %, 99 % is stated"),
            (0, 0, "undecided", "no samples are given: at least 0 % of inputs at 95 %, 99 % is stated; 299 are needed"),
        ],
    )
    def test_agrees(self, lossy, count, lost, verdict, text):
        """Too few samples are undecided; the point estimate of 99.7 % would pass, the bound does not."""
        found = judge(loss_kept, lossy(samples=samples(count, lost)))
        assert found.verdict == verdict
        assert text in (found.problem or found.figure)

    def test_what_to_do(self, lossy):
        """An undecided loss says how many samples are lacking, and a loss that fails shows the run of a lost one."""
        advice = judge(loss_kept, lossy(samples=samples(120))).advice
        assert advice == "Give 179 more different samples: in the case's `samples`, or by `--samples DIR`."
        failure = judge(loss_kept, lossy(samples=samples(50, 9)))
        assert failure.run.inputs["x"][0, 0] > FLIPPED / 2
        assert failure.figure == "41 of 50"

    def test_repeated_samples(self, lossy):
        """A sample that is given again is counted once."""
        found = judge(loss_kept, lossy(samples=samples(100) * 3))
        assert (found.verdict, found.figure) == (CheckVerdict.UNDECIDED, "100 of 100")

    def test_one_decision(self, lossy):
        """A model that decides the same on every sample shows nothing."""
        found = judge(loss_kept, lossy(samples=samples(299), decide=lambda outputs: outputs["output_1"].size))
        assert found.verdict == CheckVerdict.UNDECIDED
        assert "decides the same on all 299 samples" in found.problem

    def test_decide(self, lossy):
        """`decide` gets the outputs by name."""
        conversion = lossy(samples=samples(299), decide=lambda outputs: outputs["output_1"] > 0)
        assert judge(loss_kept, conversion).verdict == CheckVerdict.HOLDS

    def test_decide_raises(self, lossy):
        """What it raises is said with the outputs that there are."""
        with pytest.raises(CaseError, match=r"decide raised KeyError: 'y' on samples\[0\], whose outputs are output_0"):
            judge(loss_kept, lossy(samples=samples(9), decide=lambda outputs: outputs["y"]))

    def test_function(self, lossy):
        """Samples may be made by a function."""
        assert judge(loss_kept, lossy(samples=lambda: iter(samples(299)))).verdict == CheckVerdict.HOLDS

    def test_no_loss(self, right):
        """A case without a loss is not judged."""
        assert judge(loss_kept, right).verdict == CheckVerdict.NOT_JUDGED


class TestRatios:
    """A ratio is one to the model in float64."""

    @pytest.mark.parametrize(("share", "verdict"), [(0.03, "holds"), (0.033, "fails")])
    @pytest.mark.parametrize("metric", ["sqnr"])
    def test_near_the_bound(self, lossy, metric, share, verdict):
        """30 dB are an error of 3.16 %, of the worst output."""
        conversion = lossy(
            lambda scaled, total: (scaled, total * np.float32(1 + share)),
            samples=samples(60, 60),
            loss=f"{metric} >= 30 dB in 95%",
        )
        assert judge(loss_kept, conversion).verdict == verdict

    def test_float64_where_float32_cannot_tell(self, lossy):
        """At 140 dB the model's own rounding decides, and the model in float64 judges."""
        conversion = lossy(samples=samples(60), loss="sqnr >= 145 dB in 95%")
        assert judge(loss_kept, conversion).verdict == CheckVerdict.FAILS
        assert judge(loss_kept, lossy(samples=samples(60), loss="sqnr >= 120 dB in 95%")).verdict == CheckVerdict.HOLDS


class TestScores:
    """Scores are compared in pairs."""

    @pytest.mark.parametrize(
        ("count", "lost", "verdict"), [(800, 0, "holds"), (200, 0, "undecided"), (200, 20, "fails")]
    )
    def test_right_answers(self, lossy, count, lost, verdict):
        """The difference that is shown decides."""
        conversion = lossy(
            samples=samples(count, lost, label=0),
            loss="score >= -0.5 pp",
            score=lambda outputs, label: float((outputs["output_1"][0] > 0) or outputs["output_1"][0] > -FLIPPED / 2),
        )
        assert judge(loss_kept, conversion).verdict == verdict

    def test_range(self, lossy):
        """A score beyond 0 to 1 is no share."""
        with pytest.raises(CaseError, match="score is 7 on samples"):
            judge(loss_kept, lossy(samples=samples(9, label=0), loss="score >= -1 pp", score=lambda outputs, label: 7))


class TestNoExcuse:
    """No loss excuses values that are not finite, shapes and dtypes."""

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (lambda scaled, total: (scaled, total * np.float32(np.nan)), "not finite"),
            (lambda scaled, total: (scaled * np.float32(np.inf), total), "not finite"),
            (lambda scaled, total: (scaled[:1], total), r"shape \(1, 4\)"),
            (lambda scaled, total: (scaled.astype(np.float16), total), "dtype float16"),
        ],
    )
    def test_sample(self, lossy, change, problem):
        """One sample in 400 is enough, whatever the share."""
        found = judge(loss_kept, lossy(change, samples=samples(400, 1)))
        assert found.verdict == CheckVerdict.FAILS
        assert re.search(rf"on samples\[399\]: .*{problem}.*, which no loss excuses", found.problem)

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_probes(self, lossy, given, check):
        """The checks of values judge these, and leave the values to the loss."""
        loss = {"loss": LOSS, "samples": samples(9)}
        assert seen(check, given(scale_case(**loss), edited(("Mul (", "Div (")))) == (
            CheckVerdict.HOLDS,
            "as the model's in number, shape, dtype and finiteness: see loss-kept",
        )
        nan = edited(
            ("scaled = Mul (x, factor)", "infinite = Div (x, zero) scaled = Mul (infinite, zero)"),
            ("float[1] two = {2}", "float[1] zero = {0}"),
        )
        assert judge(check, given(scale_case(**loss), nan)).verdict == CheckVerdict.FAILS

    def test_engines(self, given):
        """Engines are compared in form; the figure is what the engine adds to the loss of the file as written."""
        conversion = given(scale_case(loss=LOSS), edited(("Mul (", "Div (")))
        found = judge(engines_agree, conversion).figure
        added = r"the engine adds (no error|errors 1[3-9]\d dB below the signal)"
        assert re.fullmatch(added + "; the file as written has errors 2 dB below the signal", found), found
        assert seen(optimizer_neutral, conversion) == (CheckVerdict.HOLDS, "0 apart")


class TestCase:
    """What a case states fits together."""

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"loss": "agree >= 99%"}, "did you mean 'agrees'"),
            ({"loss": "score >= -1 pp"}, "give the case score="),
            ({"loss": "sqnr >= 30 dB in 95%", "decide": len}, "decide= is for a loss such as"),
        ],
    )
    def test_refused(self, options, problem):
        """What does not fit is refused when the case is made."""
        with pytest.raises(CaseError, match=problem):
            scale_case(**options)

    @pytest.mark.parametrize(
        ("given_samples", "problem"),
        [
            ([{"x": ROWS}], r"samples\[0\] has the inputs x, the case has x, factor"),
            ([{"x": ROWS, "factor": FACTOR}, {"x": ROWS[0], "factor": FACTOR}], r"x has 1 dimensions in samples\[1\]"),
            ([ROWS], r"samples\[0\] is a ndarray; give a mapping"),
            ({"x": ROWS}, "samples is a dict; give a sequence"),
            (7, "samples is a int; give a sequence"),
        ],
    )
    def test_samples(self, lossy, given_samples, problem):
        """A sample that does not fit is refused by its place."""
        with pytest.raises(CaseError, match=problem):
            judge(loss_kept, lossy(samples=given_samples))

    def test_labels(self, lossy):
        """A score takes pairs."""
        conversion = lossy(samples=samples(3), loss="score >= -1 pp", score=lambda outputs, label: 1)
        with pytest.raises(CaseError, match="give pairs of inputs and a label"):
            judge(loss_kept, conversion)

    def test_choice(self):
        """The checks of a loss are those of a case that states one."""
        assert list(choose(cases=[scale_case(loss=LOSS)])) == [*CHECKS, *LOSS_CHECKS]
        assert list(choose(cases=[scale_case()])) == list(CHECKS)
        with pytest.raises(CaseError, match="only: loss-kept is for a case that states a loss"):
            choose(only=["loss-kept"], cases=[scale_case()])


MODELS = """
import numpy as np
from torch import nn
from onnxproof import Case

class Net(nn.Module):
    def forward(self, x):
        return x * 2 + x.mean()

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
case = Case(Net(), {"x": X}, dynamic={"x": {0: "rows"}}, loss="agrees >= 50%")
plain = Case(Net(), {"x": X}, dynamic={"x": {0: "rows"}})

def make():
    return case
"""
NET = """
<ir_version: 8, opset_import: ["": 18]>
g (float[rows, 4] x) => (float[rows, 4] output) <float two = {2}>
{ double = Mul (x, two) mean = ReduceMean <keepdims = 0> (x) output = Add (double, mean) }
"""


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A user's models and file, and a folder of samples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "lossy_models.py").write_text(MODELS)
    onnx.save(parse_model(NET), tmp_path / "net.onnx")
    (tmp_path / "pictures").mkdir()
    for index in range(12):
        x = np.random.default_rng(index).normal(size=(6, 4)).astype(np.float32)
        np.savez(tmp_path / "pictures" / f"{index}.npz", x=x)
    return tmp_path


class TestCommand:
    """`--loss` and `--samples` state it on the command line."""

    COMMANDS = (["check", "lossy_models.py:plain", "--onnx", "net.onnx"], ["compare", "net.onnx", "net.onnx"])

    @pytest.mark.parametrize("command", COMMANDS, ids=["check", "compare"])
    @pytest.mark.parametrize(("loss", "status", "verdict"), [("50%", 0, "holds"), ("99%", 1, "undecided")])
    def test_outcome(self, folder, capsys, command, loss, status, verdict):
        """An undecided loss ends with 1, and its word is in the table, in the JSON and in the last line."""
        options = ["--loss", f"agrees >= {loss}", "--samples", "pictures", "--only", "loss-kept"]
        assert main([*command, *options]) == status
        printed = capsys.readouterr().out
        assert f"│ {verdict}" in printed
        assert ("Next: decide loss-kept of " in printed) == (status == 1)
        assert main([*command, *options, "--json"]) == status
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert finding["verdict"] == verdict

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            (["--samples", "pictures"], "--samples: no loss is stated"),
            (["--loss", "agrees >= 9", "--samples", "pictures"], "it has no %"),
            (["--loss", LOSS, "--samples", "pics"], "--samples pics: no such folder"),
            (["--loss", LOSS, "--samples", "."], "--samples .: no .npz file in it"),
        ],
    )
    def test_refused(self, folder, capsys, options, problem):
        """What does not fit is one line."""
        assert main([*self.COMMANDS[0], *options]) == 2
        assert problem in capsys.readouterr().err

    def test_broken_sample(self, folder, capsys):
        """A sample that cannot be read is named."""
        (folder / "pictures" / "x.npz").write_text("no")
        assert main([*self.COMMANDS[0], "--loss", LOSS, "--samples", "pictures", "--only", "loss-kept"]) == 2
        assert "--samples pictures/x.npz: " in capsys.readouterr().err


class TestPytest:
    """In pytest an undecided loss fails, by its own word."""

    def spec(self, folder, decorated):
        (folder / "test_net.py").write_text(
            f"from lossy_models import case, make\nfrom onnxproof import conversion_checks\n\n"
            f"@conversion_checks({decorated})\ndef test_net(onnx_check):\n    onnx_check()\n"
        )

    @pytest.fixture
    def project(self, pytester):
        (pytester.path / "lossy_models.py").write_text(MODELS)
        onnx.save(parse_model(NET), pytester.path / "net.onnx")
        return pytester

    def test_undecided(self, project):
        """The text says so, and what to do."""
        self.spec(project.path, "case, only=['loss-kept'], file='net.onnx'")
        done = project.runpytest_inprocess()
        done.assert_outcomes(failed=1)
        done.stdout.fnmatch_lines(["*loss-kept: no samples are given: *", "*Give 5 more different samples: *"])

    def test_function(self, project):
        """A function whose case states a loss has to say so: no test would judge it."""
        self.spec(project.path, "make, file='net.onnx', only=['exports', 'same-values']")
        project.runpytest_inprocess().assert_outcomes(skipped=1, passed=1)
        self.spec(project.path, "make, file='net.onnx'")
        done = project.runpytest_inprocess("-k", "exports")
        done.stdout.fnmatch_lines(["*its case states a loss: write @conversion_checks(make, loss=True)*"])
        self.spec(project.path, "make, file='net.onnx', loss=True, only=['loss-kept']")
        project.runpytest_inprocess().assert_outcomes(failed=1)


def test_page():
    """The page tells an undecided conversion from one that fails and one that holds."""
    findings = onnxproof.check(scale_case(loss=LOSS), ["torchscript"], only=["exports", "loss-kept"])
    results = Results.of_run({"torch": "2"}, findings=[finding.result() for finding in findings])
    text = page([Run("a", Path("results.json"), results)]).decode()
    assert 'class="is-undecided"' in text
    assert "1 is undecided" in text
    assert "every check holds" not in text
