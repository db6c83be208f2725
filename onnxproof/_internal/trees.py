"""Values nested in tuples, lists and dicts, as models take and return them, and their leaves by name."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from onnxproof._internal.of_torch import is_tensor

Array = NDArray[Any]


def leaves(values: Mapping[str, Any]) -> dict[str, Any]:
    """The leaves of nested values, each under its path: `{"state": (h, c)}` has the leaves `state.0` and `state.1`.

    A named tuple's fields are named, and a leaf may be anything: an array, a tensor, a number, None.
    """
    return {name: leaf for key, value in values.items() for name, leaf in _leaves(str(key), value)}


def map_leaves(change: Callable[[str, Any], Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same nesting with each leaf replaced by `change(name, leaf)`."""
    return {key: _mapped(change, str(key), value) for key, value in values.items()}


def count_values(values: Mapping[str, Any]) -> int:
    """The number of values in all leaves."""
    return sum(map(np.size, leaves(values).values()))


def widened(leaf: Any) -> Any:
    """An array of narrower floats in float64. Anything else stays as it is."""
    is_narrow = isinstance(leaf, np.ndarray) and leaf.dtype.name in ("float16", "float32", "bfloat16")
    return leaf.astype(np.float64) if is_narrow else leaf


def is_named_tuple(value: Any) -> bool:
    """Whether a value is a tuple whose fields have names."""
    return isinstance(value, tuple) and hasattr(value, "_fields")


def to_tensor(value: Any) -> Any:
    """A tensor with a copy of an array's values; a bfloat16 array is ml_dtypes'. Anything else stays as it is."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    import torch

    if value.dtype == ml_dtypes.bfloat16:
        return torch.tensor(np.asarray(value).view(np.int16)).view(torch.bfloat16)
    return torch.tensor(value)


def to_array(value: Any) -> Any:
    """An array of a tensor's values; a bfloat16 tensor's is ml_dtypes'. Anything else stays as it is."""
    if not is_tensor(value):
        return value
    import torch

    if value.dtype == torch.bfloat16:
        return value.detach().cpu().contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return value.numpy(force=True)


def _items(value: Any) -> Iterator[tuple[str, Any]] | None:
    """The named parts of a nested value; None for a leaf."""
    if isinstance(value, Mapping):
        return ((str(key), part) for key, part in value.items())
    if is_named_tuple(value):
        return zip(value._fields, value, strict=True)
    if isinstance(value, tuple | list):
        return ((str(index), part) for index, part in enumerate(value))
    return None


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = _items(value)
    if items is None:
        yield name, value
    else:
        for key, part in items:
            yield from _leaves(f"{name}.{key}", part)


def _mapped(change: Callable[[str, Any], Any], name: str, value: Any) -> Any:
    items = _items(value)
    if items is None:
        return change(name, value)
    parts = [_mapped(change, f"{name}.{key}", part) for key, part in items]
    if isinstance(value, Mapping):
        return dict(zip(value, parts, strict=True))
    return type(value)(*parts) if is_named_tuple(value) else type(value)(parts)


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Whether outputs are the same bit for bit, by position."""
    pairs = zip(a.values(), b.values(), strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
