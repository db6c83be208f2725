"""The PyTorch model as reference: its outputs, in float32 and float64, made once."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, TypeVar

import numpy as np
from torch import nn

from onnxproof._internal.trees import Array, leaves
from onnxproof.case import Case, CaseError
from onnxproof.engines.base import EngineError
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.draws import MOST_VALUES, count
from onnxproof.probing.probes import Probe, other_probes, other_values, replaced, resized, traced
from onnxproof.probing.sizes import SizeTrials

Answer = TypeVar("Answer")

MOST_BYTES = 2**31
"""The largest model, since several copies are in memory at once; an ONNX file without external data ends there too."""


ORDERS = 6
"""The orders of rounding that a model is run in before an output is refused."""


def reference(model: nn.Module, inputs: Mapping[str, Array], output_names: tuple[str, ...] = ("output",)) -> Reference:
    """The outputs of `model` on `inputs`, and the same in float64.

    `inputs` are arrays by name, in the order of the model's arguments. What the model raises is raised.
    """
    return _reference(TorchModel(model, tuple(inputs), output_names), inputs)


def _reference(model: TorchModel, inputs: Mapping[str, Any]) -> Reference:
    values = model.run(inputs)
    try:
        exact = model.run_in_float64(inputs)
    except Exception:  # an operator has no float64 kernel
        exact = None
    return Reference(values, exact, cache(partial(_in_other_orders, model, inputs)))


def _in_other_orders(model: TorchModel, inputs: Mapping[str, Any]) -> tuple[dict[str, Array], ...]:
    try:
        return tuple(model.run_rounded_at_random(inputs, seed) for seed in range(ORDERS))
    except Exception:  # an assertion of the model's on its own values
        return ()


@dataclass(frozen=True)
class JudgedProbe:
    """A probe that the model accepts, and the model's outputs on it."""

    probe: Probe
    reference: Reference


@dataclass(frozen=True)
class Change:
    """A change that the model reacts to: of the values of an input, or of the size of a dimension."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"the input {self.name}" if self.kind == "input" else f"the size of {self.name}"


class ReferenceModel:
    """The model of a case, and its outputs.

    Raises `CaseError`, when it is first run, for a model that refuses its example, has outputs that are not tensors, or
    is too large.
    """

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def _model(self) -> TorchModel:
        size = sum(t.numel() * t.element_size() for t in (*self.case.model.parameters(), *self.case.model.buffers()))
        if size >= MOST_BYTES:
            raise CaseError(f"the model holds {size / 2**30:.1f} GiB of weights; up to 2 GiB can be checked")
        case = self.case
        return TorchModel(copy.deepcopy(case.model), tuple(case.inputs), case.output_names, tuple(case.kwargs))

    def ask(self, inputs: Mapping[str, Any]) -> Reference | None:
        """Its outputs, and those in float64 if it runs there; None for inputs that it refuses."""
        return self._accepted(lambda model: _reference(model, inputs))

    def _ask_values(self, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        return self._accepted(lambda model: model.run(inputs))

    def _accepted(self, call: Callable[[TorchModel], Answer]) -> Answer | None:
        try:
            return call(self._model)
        except EngineError as error:
            raise CaseError(str(error)) from error
        except CaseError:
            raise
        except Exception:
            return None

    @cached_property
    def judged(self) -> tuple[JudgedProbe, ...]:
        """The probes that the model accepts, the example first."""
        case, example = self.case, traced(self.case)
        asked = [(example, self.ask(case.inputs))]
        if asked[0][1] is None:
            self._raise_why_it_refuses()
        base = (count(case, case.sizes) > MOST_VALUES and self.sizes.small) or example
        asked += [(probe, self.ask(probe.inputs)) for probe in other_probes(case, base)]
        return tuple(JudgedProbe(probe, reference) for probe, reference in (*asked, *self.sizes.accepted) if reference)

    @cached_property
    def sizes(self) -> SizeTrials[Reference]:
        """The other sizes that were tried on it."""
        return SizeTrials(self.case, lambda probe: self.ask(probe.inputs))

    @property
    def traced(self) -> JudgedProbe:
        """The example."""
        return self.judged[0]

    def _raise_why_it_refuses(self) -> None:
        try:
            self._model.run(self.case.inputs)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise CaseError(f"the model refuses its inputs: {type(error).__name__}: {reason}{self._hint()}") from error

    def _hint(self) -> str:
        """What to do about inputs in another floating-point dtype than the weights; "" if there are none."""
        dtypes = {str(weight.dtype).removeprefix("torch.") for weight in self.case.model.parameters()}
        others = [
            f"{name} is {leaf.dtype}"
            for name, leaf in leaves(self.case.inputs).items()
            if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and dtypes and leaf.dtype.name not in dtypes
        ]
        return f"; {', '.join(others)}, the weights are {' and '.join(sorted(dtypes))}: convert one" if others else ""

    @cached_property
    def reactions(self) -> dict[Change, list[tuple[dict[str, Any], Mapping[str, Array]]]]:
        """The inputs that change one input's values or one dimension's size, with outputs that differ from the
        example's, by what is changed.
        """
        case, own = self.case, Reference(self.traced.reference.values)
        changes = {
            Change("input", name): [replaced(case.inputs, name, value) for value in other_values(case, name)]
            for name in case.required_inputs
        } | {
            Change("size", symbol): [dict(resized(case, case.sizes | {symbol: size}).inputs) for size in sizes]
            for symbol, sizes in self.sizes.beside.items()
        }
        asked = {change: [(inputs, self._ask_values(inputs)) for inputs in found] for change, found in changes.items()}
        return {
            change: [(i, values) for i, values in found if values and not all(p.same for p in compare(values, own, ""))]
            for change, found in asked.items()
        }

    @cached_property
    def repeats(self) -> bool:
        """Whether it has the same outputs when it runs on the example again."""
        again = self._ask_values(self.case.inputs)
        return again is not None and same_bits(again, self.traced.reference.values)

    def judge(self, probe: Probe) -> JudgedProbe | None:
        """Another probe with the model's outputs; None if the model refuses it."""
        found = self.ask(probe.inputs)
        return JudgedProbe(probe, found) if found else None


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Whether outputs are the same bit for bit, by position."""
    pairs = zip(a.values(), b.values(), strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
