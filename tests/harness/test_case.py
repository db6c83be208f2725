"""A case reports what does not fit together, and knows its inputs by name."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from onnxproof import CheckVerdict, check
from onnxproof._internal.trees import leaves
from onnxproof.case import Case, CaseError
from onnxproof.checks import CHECKS, judge
from onnxproof.checks.run import conversions
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT, torch_export_is_available

MODEL = nn.Identity()
NESTED = {"state": (torch.ones(2), {"cell": np.zeros(3)}), "scale": 2.5, "mask": None}
IMAGE = np.random.default_rng(0).normal(size=(1, 3, 8, 6)).astype(np.float32)
DYNAMIC = {"image": {2: "height", 3: "width"}}


def image_case(**options: Any) -> Case:
    """An image of free size, and a factor."""
    given: dict[str, Any] = {"inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
    return Case(MODEL, **given | options)


class Keywords(nn.Module):
    """A model with arguments that can only be passed by name."""

    def forward(self, x, scale=None, *, shift, bias=None):
        return x * scale + shift if bias is None else x * scale + 2 * shift + bias


ROWS, COLUMNS = np.linspace(-1, 1, 40, dtype=np.float32).reshape(10, 4), np.arange(4, dtype=np.float32)


class TestKeywords:
    """`kwargs` are the arguments that are passed by name."""

    def test_order(self):
        """They follow positional inputs, in the order of the signature."""
        case = Case(Keywords(), {"x": ROWS}, kwargs={"bias": COLUMNS, "shift": COLUMNS, "scale": COLUMNS})
        assert list(case.inputs) == ["x", "scale", "shift", "bias"]

    def test_other_arguments(self):
        """Those that the signature does not name come last."""

        class Any(nn.Module):
            def forward(self, **arguments):
                return arguments["b"]

        assert list(Case(Any(), {}, kwargs={"b": COLUMNS, "a": COLUMNS}).inputs) == ["b", "a"]

    def test_also(self):
        """`also` names all inputs, in any order."""
        more = {"shift": COLUMNS + 1, "scale": COLUMNS, "x": ROWS}
        case = Case(Keywords(), {"x": ROWS}, kwargs={"scale": COLUMNS, "shift": COLUMNS}, also=[more])
        assert list(case.also[0]) == ["x", "scale", "shift"]

    def test_copy(self):
        """A copy of a case has the same inputs."""
        case = Case(Keywords(), {"x": ROWS}, kwargs={"shift": COLUMNS, "scale": COLUMNS})
        assert list(replace(case, name="other").inputs) == list(case.inputs)

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_conversion(self, exporter):
        """Both exporters take them: every check holds."""
        kwargs = {"bias": ROWS[::-1].copy(), "shift": COLUMNS, "scale": COLUMNS + 1}
        dynamic = {"x": {0: "rows"}, "bias": {0: "rows"}}
        findings = check(Case(Keywords(), {"x": ROWS}, dynamic, kwargs=kwargs), [exporter])
        assert [str(finding) for finding in findings if finding.verdict != CheckVerdict.HOLDS] == []

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_values_count(self, exporter):
        """They are fed to the file by name: a model that mixes them up fails (the negative control)."""

        class Mixed(Keywords):
            def forward(self, x, scale=None, *, shift, bias=None):
                compiling = hasattr(torch, "compiler") and torch.compiler.is_compiling()
                exporting = torch.onnx.is_in_onnx_export() or torch.jit.is_tracing() or compiling
                scale, shift = (shift, scale) if exporting else (scale, shift)
                return super().forward(x, scale, shift=shift, bias=bias)

        case = Case(Mixed(), {"x": ROWS}, kwargs={"shift": COLUMNS, "scale": COLUMNS + 1})
        (finding,) = check(case, [exporter], only=["same-values"])
        assert finding.verdict == CheckVerdict.FAILS


class Difference(nn.Module):
    """A model whose arguments cannot be exchanged."""

    def forward(self, image, background, mask=None, scale=None):
        difference = image - background if mask is None else (image - background) * mask
        return difference if scale is None else difference * scale


class TestBinding:
    """Inputs with the names of parameters are bound by name."""

    IMAGE, BACKGROUND = ROWS, ROWS[::-1] * 2

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_another_order(self, exporter):
        """Their order does not matter: the file, fed by name, computes what the model does."""
        case = Case(Difference(), {"background": self.BACKGROUND, "image": self.IMAGE})
        assert list(case.inputs) == ["image", "background"]
        (conversion,) = conversions(case, [exporter])
        assert {judge(test, conversion).verdict for test in CHECKS.values()} <= {"holds", "not judged"}
        output = conversion.run({"image": self.IMAGE, "background": self.BACKGROUND})["output"]
        np.testing.assert_array_equal(output, self.IMAGE - self.BACKGROUND)

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_gap(self, exporter):
        """After an omitted parameter they are passed by name."""
        case = Case(Difference(), {"image": ROWS, "background": ROWS * 2, "scale": COLUMNS})
        assert (list(case.inputs), list(case.kwargs)) == (["image", "background", "scale"], ["scale"])
        assert {finding.verdict for finding in check(case, [exporter])} <= {"holds", "not judged"}

    @pytest.mark.parametrize(
        "inputs",
        [{"image": ROWS, "background": ROWS}, {"input": ROWS, "background": ROWS}, {"a": ROWS, "b": ROWS}],
        ids=["parameters", "some", "others"],
    )
    def test_position(self, inputs):
        """In order, or under other names, they are passed by position."""
        case = Case(Difference(), inputs)
        assert (list(case.inputs), case.kwargs) == (list(inputs), {})

    def test_ambiguous(self):
        """A parameter's name at another place, beside other names, is refused."""
        with pytest.raises(CaseError, match="the input 'image' is not at the place of the model's parameter"):
            Case(Difference(), {"other": ROWS, "image": ROWS})

    def test_copy(self):
        """A copy of a case is bound the same way."""
        case = Case(Difference(), {"image": ROWS, "background": ROWS, "scale": COLUMNS})
        again = replace(case, name="other")
        assert (list(again.inputs), list(again.kwargs)) == (list(case.inputs), list(case.kwargs))


