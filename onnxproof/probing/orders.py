"""A model run again: in float64, in other orders of rounding, and each of these with the decisions of its own run."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from onnxproof._internal.trees import Array
from onnxproof.engines.decisions import Call, Decisions
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import Alike

ORDERS = 6
"""The orders of rounding that a model is run in before an output is refused."""


class Orders:
    """The runs of a model on some inputs that say what its rounding costs; each is made when it is first asked for."""

    def __init__(self, model: TorchModel, inputs: Mapping[str, Any]) -> None:
        self._model, self._inputs = model, inputs
        self._taken = [Decisions() for _ in range(ORDERS + 1)]
        self._free_exact: Mapping[str, Array] | None = None
        self._exact: Mapping[str, Array] | None = None

    def exact(self, values: Mapping[str, Array]) -> Mapping[str, Array] | None:
        """The outputs in float64, None if the model does not run in it; `values` are the model's own.

        If float64 decides otherwise than float32, such as which of two near ties is the larger, the floats are those of
        a run that decides as float32 does.
        """
        taken = Decisions()
        try:
            free = self._model.run_in_float64(self._inputs, taken)
        except Exception:  # an operator has no float64 kernel
            return None
        if not taken or self._own is None or taken == self._own:
            return free
        try:
            self._exact = self._model.run_in_float64(self._inputs, again=self._own)
        except Exception:  # with other decisions the model calls other operations
            return free
        self._free_exact = free
        return {name: (self._exact if values[name].dtype.kind == "f" else free)[name] for name in free}

    def free(self) -> Sequence[Mapping[str, Array]]:
        """The outputs of each order of rounding."""
        return self._free

    def alike(self) -> Alike | None:
        """The outputs with the decisions of the model's own run; None where every run decides as it does."""
        return self._alike

    @cached_property
    def _own(self) -> Decisions | None:
        """The decisions of the model's own run."""
        try:
            return self._model.decisions(self._inputs)
        except Exception:  # an assertion of the model's, of what it is run in
            return None

    def _runs(self, calls: Sequence[Call]) -> Sequence[Mapping[str, Array]]:
        """The outputs of each order of rounding, and with ties in another one, by what calls the operations."""
        *rounded, tied = calls
        found = [self._model.run_rounded_at_random(self._inputs, seed, call) for seed, call in enumerate(rounded)]
        return [*found, self._model.run_tied_otherwise(self._inputs, tied)]

    @cached_property
    def _free(self) -> Sequence[Mapping[str, Array]]:
        try:
            return self._runs([each.recorded for each in self._taken])
        except Exception:  # an assertion of the model's on its own values
            return ()

    @cached_property
    def _alike(self) -> Alike | None:
        own = self._own
        if own is None or not self._free or (all(each == own for each in self._taken) and self._free_exact is None):
            return None
        try:
            others = self._runs([own.again() for _ in self._taken])
        except Exception:  # with other decisions the model calls other operations
            return None
        if self._exact is None:
            try:
                self._exact = self._model.run_in_float64(self._inputs, again=own)
            except Exception:  # an operator has no float64 kernel
                return Alike(others)
        return Alike(others, self._exact, self._free_exact)
