"""`onnxproof check` says whether a conversion holds, fails or cannot be checked, and exits with that status."""

import copy
import errno
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof._internal import files
from onnxproof.checks.run import CHECKS
from onnxproof.cli import main
from onnxproof.results import read_results
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT, default_opset

MODELS = """
import os
import time
from pathlib import Path
import numpy as np
import torch
from torch import nn
from onnxproof import Case, CheckError

class Double(nn.Module):
    def forward(self, x):
        return x * 2 + x.mean()

class Raises(nn.Module):
    def forward(self, x):
        raise ArithmeticError("no way\\nthrough here")

class Gives(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return self.value

class Waits(nn.Module):
    def forward(self, x):
        Path("waiting").touch()
        time.sleep(600)

class Slow(Double):
    def forward(self, x):
        time.sleep(0.3)
        return super().forward(x)

class Falls(Double):
    def forward(self, x):
        if torch.jit.is_tracing():
            os.abort()
        return super().forward(x)

class WaitsInExport(Double):
    def forward(self, x):
        if torch.jit.is_tracing():
            Path("waiting").touch()
            time.sleep(600)
        return super().forward(x)

class Leaves(Double):
    def forward(self, x):
        raise SystemExit(0)

class Root(nn.Module):
    def forward(self, x):
        return x.sqrt()

X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4)
double = Case(Double(), {"x": X}, dynamic={"x": {0: "rows"}})
misnamed = Case(Double(), {"picture": X}, dynamic={"picture": {0: "rows"}}, name="misnamed")
expecting = Case(Double(), {"x": X}, expected={"same-valeus": "a slip"})
raises = Case(Raises(), {"x": X})
gives_number = Case(Gives(3), {"x": X})
gives_text = Case(Gives({"y": "text"}), {"x": X})
gives_float8 = Case(Gives(torch.ones(2).to(torch.float8_e5m2)), {"x": X})
waits = Case(Waits(), {"x": X})
slow = Case(Slow(), {"x": X})
root = Case(Root(), {"x": X})
falls = Case(Falls(), {"x": X})
waits_in_export = Case(WaitsInExport(), {"x": X})
leaves = Case(Leaves(), {"x": X})
number = 7

def make():
    return double

def fail():
    raise RuntimeError("no weights\\nhere")

def nowhere():
    return Case(Double(), {"x": torch.ones(2, device="meta")})

def inside_torch():
    return torch.nn.functional.linear(torch.ones(2, 3), torch.ones(4, 4))

def leave():
    raise SystemExit(0)

def no_case():
    return Case(len, {"x": X})

def needs(path):
    return double

class Loud(Double):
    def forward(self, x):
        print("from forward")
        return super().forward(x)

def loud():
    print("from Python")
    os.write(1, b"from native code\\n")
    return Case(Loud(), {"x": X}, name="loud")

def listed():
    return Case(Double(), {"x": X}, dynamic={"x": [0]})

def wide():
    return Case(nn.Linear(4, 3), {"x": X.astype(np.float64)})

def narrow():
    return Case(Double(), {"x": torch.ones(3).to(torch.float8_e5m2)})

def is_small(conversion):
    raise CheckError(f"{len(conversion.graph.nodes)} nodes", "Use fewer.")

def large():
    with torch.device("meta"):
        return Case(nn.Linear(2**15, 2**14 + 1), {"x": X}, name="large")
"""
FILE = """
<ir_version: 8, opset_import: ["": 18]>
g (float[rows, 4] x) => (float[rows, 4] output) <float two = {2}>
{ double = Mul (x, two) mean = ReduceMean <keepdims = 0> (x) output = Add (double, mean) }
"""


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The folder that the command runs in, with a user's models, and a right and a wrong file."""
    (tmp_path / "models.py").write_text(MODELS)
    onnx.save(parse_model(FILE), tmp_path / "right.onnx")
    onnx.save(parse_model(FILE.replace("{2}", "{3}")), tmp_path / "wrong.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "models", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    yield tmp_path
    sys.modules.pop("models", None)


@pytest.fixture
def alone(monkeypatch):
    """Checks without their separate process, which the tests of `run_without_torch` cover."""
    monkeypatch.setattr("onnxproof.checks.interface.run_without_torch", lambda *_: "")


@pytest.fixture
def check(alone, capsys):
    """Runs `onnxproof check`; returns its exit status and its output."""

    def run(*arguments):
        status = main(["check", *map(str, arguments)])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err)

    return run


