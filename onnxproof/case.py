"""A conversion to be checked: a model with example inputs, and what is dynamic in them."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxproof._internal.of_torch import is_module
from onnxproof._internal.trees import Array, leaves, map_leaves, to_array
from onnxproof.engines.base import Engine
from onnxproof.exporting.arguments import bound
from onnxproof.exporting.dynamic import Dim, Dynamic, as_dim, dims_of, free_dimensions
from onnxproof.exporting.export import OWN_OPTIONS
from onnxproof.graph.declared import as_declared, declared_inputs, require_numbers
from onnxproof.graph.load import GraphError
from onnxproof.parity.loss import AGREES, SCORE, Loss, LossError, parse_loss

if TYPE_CHECKING:
    from torch import nn

DATA_SIZE = 16
"""A vector with more values than this is data, whose values may be changed; a shorter one is a factor or a size, which
is changed by the case's own `also` and where each input is shown to be live."""


class CaseError(Exception):
    """A case that cannot be checked; the message says what to change in it."""


@dataclass(frozen=True)
class Case:
    """A model and what its ONNX file is judged on.

    `model` is a PyTorch module, or the path of an ONNX file that another one was made of. A file has `inputs` by name
    and `dynamic` dimensions of its own, which it declares: inputs are drawn where none are given, and `kwargs`,
    `export`, `translations` and `output_names` are for a module alone.

    `inputs` are the model's positional arguments in order, `kwargs` those that are passed by name, as are inputs that
    `forward` takes by name alone; each has its name in the file as key. Inputs with the names of the model's
    parameters are bound to these, in any order. They
    are arrays, tensors, numbers, None, and tuples and dicts of these, whose leaves are named by their path
    (`state.0`); tensors are kept as arrays of the same shape and dtype. After construction `inputs` holds both, in
    the order of the model's signature.

    `dynamic` names the dimensions that must stay free, by input and axis: `{"image": {2: "height", 3: "width"}}`;
    inputs of other sizes are drawn along them, and judged where the model accepts them. An `onnxproof.Dim` (or a
    `torch.export.Dim`) instead of a name promises the sizes along it; no others are drawn, and the model has to accept
    those. `also` are further inputs to judge on, with all of the same names.
    `name`, by default the model's class or the file's name, must be unique within a run. `output_names` are those of
    the model's outputs, in order, unless the model names them itself (a dict, a named tuple).

    `engines` are those that the file is deployed to, by name or as an `onnxproof.engines.Engine`, by default ONNX
    Runtime on the CPU. `expected` are checks that are known to fail, with the reason, or a reason for each exporter or
    engine: `{"shapes-honest": {"torchscript": "it ties the dimensions"}}`. `export` are further arguments of
    torch.onnx.export, such as `{"optimize": False}`. `translations` are torch.export's `custom_translation_table`, or
    a function without arguments that makes them.

    A `loss` is accepted of a file that is not meant to be equal, see docs/loss.md: `"agrees >= 99%"`. It is judged on
    `samples`, a sequence of inputs or a function that gives one. What a sample decides is the place of the largest
    value on the last axis of each output, unless `decide` makes it of the outputs, arrays by name. A loss of `score`
    takes samples that are pairs of inputs and a label, and `score(outputs, label)`, from 0 to 1.

    Raises `CaseError` for a model that is neither a `torch.nn.Module` nor a readable ONNX file, and for inputs or
    dimensions that do not fit together.
    """

    model: "nn.Module | str | os.PathLike[str]"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    dynamic: Dynamic = field(default_factory=dict)
    also: Sequence[Mapping[str, Any]] = ()
    name: str = ""
    output_names: Sequence[str] = ()
    expected: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | Callable[[], Mapping[Any, Any]] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    export: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[Any] | Callable[[], Iterable[Any]] = ()
    loss: str = ""
    decide: Callable[[dict[str, Array]], Any] | None = None
    score: Callable[[dict[str, Array], Any], float] | None = None
    engines: Sequence[str | Engine] = ()

    def __post_init__(self) -> None:
        if isinstance(self.model, str | os.PathLike):
            self._take_file(Path(self.model))
        elif not is_module(self.model):
            raise CaseError(_no_model(self.model))
        if not isinstance(self.dynamic, Mapping):
            raise CaseError(
                f"dynamic is {self.dynamic!r:.80}; name inputs and axes, such as {{'image': {{0: 'batch'}}}}"
            )
        for what, inputs in (("inputs", self.inputs), ("kwargs", self.kwargs), *self._named_also()):
            may_lack = self.kwargs or what == "kwargs" or (self.file and what == "inputs")
            if not isinstance(inputs, Mapping) or not (inputs or may_lack):
                raise CaseError(f"{what} is not a mapping of input names to values: {inputs!r:.80}")
        inputs, kwargs = self._in_order()
        self._set("inputs", _as_arrays(inputs | kwargs))
        self._set("kwargs", {name: self.inputs[name] for name in kwargs})
        for what, inputs in self._named_also():
            _check_fit(what, inputs, self.inputs)
        self._set("also", tuple(_as_arrays({name: more[name] for name in self.inputs}) for more in self.also))
        self._set("name", self.name or (self.file.name if self.file else type(self.model).__name__))
        if not self.file or self.inputs:
            self._check_dimensions()
        self._check_loss()
        if own := sorted({*self.export} & {*OWN_OPTIONS}):
            raise CaseError(f"export names {own[0]!r}, which onnxproof sets itself; leave it out")

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)

    @property
    def file(self) -> Path | None:
        """The ONNX file that is the model; None for a module."""
        return self.model if isinstance(self.model, Path) else None

    @property
    def module(self) -> "nn.Module":
        """The module that is the model. Raises `TypeError` for a file."""
        if not is_module(self.model):
            raise TypeError("the model is a file")
        return self.model

    def _take_file(self, path: Path) -> None:
        """Makes the file the model, with the inputs and the free dimensions that it declares."""
        self._set("model", path)
        if given := [name for name in _OF_A_MODULE if getattr(self, name)]:
            raise CaseError(f"{given[0]} is for a torch.nn.Module; leave it out for an ONNX file")
        try:
            declared = declared_inputs(path)
            require_numbers(path)
        except (GraphError, ValueError) as error:
            raise CaseError(str(error)) from error
        if not self.inputs:
            return
        try:
            self._set("inputs", as_declared("inputs", self.inputs, declared))
            self._set("also", [as_declared(what, more, declared) for what, more in self._named_also()])
        except ValueError as error:
            raise CaseError(str(error)) from error
        if not self.dynamic:
            self._set("dynamic", free_dimensions(declared, (self.inputs, *self.also)))

    def _in_order(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The inputs that are passed by position, and those that are passed by name."""
        if self.file:
            return dict(self.inputs), {}
        try:
            return bound(self.module, self.inputs, self.kwargs)
        except ValueError as error:
            raise CaseError(str(error)) from error

    def _check_dimensions(self) -> None:
        found = leaves(self.inputs)
        for name, axes in self.dynamic.items():
            if not isinstance(axes, Mapping):
                raise CaseError(f"dynamic has {axes!r:.80} for {name!r}; name its axes, such as {{0: 'batch'}}")
            if not isinstance(found.get(name), np.ndarray):
                raise CaseError(f"dynamic names {name!r}, which is not an array among {', '.join(found)}")
            if strange := [axis for axis in axes if not (isinstance(axis, int) and 0 <= axis < found[name].ndim)]:
                raise CaseError(
                    f"dynamic names axis {strange[0]!r} of {name!r}, which has {found[name].ndim} dimensions"
                )
        try:
            dynamic = {name: {axis: as_dim(dim) for axis, dim in axes.items()} for name, axes in self.dynamic.items()}
            dims = dims_of(dynamic)
        except ValueError as error:
            raise CaseError(f"dynamic: {error}") from error
        self._set("dynamic", dynamic)
        for what, inputs in (("inputs", self.inputs), *self._named_also()):
            for symbol, sizes in _by_symbol(self.dynamic, leaves(inputs)).items():
                if len(sizes) > 1:
                    raise CaseError(
                        f"the dimension {symbol!r} has the sizes {sorted(sizes)} in {what}; use one size or two names"
                    )
                if dims[symbol].is_stated and not dims[symbol].allows(*sizes):
                    raise CaseError(
                        f"the dimension {symbol!r} is {min(sizes)} in {what}; promised are {dims[symbol].promise}"
                    )

    def _check_loss(self) -> None:
        try:
            stated = self.stated_loss
        except LossError as error:
            raise CaseError(str(error)) from error
        is_score = stated is not None and stated.metric == SCORE
        if is_score and not self.score:
            raise CaseError("the loss is one of score; give the case score=, a function of the outputs and a label")
        if self.decide and stated and stated.metric != AGREES:
            raise CaseError(f"decide= is for a loss such as 'agrees >= 99%', and {self.loss!r} is stated; leave it out")

    @property
    def stated_loss(self) -> Loss | None:
        """The loss that is accepted; None if outputs have to be equal."""
        return parse_loss(self.loss) if self.loss != "" else None

    def sample(self, name: str, given: Any) -> tuple[dict[str, Any], Any]:
        """The inputs and the label of one of the samples, called `name`; the label is None without a score.

        Raises `CaseError` for other inputs than the case's.
        """
        if self.score and not (isinstance(given, tuple) and len(given) == 2):
            raise CaseError(f"{name} is a {type(given).__name__}; for a score give pairs of inputs and a label")
        inputs, label = given if self.score else (given, None)
        if not isinstance(inputs, Mapping):
            raise CaseError(f"{name} is a {type(inputs).__name__}; give a mapping of input names to values")
        if self.file:
            try:
                return as_declared(name, inputs, declared_inputs(self.file)), label
            except ValueError as error:
                raise CaseError(str(error)) from error
        _check_fit(name, inputs, self.inputs)
        return _as_arrays({each: inputs[each] for each in self.inputs}), label

    def _named_also(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        return ((f"also[{index}]", more) for index, more in enumerate(self.also))

    def why_expected(self, check: str, exporter: str, engine: str = "") -> str:
        """The reason why a check is expected to fail with an exporter or in an engine; "" if it is not."""
        reasons = self.expected.get(check, "")
        return reasons if isinstance(reasons, str) else reasons.get(exporter) or reasons.get(engine, "")

    @property
    def dims(self) -> dict[str, Dim]:
        """The dynamic dimensions by name."""
        return dims_of(self.dynamic)

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
        """The leaves that hold data, whose values are free: all arrays but short vectors.

        A short vector is taken for a parameter, such as a factor, unless there is nothing else.
        """
        arrays = {name: leaf for name, leaf in leaves(self.inputs).items() if isinstance(leaf, np.ndarray)}
        data = [name for name, leaf in arrays.items() if leaf.ndim > 1 or leaf.size > DATA_SIZE or name in self.dynamic]
        return tuple(data or arrays)

    def custom_translations(self) -> Mapping[Callable[..., Any], Callable[..., Any]] | None:
        """The translations; a function that makes them is called now."""
        made = self.translations
        return made if made is None or isinstance(made, Mapping) else made()


def _no_model(given: Any) -> str:
    if given is ...:
        return "the model is to be filled in: give a torch.nn.Module instead of the dots"
    return f"the model is of type {type(given).__name__}; give a torch.nn.Module or the path of an ONNX file"


_OF_A_MODULE = ("kwargs", "export", "translations", "output_names")


def _check_fit(what: str, more: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Raises `CaseError` for leaves of other names or ranks than the case's own; for None, anything may be given."""
    found, own = leaves(more), leaves(inputs)
    if set(found) != set(own) or set(more) != set(inputs):
        raise CaseError(f"{what} has the inputs {', '.join(found)}, the case has {', '.join(own)}")
    for name, leaf in own.items():
        ranks = np.ndim(found[name]), np.ndim(leaf)
        if leaf is not None and ranks[0] != ranks[1]:
            raise CaseError(
                f"{name} has {ranks[0]} dimensions in {what}, the case's has {ranks[1]}; a file takes one rank"
            )


def _as_arrays(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return map_leaves(_as_array, inputs)


def _as_array(name: str, leaf: Any) -> Any:
    try:
        return to_array(leaf)
    except NotImplementedError as error:  # torch's answer for a tensor without values
        raise CaseError(f"{name} is on the device {leaf.device}, which has no values; give an array") from error
    except TypeError as error:  # for a dtype that NumPy has not, such as float8
        dtype = str(leaf.dtype).removeprefix("torch.")
        raise CaseError(f"{name} has the dtype {dtype}, which is not judged; convert to it in a wrapper") from error


def _by_symbol(dynamic: Dynamic, found: Mapping[str, Any]) -> dict[str, set[int]]:
    sizes: dict[str, set[int]] = {}
    for name, axes in dynamic.items():
        for axis, dim in axes.items():
            sizes.setdefault(str(dim), set()).add(found[name].shape[axis])
    return sizes
