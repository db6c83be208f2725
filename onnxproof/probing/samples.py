"""The samples of a case, on which a stated loss is judged, and its model's outputs on them."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxproof._internal.memo import Memo
from onnxproof._internal.trees import Array, leaves
from onnxproof.case import Case, CaseError

if TYPE_CHECKING:
    from onnxproof.probing.reference import ReferenceModel

MOST_OUTPUTS = 2**28
"""Bytes of a model's outputs on samples that are kept for its next file."""


MOST_SAMPLES, MOST_INPUTS = 32, 2**26
"""So many samples, of so many bytes about, are in memory at once."""


@dataclass(frozen=True)
class Sample:
    """Inputs, and the label that a score compares the outputs with; `id` says which of the samples it is."""

    id: str
    inputs: Mapping[str, Any]
    label: Any


class Samples:
    """The samples of a model's case, each once however often it is given; `repeated` counts the others."""

    def __init__(self, model: "ReferenceModel") -> None:
        self._model = model
        self._values: Memo[dict[str, Array]] = Memo(CaseError, MOST_OUTPUTS, _bytes)
        self.repeated = 0

    def __iter__(self) -> Iterator[Sample]:
        seen: set[bytes] = set()
        self.repeated = 0
        for sample in _given(self._model.case):
            digest = _digest(sample.inputs)
            if digest in seen:
                self.repeated += 1
            else:
                seen.add(digest)
                yield sample

    def with_values(self) -> Iterator[tuple[Sample, dict[str, Array]]]:
        """Each with the model's outputs, some at a time: two programs that take turns slow each other down."""
        samples = iter(self)
        while first := next(samples, None):
            self._model.watch(first.id)
            size = sum(np.asarray(leaf).nbytes for leaf in leaves(first.inputs).values())
            block = [first, *islice(samples, max(0, min(MOST_SAMPLES, MOST_INPUTS // max(1, size)) - 1))]
            yield from [(sample, self.values(sample)) for sample in block]

    def values(self, sample: Sample) -> dict[str, Array]:
        """The model's outputs. Raises `CaseError` for inputs that it refuses."""
        return self._values.get(sample.id, lambda: self._run(sample))

    def exact(self, sample: Sample) -> dict[str, Array] | None:
        """The model's outputs in float64; None where it does not run there."""
        return self._model.exact_values(sample.inputs)

    def _run(self, sample: Sample) -> dict[str, Array]:
        found = self._model.values(sample.inputs)
        if found is None:
            raise CaseError(f"the model refuses {sample.id}; leave it out")
        return dict(found)


def _given(case: Case) -> Iterator[Sample]:
    found = case.samples() if callable(case.samples) else case.samples
    if isinstance(found, Mapping) or not hasattr(found, "__iter__"):
        raise CaseError(f"samples is a {type(found).__name__}; give a sequence of inputs, or a function that gives one")
    for index, given in enumerate(found):
        id = f"samples[{index}]"
        yield Sample(id, *case.sample(id, given))


def _digest(inputs: Mapping[str, Any]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    for name, leaf in leaves(inputs).items():
        is_array = isinstance(leaf, np.ndarray)
        found.update(f"{name} {leaf.dtype} {leaf.shape}".encode() if is_array else f"{name} {leaf!r}".encode())
        found.update(np.ascontiguousarray(leaf).tobytes() if is_array else b"")
    return found.digest()


def _bytes(outputs: Mapping[str, Array]) -> int:
    return sum(array.nbytes + sys.getsizeof(array) for array in outputs.values())
