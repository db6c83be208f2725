"""Each check of what a file gives holds for a right file, and says of a wrong one what is wrong and what to do."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof import conversion
from onnxproof.case import Case
from onnxproof.conversion import Conversion
from onnxproof.engines import Engine, EngineError
from onnxproof.exporting import ExportError, export
from onnxproof.findings import FAILS, HOLDS, NOT_JUDGED
from onnxproof.parity import Parity
from onnxproof.value_checks import (
    engines_agree,
    inputs_live,
    optimizer_neutral,
    probes_adequate,
    repeatable,
    same_values,
    same_values_unseen,
)
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FACTOR, FILE, ROWS, Scale, edited, scale_case

WRONG = edited(("Mul (", "Div ("))
COUNT = """
<ir_version: 8, opset_import: ["": 18]>
g (float[6, 4] x) => (int64[2] output) <int64[2] output_size = {6, 4}> { output = Identity (output_size) }
"""
DOES_NOT_RUN = edited(("Mul (", "Mool ("))
DRAWS = edited(("scaled =", "drawn = RandomNormalLike (x) scaled ="), ("Mul (x", "Mul (drawn"))
SIX_ROWS = edited(("[rows, 4] x", "[6, 4] x"))


class Gives(nn.Module):
    """A model that gives what a function makes of its input."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, *inputs):
        return self.make(*inputs)


@pytest.fixture
def right(given):
    """The right file."""
    return given(scale_case(), FILE)


@pytest.fixture
def in_engines(right):
    """The right file in engines that give something else, or refuse: a change of the first output, by engine."""

    def make(**changes):
        for name, change in changes.items():
            right._engines[name] = Engine(name, changed(right.engine(name).run, change))
        return right

    return make


def changed(run, change):
    """A run with `change` made to its first output."""

    def changed_run(**inputs):
        outputs = run(**inputs)
        return {**outputs, "scaled": change(outputs["scaled"])}

    return changed_run


def doubled(values):
    return values * 2


def refuse(values):
    raise EngineError("no kernel\nfor Mul")


def seen(finding):
    """The verdict, with what is told of it."""
    return finding.verdict, finding.figure or finding.problem


