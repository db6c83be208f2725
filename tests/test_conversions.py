"""The conversion checks on the document's networks, as on a user's own models."""

from pathlib import Path

import numpy as np

import srcnn_models as srcnn
from onnxproof import Case, conversion_checks
from onnxproof.engines.base import how_to_install
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.facts import opencv_runs_dynamic_shapes, torchscript_ties_output_dims
from tests.inputs import DYNAMIC_SIZE, scales

CHECKPOINT = Path(__file__).parents[1] / "fixtures" / "srcnn.pth"
PICTURE, OTHER = np.random.default_rng(20260214).uniform(0, 255, (2, 1, 3, 12, 10)).astype(np.float32)

TIED = (
    {"shapes-honest": {TORCHSCRIPT: "it declares batch and height of the operator's output as one symbol"}}
    if torchscript_ties_output_dims
    else {}
)

REFUSED = {"tract": "it plans every size before a run, and refuses one that depends on the factor"}
REFUSED_BY_TRACT = {"same-values": REFUSED, "same-values-unseen": REFUSED}
ENGINES = [
    "onnxruntime",
    *(name for name in ("openvino", "tract") if not how_to_install(name)),
    *["opencv:new"] * opencv_runs_dynamic_shapes,
]


def trained(network: srcnn.SRCNN) -> srcnn.SRCNN:
    """A network with the checkpoint's weights, ready to run."""
    network.load_state_dict(srcnn.strip_prefix(srcnn.load_checkpoint(CHECKPOINT)))
    return network.eval()


def fixed_factor() -> Case:
    """×3 built in."""
    return Case(trained(srcnn.SuperResolutionNet(3)), {"input": PICTURE}, name="fixed-factor")


def item_factor() -> Case:
    """A factor taken out of its tensor with `.item()`."""
    refused = {TORCH_EXPORT: "interpolate refuses the symbol that stands for the factor"}
    folded = {TORCHSCRIPT: "the factor is folded into the file"}
    return Case(
        trained(srcnn.ItemFactorNet()),
        {"input": PICTURE, "factor": np.array(3)},
        name="item-factor",
        expected={"exports": refused, "inputs-kept": folded, "inputs-live": folded},
    )


def custom_operator() -> Case:
    """The document's operator, whose `symbolic` is a Resize."""
    refused = {TORCH_EXPORT: "it traces forward, which needs the numbers in the factor"}
    return Case(
        trained(srcnn.StrangeSuperResolutionNet()),
        {"input": PICTURE, "factor": scales(3)},
        also=[{"input": OTHER, "factor": scales(2)}],
        name="custom-operator",
        expected={"exports": refused} | TIED,
    )


def portable_operator() -> Case:
    """The same operator for both exporters."""
    return Case(
        trained(srcnn.PortableSuperResolutionNet()),
        {"input": PICTURE, "factor": scales(2, 3)},
        dynamic=DYNAMIC_SIZE,
        name="portable-operator",
        expected=TIED | REFUSED_BY_TRACT,
        translations=srcnn.onnx_translations,
    )


def separable_operator() -> Case:
    """An operator without a Resize."""
    return Case(
        trained(srcnn.SeparableSuperResolutionNet()),
        {"input": PICTURE, "factor": scales(2, 3)},
        dynamic=DYNAMIC_SIZE,
        name="separable-operator",
        expected=REFUSED_BY_TRACT,
        translations=srcnn.onnx_translations,
    )


@conversion_checks(fixed_factor, item_factor, custom_operator)
def test_conversion(onnx_check):
    """Each check holds, or fails for the reason in the case."""
    onnx_check()


@conversion_checks(portable_operator, separable_operator, engines=ENGINES)
def test_deployed(onnx_check):
    """So does each of the networks with two inputs, in every engine that they are deployed to."""
    onnx_check()
