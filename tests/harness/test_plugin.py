"""Options choose the exports, the results do not depend on the number of processes, and nobody is disturbed."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

from onnxproof import versions
from onnxproof._internal import files
from onnxproof.results import PixelParity, read_results
from onnxproof.versions import EXPORTERS, TORCHSCRIPT, default_opset

FAULTS = Path(__file__).parents[2] / "docs" / "faults.json"

CONFTEST = """
import pytest
from onnxproof.claims import Claim, Deviation, NotApplicable
from onnxproof.claims.ledger import Ledger

CLAIMS = (Claim("sum", "numbers", "One and one is two."), Claim("order", "letters", "B comes before A."))
DEVIATIONS = (
    Deviation("order", "A comes before B", seen=pytest.RaisesExc(AssertionError), instead="test_instead"),
)
NOT_APPLICABLE = (NotApplicable("sum", "no numbers here", spec="test_other_sum"),)

def pytest_configure(config):
    config.pluginmanager.register(Ledger(CLAIMS, DEVIATIONS, NOT_APPLICABLE))
"""

SPECS = """
import pytest
from onnxproof.parity import Parity, PixelParity

@pytest.mark.claim("sum")
@pytest.mark.parametrize("case", ["face-x3", "face-x4"])
def test_sum(case, onnx_record_comparison):
    onnx_record_comparison(Parity(case, "y", difference=0.5), PixelParity(1000, 7, 0), {"torch": f"{case}.png"})
    onnx_record_comparison(Parity(f"small-{case}", "y"))

@pytest.mark.claim("sum")
def test_other_sum():
    pass

@pytest.mark.claim("order")
def test_order(onnx_target):
    assert sorted("ab") == ["b", "a"]

@pytest.mark.instead("order")
def test_instead(onnx_every_target):
    assert sorted("ab") == ["a", "b"]
"""

DOUBLED = """
<ir_version: 8, opset_import: ["" : 17]>
doubled (float[N] x) => (float[N] y) <float two = {2}> { y = Mul(x, two) }
"""

WITHOUT_TARGETS = SPECS.replace("(onnx_target)", "()").replace("(onnx_every_target)", "()")

ANOTHER_PROJECT = """
import pytest

@pytest.fixture
def target():
    return "a fixture of this project"

def test_fixture(target, request):
    assert target == "a fixture of this project"
    assert request.config.option.report == "its own"

def test_speed(benchmark):
    assert benchmark(sum, [1, 1]) == 2
"""
ANOTHER_CONFTEST = """
def pytest_addoption(parser):
    for name in ("report", "exporter", "opset", "claim"):
        parser.addoption(f"--{name}", default="its own")
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    """A suite with claims, departures and comparisons, in a tox environment."""
    monkeypatch.setenv("TOX_ENV_NAME", "py311-torch2.6")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_specs=SPECS)
    return pytester


def data_in(folder):
    """The files of a report except its page, which names the folder."""
    files = [path for path in Path(folder).rglob("*.*") if path.is_file() and path.name != "index.html"]
    return {path.relative_to(folder): path.read_bytes() for path in files}


