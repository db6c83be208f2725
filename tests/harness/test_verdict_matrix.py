"""Stacks, tox and CI have the same environments, and a run of all of them continues after one that fails."""

import shlex
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from docs import verdict_matrix
from docs.verdict_matrix import ROOT, SPECS, environments, main
from docs.verdict_page import read_runs, render
from onnxproof.results import Results, as_json

RESULTS = Results.of_run({"torch": "2.13.0"})
STACKS = {path.stem for path in (ROOT / "stacks").glob("*.txt")}


class TestAgreement:
    """A stack is a file, a factor of tox and a job of CI."""

    @pytest.fixture
    def tox(self):
        tox = ConfigParser(interpolation=None)
        tox.read(ROOT / "tox.ini", encoding="utf-8")
        return tox

    @pytest.fixture
    def jobs(self):
        """The variants of each job of CI."""
        workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
        return {name: job["strategy"]["matrix"] for name, job in workflow["jobs"].items() if "strategy" in job}

    def test_tox(self, tox):
        """Each stack is a factor that installs its file, and without any of them the default is installed."""
        *stacks, default = [line.split(": -r ") for line in tox["testenv"]["deps"].split("\n") if line]
        assert dict(stacks) == {stack: f"stacks/{stack}.txt" for stack in STACKS}
        assert set(default[0].split("-")) == {f"!{stack}" for stack in STACKS}

    def test_specs(self, tox):
        """`tox -e srcnn` runs the specs that `--specs` runs on each stack."""
        command = shlex.split(tox["testenv:srcnn"]["commands"])
        assert command[: 1 + len(SPECS)] == ["pytest", *SPECS]

    def test_opsets(self, tox):
        """An opset's factor runs the suite at that opset."""
        found = dict(line.split(": ") for line in tox["testenv"]["opset"].split("\n") if line)
        assert found == {f"opset{opset}": f"--onnx-opset {opset}" for opset in range(11, 21)}

    def test_ci(self, tox, jobs):
        """CI has a job for each stack, and its other jobs are environments of tox."""
        known = [
            "py",
            *(section.removeprefix("testenv:") for section in tox.sections()),
            *tox["testenv"]["opset"].split(),
        ]
        assert set(jobs["stacks"]["stack"]) == STACKS
        assert {job["env"] for job in jobs["tox"]["include"]} <= {name.rstrip(":") for name in known}


class TestEnvironments:
    """By default there is an environment for each stack."""

    def test_order(self):
        """They are in the order of their versions, as numbers."""
        assert environments()[:2] == ["py311-ort1.18", "py311-torch2.0"]
        assert environments()[-1] == "py311-torch2.15"
        assert len(environments()) == len(STACKS)


