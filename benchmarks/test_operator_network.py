"""Speed of the whole network with the separable operator, and what its faster last layer adds.

All ratios are multiples of the time of its files in ONNX Runtime.
"""

from functools import cache

import pytest

import srcnn_models as srcnn
from benchmarks.conftest import Measured, Workload
from benchmarks.contenders import BASELINE, OPTIONAL, REQUIRED, SEPARABLE, build, versions
from benchmarks.replay import clock, replay_contender
from onnxproof import latency
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.results import Latency
from tests.inputs import scales

SPARE_CORES = 0
"""As in test_operator.py."""
ROUNDS, SECONDS = 40, 50
LAST_LAYER_SECONDS = 25

TIMES_DOCUMENT, TIMES_TORCH = 1.5, 3

TRANSPOSED = "separable-transposed"


@pytest.fixture(scope="module")
def files(file, separable, trained):
    """The whole network's files: with its plain last layer, and with the transposed one."""
    transposed = srcnn.with_transposed_reconstruction(trained(srcnn.SeparableSuperResolutionNet()))
    return {SEPARABLE: separable(), TRANSPOSED: file("separable-transposed", transposed)}


@pytest.fixture(scope="module")
def whole(threads, files, subject, face_reference):
    """The whole network's files against all of the document's contenders, on the face at ×3."""
    network, document, inputs = subject(Workload("dynamic", 3, 256))
    contenders, not_run = build(network, document.path, inputs, files)
    timed = latency.measure(
        contenders,
        inputs,
        face_reference(3),
        case="network-x3-256",
        baseline=TRANSPOSED,
        pictures=True,
        rounds=ROUNDS,
        seconds=SECONDS,
        versions=versions(contenders),
    )
    return Measured(timed, not_run)


@pytest.fixture(scope="module")
def last_layer(files, face, face_reference):
    """The network's two files on the face at ×3; each number of threads is measured once."""

    @cache
    def get(count: int) -> Latency:
        with latency.threads(count):
            return latency.measure(
                {name: OnnxRuntime().open(path).run for name, path in files.items()},
                {"input": face, "factor": scales(3)},
                face_reference(3),
                case=f"last-layer-x3-256-threads-{count}",
                baseline=TRANSPOSED,
                pictures=True,
                rounds=ROUNDS,
                seconds=LAST_LAYER_SECONDS,
                versions=versions(files),
            )

    return get


class TestWhole:
    """The whole network at ×3 with the separable operator and its faster last layer."""

    @pytest.mark.parametrize("contender", [TRANSPOSED, SEPARABLE, *REQUIRED, *OPTIONAL])
    @pytest.mark.benchmark(timer=clock)
    def test_contender(self, whole, contender, benchmark):
        """A contender's seconds, and its ratio to the network's file."""
        replay_contender(benchmark, whole.latency, contender, whole.not_run)

    def test_ratios(self, whole, onnx_record_latency):
        """Each contender's time, as a multiple of the file's, is in the run's results."""
        onnx_record_latency(whole.latency, whole.not_run)

    @pytest.mark.parametrize(("contender", "times"), [(BASELINE, TIMES_DOCUMENT), ("torch", TIMES_TORCH)])
    def test_is_faster(self, whole, contender, times):
        """The document's file takes at least one and a half times as long, and torch three times."""
        ratio = whole.latency[contender].ratio
        assert ratio.median >= times, str(ratio)


each_count = pytest.mark.parametrize("count", [1, 2], ids="threads-{}".format)


class TestLastLayer:
    """The network with its plain last layer, and with the transposed one."""

    @each_count
    @pytest.mark.parametrize("contender", [SEPARABLE, TRANSPOSED])
    @pytest.mark.benchmark(timer=clock)
    def test_contender(self, last_layer, count, contender, benchmark):
        """A network's seconds, and the ratio to those with the transposed layer."""
        replay_contender(benchmark, last_layer(count), contender)

    @each_count
    def test_ratios(self, last_layer, count, onnx_record_latency):
        """The ratio is in the run's results."""
        onnx_record_latency(last_layer(count))

    def test_transposed_is_faster(self, last_layer):
        """On one thread the network takes longer with the plain layer."""
        ratio = last_layer(1)[SEPARABLE].ratio
        assert ratio.low > 1, str(ratio)
