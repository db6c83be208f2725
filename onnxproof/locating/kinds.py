"""What is wrong with the nodes at which a file departs: weights of another module, values in another order."""

from collections.abc import Collection, Sequence
from itertools import product

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.graph.facts import Node
from onnxproof.locating.weights import own_weights
from onnxproof.probing.conversion import Conversion


def exchanged(conversion: Conversion, nodes: Sequence[Node], modules: Collection[str]) -> str:
    """That the nodes of modules have the weights of another module, in a sentence; "" if they do not."""
    weights, constants = own_weights(conversion.case), conversion.graph.constants
    own = [weight for name, weight in weights.items() if name.rpartition(".")[0] in modules]
    used = [constants[name] for node in nodes for name in node.inputs if name in constants]
    for value in used:
        is_of_this_form = any(sorted(weight.shape) == sorted(value.shape) for weight in own)
        if value.size < 2 or value.dtype.kind != "f" or not is_of_this_form:
            continue
        holders = {name.rpartition(".")[0] for name, weight in weights.items() if same_weight(value, weight)}
        if holders and holders.isdisjoint(modules):
            names = ", ".join(f"`{name}`" for name in sorted(holders))
            return f"It has the weights of {names}: the two modules, or their inputs, are exchanged."
    return ""


def is_reordered(given: Array, made: Array) -> bool:
    """Whether one value has the values of another one in another order."""
    if given.dtype != made.dtype or given.size != made.size or np.array_equal(given.ravel(), made.ravel()):
        return False
    return np.array_equal(np.sort(given, axis=None), np.sort(made, axis=None))


def changed(actual: Array, expected: Array) -> str:
    """What was made of an output that was right, as a further clause; "" if it is none of what is known."""
    if actual.dtype != expected.dtype:
        return f": its dtype is {actual.dtype}, the model's {expected.dtype}"
    if _is_crop(actual, expected):
        return f": it is cropped to {actual.shape}"
    if actual.size == expected.size and not _close(actual.ravel(), expected.ravel()):
        is_reordered = _close(np.sort(actual, axis=None), np.sort(expected, axis=None))
        return ": it has the same values in another order" if is_reordered else ""
    return ""


def _close(actual: Array, expected: Array) -> bool:
    return np.allclose(actual, expected, 1e-5, 1e-6 * float(np.abs(expected).max(initial=0)), equal_nan=True)


def _is_crop(actual: Array, expected: Array) -> bool:
    """Whether an output lacks only what is at the ends of some axes."""
    if actual.ndim != expected.ndim or actual.size >= expected.size:
        return False
    missing = [all_ - left for all_, left in zip(expected.shape, actual.shape, strict=True)]
    return min(missing) >= 0 and any(
        _close(actual, expected[tuple(map(slice, start, np.add(start, actual.shape)))])
        for start in product(*(dict.fromkeys((0, more // 2, more)) for more in missing))
    )


def same_weight(value: Array, weight: Array) -> bool:
    """Whether a constant is a weight, as it is or transposed."""
    if value.shape == weight.shape:
        return np.array_equal(value, weight)
    return value.ndim == 2 and value.shape == weight.shape[::-1] and np.array_equal(value, weight.T)