class TestInputsLive:
    """`inputs-live`: the file reacts to what the model reacts to."""

    FREEZES = "an `.item()`, an `int(x.shape[i])`, a Python `if` or number freezes it: keep it a tensor in the model"

    def test_right(self, right):
        """The figure is what both react to."""
        assert seen(inputs_live(right)) == (HOLDS, "x, factor, rows")

    def test_dead(self, given):
        """An input that the file does not use is told, with what the model and the file gave."""
        finding = inputs_live(given(scale_case(), edited(("x, factor", "x, two"))))
        assert seen(finding) == (
            FAILS,
            "the file does not react to the input factor: "
            "its outputs stay those of the traced inputs, the model's change",
        )
        assert finding.advice == self.FREEZES
        assert finding.evidence.inputs["factor"] == [3]
        np.testing.assert_array_equal(finding.evidence.expected["output_0"], ROWS * 3)
        np.testing.assert_array_equal(finding.evidence.actual["scaled"], ROWS * 2)

    def test_refused_size(self, given):
        """A size that the file refuses is told with what the engine said."""
        finding = inputs_live(given(scale_case(), SIX_ROWS))
        assert finding.verdict == FAILS
        assert finding.problem.startswith("the file refuses another value of the size of rows: ")
        assert "Got: 7 Expected: 6" in finding.problem
        assert finding.advice == self.FREEZES

    def test_model_does_not_react(self, given):
        """Of an input that the model does not react to either, nothing is asked."""

        class Doubles(Scale):
            def forward(self, x, factor):
                return super().forward(x, torch.full_like(factor, 2))

        conversion = given(scale_case(Doubles()), edited(("x, factor", "x, two")))
        assert seen(inputs_live(conversion)) == (HOLDS, "x, rows")

    def test_nothing_reacts(self, given):
        """A model that reacts to nothing says nothing."""

        class Deaf(nn.Module):
            def forward(self, x):
                return torch.ones(3)

        text = '<ir_version: 8, opset_import: ["": 18]> g (float[20] x) => (float[3] y) <float[3] y = {1, 1, 1}> {}'
        conversion = given(Case(Deaf(), {"x": np.zeros(20, np.float32)}), text)
        assert seen(inputs_live(conversion)) == (NOT_JUDGED, "the model reacts to nothing that could be changed")

    def test_does_not_run(self, given):
        """A file that does not run on the example is another check's matter."""
        assert seen(inputs_live(given(scale_case(), DOES_NOT_RUN))) == (
            NOT_JUDGED,
            "the file does not run on the traced inputs: see same-values",
        )

    @pytest.mark.parametrize(
        ("difference", "problem", "advice"),
        [
            pytest.param(
                "only in the first: Mul → y",
                "values of the traced inputs are in the file; traced on shuffled inputs it differs: "
                "only in the first: Mul → y",
                "a branch or a number that depends on a tensor's values is frozen: keep it a tensor",
                id="values",
            ),
            pytest.param(
                "inputs: x against y",
                "exported again the file has other inputs: inputs: x against y",
                "try the other exporter",
                id="inputs",
            ),
        ],
    )
    def test_traced_elsewhere(self, right, difference, problem, advice):
        """A file that differs when it is traced on other values has values of the example in it."""
        right.exported_elsewhere = SimpleNamespace(id="shuffled"), (difference, "more")
        finding = inputs_live(right)
        assert (finding.verdict, finding.problem, finding.advice) == (FAILS, problem, advice)

    def test_warned(self):
        """The advice is what the tracer warned of, where it did."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x + float(x[0, 0])

        finding = inputs_live(Conversion(Case(Frozen(), {"x": ROWS}), exporter=TORCHSCRIPT))
        assert "values of the traced inputs are in the file" in finding.problem
        assert finding.advice.startswith("the tracer warned of `return x + float(x[0, 0])`")


class TestSameValues:
    """`same-values`: the outputs are the model's, on the example and on other inputs."""

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_right(self, right, check):
        """The figure is the error that is nearest to its bound, with the bound."""
        verdict, figure = seen(check(right))
        error, bound = (float(word) for word in figure.removesuffix(" allowed").split(" of "))
        assert verdict == HOLDS
        assert 0 < error < bound < 1e-5

    def test_wrong(self, given):
        """A wrong output is told with its place, what made it wrong, and evidence."""
        conversion = given(scale_case(), WRONG)
        finding = same_values(conversion)
        assert finding.verdict == FAILS
        assert finding.problem.startswith("on traced: output output_0: 2.0 at (5, 3), expected 8.0: 6 apart, ")
        assert finding.problem.endswith("; the file: it is wrong in the reference evaluator too")
        assert finding.advice == "export it again, and compare the nodes"
        assert finding.figure.startswith("6 of ")  # the worst value, 4 / 2 for 4 * 2
        np.testing.assert_array_equal(finding.evidence.inputs["x"], ROWS)
        np.testing.assert_array_equal(finding.evidence.expected["output_0"], ROWS * 2)
        np.testing.assert_array_equal(finding.evidence.actual["scaled"], ROWS / 2)

    def test_wrong_unseen(self, given):
        """What is wrong on other inputs alone is told on the smallest of them."""

        class WrongFromEight(Scale):
            def forward(self, x, factor):
                return super().forward(x, factor + float(x.shape[0] >= 8))

        conversion = given(scale_case(WrongFromEight()), FILE)
        assert same_values(conversion).verdict == HOLDS
        finding = same_values_unseen(conversion)
        assert finding.problem.startswith("on rows 8: output output_0: ")
        assert len(finding.evidence.inputs["x"]) == 8

    def test_does_not_run(self, given):
        """A file that does not run fails, and there is nothing to show."""
        finding = same_values(given(scale_case(), DOES_NOT_RUN))
        assert finding.verdict == FAILS
        assert finding.problem.startswith("on traced: output *: it does not run: ")
        assert finding.evidence is None

    @pytest.mark.parametrize("check", [same_values, same_values_unseen])
    def test_unreadable(self, right, check):
        """A file that cannot be read is another check's matter."""
        right.given.write_bytes(b"no model")
        assert seen(check(right)) == (NOT_JUDGED, "the file cannot be read: see well-formed")

    def test_nothing_unseen(self, given):
        """Where the model accepts nothing but the example, there is nothing unseen."""

        class Particular(Scale):
            def forward(self, x, factor):
                assert torch.equal(x, torch.tensor(ROWS).to(x))
                return super().forward(x, factor)

        assert seen(same_values_unseen(given(scale_case(Particular()), FILE))) == (
            NOT_JUDGED,
            "there are no other inputs that the model accepts: see probes-adequate",
        )


