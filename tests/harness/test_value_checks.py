"""A file's outputs are the model's, on the example and elsewhere, and react to the same changes."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.values import inputs_live, same_values, same_values_unseen
from onnxproof.graph.diff import Difference
from onnxproof.locating.declared import KEEP_A_TENSOR
from onnxproof.probing.conversion import Outcome, exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict, Parity
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FACTOR, FILE, ROWS, Gives, Scale, edited, said, scale_case, seen

WRONG = edited(("Mul (", "Div ("))
DOES_NOT_RUN = edited(("Mul (", "Mool ("))
SIX_ROWS = edited(("[rows, 4] x", "[6, 4] x"))
COUNT = """
<ir_version: 8, opset_import: ["": 18]>
g (float[6, 4] x) => (int64[2] output) <int64[2] output_size = {6, 4}> { output = Identity (output_size) }
"""
PAIRS = """
<ir_version: 8, opset_import: ["": 18]>
g (float[6, 4] x) => (float[6, 4, 2] output) <float three = {3}, int64[1] last = {-1}>
{ y = Mul (x, three) real = Unsqueeze (x, last) imaginary = Unsqueeze (y, last)
  output = Concat <axis = -1> (real, imaginary) }
"""


class TestInputsLive:
    """`inputs-live`: the file reacts to what the model reacts to."""

    def test_right(self, right):
        """The figure is what both react to."""
        assert seen(inputs_live, right) == (CheckVerdict.HOLDS, "x, factor, rows")

    def test_dead(self, given):
        """An input that the file does not use is reported, with both outputs."""
        finding = judge(inputs_live, given(scale_case(), edited(("x, factor", "x, two"))))
        assert said(finding) == (
            CheckVerdict.FAILS,
            "the file does not react to the input factor: "
            "its outputs stay those of the traced inputs, the model's change",
        )
        assert finding.advice == KEEP_A_TENSOR
        assert finding.run.inputs["factor"] == [3]
        np.testing.assert_array_equal(finding.run.expected["output_0"], ROWS * 3)
        np.testing.assert_array_equal(finding.run.actual["scaled"], ROWS * 2)

    def test_refused_size(self, given):
        """A size that the file refuses is shown with the engine's error."""
        finding = judge(inputs_live, given(scale_case(), SIX_ROWS))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("the file refuses another value of the size of rows: ")
        assert "Got: 7 Expected: 6" in finding.problem
        assert finding.advice == KEEP_A_TENSOR

    def test_model_does_not_react(self, given):
        """An input that the model does not react to either is left out."""

        class Doubles(Scale):
            def forward(self, x, factor):
                return super().forward(x, torch.full_like(factor, 2))

        conversion = given(scale_case(Doubles()), edited(("x, factor", "x, two")))
        assert seen(inputs_live, conversion) == (CheckVerdict.HOLDS, "x, rows")

    def test_nothing_reacts(self, given):
        """A model that never reacts is not judged."""

        class Deaf(nn.Module):
            def forward(self, x):
                return torch.ones(3)

        text = '<ir_version: 8, opset_import: ["": 18]> g (float[20] x) => (float[3] y) <float[3] y = {1, 1, 1}> {}'
        conversion = given(Case(Deaf(), {"x": np.zeros(20, np.float32)}), text)
        assert seen(inputs_live, conversion) == (
            CheckVerdict.NOT_JUDGED,
            "the model reacts to no change that was tried",
        )

    def test_does_not_run(self, given):
        """A file that does not run on the example is not judged here."""
        assert seen(inputs_live, given(scale_case(), DOES_NOT_RUN)) == (
            CheckVerdict.NOT_JUDGED,
            "the file does not run on traced inputs: see same-values",
        )

    @pytest.mark.parametrize(
        ("difference", "problem", "advice"),
        [
            pytest.param(
                Difference("part", "only in the first: Mul → y"),
                "values of the traced inputs are in the file; traced on shuffled inputs it differs: "
                "only in the first: Mul → y",
                "Keep it a tensor in the model: a branch or a number that depends on a tensor's values is frozen.",
                id="values",
            ),
            pytest.param(
                Difference("inputs", "inputs: x against y"),
                "exported again, the file has other inputs: x against y",
                "Try the other exporter.",
                id="inputs",
            ),
        ],
    )
    def test_traced_elsewhere(self, difference, problem, advice):
        """A file that differs when it is traced on other values is reported."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        conversion.file.elsewhere = SimpleNamespace(id="shuffled"), (difference, "more")
        finding = judge(inputs_live, conversion)
        assert (finding.verdict, finding.problem, finding.advice) == (CheckVerdict.FAILS, problem, advice)

    def test_warned(self):
        """The tracer's warning is the evidence."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x + float(x[0, 0])

        finding = judge(inputs_live, exported(ReferenceModel(Case(Frozen(), {"x": ROWS})), TORCHSCRIPT))
        assert "values of the traced inputs are in the file" in finding.problem
        assert re.fullmatch(r"The tracer warned at .*:\d+: `return x \+ float\(x\[0, 0\]\)`", finding.evidence)


