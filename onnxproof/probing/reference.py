"""The PyTorch model as reference: its outputs, in float32 and float64, made once."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from onnxproof._internal.trees import Array, leaves
from onnxproof.case import Case, CaseError
from onnxproof.engines.base import EngineError
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import Reference, compare, pooled
from onnxproof.probing.probes import Probe, other_values, probes, replaced, resized

MOST_BYTES = 2**31
"""The largest model, since several copies are in memory at once; an ONNX file without external data ends there too."""


def reference(model: nn.Module, inputs: Mapping[str, Array], output_names: tuple[str, ...] = ("output",)) -> Reference:
    """The outputs of `model` on `inputs`, and those of a copy of it in float64.

    `inputs` are arrays by name, in the order of the model's arguments. What the model raises is raised.
    """
    values = TorchModel(model, tuple(inputs), output_names).run(inputs)
    return Reference(values, TorchModel(model, tuple(inputs), output_names, torch.float64).run(inputs))


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
        return self._in(copy.deepcopy(self.case.model))

    @cached_property
    def _in_float64(self) -> TorchModel:
        return self._in(self.case.model, torch.float64)

    def _in(self, model: nn.Module, dtype: torch.dtype | None = None) -> TorchModel:
        case = self.case
        return TorchModel(model, tuple(case.inputs), case.output_names, dtype, tuple(case.kwargs))

    def ask(self, inputs: Mapping[str, Any]) -> Reference | None:
        """Its outputs, and those in float64 if it runs there; None for inputs that it refuses."""
        values = self._ask_values(inputs)
        if values is None:
            return None
        try:
            return Reference(values, self._in_float64.run(inputs))
        except Exception:  # the model has a float32 constant, or an operator without a float64 kernel
            return Reference(values)

    def _ask_values(self, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        try:
            return self._model.run(inputs)
        except EngineError as error:
            raise CaseError(str(error)) from error
        except CaseError:
            raise
        except (Exception, SystemExit):  # a model that exits would end the command as if every check held
            return None

    @cached_property
    def judged(self) -> tuple[JudgedProbe, ...]:
        """The probes that the model accepts, the example first."""
        asked = [(probe, self.ask(probe.inputs)) for probe in probes(self.case)]
        if asked[0][1] is None:
            self._raise_why_it_refuses()
        accepted = [(probe, reference) for probe, reference in asked if reference]
        references = pooled([reference for _, reference in accepted])
        return tuple(JudgedProbe(probe, found) for (probe, _), found in zip(accepted, references, strict=True))

    @property
    def traced(self) -> JudgedProbe:
        """The example."""
        return self.judged[0]

    def _raise_why_it_refuses(self) -> None:
        try:
            self._model.run(self.case.inputs)
        except (Exception, SystemExit) as error:
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
            Change("size", symbol): [dict(resized(case, case.sizes | {symbol: size + more}).inputs) for more in (1, 3)]
            for symbol, size in case.sizes.items()
        }
        asked = {change: [(inputs, self._ask_values(inputs)) for inputs in found] for change, found in changes.items()}
        return {
            change: [(i, values) for i, values in found if values and not all(p.same for p in compare(values, own, ""))]
            for change, found in asked.items()
        }

    @cached_property
    def repeats(self) -> bool:
        """Whether it has the same outputs when it runs on the example again."""
        own = self.traced.reference.values
        again = self._ask_values(self.case.inputs)
        return again is not None and same_bits(again, own)

    def judge(self, probe: Probe) -> JudgedProbe | None:
        """Another probe, judged with the usual rounding; None if the model refuses it."""
        found = self.ask(probe.inputs)
        return JudgedProbe(probe, replace(found, rounding=self.traced.reference.rounding)) if found else None


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Whether outputs are the same bit for bit, by position."""
    pairs = zip(a.values(), b.values(), strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