class TestFigure:
    """A finding has a figure where values were compared, and none elsewhere."""

    @pytest.fixture
    def counted(self, given):
        """A file given for a model that gives integers."""
        case = Case(Gives(lambda x: x.new_tensor(x.shape).long()), {"x": ROWS})
        return lambda text: given(case, text)

    def test_equal(self, counted):
        """Integers that are the same are equal."""
        assert same_values(counted(COUNT)).figure == "equal"

    def test_apart(self, counted):
        """Of others the largest distance is told."""
        assert same_values(counted(COUNT.replace("{6, 4}", "{6, 9}"))).figure == "5 apart"

    def test_does_not_run(self, counted):
        """A file that does not run has none."""
        found = same_values(counted(COUNT.replace("Identity", "local.Odd")))
        assert (found.verdict, found.figure) == (FAILS, "")

    @pytest.mark.parametrize(
        ("parities", "figure"),
        [
            pytest.param([(1, 8), (3, 4), (2, 5)], "3 of 4 allowed", id="nearest"),
            pytest.param([(0, 0), (0, 0)], "equal", id="equal"),
            pytest.param([(0, 0), (1e-9, 1), (0, 0)], "1e-09 of 1 allowed", id="equal-and-near"),
        ],
    )
    def test_figure(self, right, monkeypatch, parities, figure):
        """The figure is that of the output whose error is the largest share of what is allowed."""
        found = tuple(Parity("", "y", error=error, bound=bound) for error, bound in parities)
        monkeypatch.setattr(right, "parities", lambda *_: found)
        assert seen(same_values(right)) == (HOLDS, figure)


