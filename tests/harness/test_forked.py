"""A call that crashes or hangs ends its own process, and says where it was."""

import ctypes
import gc
import multiprocessing
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import onnxproof
from onnxproof._internal.forked import Forked, ProcessError, last_words
from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.interface import exports
from onnxproof.checks.values import same_values
from onnxproof.engines.asked import default_engines
from onnxproof.engines.base import EngineError
from onnxproof.engines.forked import SMALL, EngineProcess
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import ROWS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


def falls():
    """Prints, and reads where nothing is."""
    print("about to fall")
    ctypes.string_at(0)


def waits():
    """Does not end."""
    time.sleep(600)


class TestCall:
    """The call is as one in this process."""

    def test_result(self):
        """It has the result, of a call that cannot be pickled, in another process."""
        own = os.getpid()
        assert Forked(lambda value: (value, os.getpid() != own))([1]) == ([1], True)

    def test_state(self):
        """What the call remembers is there the next time, and not here."""
        seen = []
        call = Forked(lambda value: seen.append(value) or list(seen))
        assert (call(1), call(2), seen) == ([1], [1, 2], [])

    def test_pipes(self):
        """A process that reads until its pipe ends is not kept waiting."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as reader:
            call = Forked(lambda: 1)
            call()
            try:
                reader.stdin.close()
                assert reader.wait(20) == 0
            finally:
                call.close()

    def test_raises(self):
        """What it raises is raised."""
        with pytest.raises(ZeroDivisionError, match="division by zero"):
            Forked(lambda: 1 / 0)()

    def test_raises_what_cannot_be_pickled(self):
        """An exception that cannot be pickled is raised as one that says the same."""
        error = type("Strange", (Exception,), {})("an odd case")
        with pytest.raises(RuntimeError, match="Strange: an odd case"):
            Forked(lambda: (_ for _ in ()).throw(error))()

    def test_threads(self):
        """Torch runs on its threads in the other process, also if it did so in this one before."""
        picture, layer = torch.ones(1, 16, 64, 64), torch.nn.Conv2d(16, 16, 3)
        here = layer(picture).sum().item()
        assert Forked(lambda: layer(picture).sum().item(), 60)() == pytest.approx(here)

    def test_in_this_process(self):
        """Without a limit it runs here."""
        assert Forked(os.getpid, None)() == os.getpid()

    def test_collected_elsewhere(self):
        """A copy that is collected in another forked process leaves the process alone."""
        first = [Forked(os.getpid)]
        own = first[0]()
        assert Forked(lambda: first.clear())() is None
        assert first[0]() == own

    def test_ends(self):
        """The process ends with the object."""
        call = Forked(os.getpid)
        process = call()
        assert process in {child.pid for child in multiprocessing.active_children()}
        del call
        gc.collect()
        assert process not in {child.pid for child in multiprocessing.active_children()}


class TestEnd:
    """A process that ends is an error that says how."""

    @pytest.mark.parametrize(
        ("call", "seconds", "problem"),
        [
            pytest.param(falls, 60, r"crashed: Segmentation fault \(SIGSEGV\)", id="crash"),
            pytest.param(os.abort, 60, r"crashed: Aborted \(SIGABRT\)", id="abort"),
            pytest.param(
                lambda: os.kill(os.getpid(), 9), 60, r"\(SIGKILL, as Linux does when memory runs out\)", id="killed"
            ),
            pytest.param(lambda: os._exit(3), 60, "ended its process with status 3", id="exit"),
            pytest.param(waits, 0.2, "did not finish in 0.2 s", id="hang"),
        ],
    )
    def test_problem(self, call, seconds, problem):
        """The problem names the signal, the status or the limit."""
        with pytest.raises(ProcessError, match=problem):
            Forked(call, seconds)()

    @pytest.mark.parametrize(("call", "name"), [(falls, "falls"), (waits, "waits")])
    def test_place(self, call, name):
        """The last words have the line it was at."""
        with pytest.raises(ProcessError) as ended:
            Forked(call, 1)()
        assert f"It was in `{name}` at {__file__}:" in last_words(ended.value.printed)

    def test_words(self):
        """And what it printed last."""
        with pytest.raises(ProcessError) as ended:
            Forked(falls)()
        assert last_words(ended.value.printed).endswith("It printed last: about to fall")

    def test_again(self):
        """The next call gets a new process."""
        call = Forked(lambda ends: os._exit(1) if ends else "here")
        with pytest.raises(ProcessError):
            call(True)
        assert call(False) == "here"


class FallsWhenTraced(torch.nn.Module):
    """A model on which the exporter crashes."""

    def forward(self, x):
        if torch.jit.is_tracing():
            falls()
        return x * 2


class WaitsWhenTraced(torch.nn.Module):
    """A model on which the exporter hangs."""

    def forward(self, x):
        if torch.jit.is_tracing():
            waits()
        return x * 2


class TestExporter:
    """An exporter that crashes is a finding."""

    def test_finding(self):
        """It fails `exports`, with the line of the model; the other checks say that there is no file."""
        case = Case(FallsWhenTraced(), {"x": ROWS})
        exports, *others = onnxproof.check(case, [TORCHSCRIPT], only=["exports", "opset-kept", "same-values"])
        assert exports.problem.startswith("the torchscript exporter crashed: Segmentation fault (SIGSEGV), at opset ")
        assert exports.advice.startswith("Try the other exporter")
        assert f"`falls` at {__file__}:" in exports.evidence
        assert {finding.problem for finding in others} == {"there is no file: see exports"}

    def test_hangs(self):
        """One that does not finish is ended, and the advice names the limit."""
        case = Case(WaitsWhenTraced(), {"x": ROWS})
        finding = judge(exports, exported(ReferenceModel(case), TORCHSCRIPT, timeout=1))
        assert "did not finish in 1 s" in finding.problem
        assert "`--timeout`" in finding.advice


class Falls(OnnxRuntime):
    """An engine that crashes."""

    def open(self, path):
        session = super().open(path)
        session.run = lambda inputs: falls()
        return session


class TestEngine:
    """An engine that crashes is a refusal of the file."""

    @pytest.fixture
    def crashing(self, right):
        """The right file, in an ONNX Runtime that crashes."""
        return Conversion(right.model, right.file, default_engines() | {"onnxruntime": Falls()})

    def test_refusal(self, crashing):
        """It is an `EngineError`; other engines go on."""
        with pytest.raises(EngineError, match=r"onnxruntime crashed: Segm.* \(SIGSEGV\)\. It was in `falls`"):
            crashing.run(crashing.case.inputs)
        assert crashing.outcome(crashing.model.traced, "reference").is_right

    def test_finding(self, crashing):
        """The values fail, with how it ended."""
        assert "it does not run: onnxruntime crashed: Seg" in judge(same_values, crashing).problem


class TestOpen:
    """A process has one file open, or a few small ones."""

    SMALL, LARGE = np.zeros(4), np.zeros(2**18)

    @pytest.fixture
    def opened(self, tmp_path):
        """What is opened while files are run on inputs, in their order."""
        (tmp_path / "large").write_bytes(b"0" * (SMALL + 1))
        for name in ("a", "b", "c", "d", "e"):
            (tmp_path / name).write_bytes(b"0")
        (tmp_path / "elsewhere").write_bytes(b"location")

        class Counts:
            name = version = ""
            forkable = True

            def open(self, path):
                with (tmp_path / "log").open("a") as log:
                    log.write(f"{path.name} ")
                return SimpleNamespace(run=lambda inputs: {})

        def run(*runs):
            process = EngineProcess({"counts": Counts()})
            for name, array in runs:
                process.open("counts", tmp_path / name).run({"x": array})
            return (tmp_path / "log").read_text().split()

        return run

    def test_small(self, opened):
        """Small ones stay open, up to a number."""
        assert opened(*[(name, self.SMALL) for name in "ababab"]) == ["a", "b"]
        assert len(opened(*[(name, self.SMALL) for name in "abcdeabcde"])) == 12

    @pytest.mark.parametrize("other", ["large", "elsewhere"])
    def test_large(self, opened, other):
        """A large one is open alone, and so is one with data beside it."""
        assert opened(*[(name, self.SMALL) for name in ("a", other, "a", "b", other)]) == ["a", other, "a", "b", other]

    def test_large_run(self, opened):
        """A small one that has a large run is open alone from then on."""
        assert opened(("a", self.SMALL), ("b", self.LARGE), ("b", self.LARGE), ("a", self.SMALL)) == ["a", "b", "a"]
        assert opened(("a", self.LARGE), ("b", self.SMALL), ("a", self.SMALL))[3:] == ["a", "b", "a"]
