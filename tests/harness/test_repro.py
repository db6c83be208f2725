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
from onnxproof.checks.values import same_values
from onnxproof.findings import Finding
from onnxproof.locating.repro import write_repro
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict

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

    def test_no_evidence(self, conversion, tmp_path):
        """Without evidence, the example's values are left."""
        folder = write_repro(tmp_path, conversion(), finding("opset-kept", "opset 18"))
        assert np.load(folder / "actual.npz")["arr_0"].tolist() == [3, -12]

    def test_no_file(self, conversion, tmp_path):
        """If the file cannot be fed, no folder is written."""
        made = conversion(given="other")
        assert write_repro(tmp_path / "report", made, finding("inputs-kept")) is None
        assert not (tmp_path / "report").exists()


class TestScript:
    """repro.py shows the difference."""

    def test_length(self, repro):
        """It has 20 lines or fewer."""
        assert len((repro() / "repro.py").read_text().splitlines()) <= 20

    def test_difference(self, repro):
        """It prints the largest difference, without torch."""
        shown = run(repro())
        assert (shown.stderr, shown.returncode) == ("", 0)
        assert "output: float32 (2,), the model gives float32 (2,)" in shown.stdout
        assert "largest difference 4.0" in shown.stdout

    def test_torch_is_blocked(self, repro):
        """A script that imports torch would fail."""
        folder = repro()
        script = folder / "repro.py"
        script.write_text(script.read_text() + "import torch\n")
        assert "ModuleNotFoundError: import of torch" in run(folder).stderr

    def test_alone(self, repro):
        """It does not mention onnxproof."""
        assert "onnxproof" not in (repro() / "repro.py").read_text()

    def test_dropped_output(self, conversion, tmp_path):
        """A file with fewer outputs than the model is shown too."""
        made = conversion(network=Both)
        folder = write_repro(tmp_path, made, finding("outputs-kept", "1 output"))
        shown = run(folder)
        assert (shown.stderr, shown.returncode) == ("", 0)
        assert shown.stdout.startswith("1 outputs, the model gives 2")

    def test_data_is_no_code(self, repro, tmp_path):
        """A module that lies beside the script is not run."""
        folder = repro()
        (folder / "numpy.py").write_text("raise SystemExit('ran')")
        plain = subprocess.run([sys.executable, folder / "repro.py"], capture_output=True, text=True, timeout=60)
        assert (plain.stderr, plain.returncode) == ("", 0)


class TestNames:
    """Names that users choose stay data."""

    def test_input(self, repro):
        """An input's name that holds quotes, newlines and code is a name."""
        shown = run(repro(input_name=NAME))
        assert (shown.stderr, shown.returncode) == ("", 0)
        assert "largest difference 4.0" in shown.stdout

    def test_case(self, repro):
        """So is a case's."""
        shown = run(repro(name=NAME))
        assert (shown.stderr, shown.returncode) == ("", 0)

    @pytest.mark.parametrize("name", ["../../x", "/etc/x", "..", "a/b", "a\0b"])
    def test_path(self, repro, tmp_path, name):
        """A name that is a path makes one folder, in the report."""
        folder = repro(name=name)
        assert folder.resolve().parents[1] == tmp_path / "report" / "repro"
        assert {path.name for path in tmp_path.iterdir()} == {"report", "triple.onnx"}


class Both(nn.Module):
    """A model of two outputs."""

    def forward(self, x):
        return x * 2, x * 3
