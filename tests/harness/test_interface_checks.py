"""A file has the model's inputs, outputs and dimensions, or it is told which it does not have."""

import onnx
import pytest
import torch
from onnx.parser import parse_model

from onnxproof.conversion import Conversion
from onnxproof.engines import Engine, EngineError
from onnxproof.file_checks import dims_kept, inputs_kept, outputs_kept, shapes_honest
from onnxproof.findings import FAILS, HOLDS, NOT_JUDGED
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import FACTOR, FILE, ROWS, Scale, edited, scale_case, seen


class ItemFactor(Scale):
    """A model that takes its factor out of the tensor, of which the tracer warns."""

    def forward(self, x, factor):
        return super().forward(x, factor.item())


@pytest.fixture
def exported_as(tmp_path):
    """A conversion whose export is the file that is written out as text."""

    def make(case, text):
        conversion = Conversion(case, exporter=TORCHSCRIPT)
        onnx.save(parse_model(text), tmp_path / "model.onnx")
        conversion.path = tmp_path / "model.onnx"
        return conversion

    return make


class TestInputs:
    """`inputs-kept`: the file has the model's inputs under their names."""

    FOLDED = ((", float[1] factor", ""), ("x, factor", "x, two"))

    def test_right(self, right):
        """The figure is their names."""
        assert seen(inputs_kept(right)) == (HOLDS, "x, factor")

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            pytest.param(FOLDED, "the file has no input factor; its inputs are x", id="folded"),
            pytest.param(
                [("factor", "scale")],
                "the file has no input factor; it has an input scale of its own; its inputs are x, scale",
                id="renamed",
            ),
            pytest.param(
                [("float[1] factor)", "float[1] factor, float gain)")],
                "it has an input gain of its own; its inputs are x, factor, gain",
                id="added",
            ),
            pytest.param(
                [("(float[rows, 4] x, float[1] factor)", "()"), ("x, factor", "two, two"), ("(x, last", "(two, last")],
                "the file has no input x; the file has no input factor; its inputs are none",
                id="none",
            ),
        ],
    )
    def test_others(self, given, changes, problem):
        """Every input that is not there, or that the model does not have, is named."""
        finding = inputs_kept(given(scale_case(), edited(*changes)))
        assert seen(finding) == (FAILS, problem)
        assert finding.advice == "a value that the model takes out of a tensor, or a Python number, is folded"

    def test_order(self, given):
        """Inputs in another order are told: some callers feed by position."""
        swapped = ("float[rows, 4] x, float[1] factor", "float[1] factor, float[rows, 4] x")
        finding = inputs_kept(given(scale_case(), edited(swapped)))
        assert seen(finding) == (FAILS, "the inputs are in the order factor, x, the model's are x, factor")
        assert finding.advice == "feed by name"

    @pytest.mark.parametrize(
        "changes", [[], [(", float[1] factor", ""), ("x, factor", "x, two")]], ids=["kept", "left"]
    )
    def test_number(self, given, changes):
        """A Python number may be an input of the file, and need not be."""
        case = scale_case(inputs={"x": ROWS, "factor": 2.0})
        assert inputs_kept(given(case, edited(*changes))).verdict == HOLDS

    def test_folded(self):
        """The advice is what the tracer warned of, where it did."""
        finding = inputs_kept(Conversion(scale_case(ItemFactor()), exporter=TORCHSCRIPT))
        assert seen(finding) == (FAILS, "the file has no input factor; its inputs are x")
        assert finding.advice.startswith("the tracer warned of `return super().forward(x, factor.item())`")


class TestOutputs:
    """`outputs-kept`: the file has the model's outputs, in order, of their names, dtypes and ranks."""

    NAMED = scale_case(output_names=["scaled", "total"])
    SWAPPED = ("float[rows, 4] scaled, float[rows] total", "float[rows] total, float[rows, 4] scaled")

    @pytest.mark.parametrize("case", [NAMED, scale_case()], ids=["named", "unnamed"])
    def test_right(self, given, case):
        """The figure is their names; those of a given file are its own, where the case names none."""
        assert seen(outputs_kept(given(case, FILE))) == (HOLDS, "scaled, total")

    @pytest.mark.parametrize(
        ("changes", "problem", "advice"),
        [
            pytest.param(
                [(", float[rows] total)", ")")],
                "the file has 1 outputs (scaled), the model 2 (scaled, total)",
                "export every output; one that a consumer does not need can be left out when the file is run",
                id="dropped",
            ),
            pytest.param(
                [("total", "sum")], "output total is called sum", "give the exporter `output_names`", id="renamed"
            ),
            pytest.param([SWAPPED], "output scaled is called total", "give the exporter `output_names`", id="order"),
            pytest.param(
                [("float[rows] total", "double[rows] total")],
                "output total is float64, the model's is float32",
                "cast it in the model",
                id="dtype",
            ),
            pytest.param(
                [("float[rows] total", "float[rows, 1] total")],
                "output total has 2 dimensions, the model's has 1",
                "reshape it in the model",
                id="rank",
            ),
        ],
    )
    def test_others(self, given, changes, problem, advice):
        """What is not as in the model is told with both."""
        finding = outputs_kept(given(self.NAMED, edited(*changes)))
        assert (finding.verdict, finding.problem, finding.advice) == (FAILS, problem, advice)

    def test_both_named(self, given):
        """Where the numbers of outputs differ, all of both are named."""
        added = ("float[rows] total)", "float[rows] total, float[1] two)")
        assert outputs_kept(given(self.NAMED, edited(added))).problem == (
            "the file has 3 outputs (scaled, total, two), the model 2 (scaled, total)"
        )

    def test_unknown_rank(self, given):
        """An output that is declared without dimensions says nothing of its rank."""
        assert outputs_kept(given(self.NAMED, edited(("float[rows] total", "float[] total")))).verdict == HOLDS

    def test_exported(self, exported_as):
        """Names of an exported file's matter also where the case names none: the exporter was given the model's."""
        assert outputs_kept(exported_as(scale_case(), FILE)).problem == "output output_0 is called scaled"


