"""A run of the benchmarks leaves a report, says where it is, and what has moved since an earlier one."""

import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from onnxproof.results import as_json, read_results
from tests.harness.runs import EMPTY, TIMED, timed, write_results

SPEC = """
import pytest
from benchmarks.replay import clock, replay_contender
from onnxproof.results import read_results

(LATENCY,) = read_results("now.json").latency

@pytest.mark.benchmark(timer=clock)
def test_contender(benchmark):
    replay_contender(benchmark, LATENCY, "torch")

def test_ratios(onnx_record_latency):
    onnx_record_latency(LATENCY)
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs the benchmarks of one workload, in which torch takes twice as long as the baseline, without pygal."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # pytest-benchmark times nothing in a worker
    monkeypatch.setitem(sys.modules, "pygal", None)  # after its import, later runs in this process find no plugins
    latency = timed(torch=2)
    seconds = [replace(timing, seconds=[0.1, 0.2]) for timing in latency.timings]
    pytester.makefile(".json", now=as_json(replace(EMPTY, latency=[replace(latency, timings=seconds)])))
    pytester.makepyfile(test_speed=SPEC)
    return lambda *options: pytester.runpytest_inprocess("-pbenchmarks.conftest", *options)


@pytest.fixture
def drawn(run, monkeypatch):
    """pygal is installed, and pytest-benchmark draws empty files."""

    def draw(prefix, name, *_, **options):
        path = Path(f"{prefix}-{name}.svg")
        path.touch()
        return path

    pygal = ModuleType("pygal")
    pygal.__spec__ = ModuleSpec("pygal", None)
    monkeypatch.setitem(sys.modules, "pygal", pygal)
    monkeypatch.setitem(sys.modules, "pytest_benchmark.histogram", SimpleNamespace(make_histogram=draw))


@pytest.fixture
def earlier(pytester):
    """Leaves the results.json of an earlier run, with what torch took as a multiple then."""
    return lambda ratio, case="fixed-x3-256": write_results(
        pytester.path / "earlier", replace(TIMED, latency=[timed(case, torch=ratio)])
    )


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


class TestReport:
    """With `--onnx-report` all files are in one folder."""

    def test_files(self, run):
        """The page, results.json, and pytest-benchmark's own file are there, and the run ends with their paths."""
        result = run("--onnx-report", "report")
        result.assert_outcomes(passed=2)
        assert names("report") == ["benchmarks.json", "index.html", "results.json"]
        shown = ["report/index.html: *", "report/results.json: *", "report/benchmarks.json: *"]
        result.stdout.fnmatch_lines(["*= files =*", *shown, "*= report =*"], consecutive=True)

    def test_histogram(self, run, drawn):
        """With pygal, pytest-benchmark's histogram is there too."""
        result = run("--onnx-report", "report")
        assert "histogram-fixed-x3-256.svg" in names("report")
        assert "report/histogram-fixed-x3-256.svg: its histogram" in result.outlines

    def test_page(self, run):
        """The page opens with what was timed."""
        run("--onnx-report", "report")
        assert "2 contenders were timed on fixed-x3-256" in Path("report/index.html").read_text()

    def test_other_place(self, run):
        """pytest-benchmark's option names another place for its file."""
        run("--onnx-report", "report", "--benchmark-json", "own.json")
        assert Path("own.json").is_file()
        assert names("report") == ["index.html", "results.json"]

    def test_earlier_files(self, run, pytester):
        """Files that an earlier run left and this one does not are removed; those of others stay."""
        pytester.makefile(".json", **{"report/benchmarks": "{}", "report/other": "{}"})
        pytester.makefile(".svg", **{"report/histogram-gone": "", "report/other": ""})
        run("--onnx-report", "report", "-k", "test_ratios").assert_outcomes(passed=1, deselected=1)
        assert names("report") == ["index.html", "other.json", "other.svg", "results.json"]

    def test_collected_only(self, run, pytester):
        """A run that only collects removes nothing."""
        pytester.makefile(".json", **{"report/benchmarks": "{}"})
        run("--onnx-report", "report", "--collect-only")
        assert names("report") == ["benchmarks.json"]

    def test_without(self, run):
        """Without the option nothing is left."""
        run().stdout.no_fnmatch_line("*= files =*")
        assert [name for name in names(".") if name[0] not in "._"] == ["now.json", "test_speed.py"]


class TestCompare:
    """`--compare` says what has moved since an earlier run."""

    @pytest.mark.parametrize(
        ("ratio", "shown", "verdict"),
        [
            pytest.param(1.5, "1.50 (1.45 to 1.55)", "slower", id="slower"),
            pytest.param(2.5, "2.50 (2.45 to 2.55)", "faster", id="faster"),
            pytest.param(2.05, "2.05 (2.00 to 2.10)", "unchanged", id="unchanged"),
        ],
    )
    def test_verdict(self, run, earlier, ratio, shown, verdict):
        """Both ratios stand there with the verdict, and the exit status is that of the tests."""
        result = run("--compare", earlier(ratio))
        assert result.ret == 0
        result.stdout.fnmatch_lines(["earlier on AMD EPYC (2 cores), 2026-02-14T09:30:00Z; now on *"])
        assert f"fixed-x3-256: torch 2.00 (1.95 to 2.05), earlier {shown}: {verdict}" in result.outlines
        counts = [f"{int(verdict == each)} {each}" for each in ("slower", "faster", "unchanged")]
        assert ", ".join(counts) in result.outlines

    @pytest.mark.parametrize(
        ("ratio", "status"),
        [pytest.param(1.5, 1, id="slower"), pytest.param(2.5, 0, id="faster"), pytest.param(2, 0, id="unchanged")],
    )
    def test_fail_if_slower(self, run, earlier, ratio, status):
        """On request, the exit status is 1 if something is slower."""
        assert run("--compare", earlier(ratio), "--fail-if-slower").ret == status

    def test_nothing_to_compare(self, run, earlier):
        """If no ratio can be compared, what is missing and new is named, and `--fail-if-slower` fails."""
        result = run("--compare", earlier(2, case="gone"), "--fail-if-slower")
        assert result.ret == 1
        assert {"missing: gone", "new: fixed-x3-256", "0 slower, 0 faster, 0 unchanged"} <= set(result.outlines)

    def test_replaced(self, run, earlier):
        """The earlier run may be the one that this run replaces."""
        path = earlier(1.5)
        result = run("--compare", path, f"--onnx-report={path.parent}")
        assert "1 slower, 0 faster, 0 unchanged" in result.outlines
        assert read_results(path).latency[0]["torch"].ratio.median == 2

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            pytest.param(None, "No such file or directory; name a file that a run has left", id="none"),
            pytest.param("{", "broken, not JSON (*); make it again", id="broken"),
            pytest.param('{"schema": 2}', "schema 2, *; run the suite again *", id="schema"),
            pytest.param('{"benchmarks": []}', "not whole (*); make it again", id="of-pytest-benchmark"),
            pytest.param(as_json(EMPTY), "it has no latency; name *", id="nothing-timed"),
        ],
    )
    def test_refused(self, run, content, message):
        """A file that cannot be compared is refused in one line, before anything is timed."""
        if content:
            Path("earlier.json").write_text(content, encoding="utf-8")
        result = run("--compare", "earlier.json")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: --compare earlier.json: {message}"])
        assert len([line for line in result.errlines if line]) == 1

    def test_no_earlier_run(self, run):
        """`--fail-if-slower` needs a run to compare with."""
        result = run("--fail-if-slower")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --fail-if-slower: name the earlier run as well, as --compare FILE"])
