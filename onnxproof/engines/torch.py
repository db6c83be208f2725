"""A PyTorch model as an engine's session."""

import contextlib
import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from onnxproof._internal.trees import Array, is_named_tuple, leaves, map_leaves, to_array, to_tensor, widened
from onnxproof.engines.arithmetic import (
    as_it_is,
    counted,
    in_float64,
    rounded_at_random,
    rounded_to,
    stored_in,
    tied_otherwise,
)
from onnxproof.engines.base import EngineError, require_names
from onnxproof.engines.decisions import Call, Decisions, plain
from onnxproof.engines.reading import Reading
from onnxproof.engines.steps import Keep, Steps, recorded
from onnxproof.engines.work import Work

Arithmetic = contextlib.AbstractContextManager[Any]
Result = TypeVar("Result")


class TorchModel:
    """`model` itself, called with its inputs in the order of `input_names`; they and its outputs may be nested.

    Inputs in `keywords` are passed by name. Outputs that the model does not name are called by `output_names`, see
    `named_outputs`. The model is not changed.
    """

    def __init__(
        self,
        model: nn.Module,
        input_names: Sequence[str],
        output_names: Sequence[str] = ("output",),
        keywords: Collection[str] = (),
    ) -> None:
        self.model = model
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)
        self.keywords = keywords
        self._stored: dict[str, nn.Module] = {}

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs, arrays by name; complex ones have a last dimension of 2, for the real and the imaginary part.

        The model gets copies of the arrays, since it may work in place. Raises `EngineError` for inputs of other names.
        """
        return self._run(self.model, inputs, contextlib.nullcontext())

    def decisions(self, inputs: Mapping[str, Any]) -> Decisions:
        """The decisions of `run`. What the model raises is raised."""
        taken = Decisions()
        self._run(self.model, inputs, as_it_is(taken.recorded))
        return taken

    def run_in_float64(
        self, inputs: Mapping[str, Any], taken: Decisions | None = None, *, again: Decisions | None = None
    ) -> dict[str, Array]:
        """The outputs of `run`, with floats in float64. What the model raises is raised.

        `taken` gets the decisions of this run; with those of another one in `again`, this one decides as it did.
        """
        taken = Decisions() if taken is None else taken

        def run(*arguments: Any) -> dict[str, Array]:
            taken.clear()  # of a run that has failed
            return self._run(*arguments)

        if again is not None:
            found = self._run(self.model, _wide(inputs), in_float64(again.again()))
        else:
            found = self._in_float64(run, inputs, taken.recorded)
        return {name: widened(array) for name, array in found.items()}

    def steps(self, inputs: Mapping[str, Any], keep: Keep, *, wide: bool = False) -> Steps:
        """The operations of `run`, and what `keep` makes of each tensor and its place; `wide` runs in float64.

        What the model raises is raised.
        """
        if not wide:
            return self._recorded(keep, self.model, inputs, contextlib.nullcontext())
        return self._in_float64(partial(self._recorded, keep), inputs)

    def _recorded(self, keep: Keep, model: nn.Module, inputs: Mapping[str, Any], arithmetic: Arithmetic) -> Steps:
        steps = Steps()
        with contextlib.ExitStack() as around:
            around.enter_context(arithmetic)  # below the recorder, which sees the model's own tensors
            around.enter_context(recorded(model, steps, keep))
            self._run(model, inputs, contextlib.nullcontext())
        return steps

    def work(self, inputs: Mapping[str, Any]) -> Work:
        """The work of `run`. What the model raises is raised."""
        work = Work()
        self._run(self.model, inputs, counted(work))
        return work

    def reads_values(self, inputs: Mapping[str, Any]) -> bool:
        """Whether `run` reads the values of an input, and not its sizes alone. What the model raises is raised."""
        tensors = self._tensors(inputs)
        with torch.inference_mode(), Reading(leaves(tensors).values()) as reading:
            self._called(self.model, tensors)
        return bool(reading.seen)

    def run_rounded_at_random(self, inputs: Mapping[str, Any], seed: int, call: Call = plain) -> dict[str, Array]:
        """The outputs of `run` in another order of rounding, where `call` calls each operation, see `Decisions`.

        What the model raises is raised.
        """
        return self._run(self.model, inputs, rounded_at_random(seed, call))

    def run_tied_otherwise(self, inputs: Mapping[str, Any], call: Call = plain) -> dict[str, Array]:
        """The outputs of `run` with ties in another order, which other rounding breaks by chance; the rest is that."""
        return self._run(self.model, inputs, tied_otherwise(call))

    def run_stored_in(self, format: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs of `run` with floats rounded to "float16" or "bfloat16" wherever they are stored: the inputs, the
        weights and every result. What the model raises is raised.
        """
        dtype = getattr(torch, format)
        model = self._stored.get(format)
        if model is None:
            model = self._stored[format] = copied(self.model)
            with torch.no_grad():
                for weight in (*model.parameters(), *model.buffers()):
                    if weight.dtype == torch.float32:
                        weight.copy_(rounded_to(dtype, weight))
        narrow = map_leaves(lambda _, leaf: _stored(leaf, dtype), inputs)
        return self._run(model, narrow, stored_in(dtype))

    @cached_property
    def _copy_in_float64(self) -> nn.Module:
        return copied(self.model).double()

    def _in_float64(
        self,
        run: Callable[[nn.Module, Mapping[str, Any], Arithmetic], Result],
        inputs: Mapping[str, Any],
        call: Call = plain,
    ) -> Result:
        """`run` with each operation in float64, called by `call`, or else with the weights in float64."""
        wide = _wide(inputs)
        try:
            return run(self.model, wide, in_float64(call))
        except Exception:  # a layer compares the dtypes of its weights and inputs
            return run(self._copy_in_float64, wide, contextlib.nullcontext())

    def _run(self, model: nn.Module, inputs: Mapping[str, Any], arithmetic: Arithmetic) -> dict[str, Array]:
        tensors = self._tensors(inputs)
        with torch.inference_mode(), arithmetic:
            outputs = self._called(model, tensors)
        return {name: _as_array(name, value) for name, value in named_outputs(outputs, self.output_names).items()}

    def _tensors(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        require_names("torch", inputs, self.input_names)
        return map_leaves(lambda _, leaf: to_tensor(leaf), {name: inputs[name] for name in self.input_names})

    def _called(self, model: nn.Module, tensors: Mapping[str, Any]) -> Any:
        positional = [value for name, value in tensors.items() if name not in self.keywords]
        return model(*positional, **{name: value for name, value in tensors.items() if name in self.keywords})


def copied(module: nn.Module) -> nn.Module:
    """A copy of a module, also of one that keeps a result of its weights, as `weight_norm` does."""
    kept = (value for each in module.modules() for value in vars(each).values() if isinstance(value, torch.Tensor))
    with torch.no_grad():
        results = {id(value): value.clone() for value in kept if value.is_inference() or not value.is_leaf}
        return copy.deepcopy(module, results)


def _wide(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with floats in float64."""
    return map_leaves(lambda _, leaf: widened(leaf), inputs)


def real(value: torch.Tensor) -> torch.Tensor:
    """A complex tensor as torch.export writes it: the real and the imaginary part are a last dimension of 2."""
    return torch.view_as_real(value.resolve_conj()) if value.is_complex() else value


def _as_array(name: str, value: torch.Tensor) -> Array:
    try:
        array: Array = to_array(real(value))
    except TypeError as error:  # torch's answer for a dtype that NumPy has not, such as float8
        raise EngineError(
            f"torch: the model's {name} has the dtype {str(value.dtype).removeprefix('torch.')}, which is not judged: "
            "return it in another one, by .float() in a wrapper"
        ) from error
    return array


def _stored(value: Any, dtype: torch.dtype) -> Any:
    """A float32 array rounded; anything else as it is."""
    is_float = isinstance(value, np.ndarray) and value.dtype == np.float32
    return to_array(rounded_to(dtype, to_tensor(value))) if is_float else value


def named_outputs(outputs: Any, names: Sequence[str] = ()) -> dict[str, torch.Tensor]:
    """The tensors among a model's outputs, in order, each under its name.

    They are called by `names`; without any, a dict or a named tuple names them itself, and others are `output`, or
    `output_0` and so on. Raises `EngineError` for an output that is not a tensor, and `ValueError` for more or fewer
    names.
    """
    named = isinstance(outputs, Mapping) or is_named_tuple(outputs)
    found = leaves(outputs if isinstance(outputs, Mapping) else {"": outputs})
    for name, value in found.items():
        if not isinstance(value, torch.Tensor):
            what = f"output {name.lstrip('.')}".strip()
            raise EngineError(
                f"torch: the model's {what} is of type {type(value).__name__}; an ONNX file has tensors alone: "
                "return them, or tuples or dicts of them, from a wrapper"
            )
    if not names and named:
        names = [name.removeprefix(".") for name in found]
    elif not names:
        names = ["output"] if len(found) == 1 else [f"output_{index}" for index in range(len(found))]
    return dict(zip(names, found.values(), strict=True))
