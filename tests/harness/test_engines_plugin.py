"""pytest runs the conversion checks of values in each engine, as tests of their own."""

import pytest

from onnxproof.results import read_results
from onnxproof.versions import TORCHSCRIPT
from tests.harness.other_engines import other_engines  # noqa: F401  # a fixture

SPEC = """
from onnxproof import conversion_checks
from tests.harness.by_hand import scale_case

def make_case():
    return scale_case(engines=["same"])

def make_plain():
    return scale_case()

@conversion_checks(CASES, only=["dims-kept", "same-values"])
def test_conversion(onnx_check):
    onnx_check()
"""

pytestmark = pytest.mark.usefixtures("other_engines")


@pytest.fixture
def project(pytester):
    """A project with the cases that are given as source; two checks are run."""

    def run(cases, *arguments, run=pytester.runpytest_inprocess):
        pytester.makepyfile(test_mine=SPEC.replace("CASES", cases))
        return run("-pno:randomly", "-rA", "-v", f"--onnx-exporter={TORCHSCRIPT}", *arguments)

    return run


def ids(result):
    """The checks, with their engines, and the outcome of each test."""
    lines = [line for line in result.outlines if line.startswith("test_mine.py::") and " - " not in line]
    return {line.split("-opset")[1].split("-", 1)[1].split("]")[0]: line.split()[1] for line in lines}


class TestEngines:
    """An engine is a part of a test's id, and of its finding."""

    def test_default(self, project):
        """ONNX Runtime on the CPU adds nothing."""
        assert ids(project("scale_case()")) == {"dims-kept": "PASSED", "same-values": "PASSED"}

    def test_option(self, project, pytester):
        """`--onnx-engine` asks for others; one that is wrong fails its test alone, and results.json names it."""
        arguments = [f"--onnx-engine={name}" for name in ("onnxruntime", "doubled", "aborts")]
        result = project("make_case", *arguments, "--onnx-report=report")
        assert ids(result) == {
            "dims-kept": "PASSED",
            "same-values": "PASSED",
            "same-values-doubled": "FAILED",
            "same-values-aborts": "FAILED",
        }
        result.stdout.fnmatch_lines(
            ["Scale-torchscript: same-values in doubled: on traced: *", "*same-values in aborts: *crashed: Aborted*"]
        )
        results = read_results(pytester.path / "report/results.json")
        assert [each.engine for each in results.findings] == ["", "onnxruntime", "doubled", "aborts"]
        assert results.environment["doubled"] == "9"

    @pytest.mark.parametrize(
        ("cases", "options"),
        [
            pytest.param('scale_case(engines=["same"])', [], id="case"),
            pytest.param('make_case, engines=["same"]', [], id="function"),
            pytest.param("make_plain", ["-oonnx_engines=same"], id="ini"),
        ],
    )
    def test_named(self, project, cases, options):
        """A case, the test of a function, and the project's configuration may name them."""
        assert ids(project(cases, *options)) == {"dims-kept": "PASSED", "same-values-same": "PASSED"}

    def test_workers(self, project, pytester):
        """pytest-xdist has the same tests."""
        arguments = ("--onnx-engine=onnxruntime", "--onnx-engine=same", "-n1", "-pno:hypothesispytest")
        project("make_plain", *arguments, run=pytester.runpytest_subprocess).assert_outcomes(passed=3)


class TestRefused:
    """What cannot run is refused before any test."""

    def test_unknown(self, project):
        """An engine that is not known stops the run at collection."""
        result = project("make_case", "--onnx-engine=sam")
        result.stdout.fnmatch_lines("*--onnx-engine: the engine 'sam' is unknown, did you mean 'same'?")
        assert result.ret == pytest.ExitCode.INTERRUPTED

    def test_function(self, project):
        """A function whose case names engines fails, and says what to write."""
        result = project("make_case")
        result.stdout.fnmatch_lines("*write @conversion_checks(make_case, engines=?'same'?)*")
        assert set(ids(result).values()) == {"FAILED", "SKIPPED"}

    def test_different(self, project):
        """Cases with different engines are no cases of one test."""
        result = project('scale_case(engines=["same"]), scale_case(name="two")')
        result.stdout.fnmatch_lines("*its cases name different engines; give each set a test of its own")
