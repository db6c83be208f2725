"""What the wheel brings, and what it does not."""

from importlib.metadata import files, version
from pathlib import Path, PurePosixPath

import onnxproof

ROOT = Path(__file__).parent.parent


def test_from_the_wheel():
    """The package that is used is the installed one, not the repository's."""
    assert not Path(onnxproof.__file__).is_relative_to(ROOT / "onnxproof")
    assert onnxproof.__version__ == version("onnxproof")


def test_content():
    """The wheel has the package with its types and templates, licence and command; no tests, no networks."""
    places = {PurePosixPath(file).parts[0] for file in files("onnxproof")}
    assert places == {"..", "onnxproof", f"onnxproof-{onnxproof.__version__}.dist-info"}
    names = {str(file) for file in files("onnxproof")}
    assert {"onnxproof/py.typed", "onnxproof/report/templates/report.html"} <= names
