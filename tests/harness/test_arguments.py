"""Models take and return what models take and return; for the rest, one line says what to write.

docs/arguments.md has an example of each kind, which test_pages.py checks.
"""

import re
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

import onnxproof
from onnxproof import Case, CaseError, CheckVerdict
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import Gives

X = np.random.default_rng(0).random((4, 8), np.float32)
CHECKS = ("exports", "inputs-kept", "outputs-kept", "dims-kept", "inputs-live", "same-values", "same-values-unseen")
BATCH = {0: "batch"}


def verdicts(case):
    return {str(finding): finding.verdict for finding in onnxproof.check(case, only=CHECKS)}


class TestWorks:
    """These need no word."""

    @pytest.mark.parametrize(
        "forward",
        [
            pytest.param("self, *, a, b", id="by-name-alone"),
            pytest.param("self, *values", id="any-number"),
            pytest.param("self, a, *, b", id="both"),
            pytest.param("self, a, b, *values, **options", id="none-of-any-number"),
        ],
    )
    def test_kinds(self, forward):
        """The kind of an argument does not matter."""
        body = "a * b" if "b" in forward else "values[0] * values[1]"
        names = {}
        exec(f"def forward({forward}): return {body} + {body}.mean()", names)
        model = type("Takes", (nn.Module,), {"forward": names["forward"]})()
        found = verdicts(Case(model, {"a": X, "b": X + 1}, dynamic={"a": BATCH, "b": BATCH}))
        assert set(found.values()) == {CheckVerdict.HOLDS}, found

    def test_model_output(self):
        """A dict that is indexed by number too, and registered as transformers does it, names its outputs."""
        found = verdicts(Case(Answers(), {"x": X}, dynamic={"x": BATCH}))
        assert set(found.values()) == {CheckVerdict.HOLDS}, found


class ModelOutput(OrderedDict):
    """Like that of transformers."""

    def __getitem__(self, key):
        return dict(self.items())[key] if isinstance(key, str) else tuple(self.values())[key]


torch.utils._pytree.register_pytree_node(
    ModelOutput,
    lambda output: (list(output.values()), list(output)),
    lambda values, names: ModelOutput(zip(names, values, strict=True)),
    serialized_type_name="tests.ModelOutput",
)


class Answers(nn.Module):
    """A model with such an output."""

    def forward(self, x):
        return ModelOutput(logits=x * 2, pooled=x.mean(0))


class Optional(nn.Module):
    """A model whose number torchscript makes an input."""

    def forward(self, x, keep=0):
        return x[:, -keep:] * 2 if isinstance(keep, int) else x[:, keep] * 2


class TestRefused:
    """These say what to write."""

    def test_default_number(self):
        """Each check that fails for a default names it."""
        found = onnxproof.check(Case(Optional(), {"x": X}, dynamic={"x": BATCH}), [TORCHSCRIPT], only=CHECKS)
        failing = {finding.check: finding.advice for finding in found if finding.verdict == CheckVerdict.FAILS}
        assert {"inputs-kept", "outputs-kept", "same-values"} <= set(failing)
        assert {advice[:66] for advice in failing.values()} == {
            "Wrap the model in a module whose `forward` has no `keep`, or give "
        }

    @pytest.mark.parametrize(
        ("forward", "message"),
        [
            pytest.param(lambda x: (x, None), "output 1 is of type NoneType; .* from a wrapper", id="none"),
            pytest.param(lambda x: {"x": x, "n": 3}, "output n is of type int; .* from a wrapper", id="number"),
        ],
    )
    def test_model(self, forward, message):
        """Outputs that are no tensors are named."""
        with pytest.raises(CaseError, match=message):
            onnxproof.check(Case(Gives(forward), {"x": X}), only=["exports"])

    @pytest.mark.parametrize("forward", ["self, x, y", "self"])
    def test_arguments(self, forward):
        """For arguments that are missing, or too many, those of the model are shown."""
        names = {}
        exec(f"def forward({forward}): return 0", names)
        model = type("Takes", (nn.Module,), {"forward": names["forward"]})()
        shown = re.escape(forward.removeprefix("self").removeprefix(", "))
        with pytest.raises(CaseError, match=rf"; it takes \({shown}\): give each by its name in `inputs`, or wrap"):
            onnxproof.check(Case(model, {"x": X}), only=["exports"])

    @pytest.mark.parametrize(
        ("dynamic", "message"),
        [
            pytest.param([0], r"dynamic is \[0\]; name inputs and axes", id="list"),
            pytest.param({"x": {"0": "batch"}}, "dynamic names axis '0' of 'x', which has 2 dimensions", id="text"),
        ],
    )
    def test_dynamic(self, dynamic, message):
        """So is a `dynamic` of another form."""
        with pytest.raises(CaseError, match=message):
            Case(Answers(), {"x": X}, dynamic=dynamic)