@pytest.fixture
def refusal(check):
    """The one line that the command prints if it cannot run."""

    def get(*arguments):
        done = check(*arguments)
        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
        assert done.err.startswith("onnxproof: ")
        return done.err.removeprefix("onnxproof: ").rstrip("\n")

    return get


class TestVerdict:
    """The exit status is 0 when every check holds, and 1 when one fails."""

    def test_holds(self, check):
        """A right file has a line for every check, and stderr stays empty."""
        done = check("models.py:double", "--onnx", "right.onnx")
        assert (done.status, done.err) == (0, "")
        assert "Double: right.onnx" in done.out
        assert all(id in done.out for id in CHECKS)
        assert "15 checks: 13 hold, 2 not judged" in done.out

    @pytest.mark.parametrize(
        ("given", "last"),
        [
            pytest.param(("right.onnx", "--only=well-formed"), "Every check holds.", id="holds"),
            pytest.param(
                ("right.onnx", "--only=well-formed", "--report=report"),
                "Every check holds: report/index.html",
                id="page",
            ),
            pytest.param(("right.onnx",), "No check fails; 2 could not judge, as the table says.", id="not-judged"),
            pytest.param(
                ("wrong.onnx",),
                "Next: fix same-values of Double-wrong.onnx; --report report leaves a page and scripts that show it.",
                id="fails",
            ),
        ],
    )
    def test_last_line(self, check, given, last):
        """The last line says what to do."""
        assert check("models.py:double", "--onnx", *given).out.splitlines()[-1] == last

    def test_fails(self, check):
        """For a wrong file, it prints what was seen and what to do."""
        done = check("models.py:double", "--onnx", "wrong.onnx")
        assert (done.status, done.err) == (1, "")
        assert "apart" in done.out
        assert "Export it again" in done.out

    def test_narrow(self, monkeypatch, check, folder):
        """In 80 columns without colour only paths are longer, words are whole, and nothing is escaped."""
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("NO_COLOR", "1")
        out = check("models.py:double", "--onnx", "wrong.onnx", "--report", folder / "report").out
        path = str(folder / "report/repro/Double-wrong.onnx/same-values/repro.py")
        assert [line for line in out.splitlines() if len(line) > 80 and str(folder) not in line] == []
        assert "│ same-values-unseen │ fails " in out
        assert path in out.split()
        assert "Export it again" in " ".join(out.split())
        assert "…" not in out
        assert "\x1b" not in out

    def test_narrower(self, monkeypatch, check):
        """Below the width of a table each check is a line, whose name is whole."""
        monkeypatch.setenv("COLUMNS", "40")
        out = check("models.py:double", "--onnx", "wrong.onnx").out
        assert "…" not in out
        assert "\nsame-values-unseen: fails: " in out
        assert all(f"\n{id}: " in out for id in CHECKS)
        assert all(len(line) <= 40 for line in out.splitlines()[:-1])

    def test_one(self, check):
        """One check is one."""
        done = check("models.py:double", "--onnx", "right.onnx", "--only", "well-formed")
        assert "\n1 check: 1 holds\n" in done.out

    def test_log(self, monkeypatch, check):
        """A log has no progress, even if colours are asked for."""
        monkeypatch.setenv("FORCE_COLOR", "1")
        done = check("models.py:double", "--onnx", "right.onnx")
        assert done.err == ""
        assert "\x1b" in done.out

    def test_ascii(self, monkeypatch, alone):
        """A terminal with only ASCII shows ? for other characters."""
        shown = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
        assert main(["check", "models.py:double", "--onnx", "wrong.onnx"]) == 1
        assert b"\n? Export it again" in shown.getvalue()

    @pytest.mark.skipif(len(EXPORTERS) < 2, reason="the installed torch has one exporter")
    def test_every_exporter(self, check):
        """Without options the case is exported with every exporter."""
        done = check("models.py:double")
        assert done.status == 0
        assert f"Double: torchscript, opset {default_opset(TORCHSCRIPT)}" in done.out
        assert f"Double: torch.export, opset {default_opset(TORCH_EXPORT)}" in done.out

    def test_exporter(self, check):
        """`--exporter` and `--opset` are used."""
        done = check("models.py:double", "--exporter", TORCHSCRIPT, "--opset", 13)
        assert done.status == 0
        assert "Double: torchscript, opset 13" in done.out
        assert "torch.export" not in done.out

    def test_impossible_opset(self, refusal):
        """An opset that no exporter writes is refused at once."""
        reason = refusal("models.py:double", "--opset", 99)
        assert reason.startswith("models.py:double: opset 99 is asked for; the newest that an exporter")

    def test_place(self, refusal):
        """The place of an error is the user's line, and not torch's."""
        line = MODELS.splitlines().index("def inside_torch():") + 2
        assert refusal("models.py:inside_torch").endswith(f"(models.py:{line})")

    def test_opset_of_a_file(self, check):
        """With a file, `--opset` is the opset expected."""
        done = check("models.py:double", "--onnx", "right.onnx", "--opset", 17)
        assert done.status == 1
        assert "asked for" in done.out

    def test_misnamed_input(self, check):
        """A file fails if it names an input differently."""
        done = check("models.py:misnamed", "--onnx", "right.onnx", "--json")
        (finding,) = [found for found in json.loads(done.out)["findings"] if found["check"] == "inputs-kept"]
        assert done.status == 1
        assert finding["problem"].startswith(
            "the file has no input picture; it has an input x that the model does not have"
        )

    def test_nan(self, check):
        """A model that returns NaN fails only `probes-adequate`."""
        done = check("models.py:root", "--exporter", TORCHSCRIPT, "--json")
        failed = {found["check"] for found in json.loads(done.out)["findings"] if found["verdict"] == "fails"}
        assert (done.status, failed) == (1, {"probes-adequate"})

    def test_function(self, check):
        """`module:function` names a function that makes the case."""
        assert check("models:make", "--onnx", "right.onnx").status == 0


