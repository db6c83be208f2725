"""Outputs are the same with and without graph optimization, and in the reference evaluator."""

import numpy as np
import pytest
import torch

from onnxproof.checks.check import judge
from onnxproof.checks.engines import engines_agree, optimizer_neutral
from onnxproof.engines.base import EngineError
from onnxproof.probing.conversion import Conversion, Outcome
from onnxproof.results import CheckVerdict, Parity
from tests.harness.by_hand import FACTOR, FILE, ROWS, FakeEngine, Gives, edited, in_engines, scale_case, seen

WRONG = edited(("Mul (", "Div ("))


@pytest.fixture
def changed(right):
    """The right file, in engines that change their first output."""

    def make(**changes):
        return in_engines(right, **{name: changed_engine(right, name, change) for name, change in changes.items()})

    return make


def changed_engine(conversion, name, change):
    """One of a conversion's engines, with `change` made to the first output."""
    session = conversion.engines[name].open(conversion.file.path)

    def run(inputs):
        outputs = session.run(inputs)
        return {**outputs, "scaled": change(outputs["scaled"])}

    return FakeEngine(run)


def doubled(values):
    return values * 2


def refuse(values):
    raise EngineError("no kernel\nfor Mul")


class Lenient(Conversion):
    """A conversion that accepts every output."""

    def __init__(self, strict):
        super().__init__(strict.model, strict.file, strict.engines)

    def outcome(self, judged, engine=""):
        return Outcome(())


class TestOptimizer:
    """`optimizer-neutral`: graph optimization does not change the outputs."""

    def test_right(self, right):
        """The figure is the largest distance of the outputs."""
        assert seen(optimizer_neutral, right) == (CheckVerdict.HOLDS, "0 apart")

    def test_apart(self, changed):
        """The largest distance of any probe and output counts."""
        conversion = changed(unoptimized=lambda values: values + (2 if len(values) == 7 else 1))
        assert seen(optimizer_neutral, Lenient(conversion)) == (CheckVerdict.HOLDS, "2 apart")

    @pytest.mark.parametrize(
        ("engine", "on_or_off"), [("onnxruntime", "off"), ("unoptimized", "on")], ids=["wrong-on", "wrong-off"]
    )
    def test_wrong(self, changed, engine, on_or_off):
        """If only one mode is right, the probe and the place are reported."""
        finding = judge(optimizer_neutral, changed(**{engine: doubled}))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith(
            f"on traced it is right only with optimization {on_or_off}: 16.0 at (5, 3), expected 8.0: 8 apart, "
        )
        assert finding.advice == ("Lower ONNX Runtime's graph_optimization_level, and report the model to onnxruntime.")

    def test_wrong_in_both(self, given):
        """If neither is, it is not judged: what is not right has no bound."""
        finding = seen(optimizer_neutral, given(scale_case(), WRONG))
        assert finding == (CheckVerdict.NOT_JUDGED, "it is wrong with and without: see same-values")

    @pytest.mark.parametrize("check", [optimizer_neutral, engines_agree])
    def test_draws(self, given, check):
        """Outputs that differ each time are right by chance: they are not judged."""
        noise = scale_case(Gives(lambda x, factor: (x * torch.rand_like(x), x.sum(-1))))
        finding = seen(check, given(noise, FILE))
        assert finding == (CheckVerdict.NOT_JUDGED, "the model has other outputs each time: see repeatable")

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
    def test_distance(self, changed, on, off, figure):
        """Numbers of any kind have a distance; other values do not."""
        conversion = changed(onnxruntime=lambda _: on, unoptimized=lambda _: off)
        assert seen(optimizer_neutral, Lenient(conversion)) == (CheckVerdict.HOLDS, figure)


