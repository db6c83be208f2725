"""One conversion at work: a case, the file made of it, and what both give. Everything is run once, when asked for."""

import copy
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from onnxproof.case import Case, CaseError, Probe, other_values, probes, replaced, resized, same_inputs
from onnxproof.engines import Engine, EngineError, onnxruntime_engine, reference_engine, torch_engine
from onnxproof.exporting import Export, ExportError, export
from onnxproof.graph import Graph, graph_differences, load_model, read_graph
from onnxproof.parity import Parity, Reference, compare, pooled
from onnxproof.trees import Array, leaves
from onnxproof.versions import LOWEST_OPSET

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")

MOST_BYTES = 2**31
"""An ONNX file holds 2 GiB, and so does what is checked here: several copies of the model are in memory at once."""


@dataclass(frozen=True)
class Judged:
    """A probe that the model accepts, with what the file is compared with."""

    probe: Probe
    reference: Reference


class Conversion:
    """A case exported, or the file that was `given` for it.

    `opset` is the one asked for; of a given file it is only known when it is said. Raises `CaseError` for a model that
    refuses its example, that gives something else than tensors, or that is too large.
    """

    def __init__(
        self,
        case: Case,
        *,
        exporter: str,
        opset: int | None = None,
        provider: str = "CPUExecutionProvider",
        given: str | os.PathLike[str] | None = None,
    ) -> None:
        self.case = case
        self.exporter = exporter
        self.given = Path(given) if given else None
        self.opset = opset or (None if given else LOWEST_OPSET[exporter])
        self.provider = provider
        self._engines: dict[str, Engine | EngineError] = {}
        self._outputs: dict[tuple[str, str], dict[str, Array] | EngineError] = {}
        self._parities: dict[tuple[str, str], tuple[Parity, ...]] = {}

    def of_file(self, path: str | os.PathLike[str]) -> "Conversion":
        """Another file given for the same case; the model is not asked again."""
        other = Conversion(self.case, exporter=self.exporter, opset=self.opset, provider=self.provider, given=path)
        other._torch, other._exact = self._torch, self._exact
        other.judged, other.reactions, other.model_repeats = self.judged, self.reactions, self.model_repeats
        return other

    def __repr__(self) -> str:
        return f"{self.case.name}-{self.given.name if self.given else self.exporter}"

    # The model

    @cached_property
    def _torch(self) -> Engine:
        size = sum(t.numel() * t.element_size() for t in (*self.case.model.parameters(), *self.case.model.buffers()))
        if size >= MOST_BYTES:
            raise CaseError(f"the model holds {size / 2**30:.1f} GiB of weights; up to 2 GiB can be checked")
        return torch_engine(copy.deepcopy(self.case.model), tuple(self.case.inputs), self.case.output_names)

    @cached_property
    def _exact(self) -> Engine:
        return torch_engine(self.case.model, tuple(self.case.inputs), self.case.output_names, torch.float64)

    def ask_model(self, inputs: Mapping[str, Any]) -> Reference | None:
        """What the model gives, and in float64 where it can; None for inputs that it refuses."""
        values = self._ask_values(inputs)
        if values is None:
            return None
        try:
            return Reference(values, self._exact.run(**inputs))
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
        asked = [(probe, self.ask_model(probe.inputs)) for probe in probes(self.case)]
        if asked[0][1] is None:
            self._say_why_it_refuses()
        accepted = [(probe, reference) for probe, reference in asked if reference]
        references = pooled([reference for _, reference in accepted])
        return tuple(Judged(probe, reference) for (probe, _), reference in zip(accepted, references, strict=True))

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
    def model_repeats(self) -> bool:
        """Whether the model itself gives the same when it is run again on the example."""
        again = self._ask_values(self.case.inputs)
        return again is not None and same_bits(again, self.traced.reference.values)

    @property
    def traced(self) -> Judged:
        return self.judged[0]

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
        output_names = tuple(self.traced.reference.values)  # refuses a model that is too large to be copied
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
        others = [j.probe for j in self.judged[1:] if _same_shapes(j.probe.inputs, self.case.inputs)]
        if self.given or not others:
            return None
        return others[0], self.differences(self.export(others[0].inputs, "elsewhere"))

    def differences(self, other: Export) -> tuple[str, ...]:
        """In what the graph of another export differs from this one's."""
        return graph_differences(load_model(self.path), load_model(other.path))

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
        """What the file gives. Raises `EngineError` where the engine refuses the file or the inputs."""
        return self.engine(engine).run(**self.feeds(inputs))

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

    def judge(self, probe: Probe) -> Judged | None:
        """Another probe with its reference, with the rounding that is usual; None where the model refuses it."""
        reference = self.ask_model(probe.inputs)
        return Judged(probe, replace(reference, rounding=self.traced.reference.rounding)) if reference else None


def same_bits(a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
    """Whether outputs are the same bit for bit, by position."""
    pairs = zip(a.values(), b.values(), strict=False)
    return len(a) == len(b) and all(x.shape == y.shape and x.tobytes() == y.tobytes() for x, y in pairs)


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
