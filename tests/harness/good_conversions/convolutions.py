"""Pictures and feature maps: convolutions, pooling, norms, and the document's own networks."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import silu

import srcnn_models as srcnn
from onnxproof.case import Case
from onnxproof.versions import TORCH_EXPORT
from tests.harness.good_conversions.making import GoodConversion, built, normal
from tests.inputs import DYNAMIC_SIZE, scales


class BatchNormNet(nn.Sequential):
    """Convolutions and batch norms whose statistics are not the initial ones."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 6, 3, stride=2, padding=1),
            nn.BatchNorm2d(6),
            nn.LeakyReLU(0.1),
            nn.Conv2d(6, 4, 1),
        )
        for norm in (self[1], self[4]):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)


def batch_norm() -> Case:
    return Case(
        built(BatchNormNet),
        {"image": normal(2, 3, 12, 10)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        also=[{"image": normal(3, 3, 9, 14, seed=1)}],
    )


class Upscale(nn.Sequential):
    """A decoder of transposed convolutions, one with an output padding.

    Without groups: onnx's reference evaluator splits the weights by output channels, which are not their first axis.
    """

    def __init__(self) -> None:
        super().__init__(
            nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1),
        )


def conv_transpose() -> Case:
    return Case(
        built(Upscale),
        {"features": normal(2, 4, 6, 5)},
        dynamic={"features": {0: "batch", 2: "height", 3: "width"}},
        also=[{"features": normal(1, 4, 3, 8, seed=1)}],
    )


class PixelShuffleNet(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2), nn.Tanh(), nn.PixelUnshuffle(2))


def pixel_shuffle() -> Case:
    return Case(
        built(PixelShuffleNet),
        {"image": normal(1, 3, 8, 6)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        also=[{"image": normal(2, 3, 5, 7, seed=1)}],
    )


class Pooled(nn.Module):
    """Max and average pooling: padded, rounded up, and with padding left out of the mean.

    Both round up: if one rounds down, torchscript declares the same symbol for two lengths.
    """

    def __init__(self) -> None:
        super().__init__()
        self.largest = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
        self.mean = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
        self.whole = nn.AdaptiveAvgPool2d(1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.largest(image), self.mean(image), self.whole(image)


def pooling() -> Case:
    return Case(
        built(Pooled),
        {"image": normal(2, 3, 11, 7)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        also=[{"image": normal(1, 3, 6, 13, seed=1)}],
        output_names=("largest", "mean", "whole"),
    )


class Normalized(nn.Module):
    """Group norm over channels, then layer norm over the last dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.groups = nn.GroupNorm(3, 6)
        self.layer = nn.LayerNorm(10)
        for norm in (self.groups, self.layer):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(silu(self.groups(image)))


def norms() -> Case:
    return Case(
        built(Normalized),
        {"image": normal(2, 6, 8, 10)},
        dynamic={"image": {0: "batch", 2: "height"}},
        also=[{"image": normal(3, 6, 5, 10, seed=1)}],
    )


def srcnn_fixed_factor() -> Case:
    return Case(
        built(srcnn.SuperResolutionNet, 3),
        {"input": normal(1, 3, 8, 10)},
        dynamic=DYNAMIC_SIZE,
        also=[{"input": normal(1, 3, 13, 9, seed=1)}],
        output_names=("output",),
    )


def srcnn_factor_input(network: type[srcnn.SRCNN]) -> Callable[[], Case]:
    """A case of a network whose factor is an input."""

    def case() -> Case:
        return Case(
            built(network),
            {"input": normal(1, 3, 8, 10), "factor": scales(3)},
            dynamic=DYNAMIC_SIZE,
            also=[{"input": normal(1, 3, 13, 9, seed=1), "factor": scales(2, 4)}],
            output_names=("output",),
            translations=srcnn.onnx_translations,
        )

    return case


CONVOLUTIONS = (
    GoodConversion("batch-norm", batch_norm),
    GoodConversion("conv-transpose", conv_transpose),
    GoodConversion("pixel-shuffle", pixel_shuffle),
    GoodConversion("pooling", pooling),
    GoodConversion("norms", norms),
    GoodConversion("srcnn-fixed-factor", srcnn_fixed_factor),
    GoodConversion("srcnn-separable", srcnn_factor_input(srcnn.SeparableSuperResolutionNet)),
    GoodConversion(
        "srcnn-portable",
        srcnn_factor_input(srcnn.PortableSuperResolutionNet),
        exporters=(TORCH_EXPORT,),
        why="torchscript declares one symbol for the output's batch and height",
    ),
)
