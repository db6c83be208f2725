"""PyTorch's own search for the place: `torch.onnx.verification.verify_onnx_program(compare_intermediates=True)`."""

import gc
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import onnx
import onnx_ir
from torch.onnx.verification import verify_onnx_program

from docs.fault_table import verified
from onnxproof._internal.trees import to_tensor
from onnxproof.graph.modules import module_of
from onnxproof.probing.conversion import Conversion
from onnxproof.versions import TORCH_EXPORT
from tests.harness.located import Located, good, located

MOST, MOST_RELATIVE = 0.01, 0.1
"""It warns of a value from this largest difference on, or from this largest share."""

TIMED = slice(1, 4)
"""The faults of a network that are timed: before the first one, engines start."""

_LOGGER = logging.getLogger("torch.onnx._internal.exporter._verification")
_STOPPED = re.compile(r"While executing %(\w+)")


class Verification:
    """It is asked about the files of a model, each in the program that torch.export's exporter returned for it.

    `path` is the right one.
    """

    def __init__(self, right: Conversion) -> None:
        self.path = right.file.path
        self._program, _ = verified(right)
        self._outputs = [node.name for node in self._program.exported_program.graph.output_node().args[0]]
        self._modules = {name: module_of(node) for node in onnx.load(self.path).graph.node for name in node.output}
        for own, name in zip(right.graph.output_names, self._outputs, strict=True):
            self._modules[name] = self._modules[own]

    def verdict(self, found: Located) -> str:
        """ "right", "wrong", "none", or "alike": it reports the same value of the right file."""
        with without_garbage():
            reported, anyway = (self.first_reported(path, found.inputs) for path in (found.path, self.path))
        if reported in ("", anyway):
            return "alike" if reported else "none"
        return "right" if self._modules[reported] in found.holders else "wrong"

    def first_reported(self, path: Path, inputs: Mapping[str, Any]) -> str:
        """The first value of which it warns, that is not a number, or at which it stops; "" for none.

        The outputs get the names that torch.export gives them: under other names it leaves them out.
        """
        self._program.model = onnx_ir.load(path)
        for value, name in zip(self._program.model.graph.outputs, self._outputs, strict=True):
            value.name = name
        with _reports() as names:
            try:
                verify_onnx_program(self._program, tuple(map(to_tensor, inputs.values())), compare_intermediates=True)
            except Exception as error:  # values of other sizes
                names += _STOPPED.findall(str(error))
        return next(iter(names), "")


class _Heard(logging.Handler):
    def __init__(self, names: list[str]) -> None:
        super().__init__(logging.INFO)
        self._names = names

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the name of a value that could not be computed, or differs."""
        assert isinstance(record.args, tuple)
        name, *differences = record.args
        within = [a <= most for a, most in zip(differences, (MOST, MOST_RELATIVE), strict=False)]
        if within != [True, True]:
            self._names.append(str(name))


@contextmanager
def _reports() -> Iterator[list[str]]:
    """The names of the values that are reported meanwhile, in their order, in place of what is printed."""
    names: list[str] = []
    heard, level = _Heard(names), _LOGGER.level
    _LOGGER.addHandler(heard)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
    try:
        yield names
    finally:
        _LOGGER.removeHandler(heard)
        _LOGGER.setLevel(level)
        _LOGGER.propagate = True


@contextmanager
def without_garbage() -> Iterator[None]:
    """Leaves what is in memory to no garbage collection: verify_onnx_program asks for two for each value."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def times_as_long(network: str) -> tuple[float, float]:
    """The time of verify_onnx_program as a multiple of onnxproof's, as it is and without garbage collections."""
    verification = Verification(good(network, TORCH_EXPORT))
    own, as_it_is, without = 0.0, 0.0, 0.0
    for found in islice(located(network, TORCH_EXPORT, "exporter"), TIMED.start, TIMED.stop):
        own += found.seconds
        as_it_is += _seconds(verification, found)
        with without_garbage():
            without += _seconds(verification, found)
    return float(f"{as_it_is / own:.2g}"), float(f"{without / own:.2g}")


def _seconds(verification: Verification, found: Located) -> float:
    started = time.perf_counter()
    verification.first_reported(found.path, found.inputs)
    return time.perf_counter() - started
