"""Fixtures that time each workload once, its contenders in the same rounds."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import srcnn_models as srcnn
from benchmarks.contenders import BASELINE, SEPARABLE, build, versions
from benchmarks.summary import HISTOGRAM, JSON, compared_lines, file_lines, ratio_lines
from onnxproof.engines.torch import TorchModel
from onnxproof.latency import count_flops, measure
from onnxproof.latency import threads as with_threads
from onnxproof.parity.compare import Reference
from onnxproof.plugin.machine import machine
from onnxproof.plugin.recording import LATENCY, recorded
from onnxproof.plugin.targets import targets
from onnxproof.report.moves import FASTER, SLOWER, moves
from onnxproof.results import Latency, Results, ResultsError, read_results
from tests.inputs import DYNAMIC_SIZE, scales
from tests.references import exact_in_tiles

ROUNDS, SECONDS = 40, 10
EARLIER = pytest.StashKey[Results | None]()


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
    parser.addoption(
        "--compare",
        metavar="FILE",
        help="say which ratios have moved since an earlier run, for example --compare earlier/results.json; it may be "
        "the file that this run replaces (default: compare with nothing)",
    )
    parser.addoption(
        "--fail-if-slower",
        action="store_true",
        help="with --compare, end with status 1 if something is slower, or if no ratio can be compared (default: the "
        "status is that of the tests)",
    )


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("benchmarks are timed in one process: run them without -n")
    config.option.benchmark_enable = True  # pytest.ini turns pytest-benchmark off for the tests of the project
    config.stash[EARLIER] = earlier_run(config.option.compare, config.option.fail_if_slower)
    if config.option.onnx_report:
        leave_files(config, Path(config.option.onnx_report))


def earlier_run(path: str | None, fail_if_slower: bool) -> Results | None:
    """The run that --compare names, read before this one can replace it."""
    if path is None:
        if fail_if_slower:
            raise pytest.UsageError("--fail-if-slower: name the earlier run as well, as --compare FILE")
        return None
    try:
        earlier = read_results(path)
    except ResultsError as error:
        raise pytest.UsageError(f"--compare {error}") from error
    if not earlier.latency:
        raise pytest.UsageError(f"--compare {path}: it has no latency; name the results.json of a benchmarks run")
    return earlier


# The report


def leave_files(config, folder: Path) -> None:
    """Has pytest-benchmark leave its own files beside results.json, unless its options name other places."""
    option = config.option
    option.benchmark_json = option.benchmark_json or folder / JSON
    if find_spec("pygal"):
        option.benchmark_histogram = option.benchmark_histogram or [str(folder / HISTOGRAM)]


def pytest_runtestloop(session):
    """Removes pytest-benchmark's files of an earlier run, since this one may leave fewer."""
    option = session.config.option
    if option.onnx_report and not option.collectonly:
        for path in [*Path(option.onnx_report).glob(f"{HISTOGRAM}*.svg"), Path(option.onnx_report, JSON)]:
            path.unlink(missing_ok=True)


def latencies(config) -> list[Latency]:
    """What the run has timed, by workload."""
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    reports = [report for found in stats.values() for report in found if hasattr(report, "user_properties")]
    found = {latency.case: latency for report in reports for latency in recorded(report, LATENCY, Latency)}
    return [found[case] for case in sorted(found)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """With --fail-if-slower, fails a run whose tests pass."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Not saving anything")  # pytest-benchmark, where no test has its fixture
        yield
    config = session.config
    if config.option.fail_if_slower and session.exitstatus == pytest.ExitCode.OK:
        found = moves(config.stash[EARLIER].latency, latencies(config))
        if found[SLOWER] or not found.moves:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter, config):
    """Ends with the ratios, what has moved since an earlier run, and where the report is."""
    yield
    found, earlier, folder = latencies(config), config.stash[EARLIER], config.option.onnx_report
    if found:
        terminalreporter.write_sep("=", "time as a multiple of a baseline's, with 95 % intervals")
    for line in (line for latency in found for line in ratio_lines(latency)):
        terminalreporter.write_line(line)
    if earlier:
        terminalreporter.write_sep("=", f"compared with {config.option.compare}")
        for line, verdict in compared_lines(moves(earlier.latency, found), earlier.machine, machine()):
            terminalreporter.write_line(line, red=verdict == SLOWER, green=verdict == FASTER)
    if folder:
        terminalreporter.write_sep("=", "files")
        for line in file_lines(Path(folder), config.invocation_params.dir):
            terminalreporter.write_line(line)
    return None


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


@pytest.fixture(scope="session")
def separable(file, trained):
    """The file of the network with the separable operator."""
    return lambda: file("separable-network", trained(srcnn.SeparableSuperResolutionNet()))


@pytest.fixture(scope="module")
def measured(request, threads, subject, separable, trained) -> Measured:
    """A workload's contenders, timed in the same rounds; beside the dynamic network also the separable one."""
    workload = request.param
    network, made, inputs = subject(workload)
    others = {SEPARABLE: separable()} if "factor" in inputs else {}
    exact = exact_in_tiles(trained(srcnn.SuperResolutionNet(workload.factor)), inputs["input"])
    reference = Reference(TorchModel(network, tuple(inputs)).run(inputs), {"output": exact})
    contenders, not_run = build(network, made.path, inputs, others)
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
    return Measured(timed, not_run if others else not_run | {SEPARABLE: "it takes the factor as an input"})
