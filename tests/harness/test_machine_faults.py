"""A run that is killed, interrupted or out of room leaves nothing half-written, and the next one works."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import onnx
import pytest
import torch
from onnx.parser import parse_model

from onnxproof import __main__
from onnxproof._internal.files import replace_folder, write_whole
from onnxproof.cli import main
from onnxproof.exporting.export import ExportError, export
from onnxproof.graph.load import load_model
from onnxproof.report import page
from onnxproof.results import read_results
from onnxproof.versions import TORCHSCRIPT
from tests import facts
from tests.once import made_once

MODELS = """
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from onnxproof import Case

def wait():
    Path("halfway").touch()
    time.sleep(120)

class Double(nn.Module):
    def forward(self, x):
        if torch.jit.is_tracing() and os.environ.get("WAIT") == "tracing":
            wait()
        return x * 2

if os.environ.get("WAIT") == "written":
    export = torch.onnx.export
    torch.onnx.export = lambda *args, **options: (export(*args, **options), wait())

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
double = Case(Double(), {"x": X}, dynamic={"x": {0: "rows"}})
"""
FILE = """
<ir_version: 8, opset_import: ["": 18]>
double (float[rows, 4] x) => (float[rows, 4] output) <float two = {2}> { output = Mul (x, two) }
"""
CHECK = ("check", "models.py:double", "--exporter", TORCHSCRIPT, "--report", "report")
CHECK_WRONG = ("check", "models.py:double", "--onnx", "wrong.onnx", "--report", "report")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """The folder of a run, with a model, a wrong file, and a place for temporary files."""
    folder = tmp_path / "run"
    (folder / "temporary").mkdir(parents=True)
    (folder / "models.py").write_text(MODELS)
    onnx.save(parse_model(FILE.replace("{2}", "{3}")), folder / "wrong.onnx")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delitem(sys.modules, "models", raising=False)
    yield folder
    sys.modules.pop("models", None)


@pytest.fixture
def no_room(monkeypatch):
    """Inside it no file can grow past a few bytes, as on a full disk, even for root."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # Python leaves half a .pyc there, and reads it the next time

    @contextlib.contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


class TestStopped:
    """A check that is stopped leaves only temporary files."""

    @pytest.fixture
    def stop(self, folder, pytestconfig):
        """Starts a check that waits somewhere, and sends it a signal there; returns its status and output."""

        def check(where: str, sent: signal.Signals):
            environment = {
                "WAIT": where,
                "TMPDIR": str(folder / "temporary"),
                "PYTHONPATH": str(pytestconfig.rootpath),
                "PYTHONWARNINGS": "ignore",  # torch 2.4 imports an onnxscript that raises warnings
            }
            command = [sys.executable, "-m", "onnxproof", *CHECK]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            deadline = time.monotonic() + 120
            with subprocess.Popen(command, env=os.environ | environment, **pipes) as process:
                while process.poll() is None and not Path("halfway").exists() and time.monotonic() < deadline:
                    time.sleep(0.02)
                process.send_signal(sent)
                out, err = process.communicate(timeout=60)
            assert Path("halfway").exists(), (process.returncode, out, err)
            return process.returncode, out, err

        return check

    def test_interrupted(self, folder, stop):
        """Ctrl-C while the exporter traces leaves nothing."""
        assert stop("tracing", signal.SIGINT) == (130, "", "onnxproof: interrupted, in Double-torchscript: exports\n")
        assert not list((folder / "report").iterdir())
        assert not list((folder / "temporary").glob("onnxproof-*"))

    def test_interrupted_at_once(self, monkeypatch, capsys):
        """Ctrl-C while the command itself is imported prints the same line."""

        class Interrupt:
            @staticmethod
            def find_spec(name, *_):
                if name == "onnxproof.cli":
                    raise KeyboardInterrupt

        monkeypatch.delitem(sys.modules, "onnxproof.cli")
        monkeypatch.delattr("onnxproof.cli")
        monkeypatch.setattr(sys, "meta_path", [Interrupt, *sys.meta_path])
        assert __main__.main() == 130
        assert capsys.readouterr() == ("", "onnxproof: interrupted\n")

    def test_killed(self, folder, stop):
        """A kill leaves nothing in the report; the next run writes one."""
        assert stop("written", signal.SIGKILL) == (-signal.SIGKILL, "", "")
        assert not list((folder / "report").iterdir())
        assert main(CHECK_WRONG) == 1
        assert load_model("report/repro/Double-wrong.onnx/same-values/model.onnx")


class LoudLinear(torch.nn.Linear):
    def forward(self, x):
        print("x" * 100)
        return super().forward(x)


