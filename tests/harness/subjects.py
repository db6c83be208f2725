"""Good conversions, to which faults are applied."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softmax

import srcnn_models
from onnxproof.case import Case
from onnxproof.exporting.export import Export, export
from onnxproof.probing.probes import SEED
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT
from tests.facts import torchscript_ties_output_dims
from tests.harness.good_conversions.making import built
from tests.inputs import DYNAMIC_SIZE, scales

CHECKPOINT = Path(__file__).parents[2] / "fixtures" / "srcnn.pth"


@dataclass(frozen=True)
class Subject:
    """A case, and the exporter and opset that it is converted with."""

    id: str
    make: Callable[[], Case]
    exporter: str
    opset: int

    def export(self, path: Path) -> Export:
        """The case's model, written to `path`."""
        case = self.make()
        return export(
            case.model,
            case.inputs,
            path,
            exporter=self.exporter,
            opset=self.opset,
            output_names=case.output_names,
            dynamic=case.dynamic,
            translations=case.custom_translations(),
            options=case.export,
        )


def noise(*shape: int, low: float = 0.0, high: float = 255.0) -> np.ndarray:
    """Uniform float32 values from `low` to `high`, the same at every call."""
    return np.random.default_rng(SEED).uniform(low, high, shape).astype(np.float32)


def trained_srcnn(model: nn.Module) -> nn.Module:
    """One of the document's networks with the weights of the committed checkpoint."""
    model.load_state_dict(srcnn_models.strip_prefix(srcnn_models.load_checkpoint(CHECKPOINT), model.state_dict()))
    return model.eval()


def srcnn_case(**more: Any) -> Case:
    """SRCNN on small pictures, enlarged and, for faults that show only then, reduced."""
    return Case(
        trained_srcnn(srcnn_models.PortableSuperResolutionNet()),
        {"input": noise(1, 3, 12, 10), "factor": scales(2, 3)},
        dynamic=DYNAMIC_SIZE,
        also=[
            {"input": noise(1, 3, 7, 11), "factor": scales(3, 2)},
            {"input": noise(1, 3, 8, 12), "factor": scales(0.5)},
        ],
        name="srcnn",
        output_names=["output"],
        translations=srcnn_models.onnx_translations,
        **more,
    )


class TwoHeads(nn.Module):
    """Two pictures in; a fine map, a coarse map and a second fine map out."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.right = nn.Conv2d(3, 4, kernel_size=3, padding=1)
        self.mix = nn.Linear(4, 4)
        self.fine = nn.Conv2d(4, 3, kernel_size=3, padding=1)
        self.detail = nn.Conv2d(4, 3, kernel_size=3, padding=1)
        self.coarse = nn.Conv2d(4, 5, kernel_size=3, stride=2, padding=1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        both = relu(self.left(left)) - relu(self.right(right))  # (N, 4, H, W)
        mixed = self.mix(both.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (N, 4, H, W)
        fine = self.fine(mixed)  # (N, 3, H, W)
        coarse = self.coarse(mixed)  # (N, 5, ⌈H/2⌉, ⌈W/2⌉)
        return fine, coarse, self.detail(mixed)  # the last (N, 3, H, W)


def two_heads_case(**more: Any) -> Case:
    """`TwoHeads` on two pictures, every dimension but the channels free."""
    pictures = noise(2, 2, 3, 9, 8, low=-1, high=1)
    free = {0: "batch", 2: "height", 3: "width"}
    return Case(
        built(TwoHeads),
        {"left": pictures[0], "right": pictures[1]},
        dynamic={"left": free, "right": free},
        name="two-heads",
        output_names=["fine", "coarse", "detail"],
        **more,
    )


class Gated(nn.Module):
    """A normalized convolution, a softmax over channels, one matrix that is used twice, and the energy of a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8, eps=1e-3)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(1e-3, 5e-3)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)
        self.mix = nn.Parameter(torch.randn(8, 8))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.norm(self.conv(image / 400))[:, :, 1:]  # (N, 8, H - 1, W)
        shares = softmax(features, dim=1).permute(0, 2, 3, 1)  # (N, H - 1, W, 8)
        mixed = (relu(shares @ self.mix) @ self.mix).permute(0, 3, 1, 2)  # (N, 8, H - 1, W)
        return mixed, (image * image).mean((2, 3), keepdim=True)  # the last (N, 3, 1, 1)


def gated_case(**more: Any) -> Case:
    """`Gated` on a picture, exported as in training, which leaves the normalization a node of its own."""
    return Case(
        built(Gated),
        {"image": noise(2, 3, 9, 8, low=-400, high=400)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        name="gated",
        output_names=["mixed", "energy"],
        export={"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False},
        **more,
    )


OPSETS = {TORCHSCRIPT: (11, 17), TORCH_EXPORT: (18,)}
TIED = {"shapes-honest": {TORCHSCRIPT: "torchscript declares output dimensions of different size with one symbol"}}
KNOWN = TIED if torchscript_ties_output_dims else {}
"""Checks that fail on a good conversion, by exporter."""

SUBJECTS = tuple(
    Subject(f"{name}-{exporter}-opset{opset}", partial(make, expected=KNOWN), exporter, opset)
    for name, make in (("srcnn", srcnn_case), ("two-heads", two_heads_case))
    for exporter in EXPORTERS
    for opset in OPSETS[exporter]
) + tuple(Subject("gated-torchscript-opset17", gated_case, exporter, 17) for exporter in EXPORTERS[:1])
