"""The inputs that a file is judged on: the case's own, and others drawn from them with a fixed seed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from onnxproof._internal.trees import Array, leaves, map_leaves
from onnxproof.case import DATA_SIZE, Case

SEED = 20260214
SMALL, VALUES_A_ZERO = 2**-7, 8
"""The factor that makes values small, and among how many of these one is zero."""

TRACED, EXAMPLE = "traced", "the example"


@dataclass(frozen=True)
class Probe:
    """Inputs that a file is judged on; `id` says what they are, `sizes` those of the dynamic dimensions.

    `otherwise` has those for a model that is not finite on them.
    """

    id: str
    inputs: Mapping[str, Any]
    sizes: Mapping[str, int]
    otherwise: "Probe | None" = None

    @property
    def is_own(self) -> bool:
        """Whether the case gives it."""
        return self.id in (TRACED, EXAMPLE) or self.id.startswith("also")


def traced(case: Case) -> Probe:
    """The example, which a module is traced on."""
    return Probe(EXAMPLE if case.file else TRACED, case.inputs, case.sizes)


def other_probes(case: Case, base: Probe) -> Iterator[Probe]:
    """The further inputs of the case, and other values of the sizes of `base`."""
    for index, inputs in enumerate(case.also):
        yield Probe(f"also[{index}]", inputs, case.sizes_of(inputs))
    for id, change in _PROBED.items():
        inputs = _with_data(case, base.inputs, change)
        if not same_inputs(inputs, base.inputs):
            yield Probe(id, inputs, base.sizes, _without_zeros(case, base) if change is _small else None)
    for name in case.data_inputs:
        ended = _ended(leaves(base.inputs)[name])
        if ended is not None:
            yield Probe(f"{name} ended", replaced(base.inputs, name, ended), base.sizes)
    if case.file:
        yield from _other_parameters(case, base)


def _without_zeros(case: Case, base: Probe) -> Probe:
    return Probe("small", _with_data(case, base.inputs, partial(_scaled, factor=SMALL)), base.sizes)


def alone_probes(case: Case, base: Probe) -> Iterator[Probe]:
    """Other values of one input at a time, for a model that refuses those of all: places that its data have to fit."""
    for name in case.data_inputs if len(case.data_inputs) > 1 else ():
        own = leaves(base.inputs)[name]
        changed = ((id, change(own)) for id, change in _PROBED.items())
        yield from (
            Probe(f"{name} {id}", replaced(base.inputs, name, value), base.sizes)
            for id, value in changed
            if not _same(value, own)
        )


def _other_parameters(case: Case, base: Probe) -> Iterator[Probe]:
    """Another value of each input of a file that holds no data, such as a flag, a factor or a count of steps: a file
    computes with it, where an exporter may fold it."""
    for name, leaf in leaves(base.inputs).items():
        if name not in case.data_inputs and leaf.size and leaf.dtype.kind != "O":
            other = _scaled(leaf, 1.5) if _is_float(leaf) else _other_integers(leaf)
            yield Probe(f"{name} changed", replaced(base.inputs, name, other), base.sizes)


def is_constant(case: Case, probe: Probe) -> bool:
    """Whether all floats of a probe's data are one value."""
    data = [leaf for name, leaf in leaves(probe.inputs).items() if name in case.data_inputs and _is_float(leaf)]
    values = np.concatenate([np.ravel(leaf) for leaf in data]) if data else np.empty(0)
    return bool(values.size) and np.array_equal(values, np.broadcast_to(values[:1], values.shape), equal_nan=True)


def resized(case: Case, sizes: Mapping[str, int]) -> Probe:
    """The example at other sizes of its dynamic dimensions, its values drawn from the example's with a fixed seed."""
    draw = np.random.default_rng(SEED)

    def resize(name: str, leaf: Any) -> Any:
        axes = case.dynamic.get(name)
        if not axes:
            return leaf
        shape = [sizes[str(axes[axis])] if axis in axes else size for axis, size in enumerate(leaf.shape)]
        return draw.choice(leaf.ravel(), shape).astype(leaf.dtype) if leaf.size else np.zeros(shape, leaf.dtype)

    text = ", ".join(f"{symbol} {size}" for symbol, size in sizes.items())
    return Probe(text, map_leaves(resize, case.inputs), dict(sizes))


def wider_probes(case: Case) -> Iterator[Probe]:
    """Inputs beyond those that a file is judged on: a larger range, another mean, other parameters, doubled sizes."""
    for id, change in _WIDER.items():
        yield Probe(id, _with_data(case, case.inputs, change), case.sizes)
    for name, leaf in leaves(case.inputs).items():
        if isinstance(leaf, np.ndarray) and _is_float(leaf) and name not in case.data_inputs:
            yield Probe(f"{name} × 1.5", replaced(case.inputs, name, _scaled(leaf, 1.5)), case.sizes)
    if case.sizes:
        yield resized(case, {symbol: 2 * size for symbol, size in case.sizes.items()})


