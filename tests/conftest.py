"""The document's exported files, each made once per target in a run.

They are traced on noise, of a size and a factor that no spec of dynamic behaviour uses.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import Export, export
from onnxproof.results import Target
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.inputs import DYNAMIC_SIZE, scales
from tests.once import made_once
from tests.outcomes import Outcome, read_outcomes, run_listings

# Every run has the same examples, however slow the machine. Each target runs a method on a new instance of its class.
settings.register_profile(
    "onnxproof", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)
settings.register_profile("fuzz", settings.get_profile("onnxproof"), derandomize=False, max_examples=15_000)
settings.load_profile("onnxproof")

TWO_INPUT_EXPORTS = {TORCHSCRIPT: "operator_export", TORCH_EXPORT: "portable_export"}


@pytest.fixture
def export_to(tmp_path):
    """Exports into the spec's own folder, for files used once and for refusals."""

    def to(network, inputs, target, **options) -> Export:
        folder = tmp_path / "export"
        folder.mkdir(exist_ok=True)
        return export(network, inputs, folder / "model.onnx", exporter=target.exporter, opset=target.opset, **options)

    return to


@pytest.fixture
def export_like(export_to, noise, target):
    """Exports a model, traced on noise of the same shapes as its test inputs."""
    return lambda model, inputs: export_to(model, {name: noise(*value.shape) for name, value in inputs.items()}, target)


@pytest.fixture(scope="session")
def listings(shared_folder, assets, target) -> Mapping[str, Outcome]:
    """What becomes of the document's listings, run in order by torch's default exporter or with `dynamo=False`."""
    name = f"listings-{target.exporter}"
    return read_outcomes(made_once(shared_folder, name, lambda folder: run_listings(folder, assets, target.exporter)))


@pytest.fixture(scope="session")
def face_pictures(face, trained, face_reference, keep_picture) -> Callable[[int, str], dict[str, str]]:
    """The report's pictures beside ONNX Runtime's: the face, its bicubic enlargement, and torch's output."""

    def save(factor: int, torch_name: str) -> dict[str, str]:
        with torch.inference_mode():
            bicubic = trained(srcnn.SuperResolutionNet(factor)).img_upsampler(torch.from_numpy(face)).numpy()
        return {
            "input": keep_picture(face, "face.png"),
            "bicubic": keep_picture(bicubic, f"face_bicubic_x{factor}.png"),
            "torch": keep_picture(face_reference(factor).values["output"], torch_name),
        }

    return save


@pytest.fixture(scope="session")
def small_face(face):
    """A crop of the face of 37 × 53, a size that no export is traced with."""
    return np.ascontiguousarray(face[:, :, 60:97, 100:153])


@pytest.fixture(scope="session")
def fixed_export(exported, trained, noise, onnx_keep, target) -> Export:
    """The document's first file: ×3 built in, every dimension static."""
    made = exported("srcnn", trained(srcnn.SuperResolutionNet(3)), {"input": noise(1, 3, 256, 256)}, target)
    onnx_keep(made.path, "srcnn.onnx", target, inputs=("input",))
    return made


@pytest.fixture(scope="session")
def fixed_output(shared_folder, fixed_export, face, target):
    """The output of the document's first file for the face, in ONNX Runtime."""

    def make(folder):
        np.save(folder / "output.npy", OnnxRuntime().open(fixed_export.path).run({"input": face})["output"])

    return np.load(made_once(shared_folder, f"face-{target}", make) / "output.npy")


@pytest.fixture(scope="session")
def small_export(exported, trained, noise) -> Callable[[Target], Export]:
    """The ×3 network, exported for a picture of 24 × 20 with a target."""
    network, inputs = trained(srcnn.SuperResolutionNet(3)), {"input": noise(1, 3, 24, 20)}
    return lambda target: exported("srcnn-small", network, inputs, target)


@pytest.fixture(scope="session")
def default_export(exported, trained, noise, target) -> Export:
    """`small_export`, with `external_data` left at torch's default."""
    network, inputs = trained(srcnn.SuperResolutionNet(3)), {"input": noise(1, 3, 24, 20)}
    options = {"external_data": True} if target.exporter == TORCH_EXPORT else {}
    return exported("srcnn-default", network, inputs, target, options=options)


@pytest.fixture(scope="session")
def eyes(face):
    """A crop of the face of 24 × 20."""
    return np.ascontiguousarray(face[:, :, 92:116, 110:130])


@pytest.fixture(scope="session")
def int_factor_export(exported, trained, noise, target) -> Export:
    """The run-time factor's network, exported with the Python int 3."""
    inputs = {"input": noise(1, 3, 24, 20), "factor": 3}
    return exported("srcnn-int", trained(srcnn.RuntimeFactorNet()), inputs, target)


@pytest.fixture(scope="session")
def item_export(exported, trained, noise, onnx_keep, target) -> Export:
    """The document's second file: the factor is a tensor, read with `.item()`."""
    inputs = {"input": noise(1, 3, 256, 256), "factor": np.array(3)}
    made = exported("srcnn2", trained(srcnn.ItemFactorNet()), inputs, target)
    onnx_keep(made.path, "srcnn2.onnx", target, inputs=("input", "factor"))
    return made


@pytest.fixture(scope="session")
def operator_export(exported, trained, noise, target) -> Export:
    """The document's third file: the custom operator, traced at ×3."""
    inputs = {"input": noise(1, 3, 256, 256), "factor": scales(3)}
    return exported("srcnn3", trained(srcnn.StrangeSuperResolutionNet()), inputs, target)


@pytest.fixture(scope="session")
def two_input_export(request, onnx_keep, target) -> Export:
    """The two-input file, through the operator that the exporter understands."""
    made = request.getfixturevalue(TWO_INPUT_EXPORTS[target.exporter])
    onnx_keep(made.path, "srcnn3.onnx", target, inputs=("input", "factor"))
    return made


@pytest.fixture(scope="session")
def portable_export(exported, trained, noise, target) -> Export:
    """The two-input file of free size, through the operator that both exporters understand, traced at ×2."""
    return exported(
        "portable",
        trained(srcnn.PortableSuperResolutionNet()),
        {"input": noise(1, 3, 24, 20), "factor": scales(2)},
        target,
        dynamic=DYNAMIC_SIZE,
    )
