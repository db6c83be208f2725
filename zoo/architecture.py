"""What the zoo holds: functions that make the case of an architecture, and the inputs that they share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from onnxproof import Case
from onnxproof.engines.torch import TorchModel

SEED = 20260214


@dataclass(frozen=True)
class Architecture:
    """A function that makes a case, at `place` as the command takes it, and the package that has the model.

    The ten that are `quick` take a few seconds each, and run in .ci/run: `tox -e zoo -- -m quick`.
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
            enliven(case)
            return replace(case, name=make.__name__)

        place = f"{make.__module__}:{make.__name__}"
        ARCHITECTURES[make.__name__] = Architecture(place, package, quick, seeded)
        return seeded

    return register


@torch.no_grad()
def enliven(case: Case) -> None:
    """Gives the model weights with which its inputs reach its outputs, as training does.

    Scales that start at zero, norms that do nothing and weights that are tiny would hide what an exporter makes of
    them. The statistics of batch norms become those of the case's example.
    """
    model = case.model.eval()
    for weight in filter(torch.is_floating_point, model.parameters()):
        if weight.ndim and len(weight.unique()) == 1:
            weight += 0.2 * torch.randn_like(weight)
        elif weight.ndim > 1:
            weight *= max(1.0, float(weight[0].numel() ** -0.5 / weight.std()))
    norms = [module for module in model.modules() if getattr(module, "running_mean", None) is not None]
    hooks = [norm.register_forward_pre_hook(_settle) for norm in norms]
    TorchModel(model, tuple(case.inputs), case.output_names, tuple(case.kwargs)).run(case.inputs)
    for hook in hooks:
        hook.remove()


def _settle(norm: nn.Module, args: tuple[torch.Tensor]) -> None:
    """Sets the statistics of a batch norm to those of its input."""
    channels = args[0].transpose(0, 1).flatten(1)
    norm.running_mean.copy_(channels.mean(1))
    norm.running_var.copy_(channels.var(1))


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
