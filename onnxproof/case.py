"""A conversion to be checked: a model with example inputs, and what is dynamic in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from onnxproof.exporting import Dynamic
from onnxproof.trees import leaves, map_leaves, to_array

DATA_SIZE = 16
"""A floating-point input with more values than this is data, whose values may be changed; a smaller one, a factor or
a size, is changed by the case's own `also` and where each input is shown to be live."""


class CaseError(Exception):
    """A case that cannot be checked; the message says what to change in it."""


@dataclass(frozen=True)
class Case:
    """A model and what its ONNX file is judged on.

    `inputs` are the model's positional arguments in order, each under the name that it gets in the file: arrays,
    tensors, numbers, None, and tuples and dicts of them, whose leaves are named by their path (`state.0`); tensors are
    kept as arrays of the same shape and dtype. `dynamic` names the dimensions that must stay free, by input and axis:
    `{"image": {2: "height", 3: "width"}}`; inputs of other sizes are drawn along them. `also` are further inputs to
    judge on, of the same names. `name`, the model's class unless it is given, is one in a run. `output_names` are those
    of the model's outputs, in order, unless the model names them itself (a dict, a named tuple). `expected` are checks
    that are known to fail, with the reason. `translations` are torch.export's `custom_translation_table`, or a function
    without arguments that makes them.

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
        for what, inputs in self._named_inputs():
            if not isinstance(inputs, Mapping) or not inputs:
                raise CaseError(f"{what} is no mapping of input names to values: {inputs!r:.80}")
            _check_fit(what, leaves(inputs), leaves(self.inputs))
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
        for what, inputs in self._named_inputs():
            for symbol, sizes in _by_symbol(self.dynamic, leaves(inputs)).items():
                if len(sizes) > 1:
                    raise CaseError(
                        f"the dimension {symbol!r} has the sizes {sorted(sizes)} in {what}; it can have one"
                    )

    def _named_inputs(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "inputs", self.inputs
        yield from ((f"also[{index}]", more) for index, more in enumerate(self.also))

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each dynamic dimension in the example."""
        return self.sizes_of(self.inputs)

    def sizes_of(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """The size of each dynamic dimension in other inputs."""
        return {symbol: size for symbol, (size,) in _by_symbol(self.dynamic, leaves(inputs)).items()}

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


def _check_fit(what: str, found: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raises `CaseError` for leaves of other names or ranks than the case's own; what is None there may be anything."""
    if list(found) != list(own):
        raise CaseError(f"{what} has the inputs {', '.join(found)}, the case has {', '.join(own)}")
    for name, leaf in own.items():
        ranks = np.ndim(found[name]), np.ndim(leaf)
        if leaf is not None and ranks[0] != ranks[1]:
            raise CaseError(
                f"{name} has {ranks[0]} dimensions in {what}, the case's has {ranks[1]}; a file takes one rank"
            )


def _as_arrays(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return map_leaves(lambda _, leaf: to_array(leaf), inputs)


def _by_symbol(dynamic: Dynamic, found: Mapping[str, Any]) -> dict[str, set[int]]:
    sizes: dict[str, set[int]] = {}
    for name, axes in dynamic.items():
        for axis, symbol in axes.items():
            sizes.setdefault(symbol, set()).add(found[name].shape[axis])
    return sizes