class TestDims:
    """`dims-kept`: what was asked to be dynamic is dynamic."""

    SQUARE = scale_case(dynamic={"x": {0: "rows", 1: "columns"}})
    FREE = ("[rows, 4] x", "[rows, columns] x")

    def test_right(self, given):
        """The figure is the names of the dimensions."""
        assert seen(dims_kept(given(self.SQUARE, edited(self.FREE)))) == (HOLDS, "rows, columns")

    @pytest.mark.parametrize(
        ("declared", "problem"),
        [
            pytest.param("[rows, 4] x", "columns of x is 4", id="one"),
            pytest.param("[6, 4] x", "rows of x is 6; columns of x is 4", id="both"),
        ],
    )
    def test_frozen(self, given, declared, problem):
        """Every dimension that the file freezes is named, with its input and size."""
        finding = dims_kept(given(self.SQUARE, edited(("[rows, 4] x", declared))))
        assert seen(finding) == (FAILS, f"the file froze a dimension: {problem}")
        assert finding.advice.endswith("keep it a tensor in the model")

    @pytest.mark.parametrize(
        "change",
        [("[rows, 4] x", "[] x"), ("[rows, 4] x", "[?, ?] x"), (" x", " picture")],
        ids=["rank", "size", "name"],
    )
    def test_nothing_said(self, given, change):
        """Where the file says nothing of an input's size, or does not have it, nothing is frozen."""
        assert dims_kept(given(self.SQUARE, edited(change))).verdict == HOLDS

    def test_traced(self, exported_as):
        """The advice is what the tracer warned of, where it did."""
        conversion = exported_as(scale_case(ItemFactor()), edited(("[rows, 4] x", "[6, 4] x")))
        assert "`return super().forward(x, factor.item())`" in dims_kept(conversion).advice

    def test_static(self, given):
        """Without a dynamic dimension there is nothing to keep."""
        assert seen(dims_kept(given(scale_case(dynamic={}), FILE))) == (
            NOT_JUDGED,
            "no dimension was asked to be dynamic",
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
        runs = len(conversion.original.judged)
        assert seen(shapes_honest(conversion)) == (HOLDS, f"{figure} in {runs} runs")

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
        """A run that does not is told with its probe, the dimension and both sizes."""
        conversion = given(scale_case(), edited(change))
        net = Scale()

        def run(x, factor):
            scaled, total = net(torch.tensor(x), torch.tensor(factor))
            return {"scaled": scaled.numpy(), "total": total.numpy()}

        conversion._engines["onnxruntime"] = Engine("lenient", run)  # ONNX Runtime refuses some of these files
        finding = shapes_honest(conversion)
        assert seen(finding) == (FAILS, problem)
        assert finding.advice == "an engine that plans memory by the declared shape goes wrong: try the other exporter"

    def test_refused_once(self, given):
        """Probes that the engine refuses are not counted, and those after them are looked at."""
        conversion = given(
            scale_case(also=[{"x": ROWS[:0], "factor": FACTOR}, {"x": ROWS[:5], "factor": FACTOR}]), FILE
        )
        engine = conversion.engine("onnxruntime")

        def refuses_empty(x, factor):
            if not x.size:
                raise EngineError("too small")
            return engine.run(x=x, factor=factor)

        conversion._engines["onnxruntime"] = Engine("choosy", refuses_empty)
        runs = len(conversion.original.judged) - 1
        assert seen(shapes_honest(conversion)) == (HOLDS, f"rows×4, rows in {runs} runs")

    def test_refused(self, given):
        """A file that does not run keeps to nothing."""
        conversion = given(scale_case(), edited(("Mul (", "Mool (")))
        assert seen(shapes_honest(conversion)) == (NOT_JUDGED, "the file does not run: see same-values")
