"""Stacks, tox and CI are about the same environments, and a run of all of them goes on after one that fails."""

import shutil
from configparser import ConfigParser
from types import SimpleNamespace

import pytest
import yaml

from docs import verdict_matrix
from docs.fault_page import RESULTS as FAULTS
from docs.verdict_matrix import MERGE, ROOT, environments, main, merge, record, run_all, run_tox
from docs.verdict_page import RUNS, read_runs, render

PLACES = {"verdicts": "RUNS", "report": "REPORTS", "page.md": "PAGE"}
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

    def test_opsets(self, tox):
        """An opset's factor runs the suite at that opset."""
        found = dict(line.split(": ") for line in tox["testenv"]["opset"].split("\n") if line)
        assert found == {f"opset{opset}": f"--opset {opset}" for opset in range(11, 21)}

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


class TestRuns:
    """Environments are run in turn."""

    @pytest.fixture
    def run(self, tmp_path):
        """Runs `good`, then `bad`, whose suite fails, `none`, which cannot be installed, and `good` again."""
        (tmp_path / "report" / "none").mkdir(parents=True)
        (tmp_path / "report" / "none" / "results.json").write_text("of an earlier run")

        def leave(name, report):
            if name != "none":
                report.mkdir(parents=True)
                (report / "results.json").write_text(f"of {name}")
            return name.startswith("good")

        return run_all(["good", "bad", "none", "good-too"], tmp_path / "report", leave)

    def test_failed(self, run):
        """It goes on after a failure, and tells which failed."""
        assert run == ["bad", "none"]

    def test_left(self, run, tmp_path):
        """What each run leaves stays, and what an earlier one left does not."""
        left = {path.parent.name: path.read_text() for path in (tmp_path / "report").glob("*/results.json")}
        assert left == {name: f"of {name}" for name in ("good", "bad", "good-too")}

    def test_progress(self, capsys, run):
        """It says which one is running, and how it went."""
        lines = capsys.readouterr().out.splitlines()
        assert "== bad, 2 of 4" in lines
        assert "== bad: failed in 0 s" in lines
        assert "== good-too: passed in 0 s" in lines


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The commands that are started; an environment is made by them, and one that is named `bad` fails."""
    commands = []

    def make(command, **options):
        commands.append(command)
        (tmp_path / "bad").mkdir(exist_ok=True)
        return SimpleNamespace(returncode=int("bad" in command))

    monkeypatch.setattr(verdict_matrix, "subprocess", SimpleNamespace(run=make))
    return commands


class TestTox:
    """The suite runs in a tox environment of its own."""

    @pytest.mark.parametrize(("name", "is_well"), [("good", True), ("bad", False)])
    def test_run(self, monkeypatch, tmp_path, commands, name, is_well):
        """The environment is made by tox, with a report."""
        monkeypatch.setenv("TOX_WORK_DIR", str(tmp_path))
        assert run_tox(name, tmp_path / "report") == is_well
        assert commands[0][-5:] == ["-e", name, "--", "-n2", f"--report={tmp_path / 'report'}"]

    def test_removed(self, monkeypatch, tmp_path, commands):
        """It is removed, whatever comes of it."""
        monkeypatch.setenv("TOX_WORK_DIR", str(tmp_path))
        run_tox("bad", tmp_path / "report")
        assert not (tmp_path / "bad").exists()


class TestRecord:
    """When all have run, what they left is recorded, and the page is made of that."""

    def test_record(self, tmp_path):
        """A run that left nothing keeps its earlier record, and the page is of all records."""
        old, new = sorted(RUNS.glob("*.json"))[:2]
        (tmp_path / "verdicts").mkdir()
        shutil.copy(old, tmp_path / "verdicts" / "none.json")
        (tmp_path / "report" / "ran").mkdir(parents=True)
        shutil.copy(new, tmp_path / "report" / "ran" / "results.json")
        record(["none", "ran"], tmp_path / "report", tmp_path / "verdicts", tmp_path / "page.md")
        assert (tmp_path / "verdicts" / "none.json").read_bytes() == old.read_bytes()
        assert (tmp_path / "verdicts" / "ran.json").read_bytes() == new.read_bytes()
        assert (tmp_path / "page.md").read_text(encoding="utf-8") == render(read_runs(tmp_path / "verdicts"))


class TestMerge:
    """What runs left is made into one page."""

    def test_merge(self, tmp_path, commands):
        """`onnxproof report` is given every results.json, by the numbers in its name, and the table of faults."""
        for name in ("torch2.11", "torch2.2"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "results.json").touch()
        assert merge(tmp_path)
        results = [f"{tmp_path}/{name}/results.json" for name in ("torch2.2", "torch2.11")]
        assert commands == [[*MERGE, *results, "-o", str(tmp_path), "--faults", str(FAULTS)]]


class TestCommand:
    """`python -m docs.verdict_matrix` runs what it is given, or all, and makes the page."""

    @pytest.fixture
    def ran(self, monkeypatch, tmp_path):
        """The environments that were run; those of torch 2.0 fail, and each leaves the same results."""
        ran = []

        def run(name, report):
            assert [path.name for path in (tmp_path / "verdicts").iterdir()] == [before.name]
            ran.append(name)
            report.mkdir(parents=True)
            shutil.copy(before, report / "results.json")
            return "torch2.0" not in name

        before = next(RUNS.glob("*.json"))
        (tmp_path / "verdicts").mkdir()
        shutil.copy(before, tmp_path / "verdicts")
        monkeypatch.setattr(verdict_matrix, "run_tox", run)
        monkeypatch.setattr(verdict_matrix, "merge", lambda reports: True)
        for name in ("verdicts", "report", "page.md"):
            monkeypatch.setattr(verdict_matrix, PLACES[name], tmp_path / name)
        return ran

    def test_all(self, ran, tmp_path, capsys):
        """Without names every stack is run, and then recorded; the exit status and the output tell of a failure."""
        assert main([]) == 1
        assert ran == environments()
        assert {path.stem for path in (tmp_path / "verdicts").iterdir()} == set(environments())
        assert capsys.readouterr().out.endswith("environments passed\nfailed: py311-torch2.0\n")

    def test_named(self, ran, tmp_path):
        """With names only these are; the page is made of all that is recorded."""
        assert main(["opset17"]) == 0
        assert ran == ["opset17"]
        assert (tmp_path / "page.md").read_text(encoding="utf-8") == render(read_runs(tmp_path / "verdicts"))

    def test_not_merged(self, ran, monkeypatch):
        """Where the page cannot be made of what they left, the exit status tells."""
        monkeypatch.setattr(verdict_matrix, "merge", lambda reports: False)
        assert main(["opset17"]) == 1

    def test_interrupt(self, ran, monkeypatch, tmp_path, capsys):
        """Ctrl-C ends it with exit status 130 and no traceback, and nothing is recorded, not even what had run."""
        run = verdict_matrix.run_tox

        def interrupt(name, report):
            if name == "opset18":
                raise KeyboardInterrupt
            return run(name, report)

        monkeypatch.setattr(verdict_matrix, "run_tox", interrupt)
        assert main(["opset17", "opset18"]) == 130
        assert capsys.readouterr().err == "interrupted: nothing is recorded\n"
        assert len(list((tmp_path / "verdicts").iterdir())) == 1
        assert not (tmp_path / "page.md").exists()