class TestJson:
    """`--json` prints the findings and nothing else."""

    def test_findings(self, check):
        """Each check has its verdict, and the versions are there."""
        results = json.loads(check("models.py:double", "--onnx", "wrong.onnx", "--json").out)
        found = {finding["check"]: finding for finding in results["findings"]}
        assert list(found) == list(CHECKS)
        assert "torch" in results["environment"]
        assert (found["same-values"]["verdict"], found["same-values"]["file"]) == ("fails", "wrong.onnx")
        assert found["well-formed"]["verdict"] == "holds"

    def test_results(self, check, folder):
        """It is a results.json, and makes a page."""
        (folder / "results.json").write_text(check("models.py:double", "--onnx", "wrong.onnx", "--json").out)
        assert main(["report", str(folder / "results.json"), "-o", str(folder / "page")]) == 0
        assert "same-values" in (folder / "page/index.html").read_text()


class TestChosen:
    """`--only`, `--skip` and `--check` choose what is run."""

    @pytest.mark.parametrize(
        ("options", "ids"),
        [
            pytest.param(["--only", "same-values", "--only", "dims-kept"], ["dims-kept", "same-values"], id="only"),
            pytest.param(["--skip", "same-values"], [id for id in CHECKS if id != "same-values"], id="skip"),
            pytest.param(["--only", "exports", "--check", "models.py:is_small"], ["exports"], id="own-left-out"),
            pytest.param(["--only", "is-small", "--check", "models.py:is_small"], ["is-small"], id="own"),
        ],
    )
    def test_ids(self, check, options, ids):
        """The checks run in their order, the user's last."""
        done = check("models.py:double", "--onnx", "right.onnx", "--json", *options)
        assert [finding["check"] for finding in json.loads(done.out)["findings"]] == ids

    def test_own_check_fails(self, check):
        """A user's check that fails ends with status 1 and the reason."""
        done = check("models.py:double", "--onnx", "right.onnx", "--only", "is-small", "--check", "models.py:is_small")
        assert done.status == 1
        assert "is-small: 3 nodes" in done.out
        assert "Use fewer." in done.out

    @pytest.mark.parametrize("option", ["--only", "--skip"])
    def test_unknown(self, refusal, option):
        """A check that does not exist is refused, and the nearest is suggested."""
        reason = refusal("models.py:double", "--onnx", "right.onnx", option, "same-valeus")
        assert reason.endswith("the check 'same-valeus' is unknown, did you mean 'same-values'?")


