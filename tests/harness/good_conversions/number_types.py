"""Floating-point types other than float32."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.versions import TORCH_EXPORT
from tests.harness.good_conversions.making import GoodConversion, built, normal


class TwoLayers(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


class MixedPrecision(nn.Module):
    """Stores bfloat16 and computes in float32: ONNX Runtime's CPU kernels can only cast bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = TwoLayers()

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features.float()).bfloat16()


class Filtered(nn.Module):
    """Halves the upper frequencies of a spectrum, which is complex."""

    def forward(self, spectrum: Tensor) -> Tensor:
        return spectrum * torch.linspace(1, 0.5, 9)


class Spectrum(nn.Module):
    """The spectrum of a signal."""

    def forward(self, signal: Tensor) -> Tensor:
        return torch.fft.rfft(signal)


def filtered() -> Case:
    """A case whose input and output are complex."""
    spectrum = normal(3, 9) + 1j * normal(3, 9, seed=1)
    return Case(built(Filtered), {"spectrum": spectrum.astype("complex64")}, dynamic={"spectrum": {0: "batch"}})


def spectrum() -> Case:
    """A case whose output is complex."""
    return Case(built(Spectrum), {"signal": normal(3, 16)}, dynamic={"signal": {0: "batch"}})


def in_dtype(dtype: torch.dtype, make: Callable[[], nn.Module]) -> Callable[[], Case]:
    """A case of a model whose inputs and outputs are of a dtype."""

    def case() -> Case:
        rows = [torch.from_numpy(normal(count, 6, seed=count)).to(dtype) for count in (4, 1, 9)]
        return Case(
            built(make),
            {"features": rows[0]},
            dynamic={"features": {0: "batch"}},
            also=[{"features": more} for more in rows[1:]],
        )

    return case


NUMBER_TYPES = (
    GoodConversion("float16", in_dtype(torch.float16, lambda: TwoLayers().half())),
    GoodConversion("bfloat16", in_dtype(torch.bfloat16, MixedPrecision)),
    GoodConversion("float64", in_dtype(torch.float64, lambda: TwoLayers().double())),
    GoodConversion("complex-output", spectrum, (TORCH_EXPORT,), why="torchscript has no complex numbers"),
    GoodConversion("complex-input", filtered, (TORCH_EXPORT,), why="torchscript has no complex numbers"),
)