class TestEngines:
    """`engines-agree`: the reference evaluator agrees."""

    def test_right(self, right):
        """The figure is the reference evaluator's."""
        verdict, figure = seen(engines_agree, right)
        assert verdict == CheckVerdict.HOLDS
        assert figure.endswith(" allowed")

    def test_reference_wrong(self, changed):
        """If only the reference evaluator is wrong, the probe and the place are reported."""
        finding = judge(engines_agree, changed(reference=doubled))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("on traced the reference evaluator has another result: 16.0 at (5, 3), ")
        assert finding.advice == ("Run the file in the engine that you deploy to: it may mean something else there.")

    def test_onnxruntime_wrong(self, changed):
        """If only ONNX Runtime is wrong, that is reported."""
        finding = judge(engines_agree, changed(onnxruntime=doubled))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith(
            "on traced the reference evaluator is right, onnxruntime is not: 16.0 at (5, 3), "
        )
        assert finding.advice == "Try another opset or provider, and report the model to onnxruntime."

    def test_both_wrong(self, given):
        """If both are wrong, nothing is judged here."""
        assert seen(engines_agree, given(scale_case(), WRONG)) == (
            CheckVerdict.NOT_JUDGED,
            "it is wrong in both: see same-values",
        )

    def test_right_on_the_example(self, given):
        """If ONNX Runtime is wrong everywhere, the reference evaluator is asked on the example, too."""
        case = scale_case(also=[{"x": ROWS[:3], "factor": FACTOR}])

        def run(inputs):
            return {"scaled": inputs["x"] * (2 if len(inputs["x"]) == 6 else 3), "total": inputs["x"].sum(-1)}

        def never(inputs):
            return {"scaled": inputs["x"] * 4, "total": inputs["x"].sum(-1)}

        conversion = in_engines(given(case, FILE), onnxruntime=FakeEngine(never), reference=FakeEngine(run))
        problem = judge(engines_agree, conversion).problem
        assert problem.startswith("on traced the reference evaluator is right, onnxruntime is not: ")

    def test_all_unjudged(self, given, monkeypatch):
        """What rounding decides is no agreement."""
        monkeypatch.setattr(Parity, "is_judged", False)
        finding = seen(engines_agree, given(scale_case(), FILE))
        assert finding[0] == CheckVerdict.NOT_JUDGED
        assert finding[1].startswith("rounding decides every value")

    def test_wrong_at_a_size(self, given):
        """If both are wrong on the smallest inputs, those are judged on which ONNX Runtime is right."""
        case = scale_case(also=[{"x": ROWS[:3], "factor": FACTOR}])
        asked = []

        def run(inputs):
            asked.append(len(inputs["x"]))
            if len(inputs["x"]) != len(ROWS):
                raise EngineError("6 rows only")
            return {"scaled": inputs["x"] * FACTOR, "total": inputs["x"].sum(-1)}

        conversion = in_engines(given(case, FILE), onnxruntime=FakeEngine(run), reference=FakeEngine(run))
        assert judge(engines_agree, conversion).verdict == CheckVerdict.HOLDS
        assert asked[-1] == len(ROWS)

    def test_declared_otherwise(self, given):
        """Sizes that the file does not declare are for dims-kept: the reference evaluator does not look at them."""
        case = scale_case(also=[{"x": ROWS[:3], "factor": FACTOR}])
        assert judge(engines_agree, given(case, edited(("float[rows", "float[6")))).verdict == CheckVerdict.HOLDS

    def test_refused(self, changed):
        """A file that the reference evaluator cannot run is not judged."""
        assert seen(engines_agree, changed(reference=refuse)) == (
            CheckVerdict.NOT_JUDGED,
            "the reference evaluator does not run it: no kernel for Mul",
        )

    @pytest.mark.parametrize(("example", "rows"), [pytest.param(6, 6, id="example"), pytest.param(9, 7, id="drawn")])
    def test_smallest(self, given, example, rows):
        """It is slow, so it runs once, on the smallest inputs without a dimension of 1."""
        case = scale_case(inputs={"x": np.resize(ROWS, (example, 4)), "factor": FACTOR})
        asked = []

        def run(inputs):
            asked.append(len(inputs["x"]))
            return {"scaled": inputs["x"] * 2, "total": inputs["x"].sum(-1)}

        judge(engines_agree, in_engines(given(case, FILE), reference=FakeEngine(run)))
        assert asked == [rows]
