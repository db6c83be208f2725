"""The class of good conversions, and helpers to make them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onnxproof.case import Case
from onnxproof.probing.probes import SEED
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT

BOTH = (TORCHSCRIPT, TORCH_EXPORT)
OPSET = 18


@dataclass(frozen=True)
class GoodConversion:
    """A case and the exporters that convert it; `why` says why one is missing."""

    id: str
    make: Callable[[], Case]
    exporters: tuple[str, ...] = BOTH
    opset: int = OPSET
    why: str = ""


def fixed(make: Callable[[], Case], symbol: str) -> Callable[[], Case]:
    """The case of `make` with one dimension fixed, and without further inputs, which have other sizes."""

    def case() -> Case:
        free = make()
        dynamic = {
            name: {axis: other for axis, other in axes.items() if other != symbol}
            for name, axes in free.dynamic.items()
        }
        return replace(free, dynamic=dynamic, also=())

    return case


def built(make: Callable[..., nn.Module], *arguments: Any) -> nn.Module:
    """A module with seeded weights, ready to run."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        return make(*arguments).eval()


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Seeded normal values of a shape."""
    return np.random.default_rng(SEED + seed).normal(size=shape).astype(np.float32)


def on_features(make: Callable[[], nn.Module]) -> Callable[[], Case]:
    """A case of a model that takes rows of six features."""

    def case() -> Case:
        return Case(
            built(make),
            {"features": normal(4, 6)},
            dynamic={"features": {0: "batch"}},
            also=[{"features": normal(1, 6, seed=1)}, {"features": normal(9, 6, seed=2)}],
        )

    return case
