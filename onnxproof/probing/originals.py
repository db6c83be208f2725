"""The original that a file is held against, as references are made of it; an ONNX file as one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from onnxproof._internal.trees import Array
from onnxproof.case import Case, CaseError
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.engines.work import Work
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError, external_files
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.drawn import GIVE, cannot_load
from onnxproof.probing.spread import Spread, other_ways

MOST_BYTES = 2**31
"""The largest model, since several copies are in memory at once; an ONNX file without external data ends there too."""


class Original(Protocol):
    """The model of a case. Each method may raise whatever the model raises."""

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs."""

    def run_in_float64(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs with floats in float64."""

    def run_stored_in(self, format: str, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The outputs with floats rounded to "float16" or "bfloat16" wherever they are stored."""

    def work(self, inputs: Mapping[str, Any]) -> Work:
        """The work of `run`."""

    def reads_values(self, inputs: Mapping[str, Any]) -> bool:
        """Whether `run` reads the values of an input, and not its sizes alone."""

    def reference(self, inputs: Mapping[str, Any], in_float64: bool) -> Reference:
        """The outputs, and those in float64 if they are asked for; else the rounding that is usual judges."""

    def differs_in_reference(self, inputs: Mapping[str, Any], reference: Reference) -> bool:
        """Whether it has other outputs in onnx's reference evaluator than its own."""

    def decides(self, inputs: Mapping[str, Any]) -> bool:
        """Whether it is known to take discrete decisions from floats, such as an order or a mask."""

    def refusal(self, is_drawn: bool) -> CaseError:
        """Why it refuses the example of its case, which `is_drawn` where none was given."""


def original_of(case: Case, timeout: float | None) -> Original:
    """The original; a file may take `timeout` seconds for a run. Raises `CaseError` for one that is too large."""
    if case.file:
        require_size(_bytes_of_file(case.file))
        return OriginalFile(case, case.file, timeout)
    from onnxproof.probing.modules import OriginalModule, bytes_of_module

    require_size(bytes_of_module(case.module))
    return OriginalModule(case)


def require_size(size: int) -> None:
    if size >= MOST_BYTES:
        raise CaseError(f"the model holds {size / 2**30:.1f} GiB of weights; up to 2 GiB can be checked")


def _bytes_of_file(path: Path) -> int:
    """The bytes of a file and its external data."""
    return path.stat().st_size + sum((path.parent / name).stat().st_size for name in external_files(path))


class OriginalFile(OnnxModel):
    """The ONNX file of a case as original."""

    def __init__(self, case: Case, file: Path, timeout: float | None) -> None:
        super().__init__(file, timeout)
        self._case = case
        self._usual: Mapping[str, float] | None = None

    def reference(self, inputs: Mapping[str, Array], in_float64: bool) -> Reference:
        if self._usual is None:
            self._usual = Spread(self, inputs)
        values = self.run(inputs)
        exact = self._exact(inputs) if in_float64 else None
        return Reference(values, exact, other_ways(self, inputs, values, self._usual), self._usual)

    def _exact(self, inputs: Mapping[str, Array]) -> Mapping[str, Array] | None:
        """The outputs in float64; None where an operator has no float64 kernel."""
        try:
            return self.run_in_float64(inputs)
        except RefusalError:
            return None

    def differs_in_reference(self, inputs: Mapping[str, Array], reference: Reference) -> bool:
        try:
            actual = self.run_in_reference(inputs)
        except RefusalError:
            return False
        return not all(parity.same for parity in compare(actual, reference, ""))

    def decides(self, inputs: Mapping[str, Array]) -> bool:
        return False

    def refusal(self, is_drawn: bool) -> CaseError:
        try:
            self.load()
        except RefusalError as error:
            return CaseError(f"the model {cannot_load(error)}")
        try:
            self.run(self._case.inputs)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            return caused(error, f"{reason}; {GIVE}" if is_drawn else reason)
        return keeps_state()


def caused(error: BaseException, reason: str) -> CaseError:
    """That the model refuses its inputs, and why."""
    found = CaseError(f"the model refuses its inputs: {reason}")
    found.__cause__ = error
    return found


def keeps_state() -> CaseError:
    """That the model refused its inputs once."""
    return CaseError("the model refused its inputs once, and takes them now: it keeps state")


def require_readable(path: Path) -> None:
    """Raises `CaseError` for a damaged file, at which some engines end the process."""
    try:
        read_graph(path)
    except GraphError as error:
        raise CaseError(str(error)) from error
