"""A failed check can be shown again with only onnxruntime and numpy."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.engines import engines_agree, optimizer_neutral
from onnxproof.checks.interface import dims_kept, inputs_kept, opset_kept, outputs_kept, shapes_honest, well_formed
from onnxproof.checks.values import inputs_live, same_values, same_values_unseen
from onnxproof.findings import Finding
from onnxproof.locating.repro import write_repro
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from tests.harness.by_hand import FILE, FakeEngine, edited, in_engines, scale_case

FIXED_ROWS = [("(float[rows, 4] x,", "(float[6, 4] x,")]
TOTAL = np.zeros(6, np.float32)
NAME = 'a"""b\n\'); raise SystemExit("ran") #'
WITHOUT_TORCH = "import sys, runpy; sys.modules['torch'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"


class Double(nn.Module):
    """A model that doubles its input."""

    def forward(self, x):
        return x * 2


@pytest.fixture
def conversion(tmp_path):
    """A file that triples its input, while the model doubles it; `given` is another name for the case's input."""

    def make(input_name="x", name="double", network=Double, given=""):
        model = parse_model(
            '<ir_version: 8, opset_import: ["": 18]> g (float[N] x) => (float[N] y) '
            "<float three = {3}> { y = Mul (x, three) }"
        )
        model.graph.input[0].name = model.graph.node[0].input[0] = input_name
        onnx.save(model, tmp_path / "triple.onnx")
        case = Case(network(), {given or input_name: np.array([1, -4], np.float32)}, name=name)
        return Conversion(ReferenceModel(case), GivenFile(tmp_path / "triple.onnx"))

    return make


@pytest.fixture
def repro(conversion, tmp_path):
    """The folder that is written for the file's wrong values."""

    def write(**names):
        made = conversion(**names)
        return write_repro(tmp_path / "report", made, judge(same_values, made))

    return write


def finding(check, problem=""):
    return Finding("double", "", "triple.onnx", None, check, CheckVerdict.FAILS, problem=problem)


def run(folder, *, code=WITHOUT_TORCH):
    """Runs the script from another folder, where torch cannot be imported."""
    command = [sys.executable, "-c", code, str(folder / "repro.py")]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60)


class TestFolder:
    """The folder has the file, its inputs, its expected and actual outputs, and a script."""

    def test_content(self, repro):
        """Each of them is there, and nothing else."""
        assert sorted(path.name for path in repro().iterdir()) == [
            "actual.npz",
            "expected.npz",
            "inputs.npz",
            "model.onnx",
            "repro.py",
        ]

    @pytest.mark.parametrize(("what", "values"), [("inputs", [1, -4]), ("expected", [2, -8]), ("actual", [3, -12])])
    def test_arrays(self, repro, what, values):
        """The arrays are those of the failure, in their dtype."""
        with np.load(repro() / f"{what}.npz") as arrays:
            assert arrays["arr_0"].tolist() == values
            assert arrays["arr_0"].dtype == np.float32

    def test_model(self, repro, tmp_path):
        """The model is the file that was checked, byte for byte."""
        assert (repro() / "model.onnx").read_bytes() == (tmp_path / "triple.onnx").read_bytes()

    def test_again(self, repro):
        """A second run replaces the folder."""
        (repro() / "old").touch()
        assert not (repro() / "old").exists()

    def test_file_itself(self, conversion, tmp_path):
        """For a failure of the file itself, the example's inputs are there."""
        folder = write_repro(tmp_path, conversion(), finding("opset-kept", "opset 18"))
        assert np.load(folder / "inputs.npz")["arr_0"].tolist() == [1, -4]

    @pytest.mark.parametrize("check", ["exports", "probes-adequate", "my-own-check"])
    def test_nothing_to_run(self, conversion, tmp_path, check):
        """A failure without a run that shows it has no folder."""
        assert write_repro(tmp_path / "report", conversion(), finding(check)) is None
        assert not (tmp_path / "report").exists()


