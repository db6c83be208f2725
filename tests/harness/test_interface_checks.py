"""The checks that a file has the model's inputs, outputs and dimensions."""

import onnx
import pytest
import torch
from onnx.parser import parse_model

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.interface import dims_kept, inputs_kept, outputs_kept, shapes_honest
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.locating.declared import KEEP_A_TENSOR, NO_NUMBER
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT, torch_export_is_available
from tests.harness.by_hand import (
    FACTOR,
    FILE,
    ROWS,
    FakeEngine,
    Gives,
    Scale,
    edited,
    in_engines,
    said,
    scale_case,
    seen,
)

WITH_TWO = "Give an example with rows = 2: torch.export takes a size of 1 for a constant."
PASS_A_TENSOR = "Pass each input as a tensor, and do not take its value out: a Python number is folded into the file."


class ItemFactor(Scale):
    """A model that reads its factor with `.item()`, of which the tracer warns."""

    def forward(self, x, factor):
        return super().forward(x, factor.item())


@pytest.fixture
def exported_as():
    """A conversion whose export is replaced by a file in text form."""

    def make(case, text):
        conversion = exported(ReferenceModel(case), TORCHSCRIPT)
        onnx.save(parse_model(text), conversion.file.path)
        return conversion

    return make


class TestInputs:
    """`inputs-kept`: the file has the model's inputs under their names."""

    FOLDED = ((", float[1] factor", ""), ("x, factor", "x, two"))

    def test_right(self, right):
        """The figure is their names."""
        assert seen(inputs_kept, right) == (CheckVerdict.HOLDS, "x, factor")

    @pytest.mark.parametrize(
        ("changes", "problem", "advice"),
        [
            pytest.param(FOLDED, "the file has no input factor; its inputs are x", PASS_A_TENSOR, id="folded"),
            pytest.param(
                [("factor", "scale")],
                "the file has no input factor; it has an input scale that the model does not have; "
                "its inputs are x, scale",
                "Give the case's `inputs` the names that the file has: x, scale.",
                id="renamed",
            ),
            pytest.param(
                [("float[1] factor)", "float[1] factor, float gain)")],
                "it has an input gain that the model does not have; its inputs are x, factor, gain",
                "Give gain in the case's `inputs` if the model takes it, or export without it.",
                id="added",
            ),
            pytest.param(
                [("(float[rows, 4] x, float[1] factor)", "()"), ("x, factor", "two, two"), ("(x, last", "(two, last")],
                "the file has no input x; the file has no input factor; its inputs are none",
                PASS_A_TENSOR,
                id="none",
            ),
        ],
    )
    def test_others(self, given, changes, problem, advice):
        """Every missing input, and every one that the model lacks, is named."""
        finding = judge(inputs_kept, given(scale_case(), edited(*changes)))
        assert said(finding) == (CheckVerdict.FAILS, problem)
        assert finding.advice == advice

    def test_order(self, given):
        """Another order is reported: some callers feed by position."""
        swapped = ("float[rows, 4] x, float[1] factor", "float[1] factor, float[rows, 4] x")
        finding = judge(inputs_kept, given(scale_case(), edited(swapped)))
        assert said(finding) == (CheckVerdict.FAILS, "the inputs are in the order factor, x, the model's are x, factor")
        assert finding.advice == "Feed the file by name."

    @pytest.mark.parametrize(
        "changes", [[], [(", float[1] factor", ""), ("x, factor", "x, two")]], ids=["kept", "left"]
    )
    def test_number(self, given, changes):
        """A Python number may be an input of the file, and need not be."""
        case = scale_case(inputs={"x": ROWS, "factor": 2.0})
        assert judge(inputs_kept, given(case, edited(*changes))).verdict == CheckVerdict.HOLDS

    def test_folded(self):
        """The tracer's warning is the evidence."""
        finding = judge(inputs_kept, exported(ReferenceModel(scale_case(ItemFactor())), TORCHSCRIPT))
        assert said(finding) == (CheckVerdict.FAILS, "the file has no input factor; its inputs are x")
        assert finding.evidence.endswith(": `return super().forward(x, factor.item())`")