class TestNoRoom:
    """On a full disk, earlier files stay whole, the reason is named, and the next run with room works."""

    def test_file(self, tmp_path, no_room):
        """A file that does not fit leaves the earlier one, and nothing beside it."""
        path = write_whole(tmp_path / "results.json", b"old")
        with no_room(), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_whole(path, bytes(1000))
        assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])

    def test_folder(self, tmp_path, no_room):
        """So does a folder."""

        def fill(content):
            return lambda folder: [(folder / name).write_bytes(content) for name in ("first", "second")]

        target = replace_folder(tmp_path / "repro", fill(b"old"))
        with no_room(), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            replace_folder(target, fill(bytes(1000)))
        assert {path.read_bytes() for path in target.iterdir()} == {b"old"}
        assert {path.name for path in tmp_path.iterdir()} <= {"repro", ".repro.lock"}

    def test_shared_work(self, tmp_path, no_room):
        """Shared work that failed is done by the next caller."""

        def make(folder):
            (folder / "model").write_bytes(bytes(1000))

        with no_room(), pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            made_once(tmp_path, "export", make)
        assert (made_once(tmp_path, "export", make) / "model").stat().st_size == 1000

    @pytest.mark.skipif(
        not facts.torch_is_ready_after_a_failed_print, reason="this torch exports nothing after a print that failed"
    )
    @pytest.mark.parametrize("layer", [torch.nn.Linear, LoudLinear])
    def test_export(self, tmp_path, no_room, layer):
        """An export fails with the reason and leaves nothing, whether the model or its printed text has no room."""
        path, model, inputs = tmp_path / "model.onnx", layer(40, 40), {"x": torch.ones(1, 40).numpy()}
        with no_room(), pytest.raises(ExportError, match=os.strerror(errno.EFBIG)):
            export(model, inputs, path, exporter=TORCHSCRIPT, opset=17)
        assert not list(tmp_path.iterdir())
        assert export(model, inputs, path, exporter=TORCHSCRIPT, opset=17).graph.nodes

    def test_report(self, monkeypatch, folder, no_room, capsys):
        """A report that does not fit ends with one line, and no partial folder is left."""
        monkeypatch.setattr("onnxproof.checks.interface.run_without_torch", lambda *_: "")
        with no_room():
            assert main(CHECK_WRONG) == 2
        reason = f"onnxproof: --report report: {os.strerror(errno.EFBIG)}; name a folder that can be written\n"
        assert capsys.readouterr().err == reason
        assert {path.suffix for path in Path("report").rglob("*") if path.is_file()} <= {".lock"}
        assert main(CHECK_WRONG) == 1
        written = {path.name for path in Path("report/repro/Double-wrong.onnx/same-values").iterdir()}
        assert {"repro.py", "model.onnx", "where.py", "where.onnx"} <= written

    def test_temporary_files(self, monkeypatch, folder, no_room, capsys):
        """If temporary files do not fit, one line says so, and how to put them elsewhere."""
        monkeypatch.setattr("tempfile.tempdir", str(folder / "temporary"))
        with no_room():
            assert main(["check", "models.py:double", "--onnx", "wrong.onnx"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert os.strerror(errno.EFBIG) in err
        assert "TMPDIR" in err
        assert not list((folder / "temporary").iterdir())

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no file that is always full")
    def test_output(self):
        """Output that cannot be written ends with status 2 and the reason in one line."""
        command = (
            "import sys; from onnxproof.cli import fetch, main; "
            "fetch.official = lambda *_, **__: ''; sys.exit(main(['fetch']))"
        )
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([sys.executable, "-c", command], stdout=full, stderr=subprocess.PIPE, text=True)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert os.strerror(errno.ENOSPC) in done.stderr


RECORDED = """
from onnxproof.parity import Parity

def test_recorded(onnx_record_comparison):
    onnx_record_comparison(Parity("case", "y"))
"""
SPECS = f"""{RECORDED}
import numpy as np
from torch import nn
from onnxproof import Case, conversion_checks

class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()

@conversion_checks(Case(Root(), {{"x": np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)}}))
def test_conversion(onnx_check):
    onnx_check()
"""


class TestNoRoomInPytest:
    """A run of pytest keeps its verdicts if the report has no room."""

    @pytest.fixture
    def run(self, pytester, monkeypatch):
        """Runs the specs while a function of the plugin has no room."""

        def fail(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def specs(module, name, *arguments):
            pytester.makepyfile(test_no_room=SPECS)
            monkeypatch.setattr(module, name, fail)
            return pytester.runpytest("--onnx-report=report", "--onnx-exporter", TORCHSCRIPT, *arguments)

        return specs

    def test_results(self, pytester, run):
        """Results of an earlier run stay, the summary is shown, and the exit status reports the failure."""
        results = pytester.makefile(".json", **{"report/results": "old"})
        done = run(page, "write_whole", "-k", "recorded")
        done.assert_outcomes(passed=1, deselected=15)
        done.stdout.fnmatch_lines(
            f"--onnx-report *report: the report is incomplete, {os.strerror(errno.ENOSPC)}; make room, *"
        )
        assert (done.ret, results.read_text()) == (pytest.ExitCode.USAGE_ERROR, "old")

    def test_script(self, run):
        """A failing check reports what it found, and why it leaves no script."""
        done = run(import_module("onnxproof.checks.run"), "write_repro", "-k", "probes-adequate")
        done.assert_outcomes(failed=1, deselected=15)
        done.stdout.fnmatch_lines(["Root-torchscript: probes-adequate: *", f"→ *{os.strerror(errno.ENOSPC)}"])


def test_two_runs_at_once(pytester):
    """Two runs that report into one folder leave the whole results of one of them, and nothing else."""
    pytester.makepyfile(test_two_runs=RECORDED)
    command = [sys.executable, "-m", "pytest", "--onnx-report=report", "-p", "no:cacheprovider"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [pytester.popen(command, **silent) for _ in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    assert len(read_results("report/results.json").comparisons) == 1
    assert {path.name for path in Path("report").iterdir()} == {"index.html", "results.json"}


def test_no_model_without_its_data(monkeypatch, tmp_path):
    """An export that is stopped between its files leaves data without a model, never a model without data."""
    replace = Path.replace

    def stop(path, target):
        if path.suffix == ".onnx":
            raise KeyboardInterrupt
        return replace(path, target)

    def write(model, arguments, path, **options):
        onnx.save(parse_model(FILE), path)
        Path(path + ".data").write_bytes(b"data")

    monkeypatch.setattr(torch.onnx, "export", write)
    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        export(torch.nn.ReLU(), {"x": torch.ones(1).numpy()}, tmp_path / "m.onnx", exporter=TORCHSCRIPT, opset=17)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx.data"]
