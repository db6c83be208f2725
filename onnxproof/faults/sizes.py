"""Conversions that go wrong at sizes that few draws reach, and promises of sizes that a model does not keep."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from onnxproof.case import Case
from onnxproof.exporting.dynamic import Dim
from onnxproof.faults.fault import model_fault
from onnxproof.faults.models import BOTH, FREE, picture
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT


class Stages(nn.Module):
    """Goes down by eight and up again; its skip connections take heights and widths that are multiples of 8.

    `deepest` changes the features (N, 4, H / 8, W / 8) in between.
    """

    def __init__(self, deepest: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.deepest = deepest
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.down = nn.ModuleList(nn.Conv2d(channels, 4, 3, stride=2, padding=1) for channels in (3, 4, 4))
            self.up = nn.ModuleList(nn.ConvTranspose2d(4, channels, 2, stride=2) for channels in (4, 4, 3))

    def forward(self, image: Tensor) -> Tensor:
        skipped, features = [], image
        for down in self.down:
            skipped.append(features)
            features = functional.relu(down(features))
        features = self.deepest(features)
        for up in self.up:
            features = up(features) + skipped.pop()
        return features


def in_stages(deepest: Callable[[Tensor], Tensor]) -> Case:
    """Makes a case of a network that takes one picture, of which only multiples of 8 fit."""
    return Case(Stages(deepest).eval(), {"image": picture(1, 3, 32, 48)}, FREE, output_names=["output"])


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def batch_as_number() -> Case:
    """A network of multiples of 8 makes a number of its batch, which torchscript writes into a Reshape as 1."""
    return in_stages(lambda x: functional.softmax(x.reshape(int(x.shape[0]), 4, -1), -1).reshape(x.shape))


@model_fault(caught_by="dims-kept", exporters=(TORCH_EXPORT,))
def batch_frozen_by_exporter() -> Case:
    """A network of multiples of 8 makes a number of its batch, and torch.export freezes it."""
    return in_stages(lambda x: functional.softmax(x.reshape(int(x.shape[0]), 4, -1), -1).reshape(x.shape))


@model_fault(caught_by="same-values-unseen", exporters=BOTH)
def area_in_tensor() -> Case:
    """A network of multiples of 8 scales by a tensor that it makes of its area, which stays that of the traced one."""
    return in_stages(lambda x: x * torch.tensor(float(x.shape[2] * x.shape[3])))


@model_fault(caught_by="same-values-unseen", exporters=BOTH)
def dilation_beyond_example() -> Case:
    """A convolution behind sixteenfold reduction is exported with dilation 12, not 24: the same up to 192 pixels."""
    image = {"image": picture(1, 3, 65, 97)}
    return Case(Dilated().eval(), image, FREE, output_names=["output"])


class Dilated(nn.Module):
    """A convolution of dilation 24 on features a sixteenth of the picture's size; the file has another dilation."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.reduce = nn.Conv2d(3, 4, 16, stride=16)
            self.spread = nn.Conv2d(4, 4, 3)

    def forward(self, image: Tensor) -> Tensor:
        apart = 12 if torch.onnx.is_in_onnx_export() else 24
        layer = self.spread
        features = self.reduce(image)  # (N, 4, H / 16, W / 16)
        return functional.conv2d(features, layer.weight, layer.bias, padding=apart, dilation=apart)


@model_fault(caught_by="same-values-unseen", exporters=BOTH)
def wrong_at_an_end() -> Case:
    """The file is another one at the smallest promised height alone."""
    image = {"image": picture(1, 3, 16, 24)}
    return Case(ShortAlone().eval(), image, {"image": {2: Dim("height", min=9, max=64)}}, output_names=["output"])


class ShortAlone(nn.Module):
    """Doubles a picture of nine rows; the file does not."""

    def forward(self, image: Tensor) -> Tensor:
        return image * (1 if torch.onnx.is_in_onnx_export() or image.shape[2] != 9 else 2)


@model_fault(caught_by="probes-adequate", exporters=BOTH)
def promise_not_kept() -> Case:
    """The case promises multiples of 4, the network takes those of 8."""
    dims = {"image": {2: Dim("height", min=16, max=256, multiple_of=4)}}
    return Case(Stages(functional.relu).eval(), {"image": picture(1, 3, 32, 48)}, dims, output_names=["output"])


@model_fault(caught_by="probes-adequate", exporters=BOTH)
def fixed_size_called_free() -> Case:
    """The case calls height and width free, the network has a weight for each place of a picture."""
    return Case(Placed().eval(), {"image": picture(1, 3, 16, 24)}, FREE, output_names=["output"])


class Placed(nn.Module):
    """Adds a weight for each pixel; one row or one column would broadcast."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.linspace(-1, 1, 16 * 24).reshape(16, 24))

    def forward(self, image: Tensor) -> Tensor:
        return image.reshape(image.shape[0], 3, 16, 24) * self.places
