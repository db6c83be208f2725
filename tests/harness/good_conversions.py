"""Models of many kinds whose conversion is right: no check may find a fault in them.

Each is small and seeded, and has the dynamic dimensions that its exporters can keep free. Where an exporter or an
engine goes wrong on a neighbouring model, the case stays clear of it and says why.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import silu

import srcnn_models as srcnn
from onnxproof.case import Case
from onnxproof.probes import SEED
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.inputs import DYNAMIC_SIZE, scales

BOTH = (TORCHSCRIPT, TORCH_EXPORT)
OPSET = 18


@dataclass(frozen=True)
class GoodConversion:
    """A case and the exporters that convert it; `why` says what the missing one does not."""

    id: str
    make: Callable[[], Case]
    exporters: tuple[str, ...] = BOTH
    opset: int = OPSET
    why: str = ""


def fixed(make: Callable[[], Case], symbol: str) -> Callable[[], Case]:
    """The case of `make` with one dimension no longer free; its further inputs, of other sizes, are left out."""

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


def tokens(*shape: int, seed: int = 0) -> NDArray[np.int64]:
    """Seeded token ids of a shape."""
    return np.random.default_rng(SEED + seed).integers(0, VOCABULARY, shape)


VOCABULARY = 23

# Convolutions


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

    Both round up: where one rounds down, torchscript declares the same symbol for two lengths.
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


# Sequences


class Recurrent(nn.Module):
    """An LSTM whose state is an input and an output."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 6, batch_first=True)

    def forward(self, sequence: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return self.lstm(sequence, state)


def lstm() -> Case:
    return Case(
        built(Recurrent),
        {"sequence": normal(3, 4, 5), "state": (normal(1, 3, 6, seed=1), normal(1, 3, 6, seed=2))},
        dynamic={"sequence": {0: "batch", 1: "length"}, "state.0": {1: "batch"}, "state.1": {1: "batch"}},
        also=[{"sequence": normal(2, 6, 5, seed=3), "state": (normal(1, 2, 6, seed=4), normal(1, 2, 6, seed=5))}],
        output_names=("output", "hidden", "cell"),
    )


class Attention(nn.Module):
    """Attention to a memory, of which a mask hides entries; its weights are an output too."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, query: Tensor, memory: tuple[Tensor, Tensor], masks: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        keys, values = memory
        return self.attention(query, keys, values, key_padding_mask=masks["padding"])


def attention() -> Case:
    def inputs(batch: int, queries: int, entries: int, seed: int) -> dict[str, Any]:
        padding = np.arange(entries) >= np.arange(batch)[:, None] % entries + 1  # the first entry is never hidden
        memory = (normal(batch, entries, 16, seed=seed), normal(batch, entries, 16, seed=seed + 1))
        return {"query": normal(batch, queries, 16, seed=seed + 2), "memory": memory, "masks": {"padding": padding}}

    return Case(
        built(Attention),
        inputs(2, 4, 6, seed=0),
        dynamic={
            "query": {0: "batch", 1: "queries"},
            "memory.0": {0: "batch", 1: "entries"},
            "memory.1": {0: "batch", 1: "entries"},
            "masks.padding": {0: "batch", 1: "entries"},
        },
        also=[inputs(3, 5, 8, seed=3)],
        output_names=("output", "weights"),
    )


class Encoder(nn.Sequential):
    """A transformer encoder layer.

    Not the layer itself: torchscript turns the default of the outermost module's `is_causal` into a tensor.
    """

    def __init__(self) -> None:
        super().__init__(nn.TransformerEncoderLayer(16, 2, 24, batch_first=True))


def encoder_layer() -> Case:
    return Case(
        built(Encoder),
        {"sequence": normal(2, 6, 16)},
        dynamic={"sequence": {0: "batch", 1: "length"}},
        also=[{"sequence": normal(3, 9, 16, seed=1)}],
    )


class EmbeddingNet(nn.Module):
    """Token ids to a score per class, by the mean of their embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 8)
        self.score = nn.Linear(8, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.score(self.embedding(ids).mean(dim=1))


def embedding() -> Case:
    return Case(
        built(EmbeddingNet),
        {"ids": tokens(2, 6)},
        dynamic={"ids": {0: "batch", 1: "length"}},
        also=[{"ids": tokens(3, 9, seed=1)}],
    )


# Inputs and outputs of every shape and type


class Scores(NamedTuple):
    logits: Tensor
    probabilities: Tensor
    best: Tensor


class Classifier(nn.Sequential):
    """A classifier that gives probabilities."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 5), nn.Softmax(dim=-1))


class NamedOutputs(nn.Module):
    """Outputs that the model names itself, in a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, features: Tensor) -> Scores:
        logits = self.layer(features)
        return Scores(logits, logits.softmax(-1), logits.argmax(-1))


