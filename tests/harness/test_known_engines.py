"""What engines are known to do otherwise is what they do, as a small file shows, and a script without onnxproof."""

import shutil
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from onnxproof import Case, check
from onnxproof.engines import EngineError, engine
from onnxproof.engines.known import KNOWN
from onnxproof.results import CheckVerdict
from tests.harness.installed import needs

HEADER = '<ir_version: 8, opset_import: ["": 18]> '
ROWS = np.linspace(-3, 4, 12, dtype=np.float32).reshape(3, 4)
IMAGE = np.random.default_rng(0).random((1, 1, 6, 8), np.float32)
SCALES = np.array([1, 1, 2, 2], np.float32)
CUBIC = '<mode = "cubic", cubic_coeff_a = -0.75, coordinate_transformation_mode = "pytorch_half_pixel">'
BRANCHES = (
    "g (float[3, 4] x, bool[1] b) => (float[3, 4] y) { y = If (b) <"
    "then_branch = t () => (float[3, 4] p) { p = Add (x, x) }, "
    "else_branch = e () => (float[3, 4] q) { q = Neg (x) }> }"
)
LOOP = (
    "g (float[3, 4] x, int64 n, bool b) => (float[3, 4] y) { y = Loop (n, b, x) <"
    "body = l (int64 i, bool go, float[3, 4] s) => (bool on, float[3, 4] t) { on = Identity (go) t = Add (s, s) }> }"
)
RESIZE = (
    'g (float[1, 1, 6, 8] x, float[4] scales) => (float[1, 1, a, b] y) { y = Resize <mode = "nearest"> (x, , scales) }'
)
SMALLER = (
    "g (float[1, 1, 6, 8] x) => (float[1, 1, 3, 4] y) <float[4] s = {1, 1, 0.5, 0.5}> "
    '{ y = Resize <mode = "cubic", antialias = 1> (x, , s) }'
)
DOUBLE_GEMM = (
    "g (double[n, 4] x) => (double[n, 2] y) <double[4, 2] w = {1.5, 2, 3, 4, 5, 6, 7, 8.25}, double[2] b = {1, 2}> "
    "{ y = Gemm (x, w, b) }"
)
TWO_RESHAPES = (
    "g (float[n, 4] x) => (float[a, b] y) <int64[2] s = {2, 6}, int64[2] t = {0, -1}> "
    "{ r = Reshape (x, s) y = Reshape (r, t) }"
)
NORMALIZED = (
    "g (float[n, 4] x) => (float[n, 4] y) <float[4] w = {1, 1, 1, 1}, float[4] b = {0, 0, 0, 0}> "
    "{ y = LayerNormalization (x, w, b) }"
)
GEMM_IN_BRANCH = (
    "g (float[n, 4] x, bool[1] c) => (float[n, 2] y) <float[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}, float[2] b = {1, 2}> "
    "{ y = If (c) <then_branch = t () => (float[k, 2] p) { p = Gemm (x, w, b) }, "
    "else_branch = e () => (float[l, 2] q) { q = MatMul (x, w) }> }"
)
SHOWN = {
    ("openvino", "It computes float64 in float32."): (
        "g (double[n, 4] x) => (double[n, 4] y) <double third = {0.3333333333333333}> { y = Mul (x, third) }",
        {"x": ROWS.astype(np.float64)},
    ),
    ("openvino", "It computes int64 in 32 bits: larger values are lost."): (
        "g (int64[n, 4] x) => (int64[n, 4] y) { y = Add (x, x) }",
        {"x": (ROWS * 2**40).astype(np.int64)},
    ),
    ("openvino", "Its Resize does not antialias."): (SMALLER, {"x": IMAGE}),
    ("opencv", "Its Resize does not antialias."): (SMALLER, {"x": IMAGE}),
    ("openvino", "Its one-sided DFT has a dimension too many."): (
        "g (float[n, 12, 1] x) => (float[n, 7, 2] y) { y = DFT <axis = 1, onesided = 1> (x) }",
        {"x": ROWS.reshape(1, 12, 1)},
    ),
    ("opencv", "It computes int64 in 32 bits: larger values are lost."): (
        "g (int64[n, 4] x) => (int64[n, 4] y) { y = Add (x, x) }",
        {"x": (ROWS * 2**40).astype(np.int64)},
    ),
    ("opencv", "Its matrix products in float64 are wrong."): (
        "g (double[n, 4] x) => (double[n, 2] y) <double[4, 2] w = {1.5, 2, 3, 4, 5, 6, 7, 8.25}> { y = MatMul (x, w) }",
        {"x": ROWS.astype(np.float64)},
    ),
    ("opencv", "Its normalizations lose digits where the mean is large beside the spread."): (
        NORMALIZED,
        {"x": ROWS + 1000},
    ),
    ("opencv", "It gives float16 outputs in float32."): (
        "g (float16[n, 4] x) => (float16[n, 4] y) { y = Add (x, x) }",
        {"x": ROWS.astype(np.float16)},
    ),
    ("opencv", "It takes no bfloat16."): (
        "g (bfloat16[n, 4] x) => (float[n, 4] y) { y = Cast <to = 1> (x) }",
        {"x": ROWS.astype(ml_dtypes.bfloat16)},
    ),
    ("opencv:new", "It makes one Reshape of two, and copies the sizes of the second from before the first."): (
        TWO_RESHAPES,
        {"x": ROWS},
    ),
    ("opencv:classic", "It refuses a shape that is computed in the file."): (
        RESIZE,
        {"x": IMAGE, "scales": SCALES},
    ),
    ("opencv:classic", "It refuses a reduction over free sizes, or crashes at it."): (
        "g (float[n, 4] x) => (float[n, 1] y) <int64[1] a = {1}> { y = ReduceMean (x, a) }",
        {"x": ROWS},
    ),
    ("opencv:classic", "It has no cubic Resize."): (
        f"g (float[1, 1, 6, 8] x) => (float[1, 1, 12, 16] y) <float[4] s = {{1, 1, 2, 2}}> "
        f"{{ y = Resize {CUBIC} (x, , s) }}",
        {"x": IMAGE},
    ),
    ("opencv:classic", "It has no control flow."): (BRANCHES, {"x": ROWS, "b": np.array([True])}),
    ("opencv:classic", "It computes no float16 on a CPU."): (
        "g (float16[3, 4] x) => (float16[3, 2] y) <float16[4, 2] w = {1, 2, 3, 4, 5, 6, 7, 8}> { y = MatMul (x, w) }",
        {"x": ROWS.astype(np.float16)},
    ),
    ("tract", "It plans every size before a run, and refuses one that depends on the values of an input."): (
        RESIZE,
        {"x": IMAGE, "scales": SCALES},
    ),
    ("tract", "Its Gemm takes float32 alone."): (DOUBLE_GEMM, {"x": ROWS.astype(np.float64)}),
    ("tract", "It adds a long sum in float32, one value after the other."): (
        "g (float[n, 1, m] x) => (float[n, 1, m] y) <float[1] w = {1}, float[1] b = {0}> "
        "{ y = InstanceNormalization (x, w, b) }",
        {"x": 0.5 + np.random.default_rng(0).random((1, 1, 2**17), np.float32)},
    ),
    ("tract", "It has no Loop."): (LOOP, {"x": ROWS, "n": np.array(3), "b": np.array(True)}),
    ("tract", "It takes no bfloat16."): (
        "g (bfloat16[n, 4] x) => (float[n, 4] y) { y = Cast <to = 1> (x) }",
        {"x": ROWS.astype(ml_dtypes.bfloat16)},
    ),
}
"""A right file that shows each failing, by the engine and the fact."""

