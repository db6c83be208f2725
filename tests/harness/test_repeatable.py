"""A model, its file and its export are the same again, or it is told which is not."""

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof import conversion
from onnxproof.case import Case
from onnxproof.conversion import Conversion
from onnxproof.exporting import ExportError, export
from onnxproof.findings import FAILS, HOLDS, NOT_JUDGED
from onnxproof.value_checks import inputs_live, repeatable
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FILE, ROWS, Gives, Scale, edited, scale_case, seen

DOES_NOT_RUN = edited(("Mul (", "Mool ("))
DRAWS = edited(("scaled =", "drawn = RandomNormalLike (x) scaled ="), ("Mul (x", "Mul (drawn"))


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
        finding = repeatable(given(scale_case(), DRAWS))
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

    def test_exported_elsewhere(self):
        """What is the same graph on other inputs needs no export more."""
        conversion = Conversion(scale_case(), exporter=TORCHSCRIPT)
        conversion.exported_elsewhere = conversion.original.judged[1].probe, ()
        conversion.differences_when_traced_on = None
        assert seen(repeatable(conversion)) == (HOLDS, "same graph, same bits")

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
