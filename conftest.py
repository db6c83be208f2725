"""Fixtures of this suite: the face, the checkpoint, the document's networks and their exported files."""

import gc
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import srcnn_models as srcnn
from onnxproof.claims.assets import OFFICIAL, AssetError, official, sha256, verify_sums
from onnxproof.claims.claim import read_claims
from onnxproof.claims.ledger import Ledger
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import Export, export
from onnxproof.parity.compare import Reference
from onnxproof.parity.images import read_picture, to_nchw, to_picture, write_picture
from onnxproof.results import Target
from onnxproof.versions import TORCH_EXPORT
from tests.deviations import DEVIATIONS, NOT_APPLICABLE
from tests.once import exported_once, made_once
from tests.references import exact_in_tiles
from tests.speed import speed_up, unshared_signatures

ROOT = Path(__file__).parent
SEED = 20260214
ASSETS = pytest.StashKey[dict[str, Path]]()

# Options


def pytest_addoption(parser):
    parser.addoption(
        "--assets",
        choices=("embedded", "official"),
        default="embedded",
        help="run on this repository's face and weights, or on the document's own, for example --assets official "
        "(default: embedded)",
    )
    parser.addoption(
        "--no-skips",
        action="store_true",
        help="fail a test that is skipped for another reason than a claim's or a check's own, for example because "
        "OpenVINO is missing (default: report it as skipped)",
    )


def pytest_configure(config):
    claims = read_claims(ROOT / "tests" / "claims.toml")
    config.pluginmanager.register(Ledger(claims, DEVIATIONS, NOT_APPLICABLE), "claims of the document")
    if not config.getoption("numprocesses", None):  # else the workers run the tests
        speed_up()
    try:
        config.stash[ASSETS] = _assets(config.option.assets)
    except AssetError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Lets test_conversions.py export as a user's own suite would, without the sharing of `speed_up`."""
    with unshared_signatures() if item.path.name == "test_conversions.py" else nullcontext():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turns an unexpected skip into a failure, with `--no-skips`."""
    report = yield
    if item.config.option.no_skips and report.skipped and not hasattr(report, "wasxfail"):
        expected = {entry.reason for entry in NOT_APPLICABLE}
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in expected and "onnx_check" not in item.fixturenames:
            report.outcome, report.longrepr = "failed", f"skipped, in a run with --no-skips: {reason}"
    return report


def pytest_unconfigure():
    gc.freeze()  # Python collects what is left as it ends, for a second, and nobody needs that memory any more


def pytest_report_header(config):
    digest = sha256(config.stash[ASSETS]["srcnn.pth"])
    return f"assets: {config.option.assets}, checkpoint {digest[:12]}; seed: {SEED}; provider: CPUExecutionProvider"


# Assets


def _assets(which: str) -> dict[str, Path]:
    """The verified face and checkpoint, this repository's or the document's."""
    if which == "official":
        return {name: official(name, progress=sys.stderr.isatty()) for name in OFFICIAL}
    return verify_sums(ROOT / "fixtures")


@pytest.fixture(scope="session")
def assets(pytestconfig) -> dict[str, Path]:
    """The files face.png and srcnn.pth, by name."""
    return pytestconfig.stash[ASSETS]


@pytest.fixture(scope="session")
def checkpoint(assets) -> Path:
    return assets["srcnn.pth"]


@pytest.fixture(scope="session")
def face(assets) -> NDArray[np.float32]:
    """The face as the document feeds it: (1, 3, 256, 256), BGR, 0..255."""
    return to_nchw(read_picture(assets["face.png"]))


@pytest.fixture(scope="session")
def noise() -> Callable[..., NDArray[np.float32]]:
    """Seeded noise in 0..255 of any shape. Exports are traced on it, but never tested on it."""
    return lambda *shape: np.random.default_rng(SEED).uniform(0, 255, shape).astype(np.float32)


@pytest.fixture(scope="session")
def trained(checkpoint) -> Callable[[srcnn.SRCNN], srcnn.SRCNN]:
    """A network with the checkpoint's weights, ready to run."""
    weights = srcnn.strip_prefix(srcnn.load_checkpoint(checkpoint))

    def load(network: srcnn.SRCNN) -> srcnn.SRCNN:
        network.load_state_dict(weights)
        return network.eval()

    return load


@pytest.fixture(scope="session")
def shared_folder(pytestconfig, tmp_path_factory) -> Path:
    """A folder that all workers of a run share, for files that are made once."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if hasattr(pytestconfig, "workerinput") else folder


@pytest.fixture(scope="session")
def target(onnx_target) -> Target:
    """Each exporter; see `onnx_target`."""
    return onnx_target


@pytest.fixture(scope="session")
def every_target(onnx_every_target) -> Target:
    """Each exporter at each opset; see `onnx_every_target`."""
    return onnx_every_target


@pytest.fixture(scope="session")
def exported(shared_folder) -> Callable[..., Export]:
    """`export`, run once per name and target; its files are shared, read-only."""

    def get(name: str, network: torch.nn.Module, inputs: dict, target: Target, **options) -> Export:
        def make(folder: Path) -> Export:
            translations = srcnn.onnx_translations() if target.exporter == TORCH_EXPORT else None
            asked = {"exporter": target.exporter, "opset": target.opset, "translations": translations}
            return export(network, inputs, folder / "model.onnx", **asked | options)

        return exported_once(shared_folder, f"{name}-{target}", make)

    return get


@pytest.fixture(scope="session")
def face_reference(shared_folder, trained, face) -> Callable[[int], Reference]:
    """The face, scaled by a whole factor in torch, in float32 and in float64."""

    def get(factor: int) -> Reference:
        def make(folder: Path) -> None:
            network = trained(srcnn.SuperResolutionNet(factor))
            values = TorchModel(network, ("input",)).run({"input": face})["output"]
            np.savez(folder / "face.npz", values=values, exact=exact_in_tiles(network, face))

        with np.load(made_once(shared_folder, f"face-x{factor}", make) / "face.npz") as arrays:
            return Reference({"output": arrays["values"]}, {"output": arrays["exact"]})

    return get


@pytest.fixture(scope="session")
def keep_picture(pytestconfig, onnx_keep, tmp_path_factory) -> Callable[..., str]:
    """Saves an output as a picture and returns its name in the `--onnx-report` folder."""
    folder = tmp_path_factory.mktemp("pictures")

    def save(output: NDArray[np.float32], name: str, target: Target | None = None) -> str:
        if not pytestconfig.option.onnx_report:
            return name
        return onnx_keep(write_picture(folder / name, to_picture(output)), name, target)

    return save