class TestOptimizer:
    """`optimizer-neutral`: ONNX Runtime gives the same with graph optimization on and off."""

    def test_right(self, right):
        """The figure is how far apart the outputs are at most."""
        assert seen(optimizer_neutral(right)) == (HOLDS, "0 apart")

    def test_apart(self, in_engines):
        """The largest distance counts, of any probe and output."""
        conversion = in_engines(unoptimized=lambda values: values + (2 if len(values) == 7 else 1))
        conversion.is_right = lambda *_: True
        assert seen(optimizer_neutral(conversion)) == (HOLDS, "2 apart")

    @pytest.mark.parametrize(
        ("engine", "on_or_off"), [("onnxruntime", "off"), ("unoptimized", "on")], ids=["wrong-on", "wrong-off"]
    )
    def test_wrong(self, in_engines, engine, on_or_off):
        """What is right in one of them alone is told with the probe and the place."""
        finding = optimizer_neutral(in_engines(**{engine: doubled}))
        assert finding.verdict == FAILS
        assert finding.problem.startswith(
            f"on traced it is right only with optimization {on_or_off}: 16.0 at (5, 3), expected 8.0: 8 apart, "
        )
        assert finding.advice == "lower onnxruntime's graph_optimization_level, and report the model to onnxruntime"

    def test_wrong_in_both(self, given):
        """What is wrong in both is no matter of the optimizer."""
        assert seen(optimizer_neutral(given(scale_case(), WRONG))) == (HOLDS, "0 apart")

    @pytest.mark.parametrize(
        ("on", "off", "figure"),
        [
            pytest.param(np.array([1.0, 5.0]), np.array([3.0, 4.0]), "2 apart", id="float"),
            pytest.param(np.array([-5]), np.array([2]), "7 apart", id="int"),
            pytest.param(np.array([2], np.uint8), np.array([5], np.uint8), "3 apart", id="unsigned"),
            pytest.param(np.array([np.nan, 1]), np.array([np.nan, 1.5]), "0.5 apart", id="not-a-number"),
            pytest.param(np.array([np.inf]), np.array([np.inf]), "0 apart", id="infinite"),
            pytest.param(np.array([True]), np.array([False]), "0 apart", id="bool"),
            pytest.param(np.array(["a"]), np.array(["b"]), "0 apart", id="text"),
            pytest.param(np.empty(0), np.empty(0), "0 apart", id="empty"),
        ],
    )
    def test_distance(self, in_engines, on, off, figure):
        """Numbers of any kind have a distance, and what is no number has none."""
        conversion = in_engines(onnxruntime=lambda _: on, unoptimized=lambda _: off)
        conversion.is_right = lambda *_: True
        assert seen(optimizer_neutral(conversion)) == (HOLDS, figure)


class TestEngines:
    """`engines-agree`: the reference evaluator gives the same."""

    def test_right(self, right):
        """The figure is the reference evaluator's."""
        verdict, figure = seen(engines_agree(right))
        assert verdict == HOLDS
        assert figure.endswith(" allowed")

    def test_reference_wrong(self, in_engines):
        """What only the reference evaluator gives otherwise is told with the probe and the place."""
        finding = engines_agree(in_engines(reference=doubled))
        assert finding.verdict == FAILS
        assert finding.problem.startswith("on traced the reference evaluator gives something else: 16.0 at (5, 3), ")
        assert finding.advice == (
            "the file may mean something else to another engine: run it in the one that you deploy to"
        )

    def test_onnxruntime_wrong(self, in_engines):
        """What only ONNX Runtime gives otherwise is told so."""
        finding = engines_agree(in_engines(onnxruntime=doubled))
        assert finding.verdict == FAILS
        assert finding.problem.startswith(
            "on traced the reference evaluator is right, onnxruntime is not: 16.0 at (5, 3), "
        )
        assert finding.advice == "try another opset or provider, and report the model to onnxruntime"

    def test_both_wrong(self, given):
        """What is wrong in both is another check's matter."""
        assert seen(engines_agree(given(scale_case(), WRONG))) == (
            NOT_JUDGED,
            "it is wrong in both: see same-values",
        )

    def test_refused(self, in_engines):
        """What the reference evaluator does not run, it does not judge."""
        assert seen(engines_agree(in_engines(reference=refuse))) == (
            NOT_JUDGED,
            "the reference evaluator does not run it: no kernel for Mul",
        )

    @pytest.mark.parametrize(
        ("rows", "probe"),
        [
            pytest.param(6, "traced", id="example"),
            pytest.param(9, "rows 7", id="drawn"),
        ],
    )
    def test_smallest(self, given, rows, probe):
        """It is asked once, on the smallest inputs that have no dimension of 1: it is slow."""
        case = scale_case(inputs={"x": np.resize(ROWS, (rows, 4)), "factor": FACTOR})
        conversion = given(case, FILE)
        asked = []
        conversion.parities = lambda judged, engine: asked.append((judged.probe.id, engine)) or (Parity("", "y"),)
        assert seen(engines_agree(conversion)) == (HOLDS, "equal")
        assert asked == [(probe, "onnxruntime"), (probe, "reference")]


