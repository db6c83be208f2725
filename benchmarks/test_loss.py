"""The time in which a stated loss is judged, relative to running its samples once in torch and once in ONNX Runtime."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnxruntime.quantization import quantize_static
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.loss import loss_kept
from onnxproof.exporting.export import export
from onnxproof.latency import ratio, threads
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
from tests.harness.lossy import Calibration
from tests.harness.real_sizes import Block, convolution

ROUNDS, SAMPLES = 5, 400
MOST_TIMES = 3


class ResNet20(nn.Module):
    """The network of 20 layers for pictures of 32×32: 41 million multiplications. Its scores are of one scale."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 16, 16, 16, 32, 32, 32, 64, 64, 64)
        self.stem = nn.Sequential(convolution(3, 16, 3, 1), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.head = nn.Linear(64, 10)
        self.scores = nn.BatchNorm1d(10, affine=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.scores(self.head(self.blocks(self.stem(image)).mean((2, 3))))  # (N, 10)


@pytest.fixture(scope="module")
def samples() -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return [{"image": random.normal(size=(1, 3, 32, 32)).astype(np.float32)} for _ in range(SAMPLES)]


@pytest.fixture(scope="module")
def model(samples) -> nn.Module:
    """The network, whose normalizations have seen the samples."""
    torch.manual_seed(0)
    network = ResNet20()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the statistics are those of the samples
    with torch.no_grad():
        network(torch.from_numpy(np.concatenate([sample["image"] for sample in samples])))
    return network.eval()


@pytest.fixture(scope="module")
def quantized(model, samples, tmp_path_factory) -> Path:
    """Its file in int8, quantized by ONNX Runtime."""
    folder = tmp_path_factory.mktemp("int8")
    made = export(model, samples[0], folder / "float.onnx", exporter=TORCHSCRIPT, opset=17)
    quantize_static(made.path, folder / "int8.onnx", Calibration(samples[:30]), per_channel=True)
    return folder / "int8.onnx"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("loss", ["sqnr >= 10 dB in 90%", "agrees >= 60%"])
def test_loss_against_one_run(benchmark, model, quantized, samples, loss, capsys):
    """Judging 400 samples takes at most `MOST_TIMES` as long as running them once in torch and in ONNX Runtime."""
    judging, running = [], []

    def rounds() -> None:
        started = time.perf_counter()
        case = Case(model, samples[0], samples=samples, loss=loss)
        finding = judge(loss_kept, Conversion(ReferenceModel(case), GivenFile(quantized)))
        between = time.perf_counter()
        _run_once(model, quantized, samples)
        judging.append(between - started)
        running.append(time.perf_counter() - between)
        assert finding.verdict == "holds", finding.problem

    with threads(1):
        benchmark.pedantic(rounds, rounds=ROUNDS, warmup_rounds=1)
    times = ratio(np.array(judging[1:]), np.array(running[1:]))
    benchmark.extra_info["times"] = {"median": times.median, "low": times.low, "high": times.high}
    with capsys.disabled():
        print(f"\n{loss}, {SAMPLES} samples / run once: {times}")
    assert times.median <= MOST_TIMES


def _run_once(model: nn.Module, file: Path, samples: list[dict[str, np.ndarray]]) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    for sample in samples:
        with torch.inference_mode():
            model(torch.from_numpy(sample["image"]))
        session.run(None, sample)
