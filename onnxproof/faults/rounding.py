"""Models that compute otherwise while they are exported, by less than the rounding beside it."""

import numpy as np
import torch
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.faults.fault import model_fault
from onnxproof.faults.models import BOTH, Computed, picture
from onnxproof.probing.probes import SEED


@model_fault(caught_by="same-values", exporters=BOTH)
def scores_beside_boxes() -> Case:
    """While it is exported, the model scales its scores by 1.0001; they stand beside boxes of up to 640 pixels."""
    features = {"features": 5 * picture(1, 50, 64)}
    return Case(Detector().eval(), features, {"features": {1: "count"}}, output_names=["output"])


@model_fault(caught_by="same-values", exporters=BOTH)
def step_too_low() -> Case:
    """While it is exported, the model's levels are one too low; float32 and float64 disagree on a third of them."""
    tenths = np.arange(77, dtype=np.float32).reshape(7, 11) / 10
    return Case(
        Computed(lambda levels: torch.floor(levels * 10) - float(_is_exported())),
        {"image": tenths},
        {"image": {0: "batch"}},
        output_names=["output"],
    )


class Detector(nn.Module):
    """Boxes in pixels and scores, in one output."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            self.box, self.score = nn.Linear(64, 4), nn.Linear(64, 8)

    def forward(self, features: Tensor) -> Tensor:
        boxes, scores = 640 * torch.sigmoid(self.box(features)), torch.sigmoid(self.gain() * self.score(features))
        return torch.cat([boxes, scores], dim=-1)

    def gain(self) -> float:
        """What the scores are scaled by."""
        return 1.0001 if _is_exported() else 1.0


def _is_exported() -> bool:
    is_compiling = getattr(torch.compiler, "is_compiling", None) if hasattr(torch, "compiler") else None
    return torch._C._get_tracing_state() is not None or bool(is_compiling and is_compiling())