class DictOutputs(nn.Module):
    """Outputs in a dict, whose keys are not in the order of the alphabet."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        scores = self.layer(features)
        return {"scores": scores, "largest": scores.amax(-1), "mean": scores.mean(-1)}


class ArgMax(nn.Module):
    """The index of the best class of each pixel: an integer output."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image).argmax(1)


def on_features(make: Callable[[], nn.Module], *output_names: str) -> Callable[[], Case]:
    """A case of a model that takes rows of six features."""

    def case() -> Case:
        return Case(
            built(make),
            {"features": normal(4, 6)},
            dynamic={"features": {0: "batch"}},
            also=[{"features": normal(1, 6, seed=1)}, {"features": normal(9, 6, seed=2)}],
            output_names=output_names,
        )

    return case


def argmax() -> Case:
    return Case(
        built(ArgMax),
        {"image": normal(2, 3, 8, 6)},
        dynamic={"image": {0: "batch", 2: "height", 3: "width"}},
        also=[{"image": normal(1, 3, 5, 9, seed=1)}],
    )


class InPlace(nn.Module):
    """A model that works in place, on a copy of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, features: Tensor) -> Tensor:
        changed = features.clone()
        changed[:, :2] *= 2
        changed[:, 3] = 0
        changed.add_(self.layer(features)).clamp_(min=-1)
        return changed


class Options(nn.Module):
    """A dict of tensors, one of them a mask of bools, an optional tensor that is missing, a number and a switch."""

    def forward(self, features: dict[str, Tensor], bias: Tensor | None, factor: float, center: bool) -> Tensor:
        values = features["values"].masked_fill(features["hidden"], 0) * factor
        if bias is not None:
            values = values + bias
        return values - values.mean(-1, keepdim=True) if center else values


def options() -> Case:
    def inputs(rows: int, seed: int) -> dict[str, Any]:
        features = {"values": normal(rows, 6, seed=seed), "hidden": normal(rows, 6, seed=seed + 1) > 1}
        return {"features": features, "bias": None, "factor": 2.5, "center": True}

    return Case(
        built(Options),
        inputs(4, seed=0),
        dynamic={"features.values": {0: "batch"}, "features.hidden": {0: "batch"}},
        also=[inputs(7, seed=2)],
    )


# Number types


class TwoLayers(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


class MixedPrecision(nn.Module):
    """Stores bfloat16 and computes float32: ONNX Runtime's CPU kernels cast bfloat16, and do nothing else with it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = TwoLayers()

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features.float()).bfloat16()


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


# Control flow


class Loop(nn.Module):
    """A loop over a number of rounds that is known only at run time, with a branch in it: to be scripted."""

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
        warnings.simplefilter("ignore")  # it is deprecated, and models in use still rest on it
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
    """A branch on the data, with a layer of its own on either side."""

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


# The table

GOOD: tuple[GoodConversion, ...] = (
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
    GoodConversion(
        "lstm",
        lstm,
        exporters=(TORCHSCRIPT,),
        why="torch.export freezes the length: at a process' first export the output's alone, later the input's too",
    ),
    GoodConversion(
        "lstm-fixed-length",
        fixed(lstm, "length"),
        exporters=(TORCH_EXPORT,),
        why="torchscript takes the length free as well",
    ),
    GoodConversion("attention", attention),
    GoodConversion(
        "encoder-layer",
        encoder_layer,
        exporters=(TORCH_EXPORT,),
        why="torchscript writes the traced length into a Reshape of the heads",
    ),
    GoodConversion(
        "encoder-layer-fixed-length",
        fixed(encoder_layer, "length"),
        exporters=(TORCHSCRIPT,),
        why="torch.export takes the length free as well",
    ),
    GoodConversion("embedding", embedding),
    GoodConversion("classifier", on_features(Classifier), opset=20),  # the first opset that has Gelu
    GoodConversion("named-outputs", on_features(NamedOutputs)),
    GoodConversion("dict-outputs", on_features(DictOutputs)),
    GoodConversion("argmax", argmax),
    GoodConversion("in-place", on_features(InPlace)),
    GoodConversion("options", options),
    GoodConversion("float16", in_dtype(torch.float16, lambda: TwoLayers().half())),
    GoodConversion("bfloat16", in_dtype(torch.bfloat16, MixedPrecision)),
    GoodConversion("float64", in_dtype(torch.float64, lambda: TwoLayers().double())),
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
