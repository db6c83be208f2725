"""Cases of real sizes: what a check costs is measured on them, and faults are put into their files."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

import srcnn_models
from onnxproof.case import Case
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT
from tests.harness.good_conversions.making import built, normal
from tests.harness.subjects import Subject, noise, trained_srcnn
from tests.inputs import DYNAMIC_SIZE, scales


def fixed_srcnn_case(height: int = 256, width: int = 256) -> Case:
    """The document's network for ×3 on a picture of its size or another one, no dimension free."""
    model = trained_srcnn(srcnn_models.SuperResolutionNet(3))
    return Case(model, {"input": noise(1, 3, height, width)}, name="fixed-srcnn", output_names=["output"])


def two_input_srcnn_case() -> Case:
    """The network with the factor as an input, at ×3 on a picture of the document's size, height and width free."""
    return Case(
        trained_srcnn(srcnn_models.PortableSuperResolutionNet()),
        {"input": noise(1, 3, 256, 256), "factor": scales(3)},
        dynamic=DYNAMIC_SIZE,
        name="two-input-srcnn",
        output_names=["output"],
        translations=srcnn_models.onnx_translations,
    )


class Block(nn.Module):
    """Two convolutions beside a shortcut, at half the size where the channels grow."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        stride = out_channels // in_channels
        self.first = convolution(in_channels, out_channels, 3, stride)
        self.second = convolution(out_channels, out_channels, 3, 1)
        self.shortcut = convolution(in_channels, out_channels, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.second(relu(self.first(x))) + self.shortcut(x))  # (N, out_channels, H/stride, W/stride)


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int) -> nn.Sequential:
    """A convolution with batch normalization."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out_channels))


class Classifier(nn.Module):
    """The layers of ResNet-18: 11 million weights, 1.8 billion multiplications for a picture of 224×224."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        widths = (64, 64, 64, 128, 128, 256, 256, 512, 512)
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.head = nn.Linear(512, 1000)

    def forward(self, image: Tensor) -> Tensor:
        features = self.blocks(self.stem(image))  # (N, 512, H/32, W/32)
        return self.head(features.mean((2, 3)))  # (N, 1000)


def classifier_case() -> Case:
    """`Classifier` on a picture of 224×224, the batch free."""
    image = normal(1, 3, 224, 224)
    return Case(
        built(Classifier), {"image": image}, dynamic={"image": {0: "batch"}}, name="classifier", output_names=["logits"]
    )


class Segmenter(nn.Module):
    """A pyramid of dilated convolutions over features of a sixteenth of the picture's size, as DeepLab has it."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 160, 320)
        layers = [nn.Conv2d(*pair, 3, stride=2, padding=1) for pair in pairwise(widths)]
        self.stem = nn.Sequential(*(module for layer in layers for module in (layer, nn.ReLU())))
        dilated = [nn.Conv2d(320, 128, 3, padding=dilation, dilation=dilation) for dilation in (6, 12, 18)]
        self.pyramid = nn.ModuleList([nn.Conv2d(320, 128, 1), *dilated])
        self.mix, self.head = nn.Conv2d(512, 128, 1), nn.Conv2d(128, 21, 1)

    def forward(self, image: Tensor) -> Tensor:
        features = self.stem(image)  # (N, 320, H/16, W/16)
        pyramid = torch.cat([layer(features) for layer in self.pyramid], 1)  # (N, 512, H/16, W/16)
        classes = self.head(relu(self.mix(pyramid)))  # (N, 21, H/16, W/16)
        return interpolate(classes, size=image.shape[-2:], mode="bilinear", align_corners=False)  # (N, 21, H, W)


def segmenter_case() -> Case:
    """`Segmenter` on a picture of 256×256, no dimension free."""
    image = normal(1, 3, 256, 256)
    return Case(built(Segmenter), {"image": image}, name="segmenter", output_names=["classes"])


REAL_SUBJECTS = tuple(
    subject
    for subject in (
        Subject(f"fixed-srcnn-{TORCHSCRIPT}-opset17", fixed_srcnn_case, TORCHSCRIPT, 17),
        Subject(f"classifier-{TORCH_EXPORT}-opset18", classifier_case, TORCH_EXPORT, 18),
    )
    if subject.exporter in EXPORTERS
)
