"""A PyTorch model as an engine's session."""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from onnxproof._internal.trees import Array, is_named_tuple, leaves, map_leaves, to_array, to_tensor
from onnxproof.engines.base import EngineError, require_names


class TorchModel:
    """`model` itself, called with its inputs in the order of `input_names`; they and its outputs may be nested.

    Inputs in `keywords` are passed by name. Outputs that the model does not name are called by `output_names`, see
    `named_outputs`. With a `dtype` a copy of the model runs, and its floating-point inputs are given, in that dtype;
    the model is not changed.
    """

    def __init__(
        self,
        model: nn.Module,
        input_names: Sequence[str],
        output_names: Sequence[str] = ("output",),
        dtype: torch.dtype | None = None,
        keywords: Collection[str] = (),
    ) -> None:
        if dtype:
            with torch.no_grad():
                model = copy.deepcopy(model).to(dtype)
        self.model = model
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)
        self.dtype = dtype
        self.keywords = keywords

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs, arrays by name. The model gets copies of the arrays, since it may work in place.

        Raises `EngineError` for inputs of other names.
        """
        require_names("torch", inputs, self.input_names)
        tensors = map_leaves(lambda _, leaf: self._tensor(leaf), {name: inputs[name] for name in self.input_names})
        positional = [value for name, value in tensors.items() if name not in self.keywords]
        with torch.inference_mode():
            outputs = self.model(*positional, **{name: tensors[name] for name in tensors if name in self.keywords})
        return {name: to_array(value) for name, value in named_outputs(outputs, self.output_names).items()}

    def _tensor(self, value: Any) -> Any:
        made = to_tensor(value)
        is_float = isinstance(made, torch.Tensor) and made.is_floating_point()
        return made.to(self.dtype) if self.dtype and is_float else made


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
            raise EngineError(f"torch: the model's {what} is a {type(value).__name__}; an ONNX file has tensors alone")
    if not names and named:
        names = [name.removeprefix(".") for name in found]
    elif not names:
        names = ["output"] if len(found) == 1 else [f"output_{index}" for index in range(len(found))]
    return dict(zip(names, found.values(), strict=True))
