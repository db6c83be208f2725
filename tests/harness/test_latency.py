"""Contenders are timed in turns after their outputs are checked, and only their ratios are trusted."""

import itertools
import json
import os
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from benchmarks.contenders import ENGINES, REQUIRED, compiler, versions, why
from benchmarks.contenders import build as contenders_of
from onnxproof import latency
from onnxproof.exporting.export import export
from onnxproof.latency import LatencyError, count_flops, measure, ratio, threads
from onnxproof.parity.compare import Reference
from onnxproof.plugin.machine import machine as this_machine
from onnxproof.results import Ratio, read_results
from onnxproof.versions import TORCHSCRIPT
from tests import facts
from tests.harness.by_hand import Gives

INPUTS = {"x": np.array([1.0, 2.0], np.float32)}
REFERENCE = Reference({"output": INPUTS["x"] + 1})

RECORDING = """
from onnxproof.results import Latency, Ratio, Timing

def test_speed(onnx_record_latency):
    timing = Timing("torch", [1.0, 3.0], 2.0, 1.0, Ratio(2.0, 1.9, 2.1), None, None)
    onnx_record_latency(Latency("case", "onnxruntime", 1, None, [timing]), {"torch.compile": "no compiler"})
"""


class Machine:
    """A clock that only contenders move, and the order in which they were called."""

    def __init__(self):
        self.now = 0.0
        self.called = []

    def clock(self):
        return self.now

    def contender(self, name, seconds):
        """Adds one to x; each run takes the next of `seconds`, the untimed first one included."""
        remaining = iter(seconds)

        def run(inputs):
            self.called.append(name)
            self.now += next(remaining)
            return {"output": inputs.get("x", 0) + 1}

        return run


def thread_counts():
    return torch.get_num_threads(), cv2.getNumThreads()


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(latency, "PAUSE", 0)


@pytest.fixture
def timed(machine):
    """Measures contenders with these seconds per run; "a" is the baseline."""

    def get(**seconds):
        contenders = {name: machine.contender(name, values) for name, values in seconds.items()}
        rounds = len(next(iter(seconds.values()))) - 1
        return measure(contenders, INPUTS, REFERENCE, case="case", baseline="a", rounds=rounds, clock=machine.clock)

    return get


class TestRounds:
    """Every round times each contender once, in an order that rotates."""

    def test_order(self, timed, machine):
        """After the untimed runs the rounds are A B C, C A B, B C A, A B C."""
        timed(a=[1] * 5, b=[1] * 5, c=[1] * 5)
        assert "".join(machine.called) == "abc" + "abc" + "cab" + "bca" + "abc"

    def test_first_run_is_not_timed(self, timed):
        """One-time work of a contender, such as compiling, is not timed."""
        assert timed(a=[100, 1, 2, 3], b=[1] * 4)["a"].seconds == [1, 2, 3]

    def test_seconds_end_a_measurement(self, machine):
        """With a time limit there are fewer rounds, but at least `MIN_ROUNDS`."""
        contenders = {"a": machine.contender("a", [1] * 1000)}
        asked = {"case": "case", "baseline": "a", "rounds": 900, "clock": machine.clock}
        assert len(measure(contenders, INPUTS, REFERENCE, seconds=20, **asked)["a"].seconds) == 21
        assert len(measure(contenders, INPUTS, REFERENCE, seconds=0, **asked)["a"].seconds) == latency.MIN_ROUNDS

    def test_unknown_baseline(self, machine):
        """A baseline that is not among the contenders is refused with their names."""
        with pytest.raises(ValueError, match="case: the baseline b is not among a"):
            measure({"a": machine.contender("a", [1])}, INPUTS, REFERENCE, case="case", baseline="b")


class TestFigures:
    """Medians follow the machine's noise; the ratio does not."""

    def test_median_and_spread(self, timed):
        """The spread is the distance between the quartiles."""
        timing = timed(a=[0, 1, 2, 3, 4, 5])["a"]
        assert (timing.median, timing.spread) == pytest.approx((3, 2))

    def test_baseline(self, timed):
        """The baseline's ratio to itself is one."""
        assert timed(a=[1, 2, 3, 4])["a"].ratio == Ratio(1, 1, 1)

    def test_common_noise(self, timed):
        """Noise that slows whole rounds down widens the spread, but not the ratio's interval around two."""
        noise = np.random.default_rng(0).lognormal(sigma=1, size=41)
        own = noise * np.random.default_rng(1).normal(2, 0.02, 41)
        timing = timed(a=noise, b=own)["b"]
        assert timing.spread > timing.median / 2
        assert timing.ratio.low <= 2 <= timing.ratio.high
        assert timing.ratio.high - timing.ratio.low < 0.04

    def test_own_noise_widens_the_interval(self):
        """Noise that is not common to both shows in the interval (the negative control of the spec above)."""
        noise = np.random.default_rng(0).lognormal(size=(2, 40))
        found = ratio(2 * noise[0], noise[1])
        assert found.high - found.low > 0.5

    def test_outlier(self, timed):
        """One round in which a single contender is held up does not move the ratio."""
        assert timed(a=[1] * 12, b=[2] * 11 + [500])["b"].ratio == Ratio(2, 2, 2)

    def test_interval_holds_the_truth(self):
        """Of 200 intervals of noisy ratios about 190 hold the true one."""
        ratios = np.random.default_rng(0).normal(3, 0.3, (200, 30))
        found = [ratio(own, np.ones(30)) for own in ratios]
        assert 180 <= sum(one.low <= 3 <= one.high for one in found) <= 198


