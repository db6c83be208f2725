"""`@conversion_checks` makes a test of each check, tells failures apart, and disturbs neither projects nor plugins."""

import json
from pathlib import Path

import pytest

from onnxproof.checks import CHECKS
from onnxproof.versions import EXPORTERS, TORCHSCRIPT

SPEC = """
import logging
import numpy as np
import torch
from torch import nn
from onnxproof import Case, conversion_checks

class Good(nn.Module):
    def forward(self, x):
        return x * 2 + x.mean()

class Freezes(nn.Module):
    def forward(self, x):
        return x * int(x.shape[0])

class Logs(Freezes):
    def forward(self, x):
        if torch.jit.is_tracing() or x.shape[0] == self.rows:
            logging.getLogger("torch.onnx").error("loud")
        return super().forward(x)

class Raises(nn.Module):
    def forward(self, x):
        raise ArithmeticError("no way through")

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)

def case(model, **options):
    return Case(model, {"x": X}, dynamic={"x": {0: "rows"}}, **options)

@conversion_checks(CASE)
def test_conversion(case, check):
    check(case)
"""
ANOTHER_PROJECT = """
import pytest

@pytest.fixture
def case():
    return "a case of this project"

@pytest.fixture(params=[1, 2])
def check(request):
    return request.param

def test_fixtures(case, check):
    assert case == "a case of this project"
    assert check in (1, 2)

@pytest.mark.parametrize("case", ["a"])
@pytest.mark.parametrize("check", ["b"])
def test_parameters(case, check, benchmark):
    assert benchmark(lambda: case + check) == "ab"
"""
QUICK = ("-k", "exports or dims-kept or unseen or opset-kept")
"""Four of the checks; the others are the same to pytest."""


@pytest.fixture
def project(pytester):
    """A project with one conversion, run with torchscript."""

    def run(case, *arguments, exporters=(TORCHSCRIPT,), quick=QUICK, run=pytester.runpytest_inprocess):
        pytester.makepyfile(test_mine=SPEC.replace("CASE", case))
        chosen = [f"--exporter={exporter}" for exporter in exporters]
        return run(
            "-pno:randomly", "-rA", "--strict-markers", "-Werror::pytest.PytestWarning", *chosen, *quick, *arguments
        )

    return run


class TestTests:
    """Each check is a test of each case with each exporter."""

    def test_ids(self, project):
        """Ids have the case, exporter, opset and check; nothing is exported to know them."""
        result = project("case(Good())", "--collect-only", "-q", exporters=EXPORTERS, quick=())
        found = [line for line in result.outlines if line.startswith("test_mine.py::")]
        assert len(found) == len(EXPORTERS) * len(CHECKS)
        assert "test_mine.py::test_conversion[same-values-Good-torchscript-opset11]" in found

    def test_passing(self, project):
        """A right conversion passes every check."""
        project("case(Good())", quick=()).assert_outcomes(passed=len(CHECKS))

    def test_skipped(self, project):
        """What has nothing to judge is skipped with the reason."""
        result = project('Case(Good(), {"x": X})')
        result.assert_outcomes(passed=3, skipped=1, deselected=11)
        result.stdout.fnmatch_lines(["SKIPPED * dims-kept: no dimension was asked to be dynamic"])

    def test_usage(self, project, pytester):
        """A test without `case` and `check` is told how to write it."""
        pytester.makepyfile(test_other=SPEC.replace("CASE", "case(Good())").replace("(case, check)", "(check)"))
        result = pytester.runpytest_inprocess("-pno:randomly", "test_other.py")
        assert "write def test_conversion(case, check)" in "\n".join(result.outlines + result.errlines)

    @pytest.mark.parametrize(
        ("case", "message"),
        [
            pytest.param("X", "a ndarray is no onnxproof.Case", id="no-case"),
            pytest.param(
                'case(Good(), expected={"same-valeus": "slip"})',
                "the expected check 'same-valeus' is unknown, did you mean 'same-values'?",
                id="expected",
            ),
            pytest.param(
                "case(Good()), case(Good())",
                "the names of two cases are Good and Good; give one a `name` of its own",
                id="one-name",
            ),
            pytest.param(
                'case(Good(), name="a b"), case(Good(), name="a/b")',
                "the names of two cases are a b and a/b; give one a `name` of its own",
                id="one-folder",
            ),
        ],
    )
    def test_mistakes(self, project, case, message):
        """What is no case, or expects a check that there is not, is told."""
        result = project(case)
        assert message in "\n".join(result.outlines + result.errlines)
        result.assert_outcomes(errors=result.parseoutcomes().get("errors", 0))

    def test_names(self, project):
        """Cases of one model are told apart by their names."""
        result = project('case(Good(), name="plain"), case(Good(), name="again")')
        result.assert_outcomes(passed=8, deselected=22)

    @pytest.mark.parametrize(("own", "is_refused"), [("CASE", False), ("case(Good())", True)], ids=["same", "other"])
    def test_other_module(self, pytester, own, is_refused):
        """One case may serve several modules; another one of its name is refused there too."""
        decorated = "@conversion_checks(CASE)"
        pytester.makepyfile(
            test_mine=SPEC.replace(decorated, f"CASE = case(Good())\n\n{decorated}"),
            test_other=f"""
                from test_mine import CASE, case, conversion_checks, Good

                @conversion_checks({own})
                def test_conversion(case, check):
                    check(case)
            """,
        )
        result = pytester.runpytest_inprocess("-pno:randomly", "--collect-only", "-q")
        assert ("two cases are Good and Good" in "\n".join(result.outlines + result.errlines)) == is_refused
        assert (result.ret == pytest.ExitCode.OK) != is_refused


