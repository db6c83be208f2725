"""The checks that a file is written, has its opset, is well-formed and stands alone."""

import numpy as np
import onnx
import pytest
import torch

from onnxproof.case import Case
from onnxproof.checks import interface
from onnxproof.checks.check import judge
from onnxproof.checks.interface import (
    dims_kept,
    exports,
    inputs_kept,
    opset_kept,
    outputs_kept,
    self_contained,
    shapes_honest,
    well_formed,
)
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT, opsets, torch_export_is_available
from tests.harness.by_hand import FACTOR, FILE, ROWS, Gives, Scale, edited, said, scale_case, seen

needs_torch_export = pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")


class Untraceable(Scale):
    """A model that torchscript refuses."""

    def forward(self, x, factor):
        if torch.jit.is_tracing():
            raise ArithmeticError("no way through")
        return super().forward(x, factor)


class OneRow(torch.nn.Module):
    """A model that does something else with one row."""

    def forward(self, x):
        return x * 2 if x.shape[0] < 2 else x * 3


class NeverExported(torch.nn.Module):
    """A model with an operator that ONNX does not have."""

    def forward(self, x):
        return torch.linalg.qr(x)[1]


class PositiveSum(torch.nn.Module):
    """A model that does something else with other values."""

    def forward(self, x):
        return x * 2 if x.sum() > 0 else x * 3


class TestExports:
    """`exports`: the exporter writes a file."""

    def test_written(self):
        """The figure is the exporter and the node count."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        assert seen(exports, conversion) == (CheckVerdict.HOLDS, f"torchscript, {len(conversion.graph.nodes)} nodes")

    def test_refused(self):
        """The exporter's error is the problem."""
        finding = judge(exports, exported(ReferenceModel(scale_case(Untraceable())), TORCHSCRIPT))
        assert finding.verdict == CheckVerdict.FAILS
        assert "no way through" in finding.problem
        assert finding.advice == "Read the exporter's message; try another opset or the other exporter."

    def test_opset(self):
        """An exporter that names the first opset of an operator is followed."""
        case = Case(Gives(torch.nn.functional.scaled_dot_product_attention), dict.fromkeys("qkv", ROWS))
        finding = judge(exports, exported(ReferenceModel(case), TORCHSCRIPT, 11))
        assert (finding.verdict, finding.advice) == (CheckVerdict.FAILS, "Ask for opset 14 or newer: `--opset 14`.")

    @needs_torch_export
    @pytest.mark.parametrize(
        ("model", "advice"),
        [
            pytest.param(
                OneRow(), "Give an example with batch = 2: torch.export takes a size of 1 for a constant.", id="cure"
            ),
            pytest.param(
                NeverExported(), "Read the exporter's message; try another opset or the other exporter.", id="no-cure"
            ),
        ],
    )
    def test_size_of_one(self, model, advice):
        """torch.export's refusal of a size of 1 is followed by what it takes, if it does take the example with 2."""
        case = Case(model, {"x": ROWS[:1]}, dynamic={"x": {0: "batch"}})
        finding = judge(exports, exported(ReferenceModel(case), TORCH_EXPORT))
        assert (finding.verdict, finding.advice) == (CheckVerdict.FAILS, advice)

    @needs_torch_export
    def test_branch(self):
        """A branch on values has its line, and is to be written otherwise: the other exporter would freeze it."""
        case = Case(PositiveSum(), {"x": ROWS}, dynamic={"x": {0: "batch"}})
        finding = judge(exports, exported(ReferenceModel(case), TORCH_EXPORT))
        assert finding.advice.startswith("Choose by `torch.where` or `torch.cond`")
        assert finding.evidence.endswith(": `return x * 2 if x.sum() > 0 else x * 3`")
        assert finding.evidence.startswith("It stopped at tests/harness/test_file_checks.py:")

    def test_newest_opset(self):
        """An opset that an exporter does not write is followed by the newest that it writes."""
        newest = opsets(TORCHSCRIPT)[-1]
        finding = judge(exports, exported(ReferenceModel(scale_case()), TORCHSCRIPT, newest + 5))
        assert finding.advice == f"Ask for opset {newest}, its newest, or an older one: `--opset {newest}`."

    def test_given(self, right):
        """A file that was given was not exported."""
        assert seen(exports, right) == (CheckVerdict.NOT_JUDGED, "nothing to export: a file was given")


