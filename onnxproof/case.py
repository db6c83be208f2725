"""A conversion to be checked: a model with example inputs, and the further inputs that it is judged on."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from onnxproof.exporting import Dynamic
from onnxproof.trees import Array, leaves, map_leaves, to_array

SEED = 20260214
DATA_SIZE = 16
"""A floating-point input with more values than this is data, whose values may be changed; a smaller one, a factor or
a size, is changed by the case's own `also` and where each input is shown to be live."""

GROWTH = 4
"""How many times the values of the example the largest drawn input has, unless that is more than `MOST_VALUES`."""

MOST_VALUES = 2**16
"""A float64 run of a model at tens of millions of values takes gigabytes: larger examples are judged once as they are,
and in other values and sizes on less."""


class CaseError(Exception):
    """A case that cannot be checked; the message says what to change in it."""


@dataclass(frozen=True)
class Case:
    """A model and what its ONNX file is judged on.

    `inputs` are the model's positional arguments in order, each under the name that it gets in the file: arrays,
    tensors, numbers, None, and tuples and dicts of them, whose leaves are named by their path (`state.0`). `dynamic`
    names the dimensions that must stay free, by input and axis: `{"image": {2: "height", 3: "width"}}`; inputs of other
    sizes are drawn along them. `also` are further inputs to judge on, of the same names. `output_names` are those of
    the model's outputs, in order, unless the model names them itself (a dict, a named tuple). `expected` are checks
    that are known to fail, with the reason. `translations` are torch.export's `custom_translation_table`, or a
    function without arguments that makes them.

    Raises `CaseError` for a model that is no `torch.nn.Module`, and for inputs or dimensions that do not fit together.
    """

    model: nn.Module
    inputs: Mapping[str, Any]
    dynamic: Dynamic = field(default_factory=dict)
    also: Sequence[Mapping[str, Any]] = ()
    name: str = ""
    output_names: Sequence[str] = ()
    expected: Mapping[str, str] = field(default_factory=dict)
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | Callable[[], Mapping[Any, Any]] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.model, nn.Module):
            raise CaseError(f"the model is a {type(self.model).__name__}; give a torch.nn.Module")
        for what, inputs in (("inputs", self.inputs), *((f"also[{i}]", more) for i, more in enumerate(self.also))):
            if not isinstance(inputs, Mapping) or not inputs:
                raise CaseError(f"{what} is no mapping of input names to values: {inputs!r:.80}")
            if list(leaves(inputs)) != list(leaves(self.inputs)):
                names = ", ".join(leaves(self.inputs))
                raise CaseError(f"{what} has the inputs {', '.join(leaves(inputs))}, the case has {names}")
        object.__setattr__(self, "inputs", _as_arrays(self.inputs))
        object.__setattr__(self, "also", tuple(map(_as_arrays, self.also)))
        object.__setattr__(self, "name", self.name or type(self.model).__name__)
        self._check_dimensions()

    def _check_dimensions(self) -> None:
        found = leaves(self.inputs)
        for name, axes in self.dynamic.items():
            if not isinstance(found.get(name), np.ndarray):
                raise CaseError(f"dynamic names {name!r}, which is no array; there is {', '.join(found)}")
            strange = [axis for axis in axes if not 0 <= axis < found[name].ndim]
            if strange:
                raise CaseError(f"dynamic names axis {strange[0]} of {name!r}, which has {found[name].ndim} dimensions")
        for symbol, sizes in _by_symbol(self.dynamic, found).items():
            if len(sizes) > 1:
                raise CaseError(
                    f"the dimension {symbol!r} has the sizes {sorted(sizes)} in the inputs; it can have one"
                )

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each dynamic dimension in the example."""
        return {symbol: min(sizes) for symbol, sizes in _by_symbol(self.dynamic, leaves(self.inputs)).items()}

    @property
    def required_inputs(self) -> tuple[str, ...]:
        """The leaves that must be inputs of the file: arrays, and numbers that vary over the case's inputs."""
        others = [leaves(inputs) for inputs in self.also]
        return tuple(
            name
            for name, leaf in leaves(self.inputs).items()
            if isinstance(leaf, np.ndarray) or (leaf is not None and any(other.get(name) != leaf for other in others))
        )

    @property
    def data_inputs(self) -> tuple[str, ...]:
        """The leaves that hold data, whose values are free, rather than a parameter such as a factor."""
        found = leaves(self.inputs).items()
        return tuple(
            name
            for name, leaf in found
            if isinstance(leaf, np.ndarray) and (leaf.size > DATA_SIZE or name in self.dynamic)
        )

    def custom_translations(self) -> Mapping[Callable[..., Any], Callable[..., Any]] | None:
        """The translations, made now where a function makes them."""
        made = self.translations
        return made if made is None or isinstance(made, Mapping) else made()


@dataclass(frozen=True)
class Probe:
    """Inputs that a file is judged on; `id` says what they are, `sizes` those of the dynamic dimensions."""

    id: str
    inputs: Mapping[str, Any]
    sizes: Mapping[str, int]


def probes(case: Case) -> Iterator[Probe]:
    """The example, the further inputs of the case, other values of the example's size, and other sizes."""
    yield Probe("traced", case.inputs, case.sizes)
    for index, inputs in enumerate(case.also):
        sizes = {symbol: min(found) for symbol, found in _by_symbol(case.dynamic, leaves(inputs)).items()}
        yield Probe(f"also[{index}]", inputs, sizes)
    drawn = [resized(case, sizes) for sizes in _drawn_sizes(case)]
    is_large = bool(drawn) and _largest(case) > MOST_VALUES
    base = drawn[1] if is_large else Probe("traced", case.inputs, case.sizes)
    for id, change in _CHANGES.items():
        inputs = _with_data(case, base.inputs, change)
        if not same_inputs(inputs, base.inputs):
            yield Probe(id, inputs, base.sizes)
    yield from drawn