KEPT_SIZES = ("opencv:new", "A Gemm in a branch keeps the sizes that the branch ran with before.")
NOT_SHOWN = {("tract", "It plans a free size as a number, and refuses a file that names the size inside."), KEPT_SIZES}
"""What only files of torch.export show, and what takes more than one run."""


GARBAGE = {("opencv", "Its matrix products in float64 are wrong.")}
"""What has other values at each run, so that a script may not meet those that were found."""


def found_in(engine, text, inputs, **options):
    """The finding of `same-values` on a file that is judged by itself."""
    onnx.save(parse_model(HEADER + text), "model.onnx")
    (found,) = check(Case("model.onnx", inputs), file="model.onnx", only=["same-values"], engines=[engine], **options)
    return found


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_every_one():
    """Each known failing is shown here, or by a file that takes an export."""
    assert {(each.engine, each.fact) for each in KNOWN} == {*SHOWN, *NOT_SHOWN}


@pytest.mark.parametrize(
    "shown", [pytest.param(shown, marks=needs(shown[0]), id=f"{shown[0]}-{shown[1][:40]}") for shown in SHOWN]
)
class TestShown:
    """A right file fails in the engine, for the reason that is known, and holds in ONNX Runtime."""

    def test_finding(self, shown):
        """The finding says what is known of the engine."""
        engine, fact = shown
        found = found_in(engine, *SHOWN[shown])
        assert (found.verdict, found.engine) == (CheckVerdict.FAILS, engine)
        assert "; ONNX Runtime on the CPU is right" in found.problem
        assert found.evidence.startswith(f"Known of {engine}: {fact[0].lower()}{fact[1:]}")

    def test_script(self, shown):
        """Its script shows it without onnxproof, and no longer once the engine gives what the model gives."""
        found = found_in(shown[0], *SHOWN[shown], report="report")
        if any(array.dtype == ml_dtypes.bfloat16 for array in SHOWN[shown][1].values()):
            assert found.repro == ""  # numpy alone has no such inputs
            return
        folder = Path("report", found.repro)
        command = [sys.executable, folder / "repro.py"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout.startswith("y: ") or "the failure shows: " in done.stdout, done
        assert done.returncode == 1 or shown in GARBAGE
        assert "onnxproof" not in (folder / "repro.py").read_text()


@needs("opencv:new")
def test_kept_sizes():
    """A branch that ran with nine rows is given four once the other branch has had four."""
    onnx.save(parse_model(HEADER + GEMM_IN_BRANCH), "model.onnx")
    asked = (9, True), (4, False), (4, True)
    runs = [{"x": ROWS[:1].repeat(rows, 0), "c": np.array([is_taken])} for rows, is_taken in asked]
    case = Case("model.onnx", runs[0], {"x": {0: "n"}}, also=runs)
    (found,) = check(case, file="model.onnx", only=["same-values-unseen"], engines=[KEPT_SIZES[0]])
    assert "C is not broadcast properly" in found.problem
    assert KEPT_SIZES[1][1:] in found.evidence


@needs("openvino")
def test_script_is_quiet():
    """A script in OpenVINO ends with 0 once the outputs are the expected ones."""
    found = found_in("openvino", *SHOWN["openvino", "It computes float64 in float32."], report="report")
    folder = Path("report", found.repro)
    shutil.copy(folder / "actual.npz", folder / "expected.npz")
    done = subprocess.run([sys.executable, folder / "repro.py"], capture_output=True, text=True)
    assert (done.returncode, "the failure is gone" in done.stdout) == (0, True), done


@needs("openvino")
class TestOpenVINO:
    """OpenVINO's own dtypes are numpy's."""

    @pytest.mark.parametrize(
        ("properties", "precision"),
        [
            pytest.param({}, "float32", id="default"),
            pytest.param({"INFERENCE_PRECISION_HINT": "bf16"}, "bfloat16", id="shipped"),
        ],
    )
    def test_precision(self, properties, precision):
        """It computes in float32 and for accuracy, unless it is shipped otherwise."""
        onnx.save(parse_model(f"{HEADER} g (float[n, 4] x) => (float[n, 4] y) {{ y = Exp (x) }}"), "exp.onnx")
        compiled = engine("openvino").__class__(properties=properties).open("exp.onnx")._compiled
        assert precision in str(compiled.get_property("INFERENCE_PRECISION_HINT"))
        assert "ACCURACY" in str(compiled.get_property("EXECUTION_MODE_HINT"))

    def test_device(self):
        """A device that is not there is refused; those that are there are named."""
        with pytest.raises(EngineError, match=r"^openvino has no device NPU; it has .*CPU"):
            engine("openvino:NPU").open("exp.onnx")

    def test_bfloat16(self):
        """bfloat16 goes in and comes out."""
        text = "g (bfloat16[n, 4] x) => (bfloat16[n, 4] y) { y = Identity (x) }"
        x = ROWS.astype(ml_dtypes.bfloat16)
        assert found_in("openvino", text, {"x": x}).verdict == CheckVerdict.HOLDS


@needs("opencv:new")
def test_opencv_reads_nothing():
    """A file of which OpenCV makes an empty network is refused with what it logs."""
    text = "g (float[3, 4] x) => (float[3, 4] y) { r = RandomNormal <shape = [1]> () y = Mul (x, r) }"
    onnx.save(parse_model(HEADER + text), "model.onnx")
    with pytest.raises(EngineError, match=r"^opencv:new does not read the file: DNN/ONNX.*Unsupported .*RandomNormal$"):
        engine("opencv:new").open("model.onnx")


@needs("tract")
def test_tract_plans_at_a_run():
    """A file that tract plans for free sizes, and does not run, is planned for those of a run."""
    text = "g (float[n, 4] x) => (float[n, k] y) { s = Shape <start = 0, end = 1> (x) y, i = TopK (x, s) }"
    onnx.save(parse_model(HEADER + text), "model.onnx")
    session = engine("tract").open("model.onnx")
    for rows in (ROWS, ROWS[:2]):
        np.testing.assert_array_equal(session.run({"x": rows})["y"], -np.sort(-rows)[:, : len(rows)])


@needs("tract")
def test_tract_plans_twice():
    """A file that tract plans neither for free sizes nor for those of a run is refused with both reasons."""
    text = (
        "g (double[n, 4] x) => (double[k, 2] y) <double[4, 2] w = {1.5, 2, 3, 4, 5, 6, 7, 8}, double[2] b = {1, 2}, "
        "double[n, 2] z> { z = Gemm (x, w, b) y = Neg (z) }"
    )
    onnx.save(parse_model(HEADER + text), "model.onnx")
    with pytest.raises(EngineError) as refused:
        engine("tract").open("model.onnx").run({"x": ROWS.astype(np.float64)})
    first, second = str(refused.value).split("; for these sizes: ")
    assert first.startswith("tract: ")
    assert "accessed as F64" in first
    assert "Impossible to unify Val(3) with Sym(n)" in second
    assert "backtrace" not in second
