"""`@conversion_checks` makes a test of each check, explains failures, and disturbs no project or plugin."""

import json
import re
from pathlib import Path

import pytest

from onnxproof.checks.run import CHECKS
from onnxproof.versions import EXPORTERS, TORCHSCRIPT, default_opset
from tests import facts

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

def make_case():
    return case(Good())

@conversion_checks(CASE)
def test_conversion(onnx_check):
    onnx_check()
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
        chosen = [f"--onnx-exporter={exporter}" for exporter in exporters]
        return run(
            "-pno:randomly", "-rA", "--strict-markers", "-Werror::pytest.PytestWarning", *chosen, *quick, *arguments
        )

    return run


class TestWorkers:
    """pytest-xdist runs a case in one process, if it is asked to."""

    CASES = 'case(Good(), name="one"), case(Good(), name="two")'

    def workers(self, project, pytester, *arguments):
        """The processes that each case ran in, and the result."""
        quick = ("-k", "opset-kept or inputs-kept or outputs-kept or exports", "-n2", "-pno:hypothesispytest")
        result = project(self.CASES, *arguments, quick=quick, run=pytester.runpytest_subprocess)
        found = [re.search(r"^\[(gw\d).* PASSED .*\[(one|two)-", line) for line in result.outlines]
        places = {(match[2], match[1]) for match in found if match}
        return sorted(name for name, _ in places), result

    def test_one_process(self, project, pytester):
        """With --dist loadgroup a case has one process, and nothing is said, unless pytest-xdist loses its groups."""
        places, result = self.workers(project, pytester, "-v", "--dist=loadgroup")
        result.assert_outcomes(passed=8)
        if facts.xdist_has_groups:
            assert places == ["one", "two"]
            result.stdout.no_fnmatch_line("onnxproof: each process exported *")
        else:
            assert len(places) > 2
            result.stdout.fnmatch_lines(["onnxproof: each process exported *: pytest-xdist 3.8 keeps groups with *"])

    def test_each_process(self, project, pytester):
        """Otherwise the run says that each process exported the case."""
        places, result = self.workers(project, pytester, "-v", "--dist=each")
        assert places == ["one", "one", "two", "two"]
        result.stdout.fnmatch_lines(["onnxproof: each process exported one, two: --dist loadgroup exports it once"])