class TestTargets:
    """`onnx_target` and `onnx_every_target` are what the options ask for."""

    @pytest.fixture
    def ids(self, pytester):
        """The ids of specs that have one of the fixtures."""

        def collect(fixture, *arguments):
            pytester.makepyfile(test_specs=f"def test_export({fixture}): pass")
            result = pytester.runpytest_inprocess("--collect-only", "-q", "-pno:randomly", *arguments)
            found = [line for line in result.outlines if line.startswith("test_specs.py::")]
            return [line.removeprefix("test_specs.py::test_export[").removesuffix("]") for line in found]

        return collect

    def test_target(self, ids):
        """Without options `onnx_target` is each exporter of the installed torch at its lowest opset."""
        assert ids("onnx_target") == [f"{exporter}-opset{default_opset(exporter)}" for exporter in EXPORTERS]

    def test_own_opsets(self, ids, pytester):
        """The project's ini file says at which opset an exporter exports, for conversions too."""
        pytester.makeini("[pytest]\nonnx_opsets =\n    torchscript 13")
        assert ids("onnx_target", "--onnx-exporter", TORCHSCRIPT) == ["torchscript-opset13"]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            pytest.param("torchscrip 13", "the exporter 'torchscrip' is unknown, did you mean", id="exporter"),
            pytest.param("torchscript", "write an exporter and its opset, such as torchscript 17", id="no-opset"),
            pytest.param("torchscript new", "write an exporter and its opset", id="no-number"),
        ],
    )
    def test_wrong_opsets(self, pytester, line, message):
        """A line that is neither is a usage error."""
        pytester.makeini(f"[pytest]\nonnx_opsets = {line}")
        result = pytester.runpytest_inprocess()
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: onnx_opsets: '{line}': {message}*"])

    def test_every_target(self, ids):
        """`onnx_every_target` is each exporter at each opset that it writes."""
        found = ids("onnx_every_target", "--onnx-exporter", TORCHSCRIPT)
        assert found == [f"torchscript-opset{opset}" for opset in versions.opsets(TORCHSCRIPT)]

    @pytest.mark.parametrize("fixture", ["onnx_target", "onnx_every_target"])
    def test_asked_for(self, ids, fixture):
        """With options both are what is asked for, each once."""
        asked = [
            "--onnx-exporter",
            TORCHSCRIPT,
            "--onnx-exporter",
            TORCHSCRIPT,
            "--onnx-opset",
            "12",
            "--onnx-opset",
            "14",
            "--onnx-opset",
            "12",
        ]
        assert ids(fixture, *asked) == ["torchscript-opset12", "torchscript-opset14"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            pytest.param(
                ["--onnx-opset", "10"], "--onnx-opset 10: no exporter to run; torchscript writes 11 to *", id="opset"
            ),
            pytest.param(["--onnx-opset", "x"], "*argument --onnx-opset: invalid int value: 'x'", id="no-number"),
            pytest.param(
                ["--onnx-exporter", "torchscrip"], "*'torchscrip' is unknown, did you mean 'torchscript'?", id="slip"
            ),
        ],
    )
    def test_misspelt(self, pytester, arguments, message):
        """A wrong opset or exporter is a usage error that explains it."""
        result = pytester.runpytest_inprocess(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{message}"])

    def test_header(self, pytester):
        """The header has the versions that decide outcomes, and what the exporters write."""
        result = pytester.runpytest_inprocess()
        result.stdout.fnmatch_lines(["onnxproof: torch *, onnx *", "exporters: torchscript (opsets 11 to *"])


class TestReport:
    """`--onnx-report` leaves results.json."""

    def test_results(self, suite):
        """The file has the environment, the targets, the comparisons with their specs, and the claims with verdicts."""
        suite.runpytest_inprocess("--onnx-report", "report")
        results = json.loads(Path("report/results.json").read_text())
        assert results["environment"] == versions.environment()
        assert results["targets"] == [{"exporter": name, "opset": default_opset(name)} for name in EXPORTERS]
        assert [(found["spec"], found["parity"]["case"]) for found in results["comparisons"]] == [
            ("test_specs.py::test_sum[face-x3]", "face-x3"),
            ("test_specs.py::test_sum[face-x3]", "small-face-x3"),
            ("test_specs.py::test_sum[face-x4]", "face-x4"),
            ("test_specs.py::test_sum[face-x4]", "small-face-x4"),
        ]
        assert results["comparisons"][0]["pixels"] == {"values": 1000, "edges": 7, "wrong": 0}
        assert [(claim["id"], claim["verdicts"]) for claim in results["claims"]] == [
            ("sum", {"": "holds"}),
            ("order", dict.fromkeys(EXPORTERS, "departs")),
        ]

    def test_two_workers(self, pytester):
        """With two workers outcomes and file are the same, even if specs do not fit the claims."""
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(test_specs=WITHOUT_TARGETS)
        pytester.makepyfile(test_misfit='import pytest\n@pytest.mark.claim("summ")\ndef test_summ(): pass')
        alone = pytester.runpytest_inprocess("--onnx-report", "alone", "--continue-on-collection-errors")
        shared = pytester.runpytest_subprocess("--onnx-report", "shared", "-n2", "-pno:hypothesispytest")
        alone.stdout.fnmatch_lines(["  test_misfit.py::test_summ: the claim 'summ' is unknown, *"])
        shared.stdout.fnmatch_lines(["  test_misfit.py::test_summ: the claim 'summ' is unknown, *"])
        assert shared.parseoutcomes() == alone.parseoutcomes()
        assert Path("shared/results.json").read_bytes() == Path("alone/results.json").read_bytes()

    def test_workers_elsewhere(self, pytester, tmp_path_factory):
        """With two workers, each in its own checkout, all is the same, and lies in the folder asked for."""
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(test_specs=WITHOUT_TARGETS)
        pytester.makepyfile(
            test_keep="def test_keep(onnx_keep): onnx_keep(__import__('pathlib').Path(__file__), 'kept.py')"
        )
        checkouts = [shutil.copytree(pytester.path, tmp_path_factory.mktemp(name) / "checkout") for name in "ab"]
        alone = pytester.runpytest_inprocess("--onnx-report", "alone")
        workers = [f"--tx=popen//chdir={checkout}" for checkout in checkouts]
        shared = pytester.runpytest_subprocess("--onnx-report=shared", "--dist=load", *workers, "-pno:hypothesispytest")
        assert shared.parseoutcomes() == alone.parseoutcomes()
        assert data_in("shared") == data_in("alone")

    def test_read(self, suite):
        """`read_results` reads what a run leaves, with the name of the tox environment."""
        suite.runpytest_inprocess("--onnx-report", "report")
        results = read_results("report/results.json")
        assert results.label == "py311-torch2.6"
        assert [claim.verdicts for claim in results.claims] == [{"": "holds"}, dict.fromkeys(EXPORTERS, "departs")]
        assert results.comparisons[0].pictures == {"torch": "face-x3.png"}
        assert results.comparisons[0].pixels == PixelParity(1000, 7, 0)

    def test_page(self, suite):
        """The page is beside the results, and the run ends with its path and its first sentence."""
        result = suite.runpytest_inprocess("--onnx-report", "report")
        folder = suite.path / "report"
        *_, place, sentence, _ = result.outlines
        assert place == str(folder / "index.html")
        assert re.fullmatch("With .*, 1 of 2 claims holds, .*; of 2 pictures compared none has a wrong .*[.]", sentence)
        page = Path("report/index.html").read_text()
        assert "One and one is two." in page
        assert 'id="faults"' not in page

    def test_page_with_faults(self, suite):
        """The page has the table of faults that the project's ini file names."""
        suite.makeini(f"[pytest]\nonnx_report_faults = {FAULTS}")
        suite.runpytest_inprocess("--onnx-report", "report")
        assert 'id="faults"' in Path("report/index.html").read_text()

    def test_no_faults(self, suite):
        """A table of faults that cannot be read is a usage error before anything runs."""
        suite.makeini("[pytest]\nonnx_report_faults = faults.json")
        result = suite.runpytest_inprocess("--onnx-report", "report")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: onnx_report_faults: {suite.path / 'faults.json'}: No such file*"])

    def test_no_claims(self, pytester):
        """A suite without claims has results too."""
        pytester.makepyfile("def test_nothing(): pass")
        pytester.runpytest_inprocess("--onnx-report", "report")
        results = json.loads(Path("report/results.json").read_text())
        assert (results["claims"], results["comparisons"]) == ([], [])

    def test_pictures(self, suite):
        """The terminal lists every picture with its truncation edges, and no comparison without pictures."""
        result = suite.runpytest_inprocess()
        result.stdout.fnmatch_lines(
            [
                "*= pictures =*",
                "face-x3: 7 of 1,000 values at truncation edges, 0 wrong; largest float difference 0.5",
                "face-x4: 7 of 1,000 values at truncation edges, 0 wrong; largest float difference 0.5",
                "*=*",
            ],
            consecutive=True,
        )

    def test_collected_only(self, suite):
        """A run that only collects leaves the report of an earlier one as it is."""
        suite.makefile(".json", **{"report/results": "earlier"})
        suite.runpytest_inprocess("--onnx-report", "report", "--collect-only")
        assert Path("report/results.json").read_text() == "earlier"

    def test_nothing(self, suite):
        """Without the option no file is left."""
        suite.runpytest_inprocess()
        assert not list(suite.path.rglob("results.json"))

    @pytest.mark.parametrize("folder", ["file", "file/below"])
    def test_no_folder(self, suite, folder):
        """A folder that cannot be made is a usage error with the reason."""
        Path("file").touch()
        result = suite.runpytest_inprocess("--onnx-report", folder)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            [f"ERROR: --onnx-report {suite.path / folder}: *; name a folder that can be written"]
        )

    def test_read_only_folder(self, monkeypatch, suite):
        """A folder that cannot be written is a usage error before anything runs, not after."""

        def refuse(dir):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(files, "tempfile", SimpleNamespace(TemporaryFile=refuse))
        result = suite.runpytest_inprocess("--onnx-report", "report")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{os.strerror(errno.EROFS)}; name a folder that can be written"])