class TestOutputs:
    """A contender with a wrong output is an error, and nothing is timed."""

    def test_wrong_output(self, machine):
        """The error is the comparison's message, with the case and the contender."""
        machine.clock = lambda: pytest.fail("it was timed")
        contenders = {"a": machine.contender("a", [1]), "b": lambda inputs: {"output": inputs["x"] + np.float32(1.5)}}
        with pytest.raises(LatencyError, match=r"case: b: output output: .* expected .* apart"):
            measure(contenders, INPUTS, REFERENCE, case="case", baseline="a", clock=machine.clock)

    def test_wrong_name(self):
        """An output of another name is refused as well."""
        with pytest.raises(LatencyError, match="outputs are named"):
            measure({"a": lambda inputs: {"y": inputs["x"] + 1}}, INPUTS, REFERENCE, case="case", baseline="a")

    def test_pictures(self):
        """With `pictures` the values at truncation edges are counted."""
        picture = np.full((1, 3, 4, 5), 7, np.float32)
        edge = picture.copy()
        edge[0, 0, 0, 0] = np.nextafter(np.float32(7), np.float32(0))
        asked = {"case": "case", "baseline": "a", "pictures": True, "rounds": 1}
        found = measure({"a": lambda _: {"y": edge}}, {}, Reference({"y": picture}), **asked)["a"].pixels
        assert (found.values, found.edges, found.wrong) == (60, 1, 0)

    def test_wrong_picture(self):
        """Floats that pass as such, among large ones, are refused if the picture differs by more than an edge."""
        picture = np.full((1, 3, 4, 5), 7.5, np.float32)
        picture[0, :, 0, 0] = 1e6
        other = picture.copy()
        other[0, 2, 1:] = 10.5
        asked = {"case": "case", "baseline": "a", "pictures": True}
        with pytest.raises(LatencyError, match="case: a: 15 of 60 values of the picture are wrong"):
            measure({"a": lambda _: {"y": other}}, {}, Reference({"y": picture}), **asked)


class TestThreads:
    """All contenders have the same number of threads."""

    def test_set_and_restored(self):
        """torch and OpenCV use this number inside, and their former one afterwards."""
        before = thread_counts()
        with threads(1):
            assert thread_counts() == (1, 1)
        assert thread_counts() == before

    def test_restored_after_an_error(self):
        """The former number is back after an error too."""
        before = thread_counts()
        with pytest.raises(KeyError, match="contender"), threads(1):
            raise KeyError("contender")
        assert thread_counts() == before

    def test_recorded(self, timed):
        """The result has the number."""
        with threads(1):
            assert timed(a=[1, 1]).threads == 1


class TestVersions:
    """Each contender's time is recorded with the versions of the programs that ran it."""

    def test_recorded(self, machine):
        """What is given for a contender is in its timing; what is not given is empty."""
        contenders = {name: machine.contender(name, [1] * 2) for name in "ab"}
        asked = {"case": "case", "baseline": "a", "rounds": 1, "clock": machine.clock}
        found = measure(contenders, INPUTS, REFERENCE, versions={"b": {"torch": "2.0"}}, **asked)
        assert (found["a"].versions, found["b"].versions) == ({}, {"torch": "2.0"})

    def test_contenders(self):
        """Every contender of the benchmarks has the version of its engine, a file of another name ONNX Runtime's."""
        runtime = {"onnxruntime": onnxruntime.__version__}
        assert versions(["onnxruntime", "torch", "opencv", "separable"]) == {
            "onnxruntime": runtime,
            "torch": {"torch": torch.__version__},
            "opencv": {"opencv": cv2.__version__},
            "separable": runtime,
        }

    def test_compiler(self, monkeypatch):
        """torch.compile's compiler is recorded with it."""
        monkeypatch.setattr("benchmarks.contenders.compiler", lambda: {"g++": "12.2.0"})
        assert versions(["torch.compile"])["torch.compile"] == {"torch": torch.__version__, "g++": "12.2.0"}

    def test_no_compiler(self, monkeypatch):
        """Nothing is recorded of a compiler that cannot be determined."""
        monkeypatch.setitem(sys.modules, "torch._inductor.cpp_builder", None)
        assert compiler() == {}