class TestTests:
    """Each check is a test of each case with each exporter."""

    def test_ids(self, project):
        """Ids have the case, exporter, opset and check."""
        result = project("case(Good())", "--collect-only", "-q", exporters=EXPORTERS, quick=())
        found = [line for line in result.outlines if line.startswith("test_mine.py::")]
        assert len(found) == len(EXPORTERS) * len(CHECKS)
        assert f"test_mine.py::test_conversion[Good-torchscript-opset{default_opset(TORCHSCRIPT)}-same-values]" in found

    def test_passing(self, project):
        """A right conversion passes every check."""
        project("case(Good())", quick=()).assert_outcomes(passed=len(CHECKS))

    def test_skipped(self, project):
        """A check with nothing to judge is skipped with the reason."""
        result = project('Case(Good(), {"x": X})')
        result.assert_outcomes(passed=3, skipped=1, deselected=11)
        result.stdout.fnmatch_lines(["SKIPPED * dims-kept: the case names no dynamic dimension"])

    def test_usage(self, project, pytester):
        """For a test without `onnx_check`, the fix is shown."""
        pytester.makepyfile(test_other=SPEC.replace("CASE", "case(Good())").replace("(onnx_check):", "():"))
        result = pytester.runpytest_inprocess("-pno:randomly", "test_other.py")
        assert "write def test_conversion(onnx_check): onnx_check()" in "\n".join(result.outlines + result.errlines)

    @pytest.mark.parametrize(
        ("case", "message"),
        [
            pytest.param("X", "expected an onnxproof.Case, got ndarray", id="no-case"),
            pytest.param(
                'case(Good(), expected={"same-valeus": "slip"})',
                "Good: expected: the check 'same-valeus' is unknown, did you mean 'same-values'?",
                id="expected",
            ),
            pytest.param(
                "case(Good()), case(Good())",
                "two cases have the names Good and Good; give one another `name`",
                id="one-name",
            ),
            pytest.param(
                'case(Good(), name="a b"), case(Good(), name="a/b")',
                "two cases have the names a b and a/b; give one another `name`",
                id="one-folder",
            ),
        ],
    )
    def test_mistakes(self, project, case, message):
        """Mistakes in the cases are reported."""
        result = project(case)
        assert message in "\n".join(result.outlines + result.errlines)
        assert result.ret != pytest.ExitCode.OK
        assert "_hookexec" not in result.stdout.str()

    def test_names(self, project):
        """Cases of one model can have different names."""
        result = project('case(Good(), name="plain"), case(Good(), name="again")')
        result.assert_outcomes(passed=8, deselected=22)

    def test_made_again(self, pytester):
        """A function may make its case again, where tests of another case came between."""
        made = "def first(): return case(Good(), name='first')\ndef second(): return case(Good(), name='second')\n\n"
        decorated = "@conversion_checks(CASE)"
        pytester.makepyfile(SPEC.replace(decorated, f"{made}{decorated}").replace("CASE", "first, second"))
        pytester.makeconftest("""
            import pytest

            @pytest.hookimpl(trylast=True)
            def pytest_collection_modifyitems(items):
                items.sort(key=lambda item: item.name.split("-")[-2:])
        """)
        asked = "--onnx-exporter=torchscript", "-pno:randomly", "-k", "inputs-kept or outputs-kept"
        result = pytester.runpytest_inprocess(*asked)
        result.assert_outcomes(passed=4, deselected=26)

    @pytest.mark.parametrize(("own", "is_refused"), [("CASE", False), ("case(Good())", True)], ids=["same", "other"])
    def test_other_module(self, pytester, own, is_refused):
        """One case may serve several modules, but another one of its name is refused."""
        decorated = "@conversion_checks(CASE)"
        pytester.makepyfile(
            test_mine=SPEC.replace(decorated, f"CASE = case(Good())\n\n{decorated}"),
            test_other=f"""
                from test_mine import CASE, case, conversion_checks, Good

                @conversion_checks({own})
                def test_conversion(onnx_check):
                    onnx_check()
            """,
        )
        result = pytester.runpytest_inprocess("-pno:randomly", "--collect-only", "-q")
        assert ("two cases have the names Good and Good" in "\n".join(result.outlines + result.errlines)) == is_refused
        assert (result.ret == pytest.ExitCode.OK) != is_refused

    def test_function(self, project):
        """A function may make the case; the test ids have the function's name."""
        result = project("make_case")
        result.assert_outcomes(passed=4, deselected=11)
        result.stdout.fnmatch_lines(["PASSED *test_conversion[[]make_case-torchscript-opset*-exports]"])

    @pytest.mark.parametrize(
        ("case", "message"),
        [
            pytest.param("lambda: X", "<lambda>: expected an onnxproof.Case, got ndarray", id="no-case"),
            pytest.param(
                "lambda: case(X)", "<lambda>: the model is of type ndarray; give a torch.nn.Module", id="refused"
            ),
            pytest.param(
                'lambda: case(Good(), expected={"slip": "x"})', "Good: expected: the check 'slip'", id="expected"
            ),
        ],
    )
    def test_function_mistakes(self, project, case, message):
        """A mistake in the case that it makes is one line."""
        result = project(case, "-k", "exports")
        result.assert_outcomes(failed=1, deselected=14)
        assert message in result.stdout.str()
        assert "Traceback" not in result.stdout.str()

    @pytest.mark.parametrize("decorator", ["@conversion_checks()", "@conversion_checks"])
    def test_no_case(self, pytester, decorator):
        """A decorator without a case is refused: it would check nothing, and pass."""
        pytester.makepyfile(SPEC.replace("@conversion_checks(CASE)", decorator))
        result = pytester.runpytest_inprocess("-pno:randomly")
        assert "write @conversion_checks(case) above the test" in "\n".join(result.outlines + result.errlines)
        assert result.ret != pytest.ExitCode.OK

    def test_chosen(self, project):
        """Checks are chosen by id, the user's own checks included."""
        own = "checks=[type('C', (), {'__name__': 'is_small', '__call__': lambda self, conversion: 'small'})()]"
        result = project(f'case(Good()), only=["exports", "is-small"], {own}', quick=())
        result.assert_outcomes(passed=2)

    def test_released(self, project, pytester):
        """A conversion is dropped after its last check."""
        pytester.makeconftest("""
            import gc
            import pytest

            @pytest.hookimpl(trylast=True)
            def pytest_runtest_teardown(item):
                gc.collect()
                from onnxproof.probing.conversion import Conversion
                found = [each for each in gc.get_objects() if type(each) is Conversion]
                assert sum(each.case.name in set("abcde") for each in found) <= 2
        """)
        names = ", ".join(f'case(Good(), name="{name}")' for name in "abcde")
        project(names, "-k", "exports or dims").assert_outcomes(passed=10, deselected=65)


