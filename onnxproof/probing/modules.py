"""A PyTorch module as the original of a case."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from onnxproof._internal.trees import leaves
from onnxproof.case import Case, CaseError
from onnxproof.engines.torch import TorchModel, copied
from onnxproof.parity.compare import Reference, usual_rounding
from onnxproof.probing.orders import Orders
from onnxproof.probing.originals import caused, keeps_state


class OriginalModule(TorchModel):
    """A copy of the module of a case as original."""

    def __init__(self, case: Case) -> None:
        super().__init__(copied(case.module), tuple(case.inputs), case.output_names, tuple(case.kwargs))
        self._case = case
        self._usual: Mapping[str, float] | None = None

    def reference(self, inputs: Mapping[str, Any], in_float64: bool) -> Reference:
        """Its outputs, and those in float64 if they are asked for; else its rounding on the first inputs judges."""
        found = reference_of(self, inputs, None if in_float64 else self._usual or {})
        if self._usual is None:
            self._usual = usual_rounding(found)
        return found

    def differs_in_reference(self, inputs: Mapping[str, Any], reference: Reference) -> bool:
        """Whether it has other outputs in onnx's reference evaluator: it does not run there."""
        return False

    def decides(self, inputs: Mapping[str, Any]) -> bool:
        """Whether it takes discrete decisions from floats, such as an order or a mask."""
        return bool(self.decisions(inputs))

    def refusal(self, is_drawn: bool) -> CaseError:
        """Why it refuses the example of its case."""
        try:
            self.run(self._case.inputs)
        except (Exception, SystemExit) as error:
            reason = str(error).strip().partition("\n")[0]
            return caused(error, f"{type(error).__name__}: {reason}{_hint(self._case, error)}")
        return keeps_state()


def reference_of(model: TorchModel, inputs: Mapping[str, Any], usual: Mapping[str, float] | None = None) -> Reference:
    """A model's outputs, and those in float64; without these if its `usual` rounding is given, which judges then."""
    values, orders = model.run(inputs), Orders(model, inputs)
    exact = orders.exact(values) if usual is None else None
    return Reference(values, exact, orders.free, usual or {}, orders.alike)


def bytes_of_module(module: nn.Module) -> int:
    """The bytes of its parameters and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def _hint(case: Case, error: BaseException) -> str:
    """What to do about arguments that do not fit, and inputs in another dtype than the weights; "" if they do."""
    if isinstance(error, TypeError) and re.search(r"forward\(\) (missing|takes|got)", str(error)):
        arguments = inspect.signature(case.module.forward)
        return f"; it takes {arguments}: give each by its name in `inputs`, or wrap the model"
    dtypes = {str(weight.dtype).removeprefix("torch.") for weight in case.module.parameters()}
    others = [
        f"{name} is {leaf.dtype}"
        for name, leaf in leaves(case.inputs).items()
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and dtypes and leaf.dtype.name not in dtypes
    ]
    return f"; {', '.join(others)}, the weights are {' and '.join(sorted(dtypes))}: convert one" if others else ""
