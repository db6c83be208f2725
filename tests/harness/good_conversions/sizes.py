"""Networks that take some sizes alone: multiples of a number, the sizes that are promised, one size."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from onnxproof.case import Case
from onnxproof.exporting import Dim
from onnxproof.faults.sizes import Stages
from tests.harness.good_conversions.making import GoodConversion, built, normal

FREE = {"image": {0: "batch", 2: "height", 3: "width"}}


def stages() -> Case:
    """A small U-Net, which takes multiples of 8."""
    return Case(Stages(functional.relu).eval(), {"image": normal(1, 3, 32, 48)}, dynamic=FREE)


def stages_promised() -> Case:
    """The same with its multiples promised."""
    height, width = Dim("height", min=8, max=512, multiple_of=8), Dim("width", min=16, multiple_of=16)
    return Case(
        Stages(functional.relu).eval(),
        {"image": normal(2, 3, 24, 32)},
        dynamic={"image": {0: Dim("batch", max=8), 2: height, 3: width}},
    )


class Patches(nn.Module):
    """A transformer's patches of 14 pixels, with a fixed position for each."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 14, stride=14)
        self.positions = nn.Parameter(torch.randn(1, 6, 8))
        self.queries, self.keys, self.values = (nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.patches(image).flatten(2).transpose(1, 2) + self.positions  # (N, 6, 8)
        weights = (self.queries(tokens) @ self.keys(tokens).transpose(1, 2)).softmax(-1)  # (N, 6, 6)
        return self.head((weights @ self.values(tokens))[:, 0])


def fixed_positions() -> Case:
    """A vision transformer of one size, of which the batch is free."""
    return Case(built(Patches), {"image": normal(1, 3, 28, 42)}, dynamic={"image": {0: "batch"}})


class Windows(nn.Module):
    """Attention within windows of 8 pixels; a picture that does not fill its windows is padded."""

    def forward(self, image: Tensor) -> Tensor:
        missing = (-image.shape[3] % 8, -image.shape[2] % 8)
        if any(missing):
            image = functional.pad(image, (0, missing[0], 0, missing[1]))
        batch, channels, height, width = image.shape
        windows = image.reshape(batch, channels, height // 8, 8, width // 8, 8)
        return windows.softmax(-1).reshape(image.shape)


def windows_promised() -> Case:
    """A promise without padding: what an exporter makes of the branch is right for every promised size."""
    sides = {2: Dim("height", min=8, max=256, multiple_of=8), 3: Dim("width", min=8, max=256, multiple_of=8)}
    return Case(Windows().eval(), {"image": normal(1, 3, 32, 24)}, dynamic={"image": {0: "batch"} | sides})


class Dilated(nn.Sequential):
    """A convolution of dilation 24 on features of a sixteenth of the picture's size."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 16, stride=16), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=24, dilation=24))


def dilated() -> Case:
    return Case(built(Dilated), {"image": normal(1, 3, 65, 97)}, dynamic=FREE)


class Positions(nn.Module):
    """The row and the column of each pixel, which no pixel changes."""

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        rows = torch.arange(height, dtype=image.dtype)[:, None].expand(height, width)
        return torch.stack((rows, torch.arange(width, dtype=image.dtype).expand(height, width)))


def positions() -> Case:
    return Case(Positions(), {"image": torch.zeros(1, 3, 6, 8)}, {"image": {2: "height", 3: "width"}})


class Warp(nn.Module):
    """A picture moved by a flow in pixels, which divides by the number of the other pixels: by 0 beside one pixel."""

    def forward(self, image: Tensor, flow: Tensor) -> Tensor:
        height, width = image.shape[2:]
        x = torch.arange(width, dtype=image.dtype) + flow[:, 0]
        y = torch.arange(height, dtype=image.dtype)[:, None] + flow[:, 1]
        grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), -1)
        return functional.grid_sample(image, grid, align_corners=True)


def warp() -> Case:
    inputs = {"image": normal(2, 3, 12, 10), "flow": 2 * normal(2, 2, 12, 10, seed=1)}
    return Case(Warp(), inputs, {"image": FREE["image"], "flow": FREE["image"]})


SIZES = (
    GoodConversion("stages", stages),
    GoodConversion("stages-promised", stages_promised),
    GoodConversion("fixed-positions", fixed_positions),
    GoodConversion("windows-promised", windows_promised),
    GoodConversion("dilated", dilated),
    GoodConversion("positions", positions),
    GoodConversion("warp", warp),
)
