"""Inputs that suit the layers of a model, as source."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import nn

from onnxproof._internal.trees import Array

Inputs = dict[str, str]

BATCH, LENGTH = 2, 16
SIDES = 64, 224
FLOATS = [f"random.random({shape}, np.float32)" for shape in ((BATCH, 3, 64, 64), (BATCH, LENGTH))]
SCALAR = "np.array(1.5, np.float32)"
MASKS = [f"np.tri({BATCH}, {LENGTH}, 8, dtype=np.{dtype})" for dtype in ("int64", "bool_", "float32")]


def expressions(model: nn.Module, name: str) -> list[str]:
    """Source of arrays that an input of this name may be, the likeliest first."""
    suited = [code for layer in model.modules() for code in _of_layer(layer)]
    likely = MASKS if "mask" in name else [code for code in suited if "integers" in code] if "id" in name else []
    return list(dict.fromkeys([*likely, *suited, *FLOATS, SCALAR, *MASKS]))


def _of_layer(layer: nn.Module) -> Iterator[str]:
    if isinstance(layer, nn.Embedding):
        yield f"random.integers(0, {layer.num_embeddings}, ({BATCH}, {LENGTH}))"
    for shape in _shapes(layer):
        yield f"random.random({shape}, np.float32)"


def _shapes(layer: nn.Module) -> Iterator[tuple[int, ...]]:
    """Shapes of what a layer takes."""
    if isinstance(layer, nn.Conv1d):
        yield BATCH, layer.in_channels, 256
    elif isinstance(layer, nn.Conv2d):
        yield from ((BATCH, layer.in_channels, side, side) for side in SIDES)
    elif isinstance(layer, nn.Conv3d):
        yield BATCH, layer.in_channels, 16, 32, 32
    elif isinstance(layer, nn.Linear):
        yield BATCH, layer.in_features
        yield BATCH, LENGTH, layer.in_features
    elif isinstance(layer, nn.RNNBase):
        yield (BATCH, LENGTH, layer.input_size) if layer.batch_first else (LENGTH, BATCH, layer.input_size)
    elif isinstance(layer, nn.LayerNorm):
        yield BATCH, LENGTH, *layer.normalized_shape


def made(inputs: Mapping[str, str]) -> dict[str, Array]:
    """The arrays that the source stands for."""
    names = {"np": np, "random": np.random.default_rng(0)}
    return {name: np.asarray(eval(code, names)) for name, code in inputs.items()}  # of this module's own texts


def free_dimensions(refuses: Callable[[Any], str], inputs: Mapping[str, Array]) -> dict[str, dict[int, str]]:
    """The dimensions that a model takes in another size, by input and axis."""
    found: dict[str, dict[int, str]] = {}
    for name, places in _groups(inputs).items():
        if places and not refuses(_resized(inputs, places)):
            for input, axis in places:
                found.setdefault(input, {})[axis] = name
    return {name: dict(sorted(axes.items())) for name, axes in found.items()}


def _groups(inputs: Mapping[str, Array]) -> dict[str, list[tuple[str, int]]]:
    """Dimensions that change together, by what they are."""
    axes = [(name, axis, array) for name, array in inputs.items() for axis in range(array.ndim)]
    return {
        "batch": [(name, axis) for name, axis, array in axes if array.shape[axis] == BATCH and axis < 2],
        "length": [(name, axis) for name, axis, array in axes if array.shape[axis] == LENGTH and array.ndim < 4],
        "height": [(name, axis) for name, axis, array in axes if array.ndim == 4 and axis == 2],
        "width": [(name, axis) for name, axis, array in axes if array.ndim == 4 and axis == 3],
    }


def _resized(inputs: Mapping[str, Array], places: list[tuple[str, int]]) -> dict[str, Array]:
    """The inputs with twice the size along some dimensions."""
    resized = dict(inputs)
    for name, axis in places:
        resized[name] = np.concatenate([resized[name]] * 2, axis)
    return resized
