"""The document's networks in each engine, and the separable network, timed against ONNX Runtime in the same rounds."""

import pytest

from benchmarks.conftest import Workload
from benchmarks.contenders import OPTIONAL, REQUIRED, SEPARABLE
from benchmarks.replay import clock, replay_contender

FIXED = [Workload("fixed", 3, size) for size in (64, 256)]
DYNAMIC = [Workload("dynamic", factor, size) for factor in (2, 3, 4) for size in (64, 128, 256, 512)]


@pytest.mark.parametrize("measured", [*FIXED, *DYNAMIC], ids=str, indirect=True, scope="module")
class TestLatency:
    """Every contender makes the same picture and is timed in the same rounds."""

    @pytest.mark.parametrize("contender", [*REQUIRED, *OPTIONAL, SEPARABLE])
    @pytest.mark.benchmark(timer=clock)
    def test_contender(self, measured, contender, benchmark):
        """A contender's seconds, and its ratio to ONNX Runtime with the 95 % interval."""
        replay_contender(benchmark, measured.latency, contender, measured.not_run)

    def test_ratios(self, measured, onnx_record_latency):
        """Each contender's time, as a multiple of ONNX Runtime's, is in the run's results."""
        onnx_record_latency(measured.latency, measured.not_run)