class TestOpset:
    """`opset-kept`: the file has the opset that was asked for."""

    def test_same(self, given):
        """The figure is the opset."""
        assert seen(opset_kept, given(scale_case(), FILE, opset=18)) == (CheckVerdict.HOLDS, "opset 18")

    @pytest.mark.parametrize("asked", [17, 19])
    def test_another(self, given, asked):
        """A higher or lower one is reported with the one asked for."""
        finding = judge(opset_kept, given(scale_case(), FILE, opset=asked))
        assert said(finding) == (CheckVerdict.FAILS, f"opset {asked} was asked for, the file has 18")
        assert finding.advice == f"Ask for 18, or use an exporter that writes {asked}."

    def test_not_asked(self, right):
        """Without an opset, it is not judged."""
        assert seen(opset_kept, right) == (CheckVerdict.NOT_JUDGED, "no opset was asked for")


class TestWellFormed:
    """`well-formed`: onnx reads the file, and its full checker passes it."""

    def test_right(self, right):
        """A right file passes."""
        assert seen(well_formed, right) == (CheckVerdict.HOLDS, "onnx.checker, strict")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            pytest.param(("Mul (", "Mool ("), "No Op registered for Mool", id="unknown-operator"),
            pytest.param(("[rows, 4] scaled", "[rows, 5] scaled"), "Inferred shape and existing shape", id="shape"),
        ],
    )
    def test_refused(self, given, change, problem):
        """A refusal by the checker or shape inference is reported on one line."""
        finding = judge(well_formed, given(scale_case(), edited(change)))
        assert (finding.verdict, "\n" in finding.problem) == (CheckVerdict.FAILS, False)
        assert problem in finding.problem
        assert finding.advice == "Export it again: engines may misread a file that onnx's checker refuses."

    def test_unreadable(self, right):
        """A file that is not ONNX is reported by name."""
        right.file.path.write_bytes(b"no model")
        finding = judge(well_formed, right)
        assert (finding.verdict, finding.advice) == (CheckVerdict.FAILS, "Export it again.")
        assert "model.onnx: not a readable ONNX file" in finding.problem

    @pytest.mark.parametrize("check", [inputs_kept, outputs_kept, dims_kept, shapes_honest, self_contained])
    def test_unreadable_elsewhere(self, right, check):
        """The other checks do not judge it."""
        right.file.path.write_bytes(b"no model")
        assert seen(check, right) == (CheckVerdict.NOT_JUDGED, "the file cannot be read: see well-formed")


class TestSelfContained:
    """`self-contained`: the file runs without torch, from the files that it names."""

    @pytest.fixture
    def asked(self, monkeypatch):
        """The calls of `run_without_torch`, which finds no problem."""
        asked = []
        monkeypatch.setattr(interface, "run_without_torch", lambda *asks: asked.append(asks) or "")
        return asked

    def test_right(self, right, asked):
        """The file is run on the example, with the provider of the conversion."""
        assert seen(self_contained, right) == (CheckVerdict.HOLDS, "runs alone")
        ((path, inputs, provider),) = asked
        assert (path, provider) == (right.file.path, "CPUExecutionProvider")
        np.testing.assert_array_equal(inputs["x"], ROWS)
        np.testing.assert_array_equal(inputs["factor"], FACTOR)

    def test_does_not_run(self, given):
        """The process' error is the problem."""
        finding = judge(self_contained, given(scale_case(), edited(("Mul (", "Mool ("))))
        assert finding.verdict == CheckVerdict.FAILS
        assert "Mool" in finding.problem
        assert finding.advice == "Keep the file, its external data beside it, and a body for each custom operator."

    def test_does_not_run_anywhere(self, given):
        """A file of known operators that runs nowhere has another fault, which same-values tells."""
        asks = given(scale_case(), edited(("scaled = Mul (x, factor)", "scaled = Reshape (x, last)")))
        assert seen(self_contained, asks) == (CheckVerdict.NOT_JUDGED, "the file does not run at all: see same-values")

    def test_runs_here(self, right, monkeypatch):
        """A file that runs here and not alone fails."""
        monkeypatch.setattr(interface, "run_without_torch", lambda *_: "it needs torch")
        assert seen(self_contained, right) == (CheckVerdict.FAILS, "it needs torch")

    def test_unknown_input(self, given, asked):
        """An input that the case does not have cannot be fed."""
        finding = judge(self_contained, given(scale_case(), edited(("factor", "gain"))))
        assert said(finding) == (
            CheckVerdict.NOT_JUDGED,
            "the file asks for gain, which is not an input of the case: see inputs-kept",
        )
        assert not asked

    def test_missing_data(self, right):
        """Missing external data fails this check."""
        model = onnx.load(right.file.path)
        model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.array([2], np.float32), "two"))
        onnx.save(model, str(right.file.path), save_as_external_data=True, location="weights", size_threshold=0)
        right.file.path.with_name("weights").unlink()
        finding = judge(self_contained, right)
        assert finding.verdict == CheckVerdict.FAILS
        assert "weights" in finding.problem
        assert finding.advice == "Keep the file, its external data beside it, and a body for each custom operator."