class TestOutputs:
    """`outputs-kept`: the file has the model's outputs in order, with their names, dtypes and ranks."""

    NAMED = scale_case(output_names=["scaled", "total"])
    SWAPPED = ("float[rows, 4] scaled, float[rows] total", "float[rows] total, float[rows, 4] scaled")

    @pytest.mark.parametrize("case", [NAMED, scale_case()], ids=["named", "unnamed"])
    def test_right(self, given, case):
        """The figure is their names; those in a given file, if the case names none."""
        assert seen(outputs_kept, given(case, FILE)) == (CheckVerdict.HOLDS, "scaled, total")

    @pytest.mark.parametrize(
        ("changes", "problem", "advice"),
        [
            pytest.param(
                [(", float[rows] total)", ")")],
                "the file has 1 outputs (scaled), the model 2 (scaled, total)",
                "Export every output; a consumer can leave out those that it does not need when it runs the file.",
                id="dropped",
            ),
            pytest.param(
                [("total", "sum")], "output total is called sum", "Give the exporter `output_names`.", id="renamed"
            ),
            pytest.param([SWAPPED], "output scaled is called total", "Give the exporter `output_names`.", id="order"),
            pytest.param(
                [("float[rows] total", "double[rows] total")],
                "output total is float64, the model's is float32",
                "Cast it in the model.",
                id="dtype",
            ),
            pytest.param(
                [("float[rows] total", "float[rows, 1] total")],
                "output total has 2 dimensions, the model's has 1",
                "Reshape it in the model.",
                id="rank",
            ),
        ],
    )
    def test_others(self, given, changes, problem, advice):
        """Differences are reported with both sides."""
        finding = judge(outputs_kept, given(self.NAMED, edited(*changes)))
        assert (finding.verdict, finding.problem, finding.advice) == (CheckVerdict.FAILS, problem, advice)

    def test_both_named(self, given):
        """If the numbers of outputs differ, all of both are named."""
        added = ("float[rows] total)", "float[rows] total, float[1] two)")
        assert judge(outputs_kept, given(self.NAMED, edited(added))).problem == (
            "the file has 3 outputs (scaled, total, two), the model 2 (scaled, total)"
        )

    def test_unknown_rank(self, given):
        """An output that is declared without dimensions may have any rank."""
        assert (
            judge(outputs_kept, given(self.NAMED, edited(("float[rows] total", "float[] total")))).verdict
            == CheckVerdict.HOLDS
        )

    def test_exported(self, exported_as):
        """An exported file's names count even if the case names none: the exporter was given the model's."""
        assert judge(outputs_kept, exported_as(scale_case(), FILE)).problem == "output output_0 is called scaled"


class TestDims:
    """`dims-kept`: the case's dynamic dimensions are dynamic."""

    SQUARE = scale_case(dynamic={"x": {0: "rows", 1: "columns"}})
    FREE = ("[rows, 4] x", "[rows, columns] x")

    def test_right(self, given):
        """The figure is the names of the dimensions."""
        assert seen(dims_kept, given(self.SQUARE, edited(self.FREE))) == (CheckVerdict.HOLDS, "rows, columns")

    @pytest.mark.parametrize(
        ("declared", "problem"),
        [
            pytest.param("[rows, 4] x", "columns of x is 4", id="one"),
            pytest.param("[6, 4] x", "rows of x is 6; columns of x is 4", id="both"),
        ],
    )
    def test_frozen(self, given, declared, problem):
        """Every dimension that the file freezes is named, with its input and size."""
        finding = judge(dims_kept, given(self.SQUARE, edited(("[rows, 4] x", declared))))
        assert said(finding) == (CheckVerdict.FAILS, f"the file froze a dimension: {problem}")
        assert finding.advice == KEEP_A_TENSOR

    @pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")
    @pytest.mark.parametrize(
        ("call", "rows", "advice"),
        [
            pytest.param(lambda x: x.permute(1, 0, 2).contiguous().view(4, -1, 6) + 1, 1, WITH_TWO, id="one"),
            pytest.param(lambda x: torch.stack([row * 2 for row in x.unbind(0)]), 1, NO_NUMBER, id="anyway"),
            pytest.param(lambda x: torch.stack([row * 2 for row in x.unbind(0)]), 3, NO_NUMBER, id="three"),
        ],
    )
    def test_ones(self, call, rows, advice):
        """Of a size of 1, which torch.export takes for a constant, 2 is advised if it is not frozen then."""
        case = Case(Gives(call), {"x": ROWS.reshape(1, 4, 6).repeat(rows, 0)}, dynamic={"x": {0: "rows"}})
        finding = judge(dims_kept, exported(ReferenceModel(case), TORCH_EXPORT))
        assert said(finding) == (CheckVerdict.FAILS, f"the file froze a dimension: rows of x is {rows}")
        assert finding.advice == advice

    @pytest.mark.parametrize("change", [("[rows, 4] x", "[] x"), ("[rows, 4] x", "[?, ?] x")], ids=["rank", "size"])
    def test_nothing_said(self, given, change):
        """If the file does not declare an input's size, nothing is frozen."""
        assert judge(dims_kept, given(self.SQUARE, edited(change))).verdict == CheckVerdict.HOLDS

    def test_no_input(self, given):
        """A file that lacks the input is not judged."""
        finding = said(judge(dims_kept, given(self.SQUARE, edited((" x", " picture")))))
        assert finding == (CheckVerdict.NOT_JUDGED, "the file has no input x: see inputs-kept")

    def test_traced(self, exported_as):
        """The tracer's warning is the evidence."""
        conversion = exported_as(scale_case(ItemFactor()), edited(("[rows, 4] x", "[6, 4] x")))
        assert "`return super().forward(x, factor.item())`" in judge(dims_kept, conversion).evidence

    def test_static(self, given):
        """Without a dynamic dimension there is nothing to keep."""
        assert seen(dims_kept, given(scale_case(dynamic={}), FILE)) == (
            CheckVerdict.NOT_JUDGED,
            "the case names no dynamic dimension",
        )