class TestKeep:
    """`onnx_keep` copies a spec's files into the report."""

    SPEC = """
    def test_export(onnx_keep, onnx_target, tmp_path):
        (tmp_path / "model").write_text(str(onnx_target))
        onnx_keep(tmp_path / "model", "srcnn.onnx", onnx_target)
    """

    GRAPH_SPECS = """
    import pathlib
    import pytest

    @pytest.mark.parametrize("time", range(4))
    def test_export(onnx_keep, onnx_target, time):
        onnx_keep(pathlib.Path("doubled.onnx"), "doubled.onnx", onnx_target, inputs=("x", "factor"))
    """

    def test_folders(self, pytester):
        """The first target's file lies at the top, the others' in a folder each."""
        pytester.makepyfile(self.SPEC)
        pytester.runpytest_inprocess(
            "--onnx-report", "report", "--onnx-exporter", TORCHSCRIPT, "--onnx-opset=13", "--onnx-opset=14"
        )
        assert Path("report/srcnn.onnx").read_text() == "torchscript-opset13"
        assert Path("report/torchscript-opset14/srcnn.onnx").read_text() == "torchscript-opset14"

    @pytest.mark.parametrize("options", [(), ("-n2", "-pno:hypothesispytest")], ids=["alone", "two-workers"])
    def test_graphs(self, pytester, options):
        """If a file is kept with its model's inputs, its graph is in the results, and marks the folded one."""
        model = onnx.parser.parse_model(DOUBLED)
        onnx.save(model, pytester.path / "doubled.onnx")
        pytester.makepyfile(self.GRAPH_SPECS)
        pytester.runpytest_inprocess(
            "--onnx-report", "report", "--onnx-exporter", TORCHSCRIPT, "--onnx-opset=13", *options
        )
        (graph,) = read_results("report/results.json").graphs
        assert (graph.file, graph.target, graph.opset) == ("doubled.onnx", "torchscript-opset13", 17)
        assert [(value.name, value.folded) for value in graph.inputs] == [("x", False), ("factor", True)]

    def test_nothing(self, pytester):
        """Without a report nothing is kept."""
        pytester.makepyfile(self.SPEC)
        result = pytester.runpytest_inprocess("--onnx-exporter", TORCHSCRIPT)
        result.assert_outcomes(passed=1)
        assert not list(pytester.path.rglob("srcnn.onnx"))


class TestLoad:
    """pytest loads the plugin in every project of an environment."""

    def test_torch_is_not_imported(self):
        """Loading it imports neither torch nor onnx nor numpy, which take seconds."""
        code = "import sys, onnxproof.plugin; sys.exit(bool({'torch', 'onnx', 'numpy'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

    def test_report_elsewhere(self, pytester, tmp_path_factory):
        """A folder elsewhere after `--onnx-report` and a space is refused: pytest takes it for the project's."""
        result = pytester.runpytest("--onnx-report", tmp_path_factory.mktemp("elsewhere"))
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*write --onnx-report=*"])


class TestTogether:
    """The plugin gets along with others, and with projects that have nothing to do with it."""

    def test_another_project(self, pytester):
        """The project's fixtures and parameters of the same names are used, and benchmarks run."""
        pytester.makeconftest(ANOTHER_CONFTEST)
        pytester.makepyfile(ANOTHER_PROJECT)
        result = pytester.runpytest_inprocess("-Werror", "--strict-markers")
        result.assert_outcomes(passed=2)