def resized(case: Case, sizes: Mapping[str, int]) -> Probe:
    """The example at other sizes of its dynamic dimensions, its values drawn from the example's with a fixed seed."""
    draw = np.random.default_rng(SEED)

    def resize(name: str, leaf: Any) -> Any:
        axes = case.dynamic.get(name)
        if not axes:
            return leaf
        shape = [sizes[axes[axis]] if axis in axes else size for axis, size in enumerate(leaf.shape)]
        return draw.choice(leaf.ravel(), shape).astype(leaf.dtype) if leaf.size else np.zeros(shape, leaf.dtype)

    text = ", ".join(f"{symbol} {size}" for symbol, size in sizes.items())
    return Probe(text, map_leaves(resize, case.inputs), dict(sizes))


def replaced(inputs: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The inputs with one leaf replaced."""
    return map_leaves(lambda leaf_name, leaf: value if leaf_name == name else leaf, inputs)


def other_values(case: Case, name: str) -> Iterator[Any]:
    """Values that a leaf could have instead: those of `also`, changed ones, and each element of a small one changed."""
    own = leaves(case.inputs)[name]
    others = [leaves(inputs)[name] for inputs in case.also]
    yield from (other for other in others if np.shape(other) == np.shape(own) and not _same(other, own))
    if isinstance(own, bool):
        yield not own
    elif isinstance(own, int | float):
        yield own + 1
    elif isinstance(own, np.ndarray) and own.size:
        if own.size <= DATA_SIZE:
            yield from (_with_element(own, index) for index in np.ndindex(own.shape))
        yield from (changed for change in _CHANGES.values() if not _same(changed := change(own), own))


def same_inputs(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two inputs are the same in every leaf."""
    ours, theirs = leaves(a), leaves(b)
    return list(ours) == list(theirs) and all(_same(ours[name], theirs[name]) for name in ours)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and np.array_equal(a, b)
    return bool(a == b)


def _as_arrays(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return map_leaves(lambda _, leaf: to_array(leaf), inputs)


def _by_symbol(dynamic: Dynamic, found: Mapping[str, Any]) -> dict[str, set[int]]:
    sizes: dict[str, set[int]] = {}
    for name, axes in dynamic.items():
        for axis, symbol in axes.items():
            sizes.setdefault(symbol, set()).add(found[name].shape[axis])
    return sizes


def _is_float(leaf: Array) -> bool:
    return leaf.dtype.kind == "f" or leaf.dtype.name == "bfloat16"


def _shuffled(leaf: Array) -> Array:
    return np.random.default_rng(SEED).permutation(leaf.ravel()).reshape(leaf.shape)


def _times(factor: float) -> Callable[[Array], Array]:
    return lambda leaf: (leaf * leaf.dtype.type(factor)).astype(leaf.dtype) if _is_float(leaf) else leaf


def _to_unit(leaf: Array) -> Array:
    largest = np.abs(leaf).max() if leaf.size and _is_float(leaf) else 0
    return (leaf / largest).astype(leaf.dtype) if np.isfinite(largest) and largest > 0 else leaf


def _flipped(leaf: Array) -> Array:
    return ~leaf if leaf.dtype == bool else leaf


_CHANGES: Mapping[str, Callable[[Array], Array]] = {
    "shuffled": _shuffled,
    "scaled to 1": _to_unit,
    "small": _times(2**-7),
    "negated": _times(-1),
    "flipped": _flipped,
}
"""Other values for the same shape: one probe can hide a fault under its own rounding."""


def _with_data(case: Case, inputs: Mapping[str, Any], change: Callable[[Array], Array]) -> dict[str, Any]:
    """The inputs with the values of those that hold data changed; parameters such as a factor stay."""

    data = case.data_inputs
    return map_leaves(lambda name, leaf: change(leaf) if name in data else leaf, inputs)


def _with_element(leaf: Array, index: tuple[int, ...]) -> Array:
    changed = leaf.copy()
    with np.errstate(over="ignore"):
        changed[index] = not leaf[index] if leaf.dtype == bool else leaf[index] + leaf.dtype.type(1)
    return changed


def _drawn_sizes(case: Case) -> list[dict[str, int]]:
    """Sizes prime, odd, large and 1, different along each dimension, so that dimensions that are swapped show."""
    symbols = list(case.sizes)
    if not symbols:
        return []
    growth = min(GROWTH, MOST_VALUES / _largest(case)) ** (1 / len(symbols))
    large = _all_different(max(2, math.floor(size * growth)) for size in case.sizes.values())
    odd = _all_different(size // 4 * 2 + 1 for size in large)
    prime = _all_different((_PRIMES * len(symbols))[: len(symbols)])
    ones = [1] * len(symbols)
    return [dict(zip(symbols, sizes, strict=True)) for sizes in (prime, odd, large, ones)]


def _all_different(sizes: Iterable[int]) -> list[int]:
    """The sizes, each raised by two until no earlier one is the same."""
    found: list[int] = []
    for size in sizes:
        while size in found:
            size += 2
        found.append(size)
    return found


_PRIMES = (7, 11, 13, 5, 17, 3)


def _largest(case: Case) -> int:
    """The values of the largest array in the example."""
    return max(1, *(np.size(leaf) for leaf in leaves(case.inputs).values()))