class TestRefusedCase:
    """A case that cannot be loaded or checked ends with exit status 2 and the reason in one line."""

    @pytest.mark.parametrize(
        ("case", "reason"),
        [
            pytest.param("models.py", "models.py: write my_models.py:my_case or package.module:name", id="no-name"),
            pytest.param("models.py:", "models.py:: write my_models.py:my_case", id="empty-name"),
            pytest.param(":double", ":double: write my_models.py:my_case", id="no-module"),
            pytest.param("model.py:double", "model.py: no such file, did you mean 'models.py'?", id="file"),
            pytest.param("my.models:double", "my.models: no module named 'my'", id="module"),
            pytest.param("models.py:duoble", "models.py has no 'duoble', did you mean 'double'?", id="slip"),
            pytest.param("models.py:zzz", "models.py has no 'zzz'", id="name"),
            pytest.param(".:double", ".:double: write my_models.py:my_case", id="folder"),
            pytest.param(
                "right.onnx:case", "right.onnx: not a Python file; write my_models.py:my_case", id="no-python"
            ),
            pytest.param("models.py:nowhere", "models.py:nowhere: x is on the device meta, which has no", id="meta"),
            pytest.param(
                "models.py:inside_torch", "models.py:inside_torch raised RuntimeError: mat1 and", id="inside-torch"
            ),
            pytest.param(
                "models.py:number", "models.py:number is of type int; give an onnxproof.Case, or a", id="no-case"
            ),
            pytest.param("models.py:fail", "models.py:fail raised RuntimeError: no weights here (", id="raises"),
            pytest.param("models.py:leave", "models.py:leave raised SystemExit: 0 (", id="leaves"),
            pytest.param("models.py:X", "models.py:X is of type ndarray", id="array"),
            pytest.param("models.py:needs", "models.py:needs is called without arguments: missing a", id="arguments"),
            pytest.param("models.py:listed", "models.py:listed: dynamic has [0] for 'x'; name its axes", id="axes"),
            pytest.param("models.py:no_case", "models.py:no_case: the model is of type builtin_f", id="no-model"),
            pytest.param(
                "models.py:expecting",
                "models.py:expecting: Double: expected: the check 'same-valeus' is unknown, did you mean 'same-v",
                id="expected",
            ),
        ],
    )
    def test_name(self, refusal, case, reason):
        """The reason is what is wrong with the name or object; a near name is suggested."""
        assert refusal(case, "--exporter", TORCHSCRIPT).startswith(reason)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            pytest.param("import nothing_of_the_kind", "broken.py: no module named 'nothing_of_the_kind'", id="import"),
            pytest.param("1 / 0", "broken.py raised ZeroDivisionError: division by zero (", id="raises"),
            pytest.param("def (", "broken.py raised SyntaxError: ", id="syntax"),
            pytest.param("import sys; sys.exit(0)", "broken.py raised SystemExit: 0 (", id="leaves"),
            pytest.param("\0", "broken.py raised ", id="binary"),
        ],
    )
    def test_module(self, refusal, folder, text, reason):
        """The reason is what the module raises, with its line."""
        (folder / "broken.py").write_text(text)
        assert refusal("broken.py:case").startswith(reason)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            pytest.param("raises", "the model refuses its inputs: ArithmeticError: no way", id="raises"),
            pytest.param("gives_number", "torch: the model's output is of type int; an ONNX file has", id="number"),
            pytest.param("gives_text", "torch: the model's output y is of type str", id="text"),
            pytest.param(
                "gives_float8", "torch: the model's output has the dtype float8_e5m2, which is not judged", id="float8"
            ),
            pytest.param("narrow", "x has the dtype float8_e5m2, which is not judged", id="float8-input"),
            pytest.param("wide", "the model refuses its inputs: RuntimeError: mat1 and mat2", id="float64"),
            pytest.param("leaves", "the model refuses its inputs: SystemExit: 0", id="exits"),
            pytest.param("large", "the model holds 2.0 GiB of weights; up to 2 GiB can be checked", id="large"),
        ],
    )
    def test_model(self, refusal, name, reason):
        """The reason is that the model cannot run, cannot be compared, or is too large."""
        assert refusal(f"models.py:{name}").startswith(f"models.py:{name}: {reason}")

    def test_dtype(self, refusal):
        """Inputs in another dtype than the weights are named."""
        assert refusal("models.py:wide").endswith("; x is float64, the weights are float32: convert one")

    def test_large_model_is_not_copied(self, monkeypatch, refusal):
        """A model that is too large is not copied."""
        copies = []
        monkeypatch.setattr(copy, "deepcopy", lambda model: copies.append(model) or model)
        refusal("models.py:large", "--exporter", TORCHSCRIPT)
        assert copies == []