class TestShapes:
    """`shapes-honest`: runs keep to the dimensions that the file declares."""

    @pytest.mark.parametrize(
        ("declared", "figure"),
        [
            pytest.param("[rows, 4] scaled", "rows×4, rows", id="all"),
            pytest.param("[rows, ?] scaled", "rows×?, rows", id="not-all"),
            pytest.param("[] scaled", "?, rows", id="none"),
        ],
    )
    def test_kept(self, given, declared, figure):
        """The figure is what is declared, and in how many runs it was kept."""
        conversion = given(scale_case(), edited(("[rows, 4] scaled", declared)))
        runs = len(conversion.model.judged)
        assert seen(shapes_honest, conversion) == (CheckVerdict.HOLDS, f"{figure} in {runs} runs")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            pytest.param(
                ("[rows, 4] scaled", "[6, 4] scaled"),
                "on rows 7: dimension 0 of scaled is declared as 6; the run has 7",
                id="fixed",
            ),
            pytest.param(
                ("[rows, 4] scaled", "[rows, rows] scaled"),
                "on traced: dimension 1 of scaled is declared as rows, 6 here; the run has 4",
                id="symbol-of-input",
            ),
            pytest.param(
                ("[rows, 4] scaled, float[rows]", "[rows, n] scaled, float[n]"),
                "on traced: dimension 0 of total is declared as n, 4 here; the run has 6",
                id="symbol-of-output",
            ),
            pytest.param(
                ("float[1] factor", "float[rows] factor"),
                "on traced: dimension 0 of factor is declared as rows, 6 here; the run has 1",
                id="input",
            ),
        ],
    )
    def test_not_kept(self, given, change, problem):
        """A run that does not is reported with its probe, dimension and both sizes."""
        conversion = given(scale_case(), edited(change))
        net = Scale()

        def run(inputs):
            scaled, total = net(torch.tensor(inputs["x"]), torch.tensor(inputs["factor"]))
            return {"scaled": scaled.numpy(), "total": total.numpy()}

        lenient = in_engines(conversion, onnxruntime=FakeEngine(run))  # ONNX Runtime refuses some of these files
        finding = judge(shapes_honest, lenient)
        assert (finding.verdict, finding.problem) == (CheckVerdict.FAILS, problem)
        assert finding.advice == "Try the other exporter: an engine that plans memory by the declared shape fails."

    def test_refused_once(self, given):
        """Probes that the engine refuses are not counted; those after them are."""
        conversion = given(
            scale_case(also=[{"x": ROWS[:0], "factor": FACTOR}, {"x": ROWS[:5], "factor": FACTOR}]), FILE
        )
        session = OnnxRuntime().open(conversion.file.path)

        def refuses_empty(inputs):
            if not inputs["x"].size:
                raise EngineError("too small")
            return session.run(inputs)

        choosy = in_engines(conversion, onnxruntime=FakeEngine(refuses_empty))
        runs = len(conversion.model.judged) - 1
        assert seen(shapes_honest, choosy) == (CheckVerdict.HOLDS, f"rows×4, rows in {runs} runs")

    def test_refused(self, given):
        """A file that does not run is not judged."""
        conversion = given(scale_case(), edited(("Mul (", "Mool (")))
        assert seen(shapes_honest, conversion) == (CheckVerdict.NOT_JUDGED, "the file does not run: see same-values")