class TestRepeatable:
    """`repeatable`: the same again, of the model, of the file and of its export."""

    def test_given(self, right):
        """A file that was given gives the same bits again."""
        assert seen(repeatable(right)) == (HOLDS, "same bits")

    def test_exported(self):
        """One that is exported again is the same graph too."""
        conversion = Conversion(scale_case(), exporter=TORCHSCRIPT)
        assert seen(repeatable(conversion)) == (HOLDS, "same graph, same bits")

    def test_model(self, given):
        """A model that gives something else again is told first."""

        class Draws(Scale):
            def forward(self, x, factor):
                return super().forward(x, torch.rand_like(factor))

        finding = repeatable(given(scale_case(Draws()), FILE))
        assert seen(finding) == (FAILS, "the model itself gives other outputs when it is run again")
        assert finding.advice == "call `model.eval()`, or seed it"

    def test_file(self, given):
        """So is a file that does."""
        finding = repeatable(
            given(
                scale_case(),
                DRAWS,
            )
        )
        assert seen(finding) == (FAILS, "the file gives other outputs when it is run again")
        assert finding.advice == "it draws random numbers: export in eval mode"

    def test_does_not_run(self, given):
        """A file that does not run on the example is another check's matter."""
        assert repeatable(given(scale_case(), DOES_NOT_RUN)).verdict == NOT_JUDGED

    @pytest.mark.parametrize("free", [True, False], ids=["exported-elsewhere", "example-alone"])
    def test_export(self, free):
        """A model that is another graph each time it is exported is told."""

        class Counts(nn.Module):
            calls = 0

            def forward(self, x):
                if torch.jit.is_tracing():
                    Counts.calls += 1
                    return x * Counts.calls
                return x * 1

        case = Case(Counts(), {"x": np.array([1.5] if free else [], np.float32)})
        finding = repeatable(Conversion(case, exporter=TORCHSCRIPT))
        assert finding.verdict == FAILS
        assert finding.problem.startswith("exported again it differs: only in the first: ")
        assert finding.advice == "the model keeps state, or draws random numbers"

    def test_values_in_the_file(self):
        """One that differs on other inputs alone is the same again, and another check's matter."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x + float(x[0, 0])

        conversion = Conversion(Case(Frozen(), {"x": ROWS}), exporter=TORCHSCRIPT)
        assert seen(repeatable(conversion)) == (HOLDS, "same graph, same bits")


class TestRefusedAgain:
    """A model that the exporter takes once and not again has a file, and is not repeatable."""

    @pytest.fixture
    def exported_once(self, monkeypatch):
        """A conversion whose exporter refuses from the second time on."""
        exports = []

        def once(*args, **options):
            if exports:
                raise ExportError("refused the second time")
            exports.append(export(*args, **options))
            return exports[0]

        monkeypatch.setattr(conversion, "export", once)
        return Conversion(Case(Gives(lambda x: x * 2 + x.mean()), {"x": ROWS}), exporter=TORCHSCRIPT)

    def test_repeatable(self, exported_once):
        """The refusal is told as what differs."""
        found = repeatable(exported_once)
        assert (found.verdict, found.problem) == (FAILS, "exported again it differs: refused the second time")

    def test_inputs_live(self, exported_once):
        """So it is where the model is traced on other inputs."""
        found = inputs_live(exported_once)
        assert found.verdict == FAILS
        assert found.problem.endswith("it differs: refused the second time")


def only(accepts, x):
    """What it is given, or an error."""
    if accepts:
        return x
    raise ValueError(x.shape)


class TestProbes:
    """`probes-adequate`: the inputs could have shown a fault."""

    @pytest.fixture
    def asked(self):
        """The finding on a model's inputs; no file is needed for it."""

        def ask(make, inputs, **options):
            return probes_adequate(Conversion(Case(Gives(make), inputs, **options), exporter=TORCHSCRIPT))

        return ask

    def test_right(self, right):
        """The figure is how many there are."""
        assert seen(probes_adequate(right)) == (HOLDS, f"{len(right.original.judged)} probes")

    @pytest.mark.parametrize(
        ("make", "inputs", "problem", "advice"),
        [
            pytest.param(
                lambda x: x * 2,
                {"x": np.full((5, 4), 7, np.float32)},
                "the input x is constant",
                "give an example with different values",
                id="constant-input",
            ),
            pytest.param(
                lambda x: (x, x.sqrt()),
                {"x": ROWS},
                "the model's own output output_1 is not finite on the example",
                "give inputs of its domain",
                id="not-finite",
            ),
            pytest.param(
                lambda x, y: torch.arange(3.0) + y,
                {"x": np.ones(1, np.float32), "y": np.float32(2)},
                "the inputs have one value each",
                "give a larger example",
                id="one-value",
            ),
            pytest.param(
                lambda x: only(torch.equal(x, torch.tensor(ROWS).to(x)), x),
                {"x": ROWS},
                "the model accepts none but the traced inputs",
                "give more of them in the case's `also`",
                id="example-alone",
            ),
            pytest.param(
                lambda x: (torch.ones(2), torch.arange(1)),
                {"x": ROWS},
                "the model's outputs are constant on every probe",
                "give inputs that it reacts to",
                id="constant-outputs",
            ),
        ],
    )
    def test_inadequate(self, asked, make, inputs, problem, advice):
        """What hides faults is told, with what would show them."""
        finding = asked(make, inputs)
        assert (finding.verdict, finding.problem, finding.advice) == (FAILS, problem, advice)

    @pytest.mark.parametrize(
        ("make", "inputs"),
        [
            pytest.param(lambda x, f: x * f, {"x": ROWS, "f": np.ones(2, np.float32)[:1]}, id="constant-factor"),
            pytest.param(lambda x, f: x * f[0], {"x": ROWS, "f": np.ones(2, np.float32)}, id="constant-factors"),
            pytest.param(lambda x: (x, torch.ones(2)), {"x": ROWS}, id="one-constant-output"),
            pytest.param(lambda x: (torch.ones(2), x[:, 0]), {"x": ROWS}, id="another"),
            pytest.param(lambda x: x * 2, {"x": np.arange(20)}, id="integers"),
        ],
    )
    def test_adequate(self, asked, make, inputs):
        """Parameters may be constant, and so may be one of the outputs."""
        assert asked(make, inputs).verdict == HOLDS

    def test_one_free_value(self, asked):
        """A single value is not called constant, where it is data."""
        finding = asked(lambda x: x + torch.arange(len(x)), {"x": ROWS[0, :1]}, dynamic={"x": {0: "n"}})
        assert seen(finding) == (FAILS, "the inputs have one value each")

    @pytest.mark.parametrize(
        ("accepts", "problem"),
        [
            pytest.param({6}, "the model accepts rows = 6 of the sizes that were drawn", id="one"),
            pytest.param({6, 1}, "the model accepts rows = 1, 6 of the sizes that were drawn", id="one-and-1"),
        ],
    )
    def test_sizes(self, asked, accepts, problem):
        """A dimension that is free was seen at two sizes above 1."""
        finding = asked(lambda x: only(len(x) in accepts, x), {"x": ROWS}, dynamic={"x": {0: "rows"}})
        assert seen(finding) == (FAILS, problem)
        assert finding.advice == "give inputs of other rows in the case's `also`"

    def test_two_sizes(self, asked):
        """Two sizes are enough."""
        two = {6, 7}
        assert asked(lambda x: only(len(x) in two, x), {"x": ROWS}, dynamic={"x": {0: "rows"}}).verdict == HOLDS
