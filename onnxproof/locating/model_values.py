"""The values inside a PyTorch model: what is known of each, and whole ones where they are asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from onnxproof._internal.trees import Array, to_array
from onnxproof.case import Case
from onnxproof.engines.steps import Keep, Step, Steps
from onnxproof.engines.torch import TorchModel, copied, real
from onnxproof.locating.signatures import Expected, Signature, signature


@dataclass(frozen=True)
class ModelValues:
    """A run of a model: its steps, and what is expected of each of their values, None for what no file could have."""

    steps: Steps
    expected: list[Expected | None]

    @cached_property
    def computed(self) -> set[int]:
        """The values that are computed from the inputs, which are not among them: others are inputs or constants."""
        found: set[int] = set()
        for step in self.steps.steps:
            if any(place in found or place not in self.steps.maker for place in step.inputs):
                found |= set(step.outputs)
        return found

    def made_by(self, place: int) -> Step | None:
        """The step that makes a value; None for an input."""
        return self.steps.maker.get(place)


class ModelRuns:
    """The model of a case, run on inputs as often as values of it are asked for."""

    def __init__(self, case: Case, inputs: Mapping[str, Any]) -> None:
        self._model = TorchModel(copied(case.module), tuple(case.inputs), case.output_names, tuple(case.kwargs))
        self._inputs = inputs

    def values(self) -> ModelValues:
        """What is expected of every value."""
        own, exact = self._both(lambda place, tensor: signature(to_array(real(tensor))))
        return ModelValues(own, [_expected(*pair) for pair in zip(own.values, exact.values, strict=True)])

    def whole(self, places: Collection[int]) -> dict[int, tuple[Array, Array]]:
        """Some values of it, and the same in float64."""
        own, exact = self._both(lambda place, tensor: to_array(real(tensor)).copy() if place in places else None)
        return {place: (own.values[place], exact.values[place]) for place in places}

    def _both(self, keep: Keep) -> tuple[Steps, Steps]:
        own = self._model.steps(self._inputs, keep)
        exact = self._model.steps(self._inputs, keep, wide=True)
        called = [[(step.operator, step.outputs) for step in steps.steps] for steps in (own, exact)]
        return own, exact if called[0] == called[1] else own


def _expected(own: Signature | None, exact: Signature | None) -> Expected | None:
    if own is None or exact is None or own.size != exact.size:
        return None
    return Expected.of(own, exact)