class TestRefusedFile:
    """Anything but an ONNX file ends with exit status 2 and the reason in one line."""

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"not a model", id="text"),
            pytest.param(bytes(range(256)) * 10, id="binary"),
            pytest.param(parse_model(FILE).SerializeToString()[:60], id="truncated"),
        ],
    )
    def test_content(self, refusal, folder, content):
        """The message names it and says what to do."""
        (folder / "strange.onnx").write_bytes(content)
        reason = refusal("models.py:double", "--onnx", "strange.onnx")
        assert reason.startswith("--onnx strange.onnx: not a")
        assert "copy or make it again" in reason

    def test_missing(self, refusal):
        """The reason is that the file does not exist."""
        assert refusal("models.py:double", "--onnx", "none.onnx").startswith("--onnx none.onnx: no such file")

    def test_folder(self, refusal, folder):
        """A folder is refused."""
        assert refusal("models.py:double", "--onnx", folder) == f"--onnx {folder}: a folder; name an ONNX file in it"

    def test_pickle(self, refusal, folder):
        """A pickle that would run code is not loaded."""
        (folder / "model.pt").write_bytes(pickle.dumps(Touches()))
        assert refusal("models.py:double", "--onnx", "model.pt").startswith("--onnx model.pt: not a")
        assert not Path("ran").exists()

    def test_pickle_would_run(self, folder):
        """If loaded, it runs code."""
        pickle.loads(pickle.dumps(Touches()))
        assert (folder / "ran").exists()


class TestOptions:
    """A wrong option is refused before any work."""

    def test_provider(self, refusal):
        """An unknown provider is refused; the known ones are listed, the nearest suggested."""
        reason = refusal("models.py:double", "--engine", "onnxruntime:CPUExecutionProvidr")
        assert reason.startswith("--engine: onnxruntime has no CPUExecutionProvidr; it has ")
        assert reason.endswith(", did you mean 'CPUExecutionProvider'?")

    def test_no_near_provider(self, refusal):
        """None is suggested that only ends alike."""
        assert "did you mean" not in refusal("models.py:double", "--engine", "onnxruntime:TensorrtExecutionProvider")

    def test_exporter(self, capsys):
        """An unknown exporter is refused, and the nearest is suggested."""
        with pytest.raises(SystemExit, match="2"):
            main(["check", "models.py:double", "--exporter", "torchscrip"])
        assert "'torchscrip' is unknown, did you mean 'torchscript'?" in capsys.readouterr().err

    def test_report_is_a_file(self, refusal, folder):
        """A report folder that is a file is refused."""
        (folder / "report").touch()
        reason = refusal("models.py:double", "--report", "report")
        assert reason == f"--report report: {os.strerror(errno.EEXIST)}; name a folder that can be written"

    def test_report_is_read_only(self, monkeypatch, refusal):
        """A report folder that cannot be written is refused before the checks, not after."""

        def refuse(dir):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(files, "tempfile", SimpleNamespace(TemporaryFile=refuse))
        reason = refusal("models.py:double", "--report", "report")
        assert reason == f"--report report: {os.strerror(errno.EROFS)}; name a folder that can be written"


class TestReport:
    """`--report` leaves a folder for each check that failed."""

    def test_failures(self, check):
        """A wrong file's failures have folders, and a right file has none."""
        check("models.py:double", "--onnx", "right.onnx", "--report", "report")
        assert {path.name for path in Path("report").iterdir()} == {"index.html", "results.json"}
        check("models.py:double", "--onnx", "wrong.onnx", "--report", "report")
        assert Path("report/repro/Double-wrong.onnx/same-values/repro.py").is_file()

    def test_fixed(self, check, folder):
        """After a fix nothing of an earlier failure is left."""
        check("models.py:double", "--onnx", "wrong.onnx", "--report", "report")
        (folder / "wrong.onnx").write_bytes((folder / "right.onnx").read_bytes())
        check("models.py:double", "--onnx", "wrong.onnx", "--report", "report")
        assert {path.name for path in Path("report").iterdir()} == {"index.html", "results.json"}

    def test_page(self, check):
        """The page about the run is there, as after a run of pytest, and its path is printed."""
        done = check("models.py:double", "--onnx", "wrong.onnx", "--report", "report")
        assert done.out.splitlines()[-1].endswith("; report/index.html has the evidence.")
        assert "python repro/Double-wrong.onnx/same-values/repro.py" in Path("report/index.html").read_text()
        results = read_results("report/results.json")
        assert {finding.check for finding in results.findings} == set(CHECKS)
        failing = [finding for finding in results.findings if finding.repro]
        assert len(failing) > 1
        assert [graph.file for graph in results.graphs] == [f"{failing[0].repro}/model.onnx"]

    def test_page_beside_json(self, check):
        """With `--json` stdout has only the JSON."""
        done = check("models.py:double", "--onnx", "wrong.onnx", "--report", "report", "--json")
        assert json.loads(done.out) == json.loads(Path("report/results.json").read_text())
        assert done.err == "report/index.html\n"

    def test_two_at_once(self, alone, folder):
        """Two runs that write the same folder at once leave it whole."""
        statuses = []
        command = ["check", "models.py:double", "--onnx", "wrong.onnx", "--report", "report", "--json"]
        running = [threading.Thread(target=lambda: statuses.append(main(command))) for _ in range(2)]
        [thread.start() for thread in running]
        [thread.join() for thread in running]
        assert statuses == [1, 1]
        assert len(list(Path("report/repro/Double-wrong.onnx/same-values").iterdir())) == 8


