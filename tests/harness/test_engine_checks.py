"""A file gives the same with graph optimization and without, and in the reference evaluator."""

import numpy as np
import pytest

from onnxproof.engines import Engine, EngineError
from onnxproof.findings import FAILS, HOLDS, NOT_JUDGED
from onnxproof.parity import Parity
from onnxproof.value_checks import engines_agree, optimizer_neutral
from tests.harness.by_hand import FACTOR, FILE, ROWS, edited, scale_case, seen

WRONG = edited(("Mul (", "Div ("))


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
        assert seen(engines_agree(given(scale_case(), WRONG))) == (NOT_JUDGED, "it is wrong in both: see same-values")

    def test_refused(self, in_engines):
        """What the reference evaluator does not run, it does not judge."""
        assert seen(engines_agree(in_engines(reference=refuse))) == (
            NOT_JUDGED,
            "the reference evaluator does not run it: no kernel for Mul",
        )

    @pytest.mark.parametrize(
        ("rows", "probe"), [pytest.param(6, "traced", id="example"), pytest.param(9, "rows 7", id="drawn")]
    )
    def test_smallest(self, given, rows, probe):
        """It is asked once, on the smallest inputs that have no dimension of 1: it is slow."""
        case = scale_case(inputs={"x": np.resize(ROWS, (rows, 4)), "factor": FACTOR})
        conversion = given(case, FILE)
        asked = []
        conversion.parities = lambda judged, engine: asked.append((judged.probe.id, engine)) or (Parity("", "y"),)
        assert seen(engines_agree(conversion)) == (HOLDS, "equal")
        assert asked == [(probe, "onnxruntime"), (probe, "reference")]
