"""One conversion at work: a case's original, the file made of it, and what both give. Everything is run once."""

import copy
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from onnxproof.case import Case
from onnxproof.engines import Engine, EngineError, onnxruntime_engine, reference_engine
from onnxproof.exporting import Export, ExportError, export
from onnxproof.graph import Graph, read_graph
from onnxproof.model_file import load_model
from onnxproof.original import Judged, Original
from onnxproof.parity import Parity, Reference, compare
from onnxproof.probes import Probe, same_inputs
from onnxproof.same_graph import graph_differences
from onnxproof.trees import Array, leaves
from onnxproof.versions import LOWEST_OPSET

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Conversion:
    """A case exported, or the file that was `given` for it.

    `opset` is the one asked for; of a given file it is only known when it is said. Conversions of one case can share
    its `Original`, which is then asked once.
    """

    def __init__(
        self,
        case: Case | Original,
        *,
        exporter: str,
        opset: int | None = None,
        provider: str = "CPUExecutionProvider",
        given: str | os.PathLike[str] | None = None,
    ) -> None:
        self.original = Original(case) if isinstance(case, Case) else case
        self.case = self.original.case
        self.exporter = exporter
        self.given = Path(given) if given else None
        self.opset = opset or (None if given else LOWEST_OPSET[exporter])
        self.provider = provider
        self._engines: dict[str, Engine | EngineError] = {}
        self._outputs: dict[tuple[str, str], dict[str, Array] | EngineError] = {}
        self._parities: dict[tuple[str, str], tuple[Parity, ...]] = {}

    def of_file(self, path: str | os.PathLike[str]) -> "Conversion":
        """Another file given for the same case; the model is not asked again."""
        return Conversion(self.original, exporter=self.exporter, opset=self.opset, provider=self.provider, given=path)

    def __repr__(self) -> str:
        return f"{self.case.name}-{self.given.name if self.given else self.exporter}"

    # The file

    @cached_property
    def _folder(self) -> Path:
        """A folder that is gone with this object."""
        folder = tempfile.mkdtemp(prefix="onnxproof-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @cached_property
    def exported(self) -> Export:
        """The export of the example. Raises `ExportError`."""
        return self.export(self.case.inputs, "model")

    def export(self, inputs: Mapping[str, Any], name: str) -> Export:
        """An export of the case traced on other inputs of the example's sizes."""
        if self.opset is None:
            raise ExportError("a file that was given is not exported")
        output_names = tuple(self.original.traced.reference.values)  # refuses a model that is too large to be copied
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        return export(
            copy.deepcopy(self.case.model),
            inputs,
            folder / "model.onnx",
            exporter=self.exporter,
            opset=self.opset,
            output_names=output_names,
            dynamic=self.case.dynamic,
            translations=self.case.custom_translations(),
        )

    @cached_property
    def path(self) -> Path:
        return self.given or self.exported.path

    @cached_property
    def graph(self) -> Graph:
        """The facts of the file. Raises `ExportError` or `GraphError`."""
        return read_graph(self.path)

    @property
    def tracer_warnings(self) -> str:
        """What the tracer warned of, with the lines of source; "" of a given file."""
        warnings = () if self.given else self.exported.warnings_of("TracerWarning")
        own = [warning for warning in warnings if not Path(warning.file).is_relative_to(_TORCH)] or warnings
        lines = dict.fromkeys(f"`{warning.source}` ({warning.file}:{warning.line})" for warning in own)
        return f"the tracer warned of {'; '.join(lines)}" if lines else ""

    @cached_property
    def exported_elsewhere(self) -> tuple[Probe, tuple[str, ...]] | None:
        """Other inputs of the example's sizes, and in what the file differs that is traced on them; None for a given
        file, and where there are no other inputs.
        """
        others = [j.probe for j in self.original.judged[1:] if _same_shapes(j.probe.inputs, self.case.inputs)]
        if self.given or not others:
            return None
        return others[0], self.differences_when_traced_on(others[0].inputs, "elsewhere")

    def differences_when_traced_on(self, inputs: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """In what the graph differs that is traced on other inputs; a refusal of the exporter's is a difference."""
        ours = load_model(self.path)
        try:
            return graph_differences(ours, load_model(self.export(inputs, name).path))
        except ExportError as error:
            return (str(error),)

    # The file at work

    def feeds(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        """The inputs that the file asks for, by name. Raises `EngineError` for one that the case does not have."""
        found = leaves(inputs)
        missing = [value.name for value in self.graph.inputs if value.name not in found]
        if missing:
            raise EngineError(f"the file asks for {', '.join(missing)}, which is no input of the case")
        return {value.name: _as_array(found[value.name], value.dtype) for value in self.graph.inputs}

    def engine(self, name: str) -> Engine:
        """The file in an engine: onnxruntime, unoptimized (the same without graph optimization) or reference."""
        return _remembered(self._engines, name, lambda: self._start(name))

    def _start(self, name: str) -> Engine:
        if name == "reference":
            return reference_engine(self.path)
        return onnxruntime_engine(self.path, provider=self.provider, optimize=name == "onnxruntime")

    def run(self, inputs: Mapping[str, Any], engine: str = "onnxruntime") -> dict[str, Array]:
        """What the file gives. Raises `EngineError` where the engine refuses the file or the inputs.

        Raises `GraphError` before an engine is given a file that cannot be read: some end the process at it.
        """
        feeds = self.feeds(inputs)
        return self.engine(engine).run(**feeds)

    def outputs(self, judged: Judged, engine: str = "onnxruntime") -> dict[str, Array]:
        """`run` on a probe, remembered."""
        return _remembered(self._outputs, (judged.probe.id, engine), lambda: self.run(judged.probe.inputs, engine))

    def parities(self, judged: Judged, engine: str = "onnxruntime") -> tuple[Parity, ...]:
        """The outputs on a probe against the model's, by position: their names are another matter. Remembered."""
        key = judged.probe.id, engine
        if key not in self._parities:
            self._parities[key] = self._compared(judged, engine)
        return self._parities[key]

    def is_right(self, judged: Judged, engine: str = "onnxruntime") -> bool:
        """Whether the file gives the model's outputs on a probe."""
        return all(parity.same for parity in self.parities(judged, engine))

    def _compared(self, judged: Judged, engine: str) -> tuple[Parity, ...]:
        case = f"{self!r} on {judged.probe.id}"
        try:
            actual = self.outputs(judged, engine)
        except EngineError as error:
            return (Parity(case, "*", f"it does not run: {' '.join(str(error).split())}"),)
        return self.compare(actual, judged.reference, case)

    def compare(self, actual: Mapping[str, Array], reference: Reference, case: str) -> tuple[Parity, ...]:
        """Outputs of the file against those of the model, by position."""
        if len(actual) == len(reference.values):
            actual = dict(zip(reference.values, actual.values(), strict=True))
        return compare(actual, reference, case)


def _remembered(memory: dict[Key, Made | EngineError], key: Key, make: Callable[[], Made]) -> Made:
    """What `make` gave when it was first called for a key, or the `EngineError` that it raised."""
    if key not in memory:
        try:
            memory[key] = make()
        except EngineError as error:
            memory[key] = error
    found = memory[key]
    if isinstance(found, EngineError):
        raise EngineError(str(found)) from found
    return found


_TORCH = Path(torch.__file__).parent


def _as_array(leaf: Any, dtype: str) -> Array:
    if isinstance(leaf, np.ndarray | np.generic):
        return np.asarray(leaf)
    try:
        return np.asarray(leaf, dtype)
    except (TypeError, ValueError) as error:
        raise EngineError(f"the file asks for {dtype}, the case gives {leaf!r}") from error


def _same_shapes(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    ours, theirs = leaves(a), leaves(b)
    return all(
        np.shape(ours[name]) == np.shape(theirs[name])
        and (isinstance(ours[name], np.ndarray) or same_inputs({name: ours[name]}, {name: theirs[name]}))
        for name in theirs
    )
