"""A large model is judged on what a budget pays for, which is counted in operations; what is left out is said."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.run import CHECKS, judge
from onnxproof.engines import arithmetic
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import export
from onnxproof.parity.compare import compare
from onnxproof.probing import budget
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCHSCRIPT
from tests.harness.good_conversions.making import built, normal

IMAGE = normal(1, 4, 9, 8)


def case(**more):
    """A convolution of pictures, with one further input."""
    also = [{"image": normal(1, 4, 9, 8, seed=1)}]
    return Case(built(nn.Conv2d, 4, 6, 3), {"image": IMAGE}, also=also, **more)


@pytest.fixture
def expensive(monkeypatch):
    """A machine that is counted as a slow one: each run costs more than the budget."""
    monkeypatch.setattr(budget, "FLOPS", 100.0)


class TestWork:
    """The work of a run is counted in operations."""

    @pytest.mark.parametrize(
        ("module", "inputs", "flops"),
        [
            pytest.param(lambda: nn.Linear(6, 3, bias=False), normal(5, 6), 2 * 5 * 6 * 3, id="linear"),
            pytest.param(lambda: nn.Conv2d(4, 6, 3), IMAGE, 2 * 36 * 6 * 42, id="convolution"),
            pytest.param(lambda: nn.Conv2d(4, 6, 3, groups=2), IMAGE, 2 * 18 * 6 * 42, id="groups"),
        ],
    )
    def test_products(self, module, inputs, flops):
        """Products count."""
        found = TorchModel(built(module), ["x"], ()).work({"x": inputs})
        assert flops <= found.flops <= flops + 60 * inputs.size
        assert found.loops == 0

    @pytest.mark.parametrize(
        ("module", "name", "values"),
        [
            pytest.param(lambda: nn.AvgPool2d(2), "avg_pool2d", 4 * 4 * 4, id="pooling"),
        ],
    )
    def test_loops(self, module, name, values):
        """What the reference evaluator computes in loops counts by its values."""
        found = TorchModel(built(module), ["x"], ()).work({"x": IMAGE})
        assert found.loops == pytest.approx(arithmetic.LOOPS[name] * values)

    def test_by_values(self):
        """That of other inputs is in proportion to their values."""
        model = ReferenceModel(case())
        half, whole = (model.work({"image": IMAGE[..., :width]}).flops for width in (4, 8))
        assert 2 * half == whole > 0


class TestSelection:
    """The example, one other probe and the case's own are judged whatever they cost."""

    def test_cheap(self):
        """Of a cheap model nothing is left out, and all of it is judged in float64."""
        model = ReferenceModel(case())
        assert (len(model.judged), model.left_out) == (7, 0)
        assert all(judged.reference.exact for judged in model.judged)

    def test_expensive(self, expensive):
        """Of an expensive one the example alone is judged in float64."""
        model = ReferenceModel(case())
        assert [judged.probe.id for judged in model.judged] == ["traced", "also[0]"]
        assert [judged.reference.exact is not None for judged in model.judged] == [True, False]
        assert model.left_out == 5

    def test_no_budget(self, expensive):
        """A budget without an end leaves nothing out."""
        model = ReferenceModel(case(), math.inf)
        assert (len(model.judged), model.left_out) == (7, 0)

    def test_usual_rounding_judges(self, expensive):
        """Without float64 the rounding of the example judges: its size passes, ten times it does not."""
        model = ReferenceModel(case())
        reference = model.judged[1].reference
        own = reference.values["output"]
        usual = reference.usual["output"] * np.abs(own).max()
        for times, same in ((2, True), (60, False)):
            moved = own.copy()
            moved[0, 0, 0, 0] += times * usual
            assert compare({"output": moved}, reference, "case")[0].same == same


class TestFindings:
    """What was left out is in the finding."""

    def test_left_out(self, expensive):
        """The probes, and the reference evaluator with the seconds that it would take."""
        conversion = exported(ReferenceModel(case()), TORCHSCRIPT)
        found = {name: judge(CHECKS[name], conversion) for name in ("probes-adequate", "engines-agree", "same-values")}
        assert found["probes-adequate"].figure == "2 probes; 5 more with --thorough"
        assert found["engines-agree"].verdict == CheckVerdict.NOT_JUDGED
        assert found["engines-agree"].problem.endswith(" s, --thorough runs it")
        assert found["same-values"].verdict == CheckVerdict.HOLDS

    def test_wrong_file(self, expensive, tmp_path):
        """A wrong file fails on what the budget pays for."""
        good = case()
        wrong = built(nn.Conv2d, 4, 6, 3)
        with torch.no_grad():
            wrong.weight[3] *= 1.001
        export(wrong, good.inputs, tmp_path / "wrong.onnx", exporter=TORCHSCRIPT, opset=18)
        conversion = exported(ReferenceModel(good), TORCHSCRIPT).of_file(tmp_path / "wrong.onnx")
        for check in ("same-values", "same-values-unseen"):
            assert judge(CHECKS[check], conversion).verdict == CheckVerdict.FAILS


class TestEstimate:
    """How long a check takes is known once the example has run."""

    def test_before(self):
        """Before, nothing is known."""
        assert ReferenceModel(case()).check_seconds() == 0

    def test_after(self):
        """After, it is in proportion to the time of the example, and less for a second file."""
        model = ReferenceModel(case())
        assert model.judged
        first, second = model.check_seconds(), model.check_seconds(is_first=False)
        assert first > second > 0

    def test_budget(self):
        """A budget of nothing leaves the example."""
        work = arithmetic.Work(flops=budget.FLOPS)
        example = budget.CHEAP + budget.FLOAT64
        assert budget.check_seconds(work, 0) == example
        assert budget.check_seconds(work, 5) == example + 5 + budget.EVALUATOR
        assert budget.check_seconds(work, math.inf) == (1 + budget.MOST_PROBES) * example + budget.EVALUATOR
