"""Sequences: recurrence, attention, and token ids."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.probing.probes import SEED
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from tests.harness.good_conversions.making import GoodConversion, built, fixed, normal

VOCABULARY = 23


def tokens(*shape: int, seed: int = 0) -> NDArray[np.int64]:
    """Seeded token ids of a shape."""
    return np.random.default_rng(SEED + seed).integers(0, VOCABULARY, shape)


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
    """Attention to a memory with masked entries; its weights are an output too."""

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

    It is wrapped: torchscript turns the default `is_causal` of the outermost module into a tensor.
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
    """Scores per class, from the mean embedding of token ids."""

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


class MaskedMean(nn.Module):
    """The mean of the features that a mask of ones and zeros shows."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        weights = mask[..., None].to(features.dtype)  # (N, L, 1)
        return (features * weights).sum(1) / weights.sum(1).clamp(min=1)


def mask_of_ones() -> Case:
    """The mask that everybody passes, though the model takes others."""
    return Case(
        MaskedMean().eval(),
        {"features": normal(2, 12, 3), "mask": np.ones((2, 12), np.int64)},
        dynamic={"features": {0: "batch", 1: "length"}, "mask": {0: "batch", 1: "length"}},
    )


SEQUENCES = (
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
    GoodConversion("mask-of-ones", mask_of_ones),
)