class TestFailures:
    """A failing check says what was seen, where, and what to do."""

    @pytest.fixture
    def failure(self, project):
        """A run of a model that freezes its size."""
        return project("case(Freezes())", "--report=report")

    def test_message(self, failure):
        """The message has the case, the check, the inputs, the culprit, the source and the script, and no traceback."""
        failure.assert_outcomes(passed=3, failed=1, deselected=11)
        failure.stdout.fnmatch_lines(
            [
                "Freezes-torchscript: same-values-unseen: on rows 1: output output: *something was frozen at export*",
                "→ the tracer warned of `return x * int(x.shape[[]0])` *",
                "→ python *report/repro/Freezes-torchscript/same-values-unseen/repro.py",
            ]
        )
        assert "Traceback" not in failure.stdout.str()
        assert "check_plugin.py" not in failure.stdout.str()

    @pytest.mark.parametrize(
        ("rows", "shown"), [pytest.param(0, False, id="when-exported"), pytest.param(1, True, id="when-run")]
    )
    def test_log(self, monkeypatch, project, rows, shown):
        """What is logged during an export is not in the report of a failure, and what is logged in a run is."""
        monkeypatch.delenv("PYTEST_ADDOPTS")
        result = project(f"case(type('Logs', (Logs,), {{'rows': {rows}}})())")
        assert ("Captured log call" in result.stdout.str()) is shown

    def test_repro(self, failure):
        """The folder is there, for what failed alone."""
        assert [path.parent.name for path in Path("report").rglob("repro.py")] == ["same-values-unseen"]

    def test_results(self, failure):
        """results.json has the findings, in the order of their ids."""
        found = json.loads(Path("report/results.json").read_text())["conversions"]
        verdicts = {finding["check"]: finding["verdict"] for finding in found}
        assert verdicts == {
            "dims-kept": "holds",
            "exports": "holds",
            "opset-kept": "holds",
            "same-values-unseen": "fails",
        }
        assert {(finding["case"], finding["exporter"], finding["opset"]) for finding in found} == {
            ("Freezes", "torchscript", 11)
        }

    def test_refused(self, project):
        """A case that cannot be checked fails with one line."""
        result = project("case(Raises())", "-k", "exports")
        result.assert_outcomes(failed=1, deselected=14)
        result.stdout.fnmatch_lines(
            ["Raises-torchscript: the model refuses its inputs: ArithmeticError: no way through"]
        )
        assert "conversion.py" not in result.stdout.str()


class TestExpected:
    """`expected` is a strict xfail."""

    def test_fails(self, project):
        """A check that fails as expected is an xfail with its reason."""
        result = project('case(Freezes(), expected={"same-values-unseen": "a size is frozen"})')
        result.assert_outcomes(passed=3, xfailed=1, deselected=11)
        result.stdout.fnmatch_lines(["XFAIL *expected: a size is frozen*"])

    def test_holds(self, project):
        """One that holds although it was expected to fail, fails."""
        result = project('case(Good(), expected={"same-values-unseen": "a size is frozen"})')
        result.assert_outcomes(passed=3, failed=1, deselected=11)
        result.stdout.fnmatch_lines(["*it holds, and was expected to fail: a size is frozen"])


class TestTogether:
    """The plugin gets along with others, and with projects that have nothing to do with it."""

    def test_another_project(self, pytester):
        """Fixtures and parameters of the same names are that project's own, and benchmarks run."""
        pytester.makepyfile(ANOTHER_PROJECT)
        result = pytester.runpytest_inprocess("-Werror", "--strict-markers")
        result.assert_outcomes(passed=3)

    def test_two_workers(self, project, pytester):
        """Two workers leave the same outcomes and results as one process."""
        alone = project("case(Freezes())", "--report=alone")
        shared = project(
            "case(Freezes())", "--report=shared", "-n2", "-pno:hypothesispytest", run=pytester.runpytest_subprocess
        )
        shared.assert_outcomes(passed=3, failed=1)
        assert alone.parseoutcomes()["failed"] == 1
        assert Path("shared/results.json").read_bytes() == Path("alone/results.json").read_bytes()
