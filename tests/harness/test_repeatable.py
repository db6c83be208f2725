"""A model, its file and its export have to be repeatable."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.values import inputs_live, repeatable
from onnxproof.exporting.export import export
from onnxproof.graph.diff import Difference
from onnxproof.probing import files
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FILE, ROWS, Gives, Scale, edited, said, scale_case, seen

DOES_NOT_RUN = edited(("Mul (", "Mool ("))
DRAWS = edited(("scaled =", "drawn = RandomNormalLike (x) scaled ="), ("Mul (x", "Mul (drawn"))


class Keeps(nn.Module):
    """A model whose outputs count its calls."""

    def __init__(self, state):
        super().__init__()
        ((self.name, value),) = state.items()
        self.register_buffer(self.name, value) if self.name == "buffer" else setattr(self, self.name, value)

    def forward(self, x):
        setattr(self, self.name, getattr(self, self.name) + 1)
        return x * getattr(self, self.name)


class TestRepeatable:
    """`repeatable`: the model, the file and its export are the same again."""

    @pytest.mark.parametrize(
        ("state", "names"),
        [
            pytest.param({"calls": 0}, "calls", id="number"),
            pytest.param({"seen": torch.zeros(1)}, "seen", id="tensor"),
            pytest.param({"buffer": torch.zeros(1)}, "buffer", id="buffer"),
        ],
    )
    def test_state(self, state, names):
        """A model that keeps state is told so, by the name of what changes."""
        finding = judge(repeatable, exported(ReferenceModel(Case(Keeps(state), {"x": ROWS})), TORCHSCRIPT))
        assert finding.problem == f"the model keeps state: a run changes its {names}, and the outputs with it"
        assert finding.advice.startswith("Let `forward` change nothing")

    def test_state_of_values(self):
        """State that an exporter freezes is no input's value in the file: `repeatable` says what to do about it."""

        class Averages(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("mean", torch.zeros(1))

            def forward(self, x):
                self.mean.mul_(0.9).add_(0.1 * x[0].mean())
                return x - self.mean

        conversion = exported(ReferenceModel(Case(Averages(), {"x": ROWS})), TORCHSCRIPT)
        verdicts = [judge(check, conversion).verdict for check in (inputs_live, repeatable)]
        assert verdicts == [CheckVerdict.HOLDS, CheckVerdict.FAILS]

    def test_given(self, right):
        """A given file returns the same bits again."""
        assert seen(repeatable, right) == (CheckVerdict.HOLDS, "same bits")

    def test_exported(self):
        """An exported one is the same graph again too."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        assert seen(repeatable, conversion) == (CheckVerdict.HOLDS, "same graph, same bits")

    def test_model(self, given):
        """A model that does not repeat itself is reported first."""

        class Draws(Scale):
            def forward(self, x, factor):
                return super().forward(x, torch.rand_like(factor))

        finding = judge(repeatable, given(scale_case(Draws()), FILE))
        assert said(finding) == (CheckVerdict.FAILS, "the model itself has other outputs when it runs again")
        assert finding.advice == "The model draws random numbers: take them as an input."

    def test_training(self, given):
        """A model that repeats itself in eval mode is to be in it."""

        class Drops(Scale):
            def forward(self, x, factor):
                return super().forward(nn.functional.dropout(x, training=self.training), factor)

        finding = judge(repeatable, given(scale_case(Drops()), FILE))
        assert finding.advice == "Call `model.eval()` before you make the case."

    def test_file(self, given):
        """So is a file that does not."""
        finding = judge(repeatable, given(scale_case(), DRAWS))
        assert said(finding) == (CheckVerdict.FAILS, "the file has other outputs when it runs again")
        assert finding.advice == "Export in eval mode: the file draws random numbers."

    def test_does_not_run(self, given):
        """A file that does not run on the example is not judged here."""
        assert judge(repeatable, given(scale_case(), DOES_NOT_RUN)).verdict == CheckVerdict.NOT_JUDGED

    @pytest.mark.parametrize("free", [True, False], ids=["exported-elsewhere", "example-alone"])
    def test_export(self, free):
        """A model that becomes another graph with each export is reported."""

        class Counts(nn.Module):
            calls = 0

            def forward(self, x):
                if torch.jit.is_tracing():
                    Counts.calls += 1
                    return x * Counts.calls
                return x * 1

        case = Case(Counts(), {"x": np.array([1.5] if free else [], np.float32)})
        finding = judge(repeatable, exported(ReferenceModel(case), TORCHSCRIPT))
        assert finding.verdict == CheckVerdict.FAILS
        assert finding.problem.startswith("exported again, the file differs: only in the first: ")
        assert finding.advice.endswith("the model keeps state or draws random numbers.")

    def test_other_inputs(self):
        """An export that declares other inputs than the first is the exporter's, not the model's."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        conversion.file.elsewhere = None
        conversion.file.differences_when_traced_on = lambda *_: (Difference("inputs", "inputs: x against y"),)
        finding = judge(repeatable, conversion)
        assert finding.problem == "exported again, the file differs: inputs: x against y"
        assert finding.advice == "Try the other exporter."

    def test_exported_elsewhere(self):
        """The same graph on other inputs needs no further export."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        conversion.file.elsewhere = conversion.model.judged[1].probe, ()
        conversion.file.differences_when_traced_on = None
        assert seen(repeatable, conversion) == (CheckVerdict.HOLDS, "same graph, same bits")

    def test_values_in_the_file(self):
        """A graph that differs only on other inputs is repeatable."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x + float(x[0, 0])

        conversion = exported(ReferenceModel(Case(Frozen(), {"x": ROWS})), TORCHSCRIPT)
        assert seen(repeatable, conversion) == (CheckVerdict.HOLDS, "same graph, same bits")


class TestExportedInOneProcess:
    """torch.export may freeze a size of an LSTM once it has exported it before, and only then."""

    @pytest.fixture
    def conversion(self, monkeypatch):
        """A conversion by an exporter that freezes the rows from its second export in a process on."""
        calls = []

        def freezing(*args, **options):
            calls.append(args)
            return export(*args, **options | ({"dynamic": {}} if len(calls) > 1 else {}))

        monkeypatch.setattr(files, "export", freezing)
        return exported(ReferenceModel(scale_case()), TORCHSCRIPT)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
    @pytest.mark.parametrize("check", [repeatable, inputs_live])
    def test_new_process(self, conversion, check):
        """The file is right, and the same if another process exports it."""
        assert judge(check, conversion).verdict == CheckVerdict.HOLDS

    def test_same_process(self, conversion):
        """Without processes the second export differs."""
        conversion = exported(conversion.model, TORCHSCRIPT, timeout=None)
        assert judge(repeatable, conversion).problem.startswith("exported again, the file differs: inputs: x ")


class TestRefusedAgain:
    """A model that the exporter takes only once has a file, but is not repeatable."""

    @pytest.fixture
    def exported_once(self):
        """A conversion whose model raises when it is traced for the second time."""
        traces = []

        def forward(x):
            if torch.jit.is_tracing():
                traces.append(x.shape)
                if len(traces) > 1:
                    raise ArithmeticError("not again")
            return x * 2 + x.mean()

        return exported(ReferenceModel(Case(Gives(forward), {"x": ROWS})), TORCHSCRIPT)

    def test_repeatable(self, exported_once):
        """The refusal is the difference."""
        found = judge(repeatable, exported_once)
        assert found.verdict == CheckVerdict.FAILS
        assert found.problem.startswith("exported again, the file differs: the torchscript exporter refused the model")
        assert "not again" in found.problem

    def test_inputs_live(self, exported_once):
        """So it is if the model is traced on other inputs."""
        found = judge(inputs_live, exported_once)
        assert found.verdict == CheckVerdict.FAILS
        assert "it differs: the torchscript exporter refused the model" in found.problem
        assert "not again" in found.problem
