"""The original: a case's model at work, which its file is held against. Everything is run once, when asked for."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from onnxproof.case import Case, CaseError
from onnxproof.engines import Engine, EngineError, torch_engine
from onnxproof.parity import Reference, compare, pooled
from onnxproof.probes import Probe, other_values, probes, replaced, resized
from onnxproof.trees import Array

MOST_BYTES = 2**31
"""An ONNX file holds 2 GiB, and so does what is checked here: several copies of the model are in memory at once."""


@dataclass(frozen=True)
class Judged:
    """A probe that the model accepts, with what the file is compared with."""

    probe: Probe
    reference: Reference


class Original:
    """The model of a case, and what it gives.

    Raises `CaseError`, when it is first run, for a model that refuses its example, that gives something else than
    tensors, or that is too large.
    """

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def _torch(self) -> Engine:
        size = sum(t.numel() * t.element_size() for t in (*self.case.model.parameters(), *self.case.model.buffers()))
        if size >= MOST_BYTES:
            raise CaseError(f"the model holds {size / 2**30:.1f} GiB of weights; up to 2 GiB can be checked")
        return torch_engine(copy.deepcopy(self.case.model), tuple(self.case.inputs), self.case.output_names)

    @cached_property
    def _in_float64(self) -> Engine:
        return torch_engine(self.case.model, tuple(self.case.inputs), self.case.output_names, torch.float64)

    def ask(self, inputs: Mapping[str, Any]) -> Reference | None:
        """What it gives, and in float64 where it can; None for inputs that it refuses."""
        values = self._ask_values(inputs)
        if values is None:
            return None
        try:
            return Reference(values, self._in_float64.run(**inputs))
        except Exception:  # a model with a float32 constant of its own, or without a float64 kernel
            return Reference(values)

    def _ask_values(self, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        try:
            return self._torch.run(**inputs)
        except EngineError as error:
            raise CaseError(str(error)) from error
        except CaseError:
            raise
        except Exception:
            return None

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """The probes that the model accepts, the example first, each with its reference."""
        asked = [(probe, self.ask(probe.inputs)) for probe in probes(self.case)]
        if asked[0][1] is None:
            self._say_why_it_refuses()
        accepted = [(probe, reference) for probe, reference in asked if reference]
        references = pooled([reference for _, reference in accepted])
        return tuple(Judged(probe, reference) for (probe, _), reference in zip(accepted, references, strict=True))

    @property
    def traced(self) -> Judged:
        """The example."""
        return self.judged[0]

    def _say_why_it_refuses(self) -> None:
        try:
            self._torch.run(**self.case.inputs)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise CaseError(f"the model refuses its inputs: {type(error).__name__}: {reason}") from error

    @cached_property
    def reactions(self) -> dict[str, list[tuple[dict[str, Any], Mapping[str, Array]]]]:
        """The changes of each input and of each dynamic dimension's size that the model reacts to, with its outputs."""
        case, own = self.case, Reference(self.traced.reference.values)
        changes = {
            f"the input {name}": [replaced(case.inputs, name, value) for value in other_values(case, name)]
            for name in case.required_inputs
        } | {
            f"the size of {symbol}": [dict(resized(case, case.sizes | {symbol: size + more}).inputs) for more in (1, 3)]
            for symbol, size in case.sizes.items()
        }
        asked = {what: [(inputs, self._ask_values(inputs)) for inputs in found] for what, found in changes.items()}
        return {
            what: [(i, values) for i, values in found if values and not all(p.same for p in compare(values, own, ""))]
            for what, found in asked.items()
        }

    @cached_property
    def repeats(self) -> bool:
        """Whether it gives the same when it is run again on the example."""
        again = self._ask_values(self.case.inputs)
        return again is not None and same_bits(again, self.traced.reference.values)

    def judge(self, probe: Probe) -> Judged | None:
        """Another probe with its reference, with the rounding that is usual; None where the model refuses it."""
        reference = self.ask(probe.inputs)
        return Judged(probe, replace(reference, rounding=self.traced.reference.rounding)) if reference else None


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Whether outputs are the same bit for bit, by position."""
    pairs = zip(a.values(), b.values(), strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)
