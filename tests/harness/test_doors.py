"""A case has the same findings in Python, on the command line and in pytest."""

import json
import sys
from pathlib import Path

import pytest

import onnxproof
from onnxproof.checks import CHECKS
from onnxproof.cli import main
from onnxproof.versions import EXPORTERS, TORCHSCRIPT

MODELS = """
import numpy as np
from torch import nn
from onnxproof import Case, CheckError

class Frozen(nn.Module):
    def forward(self, x, factor):
        return x * factor.item()

def case():
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
    expected = {"inputs-kept": {"torchscript": "the factor is folded"}}
    return Case(Frozen(), {"x": x, "factor": np.array(2.5)}, dynamic={"x": {0: "rows"}}, expected=expected)

def few_nodes(conversion):
    if len(conversion.graph.nodes) < 9:
        return f"{len(conversion.graph.nodes)} nodes"
    raise CheckError("too many nodes", "Use fewer.")
"""
SPEC = """
from models import case, few_nodes
from onnxproof import conversion_checks

@conversion_checks(case, checks=[few_nodes])
def test_conversion(onnx_check):
    onnx_check()
"""


@pytest.fixture
def models(pytester, monkeypatch):
    """A user's module, with a case and a check."""
    pytester.makepyfile(models=MODELS, test_models=SPEC)
    monkeypatch.syspath_prepend(str(pytester.path))
    monkeypatch.delitem(sys.modules, "models", raising=False)
    import models

    yield models
    sys.modules.pop("models", None)


def in_order(findings):
    return sorted(findings, key=lambda finding: (finding["exporter"], finding["check"]))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_same_findings(models, pytester, capsys, exporter):
    """All fields are the same, those of a user's check included."""
    found = onnxproof.check(models.case(), [exporter], checks=[models.few_nodes], report="python")
    own = [finding.as_dict() for finding in found]
    assert [finding["check"] for finding in own] == [*CHECKS, "few-nodes"]
    command = ["check", "models.py:case", "--check", "models.py:few_nodes", "--exporter", exporter]
    main([*command, "--json", "--report=command"])
    assert json.loads(capsys.readouterr().out)["findings"] == own
    pytester.runpytest_inprocess("--onnx-report=pytest", f"--onnx-exporter={exporter}")
    assert in_order(json.loads(Path("pytest/results.json").read_text())["findings"]) == in_order(own)
    failing = {finding["repro"] for finding in own if finding["verdict"] == "fails"}
    for folder in ("python", "command", "pytest"):
        assert {path.parent.relative_to(folder).as_posix() for path in Path(folder).rglob("repro.py")} == failing - {""}


class TestCheck:
    """`onnxproof.check` returns findings as a list."""

    def test_chosen(self, models):
        """Checks are chosen by id."""
        only = ["same-values", "exports", "repeatable"]
        found = onnxproof.check(models.case(), [TORCHSCRIPT], only=only, skip=["repeatable"])
        assert [finding.check for finding in found] == ["exports", "same-values"]

    def test_opset(self, models):
        """Each finding has the opset given."""
        assert {finding.opset for finding in onnxproof.check(models.case(), [TORCHSCRIPT], 13, only=["exports"])} == {
            13
        }

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            pytest.param({"only": ["slip"]}, "only: the check 'slip' is unknown", id="only"),
            pytest.param({"skip": ["same-valeus"]}, "skip: .*, did you mean 'same-values'", id="skip"),
            pytest.param({"exporters": ["torchscrip"]}, "the exporter 'torchscrip' is unknown", id="exporter"),
            pytest.param({"exporters": [TORCHSCRIPT], "file": "x.onnx"}, "is already exported", id="file"),
        ],
    )
    def test_mistakes(self, models, arguments, message):
        """A wrong argument is a CaseError that names it."""
        with pytest.raises(onnxproof.CaseError, match=message):
            onnxproof.check(models.case(), **arguments)

    def test_refused_export_is_tried_once(self, models, monkeypatch):
        """A model that the exporter refuses is not given to it again."""
        tried = []

        def refuse(*arguments, **options):
            tried.append(arguments)
            raise ArithmeticError("no")

        monkeypatch.setattr("torch.onnx.export", refuse)
        found = onnxproof.check(models.case(), [TORCHSCRIPT], timeout=None)
        assert len(tried) == 1
        assert {finding.check for finding in found if finding.verdict == onnxproof.CheckVerdict.FAILS} == {"exports"}


def test_names():
    """Everything that the package exports can be imported, and nothing else."""
    assert {name for name in onnxproof.__all__ if getattr(onnxproof, name) is None} == set()
    with pytest.raises(AttributeError, match="'onnxproof' has no attribute 'chek'"):
        onnxproof.chek  # noqa: B018