class TestFailures:
    """A failing check says what was seen, where, and what to do."""

    @pytest.fixture
    def failure(self, project):
        """A run of a model that freezes its size."""
        return project("case(Freezes())", "--onnx-report=report")

    def test_message(self, failure):
        """The message has the case, the check, the inputs, the culprit, the source and the script, and no traceback."""
        failure.assert_outcomes(passed=3, failed=1, deselected=11)
        failure.stdout.fnmatch_lines(
            [
                "Freezes-torchscript: same-values-unseen: on rows 1: output output: *something was frozen at export*",
                "→ Look for Python numbers that the model takes from a tensor or its shape.",
                "  `mul` of the model's own forward, *. The tracer warned at *: `return x * int(x.shape[[]0])`",
                "→ python *report/repro/Freezes-torchscript/same-values-unseen/repro.py",
            ]
        )
        assert "Traceback" not in failure.stdout.str()
        assert "conversions.py" not in failure.stdout.str()

    @pytest.mark.parametrize(
        ("rows", "shown"), [pytest.param(0, False, id="when-exported"), pytest.param(1, True, id="when-run")]
    )
    def test_log(self, monkeypatch, project, rows, shown):
        """The report of a failure has what the model logged when it ran, but not when it was exported."""
        monkeypatch.delenv("PYTEST_ADDOPTS")
        result = project(f"case(type('Logs', (Logs,), {{'rows': {rows}}})())")
        assert ("Captured log call" in result.stdout.str()) is shown

    def test_repro(self, failure):
        """Only the failed check has a folder."""
        assert [path.parent.name for path in Path("report").rglob("repro.py")] == ["same-values-unseen"]

    def test_results(self, failure):
        """results.json has the findings, in the order of the checks."""
        found = json.loads(Path("report/results.json").read_text())["findings"]
        assert [(finding["check"], finding["verdict"]) for finding in found] == [
            ("exports", "holds"),
            ("opset-kept", "holds"),
            ("dims-kept", "holds"),
            ("same-values-unseen", "fails"),
        ]
        assert {(finding["case"], finding["exporter"], finding["opset"]) for finding in found} == {
            ("Freezes", "torchscript", default_opset(TORCHSCRIPT))
        }

    @pytest.mark.parametrize(
        ("case", "reason"),
        [
            pytest.param("case(Raises())", "Raises: the model refuses its inputs: ArithmeticError: no way", id="model"),
            pytest.param(
                "lambda: case(X)", "<lambda>: the model is of type ndarray; give a torch.nn.Module", id="case"
            ),
        ],
    )
    def test_refused(self, project, case, reason):
        """A case that cannot be checked fails once, with one line; the other checks are skipped."""
        result = project(case, exporters=EXPORTERS, quick=())
        count = len(EXPORTERS) * len(CHECKS)
        result.assert_outcomes(failed=1, skipped=count - 1)
        result.stdout.fnmatch_lines(
            [f"{reason}*", f"SKIPPED *{count - 1}* the case cannot be checked: see *-exports[]]"]
        )

    @pytest.mark.parametrize("options", [[], ["-n1"]], ids=["one-process", "xdist"])
    def test_refused_on_page(self, project, options):
        """The page has a case that cannot be checked once, and its sentence counts it."""
        if options:
            pytest.importorskip("xdist")
        result = project("Case(Raises(), {'x': X}), case(Good())", "--onnx-report=report", *options)
        result.stdout.fnmatch_lines(["With *, of 1 conversion checked none fails; 1 case could not be checked."])
        (refused,) = json.loads(Path("report/results.json").read_text())["refused"]
        assert refused["case"] == "Raises"
        assert refused["problem"].startswith("the model refuses its inputs: ArithmeticError: no way")
        assert Path("report/index.html").read_text().count("could not be checked</b>") == 1

    def test_all_refused_on_page(self, project):
        """It is named if there is nothing else."""
        result = project("lambda: case(X)", "--onnx-report=report")
        result.stdout.fnmatch_lines(["With *, <lambda> could not be checked."])
        assert "reference.py" not in result.stdout.str()


class TestExpected:
    """`expected` is a strict xfail."""

    def test_fails(self, project):
        """A check that fails as expected is an xfail with its reason."""
        result = project('case(Freezes(), expected={"same-values-unseen": "a size is frozen"})')
        result.assert_outcomes(passed=3, xfailed=1, deselected=11)
        result.stdout.fnmatch_lines(["XFAIL *expected: a size is frozen*"])

    def test_holds(self, project):
        """A check that holds but was expected to fail, fails."""
        result = project('case(Good(), expected={"same-values-unseen": "a size is frozen"})')
        result.assert_outcomes(passed=3, failed=1, deselected=11)
        result.stdout.fnmatch_lines(["*the check holds, and was expected to fail: a size is frozen"])


class TestTogether:
    """The plugin gets along with others, and with projects that have nothing to do with it."""

    def test_another_project(self, pytester):
        """The project's fixtures and parameters of the same names are used, and benchmarks run."""
        pytester.makepyfile(ANOTHER_PROJECT)
        result = pytester.runpytest_inprocess("-Werror", "--strict-markers")
        result.assert_outcomes(passed=3)

    def test_two_workers(self, project, pytester):
        """Two workers leave the same outcomes and results as one process, with the graph of a failing file once."""
        case = 'case(Freezes(), expected={"dims-kept": "slip"})'
        alone = project(case, "--onnx-report=alone")
        two = ("-n2", "-pno:hypothesispytest")
        shared = project(case, "--onnx-report=shared", *two, run=pytester.runpytest_subprocess)
        shared.assert_outcomes(passed=2, failed=2)
        assert alone.parseoutcomes()["failed"] == 2
        (graph,) = json.loads(Path("shared/results.json").read_text())["graphs"]
        assert graph["file"] == "repro/Freezes-torchscript/dims-kept/model.onnx"
        assert [node["op_type"] for node in graph["nodes"]] == ["Mul"]
        assert Path("shared/results.json").read_bytes() == Path("alone/results.json").read_bytes()
