"""Loops and branches that are taken at run time."""

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.harness.good_conversions.making import GoodConversion, built, normal, on_features


class Loop(nn.Module):
    """A loop over a number of rounds known only at run time, with a branch inside; it has to be scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.last = nn.Linear(6, 2)

    def forward(self, features: Tensor, rounds: Tensor) -> Tensor:
        values = self.first(features)
        for index in range(int(rounds)):
            values = values / 2 if bool(values.abs().sum() > 10) else values + index
        return self.last(values)


def scripted_loop() -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, but models in use still need it
        model = built(lambda: torch.jit.script(Loop()))
    return Case(
        model,
        {"features": normal(4, 6), "rounds": np.array(3)},
        dynamic={"features": {0: "batch"}},
        also=[
            {"features": normal(5, 6, seed=1), "rounds": np.array(5)},
            {"features": normal(2, 6, seed=2), "rounds": np.array(0)},
        ],
    )


class Branch(nn.Module):
    """A branch on the data, with a layer on either side."""

    def __init__(self) -> None:
        super().__init__()
        self.when_positive = nn.Linear(6, 3)
        self.otherwise = nn.Linear(6, 3)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cond(features.sum() > 0, self.when_positive, self.otherwise, (features,))


class Repeated(nn.Module):
    """A loop that ends when the data says so."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, features: Tensor) -> Tensor:
        from torch._higher_order_ops.while_loop import while_loop  # private, and not in every torch

        def is_large(values: Tensor) -> Tensor:
            return values.abs().sum() > 1

        def halve(values: Tensor) -> tuple[Tensor]:
            return (values / 2,)

        return while_loop(is_large, halve, (self.layer(features),))[0]


CONTROL_FLOW = (
    GoodConversion(
        "scripted-loop",
        scripted_loop,
        exporters=(TORCHSCRIPT,),
        why="torch.export traces scripted code as Python and takes no number of rounds from a tensor",
    ),
    GoodConversion(
        "cond",
        on_features(Branch),
        exporters=(TORCH_EXPORT,),
        why="torchscript traces no torch.cond, which is compiled",
    ),
    GoodConversion(
        "while-loop",
        on_features(Repeated),
        exporters=(TORCH_EXPORT,),
        why="torchscript traces no while_loop, which is compiled",
    ),
)
