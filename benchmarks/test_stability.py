"""Ratios do not depend on what else the machine is doing."""

import subprocess
import sys
from contextlib import contextmanager, nullcontext

import pytest

from benchmarks.conftest import Workload
from benchmarks.contenders import BASELINE, versions
from onnxproof import latency
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.probing.reference import reference

ROUNDS, SECONDS = 300, 15
WITHIN = 1.05


@contextmanager
def busy_core():
    """Another process keeps a core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def runs(threads, subject):
    """Five runs in a row of torch against ONNX Runtime; in the second and the fourth a core is kept busy."""
    network, made, inputs = subject(Workload("fixed", 3, 64))
    contenders = {BASELINE: OnnxRuntime().open(made.path).run, "torch": TorchModel(network, tuple(inputs)).run}
    expected = reference(network, inputs)
    asked = {"baseline": BASELINE, "pictures": True, "rounds": ROUNDS, "seconds": SECONDS}
    asked |= {"versions": versions(contenders)}
    found = []
    for run, load in enumerate((nullcontext, busy_core, nullcontext, busy_core, nullcontext), start=1):
        with load():
            found.append(latency.measure(contenders, inputs, expected, case=f"stability-{run}", **asked))
    return found


def test_ratio_is_stable(runs, onnx_record_latency):
    """Five ratios in a row are within 5 % of each other, with a core kept busy during two of them."""
    for timed in runs:
        onnx_record_latency(timed)
    ratios = [timed["torch"].ratio.median for timed in runs]
    assert max(ratios) <= WITHIN * min(ratios)