class TestOperations:
    """A contender's operations per second are a share of those of a matrix product in the same rounds."""

    @pytest.mark.skipif(not facts.torch_counts_operations, reason="this torch counts no operations")
    def test_count(self):
        """A convolution has two operations for each weight and output pixel."""
        model = nn.Conv2d(3, 64, 9, padding=4)
        assert count_flops(model, {"x": np.zeros((1, 3, 10, 20), np.float32)}) == 2 * 3 * 64 * 81 * 200

    def test_share(self, machine):
        """Half the operations in twice the time are a quarter of the peak."""
        ticks = itertools.count()  # the matrix product takes one second, and "a" one more
        asked = {"case": "case", "baseline": "a", "rounds": 3, "clock": lambda: machine.now + next(ticks)}
        flops = latency.SGEMM_FLOPS // 2
        found = measure({"a": machine.contender("a", [1] * 4)}, INPUTS, REFERENCE, flops=flops, **asked)
        assert found["a"].share == pytest.approx(1 / 4)
        assert found["a"].gflops == pytest.approx(flops / 2e9)
        assert found.sgemm_gflops == pytest.approx(latency.SGEMM_FLOPS / 1e9)

    @pytest.mark.skipif(not facts.torch_counts_operations, reason="this torch counts no operations")
    def test_matrix_product(self):
        """The matrix product has `SGEMM_FLOPS` operations."""
        assert count_flops(Gives(latency._sgemm()), {}) == latency.SGEMM_FLOPS

    def test_none_without(self, timed):
        """Without a number of operations no matrix product is timed."""
        found = timed(a=[1, 1])
        assert (found["a"].gflops, found["a"].share, found.sgemm_gflops) == (None, None, None)


class TestNotRun:
    """An optional contender that cannot run is reported with the reason."""

    @pytest.fixture
    def network(self, tmp_path):
        """A network, its ONNX file, and an input."""
        inputs = {"x": np.ones((1, 3, 4, 5), np.float32)}
        model = nn.Conv2d(3, 2, 3).eval()
        return model, export(model, inputs, tmp_path / "model.onnx", exporter=TORCHSCRIPT, opset=13).path, inputs

    @pytest.fixture
    def no_compiler(self, monkeypatch):
        """torch.compile fails."""

        def refuse(*_, **options):
            raise RuntimeError("No working C++ compiler found\nand more")

        monkeypatch.setattr(torch, "compile", refuse)

    @pytest.mark.skipif(not facts.torch_resets_compilations, reason="this torch has no torch.compiler")
    def test_without_compiler(self, network, no_compiler):
        """Where torch.compile fails, the reason is its message, and the others run."""
        contenders, not_run = contenders_of(*network)
        assert not_run["torch.compile"] == "RuntimeError: No working C++ compiler found"
        assert set(REQUIRED) <= set(contenders)

    @pytest.mark.parametrize("engine", ENGINES)
    def test_installed(self, network, no_compiler, engine):
        """An engine that is installed runs."""
        pytest.importorskip({"opencv": "cv2"}.get(engine, engine))
        contenders, not_run = contenders_of(*network)
        assert engine in contenders, not_run[engine]

    @pytest.mark.parametrize(
        ("engine", "message", "expected"),
        [
            pytest.param("tract", "Translating\nCaused by: Unimplemented(Loop)", "it has no Loop.", id="known"),
            pytest.param("tract", "no more memory\nat 7", "RuntimeError: no more memory", id="unknown"),
        ],
    )
    def test_why(self, engine, message, expected):
        """The reason is what is known of the engine, else the first line of what it says."""
        assert why(engine, RuntimeError(message)) == expected

    def test_required(self, network, monkeypatch):
        """An error of a required contender is an error."""
        monkeypatch.setattr("benchmarks.contenders.OnnxRuntime", lambda: None)
        with pytest.raises(AttributeError):
            contenders_of(*network)


class TestResults:
    """`onnx_record_latency` writes what was measured, and what was not, to results.json."""

    def test_recorded(self, pytester):
        """The entry has the spec, the ratios, and the reasons."""
        pytester.makepyfile(test_specs=RECORDING)
        pytester.runpytest_inprocess("--onnx-report", "report").assert_outcomes(passed=1)
        (found,) = json.loads(Path("report/results.json").read_text())["latency"]
        assert found["spec"] == "test_specs.py::test_speed"
        assert found["timings"][0]["ratio"] == {"median": 2.0, "low": 1.9, "high": 2.1}
        assert found["not_run"] == {"torch.compile": "no compiler"}

    def test_machine(self, pytester):
        """The run has the processor's model, the cores and the time in UTC."""
        pytester.makepyfile(test_specs=RECORDING)
        before = datetime.now(timezone.utc).replace(microsecond=0)
        pytester.runpytest_inprocess("--onnx-report", "report")
        machine = read_results("report/results.json").machine
        assert machine.cpu
        assert machine.cores == len(os.sched_getaffinity(0))
        found = datetime.strptime(machine.date, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        assert before <= found <= datetime.now(timezone.utc)

    def test_without_cpuinfo(self, monkeypatch):
        """Where cpuinfo is not installed, the architecture stands for the model."""
        monkeypatch.setitem(sys.modules, "cpuinfo", None)
        assert this_machine().cpu == platform.machine()

    def test_no_machine(self, pytester):
        """A run that timed nothing has no machine, so that equal runs leave equal files."""
        pytester.makepyfile("def test_nothing(): pass")
        pytester.runpytest_inprocess("--onnx-report", "report")
        assert read_results("report/results.json").machine is None
