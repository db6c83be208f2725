"""What the zoo holds: functions that make the case of an architecture, and the inputs that they share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onnxproof import Case

SEED = 20260214


@dataclass(frozen=True)
class Architecture:
    """A function that makes a case, at `place` as the command takes it, and the package that has the model.

    The ten that are `quick` take a few seconds each: `tox -e zoo -- -m quick`.
    """

    place: str
    package: str
    quick: bool
    make: Callable[[], Case]


ARCHITECTURES: dict[str, Architecture] = {}


def architecture(package: str, *, quick: bool = False) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Adds a function to `ARCHITECTURES`: its name is the case's, its model has seeded, live weights, in eval mode."""

    def register(make: Callable[[], Case]) -> Callable[[], Case]:
        @wraps(make)
        def seeded() -> Case:
            torch.manual_seed(SEED)
            case = make()
            enliven(case.model.eval())
            return replace(case, name=make.__name__)

        place = f"{make.__module__}:{make.__name__}"
        ARCHITECTURES[make.__name__] = Architecture(place, package, quick, seeded)
        return seeded

    return register


@torch.no_grad()
def enliven(model: nn.Module) -> None:
    """Moves the weights that start as one constant, as training does.

    A branch whose scale starts at zero, or norms that do nothing, would hide what an exporter makes of them.
    """
    for weight in model.parameters():
        if weight.ndim and weight.is_floating_point() and len(weight.unique()) == 1:
            weight += 0.2 * torch.randn_like(weight)
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer += 0.2 * torch.randn_like(buffer)
        elif name.endswith("running_var"):
            buffer *= 0.5 + torch.rand_like(buffer)


def wrong(exporter: str, checks: str, reason: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Adds what is known to be wrong to the case that a function makes: `checks` are its failures, by commas."""

    def register(make: Callable[[], Case]) -> Callable[[], Case]:
        @wraps(make)
        def made() -> Case:
            case = make()
            found = {check: case.expected.get(check, {}) | {exporter: reason} for check in checks.split(", ")}
            return replace(case, expected=case.expected | found)

        return made

    return register


def noise(*shape: int) -> NDArray[np.float32]:
    """Values from 0 to 1."""
    return np.random.default_rng(SEED).random(shape, np.float32)


def tokens(*shape: int, vocabulary: int) -> NDArray[np.int64]:
    """Ids of tokens."""
    return np.random.default_rng(SEED).integers(2, vocabulary, shape)


ONE_NAME = "the exporter gives one symbol to dimensions that differ"
"""A fault of torchscript's shape inference, in `shapes-honest`."""

STATIC = "dims-kept, inputs-live, same-values-unseen"
"""The checks that a file fails which keeps a size of the example."""

IMAGE = {0: "batch", 2: "height", 3: "width"}
"""The dynamic dimensions of a batch of images of any size."""

ENCODER_DECODER = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}
"""The size of a small encoder and decoder of transformers."""

TEXT = {0: "batch", 1: "sequence"}
"""The dynamic dimensions of a batch of texts."""
