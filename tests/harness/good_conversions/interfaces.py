"""Inputs and outputs of every shape and type."""

from typing import Any, NamedTuple

from torch import Tensor, nn

from onnxproof.case import Case
from tests.harness.good_conversions.making import GoodConversion, built, normal, on_features


class Scores(NamedTuple):
    logits: Tensor
    probabilities: Tensor
    best: Tensor


class Classifier(nn.Sequential):
    """A classifier that ends with a softmax."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 5), nn.Softmax(dim=-1))


class NamedOutputs(nn.Module):
    """Outputs that the model names itself, in a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, features: Tensor) -> Scores:
        logits = self.layer(features)
        return Scores(logits, logits.softmax(-1), logits.argmax(-1))


class DictOutputs(nn.Module):
    """A dict of outputs, whose keys are not in alphabetical order."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        scores = self.layer(features)
        return {"scores": scores, "largest": scores.amax(-1), "mean": scores.mean(-1)}


class ArgMax(nn.Module):
    """The index of the best class of each pixel: an integer output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image).argmax(1)


def argmax() -> Case:
    return Case(
        built(ArgMax),
        {"image": normal(2, 3, 8, 6)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        also=[{"image": normal(1, 3, 5, 9, seed=1)}],
    )


class InPlace(nn.Module):
    """A model that works in place, on a copy of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, features: Tensor) -> Tensor:
        changed = features.clone()
        changed[:, :2] *= 2
        changed[:, 3] = 0
        changed.add_(self.layer(features)).clamp_(min=-1)
        return changed


class Options(nn.Module):
    """Inputs are a dict of tensors with a bool mask, a missing optional tensor, a number and a switch."""

    def forward(self, features: dict[str, Tensor], bias: Tensor | None, factor: float, center: bool) -> Tensor:
        values = features["values"].masked_fill(features["hidden"], 0) * factor
        if bias is not None:
            values = values + bias
        return values - values.mean(-1, keepdim=True) if center else values


def options() -> Case:
    def inputs(rows: int, seed: int) -> dict[str, Any]:
        features = {"values": normal(rows, 6, seed=seed), "hidden": normal(rows, 6, seed=seed + 1) > 1}
        return {"features": features, "bias": None, "factor": 2.5, "center": True}

    return Case(
        built(Options),
        inputs(4, seed=0),
        dynamic={"features.values": {0: "batch"}, "features.hidden": {0: "batch"}},
        also=[inputs(7, seed=2)],
    )


INTERFACES = (
    GoodConversion("classifier", on_features(Classifier), opset=20),  # the first opset that has Gelu
    GoodConversion("named-outputs", on_features(NamedOutputs)),
    GoodConversion("dict-outputs", on_features(DictOutputs)),
    GoodConversion("argmax", argmax),
    GoodConversion("in-place", on_features(InPlace)),
    GoodConversion("options", options),
)
