"""Chapter runtime, an application: a program around ONNX Runtime, without torch, as a script and as one executable."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.parity.images import read_picture, to_picture
from tests.inputs import scales

ROOT = Path(__file__).parents[1]
SCRIPT, EXECUTABLE = ROOT / "application" / "scale.py", ROOT / "dist" / "scale"

WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None  # from here on, importing torch raises ImportError
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

SAME_PICTURE = """
<ir_version: 8, opset_import: ["": 18]>
same (float[1, 3, H, W] input) => (float[1, 3, H, W] output) { output = Identity (input) }
"""

PROGRAMS = [
    pytest.param([sys.executable, "-c", WITHOUT_TORCH, str(SCRIPT)], id="script"),
    pytest.param([str(EXECUTABLE)], id="executable", marks=pytest.mark.application),
]


@pytest.fixture
def folder(tmp_path):
    """An empty folder."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.fixture(params=PROGRAMS)
def application(request, folder):
    """Runs the application in the empty folder: the script, or what `tox -e application` makes of it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments, check=True):
        command = [*request.param, *map(str, arguments)]
        options = {"stderr": subprocess.PIPE, "text": True, "timeout": 120}
        return subprocess.run(command, cwd=folder, env=environment, check=check, **options)

    return run


class TestApplication:
    """The application runs the file that its user names; its picture is that of ONNX Runtime in Python, bit for bit."""

    @pytest.mark.claim("runtime-application")
    def test_first_file(self, application, folder, fixed_export, assets, fixed_output):
        """With the document's first file, the face has three times the sides."""
        application(fixed_export.path, assets["face.png"], "larger.png")
        np.testing.assert_array_equal(read_picture(folder / "larger.png"), to_picture(fixed_output))

    @pytest.mark.claim("runtime-application")
    def test_two_input_file(self, application, folder, two_input_export, assets, face):
        """With the file of two inputs and the factor 1.5, the face has one and a half times the sides."""
        application(two_input_export.path, assets["face.png"], "larger.png", "--factor", 1.5)
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(1.5)})["output"]
        np.testing.assert_array_equal(read_picture(folder / "larger.png"), to_picture(output))


class TestProblems:
    """A problem ends the application with the file's name and the reason."""

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            pytest.param(("none.onnx", "face.png", "larger.png"), "none.onnx: .*NO_SUCHFILE", id="no-model"),
            pytest.param(("same.onnx", "none.png", "larger.png"), "none.png: not a picture", id="no-picture"),
            pytest.param(("same.onnx", "face.png", "none/larger.png"), "none/larger.png: ", id="no-folder"),
            pytest.param(("same.onnx", "face.png", "larger.none"), "larger.none: ", id="no-format"),
            pytest.param(("same.onnx", "face.png", "larger.png", "--factor", 2), "same.onnx: .*factor", id="no-factor"),
        ],
    )
    def test_problem_is_named(self, application, folder, assets, arguments, problem):
        """The exit status is 1, and nothing is written."""
        onnx.save(parse_model(SAME_PICTURE), folder / "same.onnx")
        shutil.copy(assets["face.png"], folder / "face.png")
        ended = application(*arguments, check=False)
        assert ended.returncode == 1
        assert re.search(f"^{problem}", ended.stderr, re.MULTILINE)
        assert sorted(path.name for path in folder.iterdir()) == ["face.png", "same.onnx"]


@pytest.mark.application
class TestExecutable:
    """The executable has nothing of torch in it."""

    def test_no_module_is_torchs(self):
        """Neither its files nor its Python modules are torch's."""
        from PyInstaller.archive.readers import CArchiveReader

        archive = CArchiveReader(str(EXECUTABLE))
        modules = archive.open_embedded_archive("PYZ.pyz").toc
        assert "onnxruntime" in modules
        assert [name for name in (*archive.toc, *modules) if re.match(r"torch\b", name)] == []