class TestScript:
    """repro.py shows the difference."""

    def test_difference(self, repro):
        """It prints the largest difference, without torch."""
        shown = run(repro())
        assert (shown.stderr, shown.returncode) == ("", 1)
        assert "output: float32 (2,), the model's is float32 (2,)" in shown.stdout
        assert "largest difference 4.0" in shown.stdout

    def test_torch_is_blocked(self, repro):
        """A script that imports torch would fail."""
        folder = repro()
        script = folder / "repro.py"
        script.write_text(f"import torch\n{script.read_text()}")
        assert "ModuleNotFoundError: import of torch" in run(folder).stderr

    def test_alone(self, repro):
        """It does not mention onnxproof."""
        assert "onnxproof" not in (repro() / "repro.py").read_text()

    def test_data_is_no_code(self, repro, tmp_path):
        """A module that lies beside the script is not run."""
        folder = repro()
        (folder / "numpy.py").write_text("raise SystemExit('ran')")
        plain = subprocess.run([sys.executable, folder / "repro.py"], capture_output=True, text=True, timeout=60)
        assert (plain.stderr, plain.returncode) == ("", 1)


class TestStatus:
    """The exit status is 1 while the failure shows, and 0 when the right file is in the place of the wrong one."""

    @pytest.mark.parametrize(
        ("check", "changes", "shown"),
        [
            pytest.param(same_values, [("Mul (x, factor)", "Add (x, factor)")], "largest difference", id="values"),
            pytest.param(same_values, [("int64[1] last = {1}", "int64[1] last = {7}")], "axis", id="does-not-run"),
            pytest.param(same_values_unseen, FIXED_ROWS, "Expected: 6", id="refuses-a-size"),
            pytest.param(outputs_kept, [("float[rows] total)", "float[rows, 1] total)")], "tensor(float)", id="rank"),
            pytest.param(inputs_kept, [(", float[1] factor", ""), ("x, factor)", "x, two)")], "factor", id="no-input"),
            pytest.param(dims_kept, FIXED_ROWS, "[['x', 0]]", id="fixed"),
            pytest.param(shapes_honest, [("(float[rows, 4] scaled", "(float[6, 4] scaled")], "6 is 6", id="shape"),
            pytest.param(
                shapes_honest,
                [("(float[rows, 4] scaled", '(float["rows + 1", 4] scaled')],
                "rows + 1 is 7, the run has 6",
                id="expression",
            ),
            pytest.param(inputs_live, [("x, factor)", "x, two)")], "the outputs are the same", id="ignores"),
            pytest.param(opset_kept, [('"": 18', '"": 17')], "asked for 18", id="opset"),
            pytest.param(well_formed, [("float[rows] total)", "float[rows, 1] total)")], "", id="checker"),
        ],
    )
    def test_status(self, given, tmp_path, check, changes, shown):
        """The script shows what the check found."""
        conversion = given(scale_case(), edited(*changes), opset=18)
        folder = write_repro(tmp_path / "report", conversion, judge(check, conversion))
        before = run(folder)
        onnx.save(parse_model(FILE), folder / "model.onnx")
        after = run(folder)
        assert (before.returncode, before.stderr) == (1, "")
        assert "the failure shows: " in before.stdout
        assert shown in before.stdout
        assert (after.returncode, after.stderr) == (0, "")
        assert "the failure is gone: " in after.stdout

    @pytest.mark.parametrize("broken", ["onnxruntime", "unoptimized", "reference"])
    def test_engine(self, right, tmp_path, broken):
        """It runs the engine in which the file is wrong, where another engine is right."""
        conversion = in_engines(right, **{broken: FakeEngine(lambda inputs: {"scaled": inputs["x"], "total": TOTAL})})
        check = optimizer_neutral if broken == "unoptimized" else engines_agree
        script = write_repro(tmp_path, conversion, judge(check, conversion)) / "repro.py"
        assert ("ReferenceEvaluator" in script.read_text()) == (broken == "reference")
        assert f"'optimize': {broken != 'unoptimized'}" in script.read_text()
        assert run(script.parent).returncode == 0  # the installed engine is right


class TestNames:
    """Names that users choose stay data."""

    def test_input(self, repro):
        """An input's name that holds quotes, newlines and code is a name."""
        shown = run(repro(input_name=NAME))
        assert (shown.stderr, shown.returncode) == ("", 1)
        assert "largest difference 4.0" in shown.stdout

    def test_case(self, repro):
        """So is a case's."""
        shown = run(repro(name=NAME))
        assert (shown.stderr, shown.returncode) == ("", 1)

    @pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "a/b", "a\0b"])
    def test_path(self, repro, tmp_path, name):
        """A name that is a path makes one folder, in the report."""
        folder = repro(name=name)
        assert folder.resolve().parents[1] == tmp_path / "report" / "repro"
        assert {path.name for path in tmp_path.iterdir()} == {"report", "triple.onnx"}
