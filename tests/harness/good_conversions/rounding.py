"""Models whose float32 and float64 outputs part ways, or whose rounding is hard to tell."""

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

from onnxproof.case import Case
from onnxproof.faults.models import Computed, picture
from onnxproof.faults.rounding import Detector, near_ties, picks_case
from tests.harness.good_conversions.making import GoodConversion, built, normal, on_features


class Similarity(nn.Module):
    """The cosine of two embeddings: one value, which cancels."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.image = nn.Linear(64, 512), nn.Linear(64, 512)

    def forward(self, texts: Tensor, images: Tensor) -> Tensor:
        return 14.8 * normalize(self.text(texts)) @ normalize(self.image(images)).T


class Float32Table(nn.Module):
    """Multiplies by a table that is float32 whatever its input is."""

    def forward(self, features: Tensor) -> Tensor:
        return features @ torch.linspace(0, 1, 12, dtype=torch.float32).reshape(6, 2)


def steps() -> Case:
    tenths = np.arange(77, dtype=np.float32).reshape(7, 11) / 10
    model = Computed(lambda image: torch.floor(image * 10)).eval()
    return Case(model, {"image": tenths}, {"image": {0: "batch"}}, also=[{"image": tenths[::2] + np.float32(0.05)}])


def sum_of_all() -> Case:
    """One value out, which another order of the same values changes by its rounding alone."""
    return Case(Computed(torch.sum).eval(), {"image": picture(3, 16)}, {"image": {0: "batch"}})


class LargeMeans(nn.Module):
    """Normalizations and means of tens of thousands of values, which ONNX Runtime adds one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.together, self.each = nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        shifted = image + 0.5
        return self.together(shifted), self.each(shifted), shifted.mean((2, 3)), shifted.mean()


def large_means() -> Case:
    return Case(built(LargeMeans), {"image": picture(1, 4, 224, 224)}, {"image": {0: "batch"}})


class WeightNorm(nn.Module):
    """Keeps the weight that it last made of its parameters, which torch cannot copy."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.layer = nn.utils.weight_norm(nn.Linear(6, 4))

    def forward(self, features: Tensor) -> Tensor:
        return self.layer(features)


def bright_alone() -> Case:
    """A model that other values of the example do not move, those of `also` do."""
    model = Computed(lambda image: image * (image.mean() > 5) + torch.arange(image.shape[3])).eval()
    dark = picture(2, 3, 6, 8)
    return Case(model, {"image": dark}, {"image": {0: "batch", 3: "width"}}, also=[{"image": dark + 8}])


class LongestFirst(nn.Module):
    """Sentences in the order of their lengths, which are integers, with ties in other sizes."""

    def forward(self, sentences: Tensor, lengths: Tensor) -> Tensor:
        return sentences[lengths.argsort(descending=True)]


def longest_first() -> Case:
    inputs = {"sentences": normal(24, 5), "lengths": np.random.default_rng(0).permutation(24)}
    return Case(LongestFirst(), inputs, {name: {0: "count"} for name in inputs})


def photographs() -> Case:
    """Photographs as a camera gives them, of any size, made what a classifier takes."""

    def prepared(photographs: Tensor) -> Tensor:
        resized = interpolate(photographs.permute(0, 3, 1, 2).float(), (32, 32), mode="bilinear")
        return (resized - 124.0) / 58.0

    photographs = (127.5 * (picture(2, 40, 30, 3) + 1)).astype(np.uint8)
    sizes = {0: "batch", 1: "height", 2: "width"}
    return Case(Computed(prepared).eval(), {"photographs": photographs}, {"photographs": sizes})


class BestFirst(nn.Module):
    """Boxes in the order of their scores, of which other sizes have ties."""

    def forward(self, boxes: Tensor, scores: Tensor) -> Tensor:
        order = scores.argsort(1, descending=True)
        return torch.gather(boxes, 1, order[..., None].expand(-1, -1, 4))


def best_first() -> Case:
    inputs = {"boxes": picture(2, 9, 4), "scores": normal(2, 9)}
    return Case(BestFirst(), inputs, {name: {0: "batch", 1: "count"} for name in inputs})


def similarity() -> Case:
    return Case(
        built(Similarity),
        {"texts": normal(1, 64), "images": normal(1, 64, seed=1)},
        {"texts": {0: "texts"}, "images": {0: "images"}},
    )


class SameWhenExported(Detector):
    """Boxes of up to 640 pixels beside scores, in one output."""

    def gain(self) -> float:
        return 1.0


def boxes_and_scores() -> Case:
    return Case(SameWhenExported().eval(), {"features": normal(1, 50, 64)}, {"features": {1: "count"}})


def rare_objects() -> Case:
    """Scores of a detector before it is trained, which begins with 1 in 1000: each is far below a half."""

    def layers() -> nn.Module:
        found = nn.Conv2d(8, 6, 3, padding=1)
        nn.init.normal_(found.weight, std=0.01)
        nn.init.constant_(found.bias, -6.9)
        return nn.Sequential(found, nn.Sigmoid())

    return Case(built(layers), {"input": normal(1, 8, 12, 10)}, {"input": {0: "batch", 2: "height", 3: "width"}})


def picks_by_near_ties() -> Case:
    return picks_case(near_ties())


ROUNDING = (
    GoodConversion("picks-by-near-ties", picks_by_near_ties),
    GoodConversion("steps", steps),
    GoodConversion("sum-of-all", sum_of_all),
    GoodConversion("large-means", large_means),
    GoodConversion("weight-norm", on_features(WeightNorm)),
    GoodConversion("bright-alone", bright_alone),
    GoodConversion("photographs", photographs),
    GoodConversion("best-first", best_first),
    GoodConversion("longest-first", longest_first),
    GoodConversion("similarity", similarity),
    GoodConversion("boxes-and-scores", boxes_and_scores),
    GoodConversion("rare-objects", rare_objects),
    GoodConversion("float32-table", on_features(Float32Table)),
)
