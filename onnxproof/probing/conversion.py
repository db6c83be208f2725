"""A case's model and its ONNX file, run on the same inputs."""

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onnxproof._internal.forked import SECONDS
from onnxproof._internal.memo import Memo
from onnxproof._internal.trees import Array, leaves
from onnxproof.case import Case
from onnxproof.engines.asked import ONNXRUNTIME, REFERENCE, default_engines, unoptimized
from onnxproof.engines.base import Engine, EngineError, Session
from onnxproof.engines.forked import EngineProcess
from onnxproof.graph.facts import Graph
from onnxproof.graph.load import GraphError
from onnxproof.parity.compare import Reference, compare, compare_forms
from onnxproof.probing.budget import evaluator_seconds
from onnxproof.probing.files import ExportedFile, GivenFile, OnnxFile
from onnxproof.probing.reference import JudgedProbe, ReferenceModel
from onnxproof.results import Parity
from onnxproof.versions import default_opset

MOST_OUTPUTS = 2**28
"""Bytes of outputs that a conversion keeps: what is asked for again after more than these runs again."""


@dataclass(frozen=True)
class Outcome:
    """The file on one probe in one engine: its outputs' shapes, and how they compare with the model's.

    `refusal` is why the engine does not run it, "" if it does; `is_left_out` whether the budget does not pay for it.
    """

    parities: tuple[Parity, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    refusal: str = ""
    is_left_out: bool = False

    @property
    def is_right(self) -> bool:
        """Whether every output is the model's."""
        return all(parity.same for parity in self.parities)

    @property
    def wrong(self) -> Parity:
        """The first output that is not the model's."""
        return next(parity for parity in self.parities if not parity.same)


class Conversion:
    """A case's model, its file, and the engines that run the file, each opened once.

    `engines` are all by name, `asked` those that it is judged in. `engine` is the one that runs it where none is named.
    A run may take `timeout` seconds; without one it is in this process.
    """

    def __init__(
        self,
        model: ReferenceModel,
        file: OnnxFile,
        engines: Mapping[str, Engine] | None = None,
        timeout: float | None = SECONDS,
        asked: Sequence[str] = (ONNXRUNTIME,),
    ) -> None:
        self.model = model
        self.file = file
        self.engines = engines or default_engines()
        self.timeout = timeout
        self.asked = tuple(asked)
        self.engine = ONNXRUNTIME
        own = EngineProcess(self.engines, timeout)
        self._processes = {
            name: own if name in default_engines() else EngineProcess(self.engines, timeout) for name in self.engines
        }
        self._sessions: Memo[Session] = Memo(EngineError)
        self._outputs: Memo[dict[str, Array]] = Memo(EngineError, MOST_OUTPUTS, _bytes)
        self._outcomes: dict[tuple[str, str], Outcome] = {}

    def __repr__(self) -> str:
        return f"{self.case.name}-{self.file.exporter or self.file.path.name}"

    @property
    def case(self) -> Case:
        """What is converted."""
        return self.model.case

    @property
    def original(self) -> Path | None:
        """The other file that this one was made of; None for a module's, and for one that is judged by itself."""
        own = self.case.file
        return own if own and own.resolve() != self.file.path.resolve() else None

    @property
    def graph(self) -> Graph:
        """The facts of the file. Raises `ExportError` or `GraphError`."""
        return self.file.graph

    @property
    def names_outputs(self) -> bool:
        """Whether the file's outputs must have the model's names: a module may leave them to whoever exported it."""
        return bool(self.file.written_by or self.case.output_names or self.case.file)

    def within(self, engine: str) -> "Conversion":
        """The same conversion, whose runs are in another of its engines."""
        other = copy.copy(self)
        other.engine = engine
        return other

    @property
    def elsewhere(self) -> str:
        """The engine as a clause, "" for ONNX Runtime on the CPU."""
        return f" in {self.engine}" if self.engine != ONNXRUNTIME else ""

    @property
    def unoptimized(self) -> str:
        """The engine without graph optimization; "" if it has none that could be switched off."""
        twin = unoptimized(self.engine)
        return twin if twin in self.engines else ""

    @property
    def provider(self) -> str:
        """The execution provider, if the engine is ONNX Runtime."""
        return getattr(self.engines[self.engine], "provider", "CPUExecutionProvider")

    def check_seconds(self, is_first: bool = True) -> float:
        """How long all checks take on this machine, about, with a second export; 0 before the model has run."""
        known = self.model.check_seconds(is_first)
        return known + 2 * self.file.export_seconds if known else 0.0

    def of_file(self, path: str | os.PathLike[str]) -> "Conversion":
        """Another file for the same model, which is not run again."""
        given = GivenFile(path, self.file.opset, self.file.written_by)
        return Conversion(self.model, given, self.engines, self.timeout, self.asked).within(self.engine)

    def feeds(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The inputs that the file asks for, by name. Raises `EngineError` for one that the case does not have."""
        found = leaves(inputs)
        missing = [value.name for value in self.graph.inputs if value.name not in found]
        if missing:
            raise EngineError(f"the file asks for {', '.join(missing)}, which is not an input of the case")
        return {value.name: _as_array(found[value.name], value.dtype) for value in self.graph.inputs}

    def every_input(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """All inputs that have values, also those that the file does not ask for, in the dtype that it asks for."""
        try:
            asked = {value.name: value.dtype for value in self.graph.inputs}
        except GraphError:
            asked = {}
        found = {name: leaf for name, leaf in leaves(inputs).items() if leaf is not None}
        return {name: _as_array(leaf, asked.get(name) or np.asarray(leaf).dtype.name) for name, leaf in found.items()}

    def run(self, inputs: Mapping[str, Any], engine: str = "") -> dict[str, Array]:
        """The file's outputs. Raises `EngineError` if the engine refuses the file or the inputs.

        Raises `GraphError` before an engine is given an unreadable file: some end the process at it.
        """
        feeds = self.feeds(inputs)
        engine = engine or self.engine
        found = self._sessions.get(engine, lambda: self.open(self.file.path, engine)).run(feeds)
        for name, output in found.items():
            if not isinstance(output, np.ndarray | np.generic):
                raise EngineError(
                    f"{self.engines[engine].name} gives a {type(output).__name__} as {name}, and no array"
                )
        return found

    def open(self, path: str | os.PathLike[str], engine: str = "") -> Session:
        """A file in an engine, which cannot end this process. Raises `EngineError`."""
        engine = engine or self.engine
        return self._processes[engine].open(engine, path)

    def outputs(self, judged: JudgedProbe, engine: str = "") -> dict[str, Array]:
        """`run` on a probe; what was asked for last is kept."""
        engine = engine or self.engine
        return self._outputs.get((judged.probe.id, engine), lambda: self.run(judged.probe.inputs, engine))

    def outcome(self, judged: JudgedProbe, engine: str = "") -> Outcome:
        """The outputs on a probe against the model's, by position: names are compared elsewhere."""
        engine = engine or self.engine
        key = judged.probe.id, engine
        if key not in self._outcomes:
            self._outcomes[key] = self._judge(judged, engine)
        return self._outcomes[key]

    def _judge(self, judged: JudgedProbe, engine: str) -> Outcome:
        case = f"{self!r} on {judged.probe.id}"
        cost = evaluator_seconds(self.model.work(judged.probe.inputs)) if engine == REFERENCE else 0
        if cost > self.model.budget:
            refusal = f"it would take about {cost:.2g} s, --thorough runs it"
            return Outcome((Parity(case, "*", refusal),), refusal=refusal, is_left_out=True)
        self.model.watch(f"{self.engines[engine].name} on {judged.probe.id}")
        try:
            actual = self.outputs(judged, engine)
        except EngineError as error:
            refusal = " ".join(str(error).split())
            return Outcome((Parity(case, "*", f"it does not run: {refusal}"),), refusal=refusal)
        shapes = tuple(array.shape for array in actual.values())
        return Outcome(by_position(actual, judged.reference, case, bool(self.case.loss)), shapes)


def by_position(
    actual: Mapping[str, Array], reference: Reference, case: str, is_lossy: bool = False
) -> tuple[Parity, ...]:
    """A file's outputs against those of the model, whatever they are called; in form alone if a loss is stated."""
    if len(actual) == len(reference.values):
        actual = dict(zip(reference.values, actual.values(), strict=True))
    return (compare_forms if is_lossy else compare)(actual, reference, case)


def exported(
    model: ReferenceModel,
    exporter: str,
    opset: int | None = None,
    engines: Mapping[str, Engine] | None = None,
    timeout: float | None = SECONDS,
    asked: Sequence[str] = (ONNXRUNTIME,),
) -> Conversion:
    """The conversion of a model by an exporter, at torch's default opset unless one is asked for."""
    file = ExportedFile(model, exporter, opset or default_opset(exporter), timeout)
    return Conversion(model, file, engines, timeout, asked)


def _bytes(outputs: Mapping[str, Array]) -> int:
    return sum(array.nbytes for array in outputs.values())


def _as_array(leaf: Any, dtype: str) -> Array:
    if np.iscomplexobj(leaf) and not dtype.startswith("complex"):  # torch.export writes pairs of real numbers
        return np.stack((np.real(leaf), np.imag(leaf)), axis=-1)
    if isinstance(leaf, np.ndarray | np.generic):
        return np.asarray(leaf)
    try:
        return np.asarray(leaf, dtype)
    except (TypeError, ValueError) as error:
        raise EngineError(f"the file asks for {dtype}, the case gives {leaf!r}") from error