class TestSameValues:
    """`same-values`: the outputs are the model's, on the example and on other inputs."""

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_right(self, right, check):
        """The figure is the error nearest to its bound, with the bound."""
        verdict, figure = seen(check, right)
        error, bound = (float(word) for word in figure.removesuffix(" allowed").split(" of "))
        assert verdict == CheckVerdict.HOLDS
        assert 0 < error < bound < 1e-5

    def test_wrong(self, given):
        """A wrong output is reported with its place, culprit and evidence."""
        conversion = given(scale_case(), WRONG)
        finding = judge(same_values, conversion)
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("on traced: output output_0: 2.0 at (5, 3), expected 8.0: 6 apart, ")
        assert finding.problem.endswith("; the file: it is wrong in the reference evaluator too")
        assert finding.advice == "Export it again, and compare the nodes."
        assert finding.figure.startswith("6 of ")  # the worst value, 4 / 2 for 4 * 2
        np.testing.assert_array_equal(finding.run.inputs["x"], ROWS)
        np.testing.assert_array_equal(finding.run.expected["output_0"], ROWS * 2)
        np.testing.assert_array_equal(finding.run.actual["scaled"], ROWS / 2)

    @pytest.mark.parametrize(("imaginary", "verdict"), [("Mul", "holds"), ("Div", "fails")])
    def test_complex(self, given, imaginary, verdict):
        """A complex output is a pair of real numbers in a file, as torch.export writes it."""
        case = Case(Gives(lambda x: torch.complex(x, x * 3)), {"x": ROWS}, output_names=["output"])
        finding = judge(same_values, given(case, PAIRS.replace("Mul", imaginary)))
        assert finding.verdict == verdict

    def test_wrong_unseen(self, given):
        """Values that are wrong only on other inputs are shown on the smallest."""

        class WrongFromEight(Scale):
            def forward(self, x, factor):
                return super().forward(x, factor + float(x.shape[0] >= 8))

        conversion = given(scale_case(WrongFromEight()), FILE)
        assert judge(same_values, conversion).verdict == CheckVerdict.HOLDS
        finding = judge(same_values_unseen, conversion)
        assert finding.problem.startswith("on rows 8: output output_0: ")
        assert len(finding.run.inputs["x"]) == 8

    def test_first_unseen(self, given):
        """The first of these inputs counts too."""
        case = scale_case(also=[{"x": -ROWS, "factor": FACTOR + 1}])
        finding = judge(same_values_unseen, given(case, edited(("x, factor", "x, two"))))
        assert finding.problem.startswith("on also[0]: output output_0: ")

    def test_does_not_run(self, given):
        """A file that does not run fails, and the inputs that it refuses are shown."""
        finding = judge(same_values, given(scale_case(), DOES_NOT_RUN))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("on traced: it does not run: ")
        assert (list(finding.run.inputs), list(finding.run.expected)) == (["x", "factor"], ["output_0", "output_1"])
        assert finding.run.actual == {}

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_unreadable(self, right, check):
        """A file that cannot be read is not judged here."""
        right.file.path.write_bytes(b"no model")
        assert seen(check, right) == (CheckVerdict.NOT_JUDGED, "the file cannot be read: see well-formed")

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_model_that_does_not_repeat_itself(self, given, check):
        """Values that are others each time judge nothing."""

        class Draws(Scale):
            def forward(self, x, factor):
                return super().forward(x, factor + torch.rand_like(factor))

        assert seen(check, given(scale_case(Draws()), FILE)) == (
            CheckVerdict.NOT_JUDGED,
            "the model has other outputs each time: see repeatable",
        )

    def test_nothing_unseen(self, given):
        """If the model accepts only the example, there is nothing unseen."""

        class Particular(Scale):
            def forward(self, x, factor):
                assert torch.equal(x, torch.tensor(ROWS).to(x))
                return super().forward(x, factor)

        assert seen(same_values_unseen, given(scale_case(Particular()), FILE)) == (
            CheckVerdict.NOT_JUDGED,
            "the model accepts no other inputs: see probes-adequate",
        )


class TestFigure:
    """A finding has a figure only if values were compared."""

    @pytest.fixture
    def counted(self, given):
        """A file for a model that returns integers."""
        case = Case(Gives(lambda x: x.new_tensor(x.shape).long()), {"x": ROWS})
        return lambda text: given(case, text)

    def test_equal(self, counted):
        """Equal integers are shown as `equal`."""
        assert judge(same_values, counted(COUNT)).figure == "equal"

    def test_apart(self, counted):
        """Others have the largest distance."""
        assert judge(same_values, counted(COUNT.replace("{6, 4}", "{6, 9}"))).figure == "5 apart"

    def test_does_not_run(self, counted):
        """A file that does not run has none."""
        found = judge(same_values, counted(COUNT.replace("Identity", "local.Odd")))
        assert (found.verdict, found.figure) == (CheckVerdict.FAILS, "")

    @pytest.mark.parametrize(
        ("parities", "figure"),
        [
            pytest.param([(1, 8), (3, 4), (5, 20)], "3 of 4 allowed", id="nearest"),
            pytest.param([(0, 0), (0, 0)], "equal", id="equal"),
            pytest.param([(0, 0), (1e-9, 1), (0, 0)], "1e-09 of 1 allowed", id="equal-and-near"),
        ],
    )
    def test_figure(self, right, monkeypatch, parities, figure):
        """The figure is that of the output whose error is the largest share of what is allowed."""
        found = tuple(Parity("", "y", error=error, bound=bound) for error, bound in parities)
        monkeypatch.setattr(right, "outcome", lambda *_: Outcome(found))
        assert seen(same_values, right) == (CheckVerdict.HOLDS, figure)

    def test_figure_of_several(self, right, monkeypatch):
        """It covers all the inputs."""
        shares = {"shuffled": 3, "rows 7": 2}
        share = lambda judged: Parity("", "y", error=shares.get(judged.probe.id, 1), bound=4)  # noqa: E731
        monkeypatch.setattr(right, "outcome", lambda judged, *_: Outcome((share(judged),)))
        assert seen(same_values_unseen, right) == (CheckVerdict.HOLDS, "3 of 4 allowed")