class TestProcess:
    """The command in a separate process."""

    @pytest.mark.parametrize(
        ("case", "running"),
        [
            pytest.param("waits", "Waits-torchscript: exports", id="model"),
            pytest.param("waits_in_export", "WaitsInExport-torchscript: exports", id="export"),
        ],
    )
    def test_interrupt(self, folder, case, running):
        """Ctrl-C ends it with status 130, one line that says where it was, and leaves nothing half-written."""
        command = [sys.executable, "-m", "onnxproof", "check", f"models.py:{case}", "--report", "report"]
        deadline = time.monotonic() + 120
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and not Path("waiting").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert Path("waiting").exists(), (process.returncode, out, err)
        assert (process.returncode, out, err) == (130, "", f"onnxproof: interrupted, in {running}\n")
        assert list(Path("report").iterdir()) == []

    def test_crash(self, folder):
        """An exporter that crashes is a finding, and the command goes on."""
        command = [sys.executable, "-m", "onnxproof", "check", "models.py:falls", "--only", "exports"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (1, "")
        assert "the torchscript exporter crashed: Aborted (SIGABRT)" in done.stdout
        assert "It was in `forward` at " in done.stdout
        assert done.stdout.count("1 check: ") == len(EXPORTERS)

    def test_timeout(self, folder):
        """`--timeout` ends it."""
        command = ["check", "models.py:waits_in_export", "--exporter", TORCHSCRIPT, "--only", "exports"]
        done = subprocess.run(
            [sys.executable, "-m", "onnxproof", *command, "--timeout", "2"], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1
        assert "the torchscript exporter did not finish in 2 s" in done.stdout

    def test_json_alone(self, folder):
        """With `--json` stdout has nothing else, whatever the module and the model print."""
        command = [sys.executable, "-m", "onnxproof", "check", "models.py:loud", "--only", "same-values", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert {finding["check"] for finding in json.loads(done.stdout)["findings"]} == {"same-values"}
        assert all(text in done.stderr for text in ("from Python", "from native code", "from forward"))

    @pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-"])
    def test_closed_streams(self, folder, closed):
        """Closed streams lead nowhere; the exit status is the same."""
        command = f"{sys.executable} -m onnxproof check models.py:double --exporter torchscript --only exports {closed}"
        done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, timeout=120)
        assert (done.returncode, done.stderr) == (0, "")

    def test_reader_that_leaves(self, folder):
        """If nobody reads its output, it ends without a traceback."""
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "onnxproof", "check", "models.py:double", "--onnx", "right.onnx", "--json"]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, "")

    def test_progress(self, folder):
        """On a terminal the running check is shown, its step, and how long it takes."""
        terminal, end = os.openpty()
        command = [sys.executable, "-m", "onnxproof", "check", "models.py:slow", "--onnx", "right.onnx"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=end, env=os.environ | {"TERM": "xterm"}):
            os.close(end)
            shown = b"".join(iter(lambda: read_terminal(terminal), b""))
        os.close(terminal)
        assert b"Slow-right.onnx: self-contained" in shown
        assert b"torch on the example" in shown
        assert re.search(rb"10/15\S* \d+ of about \d+ s", shown)

    def test_refusal(self, folder):
        """A refusal is one line without a traceback."""
        command = [sys.executable, "-m", "onnxproof", "check", "models.py:raises", "--exporter", TORCHSCRIPT]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        reason = "onnxproof: models.py:raises: the model refuses its inputs: ArithmeticError: no way\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", reason)


def read_terminal(terminal):
    """The next output; empty once the other end is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


class Touches:
    """An object whose pickle makes a file when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)