class Tox:
    """Replaces `subprocess.run`: an environment leaves results, fails, cannot be installed, or is interrupted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.suites: dict[str, list[str]] = {}
        self.failing: set[str] = set()
        self.broken: set[str] = set()
        self.interrupted = ""

    def __call__(self, command: list[str], cwd: Path) -> SimpleNamespace:
        assert (command[1:4], cwd) == (["-m", "tox", "run"], ROOT)
        name = command[command.index("-e") + 1]
        self.suites[name] = command[command.index("--") + 1 :]
        assert list((self.folder / "verdicts").iterdir()) == []
        (self.folder / "tox" / name).mkdir(parents=True)
        if name == self.interrupted:
            raise KeyboardInterrupt
        if name not in self.broken:
            found = self.folder / "report" / name / "results.json"
            found.parent.mkdir(parents=True)
            found.write_text(as_json(replace(RESULTS, name=name)), encoding="utf-8")
        return SimpleNamespace(returncode=int(name in self.failing | self.broken))


class TestMatrix:
    """`python -m docs.verdict_matrix` runs the environments in turn, removes each, and records what they left."""

    @pytest.fixture(autouse=True)
    def tox(self, monkeypatch, tmp_path):
        tox = Tox(tmp_path)
        monkeypatch.setenv("TOX_WORK_DIR", str(tmp_path / "tox"))
        monkeypatch.setattr(verdict_matrix, "subprocess", SimpleNamespace(run=tox))
        for place, name in {"RUNS": "verdicts", "REPORTS": "report", "PAGE": "page.md"}.items():
            monkeypatch.setattr(verdict_matrix, place, tmp_path / name)
        (tmp_path / "verdicts").mkdir()
        return tox

    def test_all(self, tox):
        """Without names every stack is run, in two processes, with a report."""
        assert main([]) == 0
        assert list(tox.suites) == environments()
        assert tox.suites["py311-torch2.0"] == ["-n2", f"--onnx-report={tox.folder / 'report' / 'py311-torch2.0'}"]

    def test_specs(self, tox):
        """On request the document's specs are run alone."""
        assert main(["--specs", "good"]) == 0
        report = f"--onnx-report={tox.folder / 'report' / 'good'}"
        assert tox.suites["good"] == [*SPECS, "-n2", report]

    def test_failure(self, tox, capsys):
        """The next environment runs after one that fails; the exit status and the output say which failed."""
        tox.failing = {"bad"}
        assert main(["bad", "good"]) == 1
        assert list(tox.suites) == ["bad", "good"]
        assert capsys.readouterr().out == "1 of 2 environments passed\nfailed: bad\n"

    def test_removed(self, tox):
        """Each environment is removed, even one that fails."""
        tox.failing = {"bad"}
        main(["bad", "good"])
        assert list((tox.folder / "tox").iterdir()) == []

    def test_recorded(self, tox):
        """Results are recorded, even of a run that fails, and both pages are made."""
        tox.failing = {"torch2.2"}
        main(["torch2.11", "torch2.2"])
        runs = read_runs(tox.folder / "verdicts")
        assert list(runs) == ["torch2.2", "torch2.11"]
        assert (tox.folder / "page.md").read_text(encoding="utf-8") == render(runs)
        page = (tox.folder / "report" / "index.html").read_text(encoding="utf-8")
        assert 0 < page.index("torch2.2") < page.index("torch2.11")

    def test_earlier_report(self, tox):
        """The results of an earlier run are not recorded for an environment that cannot be installed."""
        tox.broken = {"none"}
        earlier = tox.folder / "report" / "none" / "results.json"
        earlier.parent.mkdir(parents=True)
        earlier.write_text(as_json(RESULTS), encoding="utf-8")
        assert main(["none", "good"]) == 1
        assert list(read_runs(tox.folder / "verdicts")) == ["good"]

    def test_benchmarks(self, tox):
        """The page is not about the benchmarks, whose report lies beside those of the suite."""
        for name in ("benchmarks", "torch2.2"):
            earlier = tox.folder / "report" / name / "results.json"
            earlier.parent.mkdir(parents=True)
            earlier.write_text(as_json(replace(RESULTS, name=f"{name} of today")), encoding="utf-8")
        main(["good"])
        page = (tox.folder / "report" / "index.html").read_text(encoding="utf-8")
        assert "torch2.2 of today" in page
        assert "benchmarks of today" not in page

    def test_broken_results(self, tox, capsys):
        """Results that cannot be read are named, and the exit status is 1."""
        (tox.folder / "report" / "old").mkdir(parents=True)
        (tox.folder / "report" / "old" / "results.json").write_text("{", encoding="utf-8")
        assert main(["good"]) == 1
        assert "old/results.json: broken" in capsys.readouterr().err

    def test_interrupt(self, tox, capsys):
        """Ctrl-C ends it with exit status 130 and no traceback, and records nothing, not even what had run."""
        tox.interrupted = "second"
        assert main(["first", "second", "third"]) == 130
        assert list(tox.suites) == ["first", "second"]
        assert capsys.readouterr().err == "interrupted: nothing is recorded\n"
        assert list((tox.folder / "verdicts").iterdir()) == []
        assert list((tox.folder / "tox").iterdir()) == []
