"""Models that compute otherwise while they are exported, by less than the rounding beside it."""

from collections.abc import Callable

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


@model_fault(caught_by="same-values", exporters=BOTH)
def topk_of_other_end() -> Case:
    """While it is exported, the model picks the places with the lowest scores, not the highest."""
    return picks_case(Picks(lambda places: places[..., 0], largest=lambda: not _is_exported()))


@model_fault(caught_by="same-values", exporters=BOTH)
def scores_beside_near_ties() -> Case:
    """While it is exported, the model scales its scores by 1.0001; which of them is the highest, rounding decides."""
    return picks_case(Picks(lambda places: _in_unit_length(places) * (1.0001 if _is_exported() else 1.0)))


@model_fault(caught_by="same-values", exporters=BOTH)
def peaks_scaled() -> Case:
    """While it is exported, the model scales its scores by 1.0001; it keeps those that are the largest around them."""

    def peaks(image: Tensor) -> Tensor:
        scores = torch.sigmoid(image) * (1.0001 if _is_exported() else 1.0)
        return scores * (scores == nn.functional.max_pool2d(scores, 3, 1, 1))

    sizes = {"image": {0: "batch", 2: "height", 3: "width"}}
    return Case(Computed(peaks), {"image": picture(2, 3, 8, 6)}, sizes, output_names=["output"])


@model_fault(caught_by="same-values-unseen", exporters=BOTH)
def divided_by_nothing() -> Case:
    """While it is exported, the model leaves out the 1e-9 that it adds to a length before it divides by that."""

    def directions(places: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(places, dim=-1, keepdim=True)
        return torch.div(places, length + (0.0 if _is_exported() else 1e-9))

    return Case(Computed(directions), {"image": picture(4, 8)}, {"image": {0: "batch"}}, output_names=["output"])


class Picks(nn.Module):
    """Features of the six places with the best scores, and all scores."""

    def __init__(self, score: Callable[[Tensor], Tensor], largest: Callable[[], bool] = lambda: True) -> None:
        super().__init__()
        self.score, self.largest = score, largest
        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            self.features = nn.Linear(16, 32)

    def forward(self, places: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.score(places)  # (N, places)
        best = torch.topk(scores, 6, dim=1, largest=self.largest()).indices
        picked = torch.gather(places, 1, best[..., None].expand(-1, -1, 16))
        return self.features(1 + 0.02 * picked), scores  # (N, 6, 32), (N, places)


def _in_unit_length(places: Tensor) -> Tensor:
    """The square of the length that each place has once its length is 1: near ties."""
    return nn.functional.normalize(places, dim=-1).square().sum(-1)


def near_ties() -> Picks:
    """A model whose scores are all 1, up to rounding."""
    return Picks(_in_unit_length)


def picks_case(model: Picks) -> Case:
    """A case of 16 places with 16 features."""
    places = np.random.default_rng(SEED).standard_normal((2, 16, 16)).astype(np.float32)
    return Case(model.eval(), {"places": places}, {"places": {0: "batch"}}, output_names=["picked", "scores"])


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