def replaced(inputs: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    """The inputs with one leaf replaced."""
    return map_leaves(lambda leaf_name, leaf: value if leaf_name == name else leaf, inputs)


def other_values(case: Case, name: str) -> Iterator[Any]:
    """Values that a leaf could have instead: those of `also`, changed ones, and each element of a small one changed."""
    own = leaves(case.inputs)[name]
    others = (leaves(inputs)[name] for inputs in case.also)
    alike = (other for other in others if np.shape(other) == np.shape(own))
    yield from (other for other in chain(alike, _changed(own)) if not _same(other, own))


def _changed(own: Any) -> Iterator[Any]:
    if isinstance(own, bool):
        yield not own
    elif isinstance(own, int | float):
        yield own + 1
    elif isinstance(own, np.ndarray) and own.size:
        if own.size <= DATA_SIZE:
            yield from (_with_element(own, index) for index in np.ndindex(own.shape))
        yield from (change(own) for change in _CHANGES.values())
        yield from (ended for ended in (_ended(own),) if ended is not None)


def same_inputs(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two inputs are the same in every leaf."""
    ours, theirs = leaves(a), leaves(b)
    return list(ours) == list(theirs) and all(_same(ours[name], theirs[name]) for name in ours)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        has_numbers = all(np.asarray(value).dtype.kind not in "OSU" for value in (a, b))
        return np.array_equal(a, b, equal_nan=has_numbers)
    return bool(a == b or (a != a and b != b))


def _is_float(leaf: Array) -> bool:
    return leaf.dtype.kind == "f" or leaf.dtype.name == "bfloat16"


def _shuffled(leaf: Array) -> Array:
    return np.random.default_rng(SEED).permutation(leaf.ravel()).reshape(leaf.shape)


def _scaled(leaf: Array, factor: float) -> Array:
    return (leaf * leaf.dtype.type(factor)).astype(leaf.dtype) if _is_float(leaf) else leaf


def _zero(leaf: Array) -> Array:
    return np.zeros_like(leaf) if _is_float(leaf) else leaf


def _small(leaf: Array) -> Array:
    """Small values, and a few zeros, which show how they are compared with zero; what is constant stays so."""
    small = _scaled(leaf, SMALL)
    if _is_float(leaf) and leaf.size and leaf.min() < leaf.max():
        small.flat[np.random.default_rng(SEED).permutation(leaf.size)[: leaf.size // VALUES_A_ZERO]] = 0
    return small


def _to_unit(leaf: Array) -> Array:
    largest = np.abs(leaf).max() if leaf.size and _is_float(leaf) else 0
    return (leaf / largest).astype(leaf.dtype) if np.isfinite(largest) and largest > 0 else leaf


def _flipped(leaf: Array) -> Array:
    return ~leaf if leaf.dtype == bool else leaf


def _drawn(leaf: Array) -> Array:
    """Integers drawn from those of a leaf, which a shuffle leaves as often as they are."""
    has_integers = leaf.size and leaf.dtype.kind in "iu"
    return np.random.default_rng(SEED).choice(leaf.ravel(), leaf.shape) if has_integers else leaf


def _ended(leaf: Array) -> Array | None:
    """A constant mask, or constant token types, with the other value at the end of the last axis; None for others."""
    if leaf.dtype.kind not in "biu" or leaf.ndim == 0 or leaf.shape[-1] < 2 or leaf.min() != leaf.max():
        return None
    changed = leaf.copy()
    changed[..., -(leaf.shape[-1] // 3 or 1) :] = not leaf.flat[0]
    return changed


_CHANGES: Mapping[str, Callable[[Array], Array]] = {
    "shuffled": _shuffled,
    "scaled to 1": _to_unit,
    "small": _small,
    "negated": partial(_scaled, factor=-1),
    "flipped": _flipped,
    "drawn": _drawn,
}
"""Other values for the same shape: one probe can hide a fault under its own rounding."""

_PROBED = {**_CHANGES, "zero": _zero}
"""Those and a black picture, or silence: one that divides by a length adds a small number, which a tool may drop."""


_WIDER: Mapping[str, Callable[[Array], Array]] = {
    "values × 16": partial(_scaled, factor=16),
    "values around 0": lambda leaf: (leaf - leaf.mean()).astype(leaf.dtype) if _is_float(leaf) and leaf.size else leaf,
    "values without sign": lambda leaf: np.abs(leaf) if _is_float(leaf) else leaf,
}


def _with_data(case: Case, inputs: Mapping[str, Any], change: Callable[[Array], Array]) -> dict[str, Any]:
    """The inputs with the values of those that hold data changed; parameters such as a factor stay."""
    data = case.data_inputs
    return map_leaves(lambda name, leaf: change(leaf) if name in data else leaf, inputs)


@np.errstate(over="ignore")
def _other_integers(leaf: Array) -> Array:
    return np.asarray(~leaf if leaf.dtype == bool else leaf + leaf.dtype.type(1))


def _with_element(leaf: Array, index: tuple[int, ...]) -> Array:
    changed = leaf.copy()
    with np.errstate(over="ignore"):
        changed[index] = not leaf[index] if leaf.dtype == bool else leaf[index] + leaf.dtype.type(1)
    return changed
