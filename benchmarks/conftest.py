"""Fixtures that time each workload once, its contenders in the same rounds."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

import srcnn_models as srcnn
from benchmarks.contenders import BASELINE, build, versions
from onnxproof.engines.torch import TorchModel
from onnxproof.latency import count_flops, measure
from onnxproof.latency import threads as with_threads
from onnxproof.parity.compare import Reference
from onnxproof.plugin.recording import LATENCY, recorded
from onnxproof.plugin.targets import targets
from onnxproof.results import Latency
from tests.inputs import DYNAMIC_SIZE, scales
from tests.references import exact_in_tiles

ROUNDS, SECONDS = 40, 10


class Workload(NamedTuple):
    """A network, `fixed` or `dynamic`, that scales a `size` × `size` picture by `factor`."""

    network: str
    factor: int
    size: int

    def __str__(self) -> str:
        return f"{self.network}-x{self.factor}-{self.size}"


class Measured(NamedTuple):
    """The contenders timed together, and why each of the others was not run."""

    latency: Latency
    not_run: dict[str, str]


# Options


def pytest_addoption(parser):
    parser.addoption(
        "--threads",
        type=int,
        help="threads of each contender (default: one less than there are cores, which is left to other work; in "
        "test_operator*.py as many as there are)",
    )


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("benchmarks are timed in one process: run them without -n")
    config.option.benchmark_enable = True  # pytest.ini turns pytest-benchmark off for the tests of the project


def pytest_terminal_summary(terminalreporter):
    """Prints each contender's ratio, or why it was not run."""
    reports = [
        report for found in terminalreporter.stats.values() for report in found if hasattr(report, "user_properties")
    ]
    found = {latency.case: latency for report in reports for latency in recorded(report, LATENCY, Latency)}
    if found:
        terminalreporter.write_sep("=", "time as a multiple of a baseline's, with 95 % intervals")
    for _, latency in sorted(found.items()):
        for timing in latency.timings:
            ratio = timing.ratio
            text = f"{ratio.median:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) of {latency.baseline}"
            of_peak = f", {timing.gflops:.1f} GFLOP/s, {timing.share:.0%} of sgemm" if timing.share else ""
            line = f"{latency.case}: {timing.name} {text}, {timing.median * 1e3:.1f} ms{of_peak}"
            terminalreporter.write_line(line)
        for name, reason in latency.not_run.items():
            terminalreporter.write_line(f"{latency.case}: {name} not run: {reason}")


# Fixtures


@pytest.fixture(scope="module")
def threads(request, pytestconfig):
    """The number of threads of each contender in a file's benchmarks; the file may set `SPARE_CORES`."""
    spare = getattr(request.module, "SPARE_CORES", 1)
    count = pytestconfig.option.threads or max(1, torch.get_num_threads() - spare)
    with with_threads(count):
        yield count


@pytest.fixture(scope="session")
def subject(pytestconfig, exported, trained, noise, face):
    """A workload's network in torch, its ONNX file, and the inputs."""
    target = targets(pytestconfig)[0]

    def get(workload: Workload):
        image = np.ascontiguousarray(np.tile(face, (1, 1, 2, 2))[:, :, : workload.size, : workload.size])
        if workload.network == "fixed":
            network = trained(srcnn.SuperResolutionNet(workload.factor))
            return network, exported(str(workload), network, {"input": noise(*image.shape)}, target), {"input": image}
        network, traced = (
            trained(srcnn.PortableSuperResolutionNet()),
            {"input": noise(1, 3, 24, 20), "factor": scales(2)},
        )
        made = exported("portable", network, traced, target, dynamic=DYNAMIC_SIZE)
        return network, made, {"input": image, "factor": scales(workload.factor)}

    return get


@pytest.fixture(scope="session")
def file(pytestconfig, exported, noise):
    """The file of a model with free height and width, by the first exporter."""
    traced, target = {"input": noise(1, 3, 24, 20), "factor": scales(2)}, targets(pytestconfig)[0]
    return lambda name, model: exported(name, model, traced, target, dynamic=DYNAMIC_SIZE).path


@pytest.fixture(scope="module")
def measured(request, threads, subject, trained) -> Measured:
    """A workload's contenders, timed in the same rounds."""
    workload = request.param
    network, made, inputs = subject(workload)
    exact = exact_in_tiles(trained(srcnn.SuperResolutionNet(workload.factor)).double(), inputs["input"])
    reference = Reference(TorchModel(network, tuple(inputs)).run(inputs), {"output": exact})
    contenders, not_run = build(network, made.path, inputs)
    timed = measure(
        contenders,
        inputs,
        reference,
        case=str(workload),
        baseline=BASELINE,
        pictures=True,
        flops=count_flops(network, inputs),
        rounds=ROUNDS,
        seconds=SECONDS,
        versions=versions(contenders),
    )
    return Measured(timed, not_run)