class TestExport:
    """`export` holds options of the exporter."""

    @pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")
    def test_passed_on(self):
        """They reach the exporter: without optimization the file has more nodes."""

        class Twice(nn.Module):
            def forward(self, x):
                return x * torch.ones(4) * torch.ones(4)

        files = [
            exported(ReferenceModel(Case(Twice(), {"x": ROWS}, export={"optimize": optimize})), TORCH_EXPORT)
            for optimize in (True, False)
        ]
        counts = [len(file.graph.nodes) for file in files]
        assert counts[0] < counts[1]

    def test_refused(self):
        """The exporter refuses an option that torch does not have."""
        (finding,) = check(Case(MODEL, {"x": ROWS}, export={"optimise": True}), [TORCHSCRIPT], only=["exports"])
        assert "optimise" in finding.problem

    def test_own(self):
        """Options that onnxproof sets are refused."""
        with pytest.raises(CaseError, match="export names 'opset_version', which onnxproof sets itself; leave it out"):
            Case(MODEL, {"x": ROWS}, export={"opset_version": 17})


class TestMistakes:
    """Mistakes are reported by name when the case is made."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param({"model": 3}, "the model is of type int; give a torch.nn.Module", id="model"),
            pytest.param({"model": ...}, "the model is to be filled in: give a torch.nn.Module", id="dots"),
            pytest.param({"inputs": [IMAGE]}, "inputs is not a mapping of input names to values", id="list"),
            pytest.param({"inputs": {}}, "inputs is not a mapping of input names to values", id="no-inputs"),
            pytest.param(
                {"also": [{"image": IMAGE}]}, r"also\[0\] has the inputs image, the case has image, factor", id="also"
            ),
            pytest.param(
                {"dynamic": {"picture": {2: "height"}}}, "names 'picture', which is not an array among image", id="name"
            ),
            pytest.param({"dynamic": {"factor": {0: "n"}}}, "names 'factor', which is not an array", id="number"),
            pytest.param(
                {"dynamic": {"image": {4: "n"}}}, "names axis 4 of 'image', which has 4 dimensions", id="axis"
            ),
            pytest.param({"dynamic": {"image": {-1: "n"}}}, "names axis -1 of 'image'", id="negative-axis"),
            pytest.param({"dynamic": {"image": {2: "n", 3: "n"}}}, r"'n' has the sizes \[6, 8\] in inputs", id="sizes"),
            pytest.param(
                {
                    "inputs": {"image": IMAGE[..., :6, :], "factor": 2},
                    "dynamic": {"image": {2: "n", 3: "n"}},
                    "also": [{"image": IMAGE, "factor": 2}],
                },
                r"'n' has the sizes \[6, 8\] in also\[0\]",
                id="sizes-of-also",
            ),
            pytest.param(
                {"also": [{"image": IMAGE[0], "factor": 2}]},
                r"image has 3 dimensions in also\[0\], the case's has 4",
                id="rank",
            ),
            pytest.param(
                {"also": [{"image": 3, "factor": 2}]}, r"image has 0 dimensions in also\[0\]", id="number-for-array"
            ),
            pytest.param(
                {"also": [{"image": IMAGE, "factor": np.array([2.0, 3.0])}]},
                r"factor has 1 dimensions in also\[0\], the case's has 0",
                id="array-for-number",
            ),
        ],
    )
    def test_case(self, options, message):
        """The error names the part that is wrong."""
        given = {"model": MODEL, "inputs": {"image": IMAGE, "factor": 2}, "dynamic": DYNAMIC}
        with pytest.raises(CaseError, match=message):
            Case(**given | options)

    def test_fitting(self):
        """A valid case has the name of its model."""
        case = image_case(also=[{"image": IMAGE[..., :4], "factor": 3}])
        assert (case.name, case.sizes) == ("Identity", {"height": 8, "width": 6})

    def test_missing_input(self):
        """An input that is None may be an array in `also`, and a number may be an array without dimensions."""
        case = Case(MODEL, {"mask": None, "factor": 2}, also=[{"mask": IMAGE, "factor": np.array(3)}])
        assert case.also[0]["factor"] == 3


class TestInputs:
    """Inputs are arrays, tensors, numbers and None, nested as the model takes them."""

    def test_nested(self):
        """Nested tensors become arrays; leaves are named by their path."""
        found = leaves(Case(MODEL, NESTED).inputs)
        assert list(found) == ["state.0", "state.1.cell", "scale", "mask"]
        assert isinstance(found["state.0"], np.ndarray)

    def test_required(self):
        """The file must have arrays as inputs, and numbers or None only if they vary."""
        assert Case(MODEL, NESTED).required_inputs == ("state.0", "state.1.cell")
        varied = Case(MODEL, NESTED, also=[{**NESTED, "scale": 3.5}])
        assert varied.required_inputs == ("state.0", "state.1.cell", "scale")

    def test_data(self):
        """Large and dynamic arrays are data; a few numbers are a parameter, whose values stay."""
        inputs = {"image": IMAGE, "factor": np.array([2.0, 2.0]), "rows": np.ones(3)}
        assert Case(MODEL, inputs, dynamic={"rows": {0: "n"}}).data_inputs == ("image", "rows")
