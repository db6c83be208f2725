"""An ONNX file as the model that another file is held against."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxruntime
from onnx import ModelProto

from onnxproof._internal.forked import SECONDS
from onnxproof._internal.memo import Memo
from onnxproof._internal.trees import Array, widened
from onnxproof.engines.base import Engine, EngineError, Session, ask, engine
from onnxproof.engines.forked import EngineProcess, is_small
from onnxproof.engines.moved import moved
from onnxproof.engines.narrow import stored_in
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.reference import ReferenceEvaluator, of_model
from onnxproof.engines.statistics import with_figures
from onnxproof.engines.wide import in_float64
from onnxproof.engines.work import Work, shapes_of, with_shapes, work_of
from onnxproof.graph.facts import read_graph, reads_inputs
from onnxproof.graph.inference import shapes_at
from onnxproof.graph.load import load_model

OWN = "own"


class RefusalError(Exception):
    """ONNX Runtime, or another engine, refuses the file or its inputs."""


class OnnxModel:
    """The file at `path` as a model: its own outputs are those of ONNX Runtime without graph optimization.

    Engines run it in another process, for up to `seconds` a run; without a limit, in this one. Each method raises
    `RefusalError` for inputs that an engine refuses.
    """

    def __init__(self, path: str | os.PathLike[str], seconds: float | None = SECONDS) -> None:
        self.path = Path(path)
        self._own = EngineProcess(_ENGINES, seconds)
        self._others = self._own if is_small(path) else EngineProcess(_ENGINES, seconds)
        self._sessions: Memo[Session] = Memo(EngineError)

    def load(self) -> None:
        """Raises `RefusalError` for a file that ONNX Runtime refuses, whatever its inputs."""
        self._session(OWN)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs, arrays by name."""
        return self.run_in(OWN, inputs)

    def run_in_float64(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of onnx's reference evaluator, with every float in float64."""
        return self.run_in("float64", {name: widened(array) for name, array in inputs.items()})

    def run_rounded_at_random(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs in another order of rounding, another one at each call."""
        return self.run_in("moved", inputs)

    def run_in_reference(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of onnx's reference evaluator."""
        return self.run_in("reference", inputs)

    def run_stored_in(self, format: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs with floats rounded to "float16" or "bfloat16" wherever they are stored."""
        return self.run_in(format, inputs)

    def runs_in_other_ways(self, inputs: Mapping[str, Array]) -> list[dict[str, Array]]:
        """The outputs with graph optimization, on one thread, and in a second engine if one is installed."""
        found = []
        for way in ("optimized", "one thread", "openvino"):
            try:
                found.append(self.run_in(way, inputs))
            except RefusalError:
                continue
        return found

    def close(self) -> None:
        """Ends its processes."""
        self._own.close()
        self._others.close()

    def work(self, inputs: Mapping[str, Array]) -> Work:
        """The work of `run`; where onnx does not infer every shape, it runs for them."""
        model = load_model(self.path)
        shapes = shapes_at(model, {name: array.shape for name, array in inputs.items()})
        names = {name for node in model.graph.node for name in (*node.input, *node.output) if name}
        return work_of(model, shapes if names <= set(shapes) else shapes_of(self.run_in("shapes", inputs)))

    def reads_values(self, inputs: Mapping[str, Array]) -> bool:
        """Whether `run` reads the values of an input, and not its sizes alone."""
        return reads_inputs(read_graph(self.path))

    def run_in(self, way: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs in one of the ways of running it."""
        session = self._session(way)
        try:
            return session.run(inputs)
        except EngineError as error:
            raise RefusalError(str(error)) from error

    def _session(self, way: str) -> Session:
        process = self._own if way == OWN else self._others
        try:
            return self._sessions.get(way, lambda: process.open(way, self.path))
        except EngineError as error:
            raise RefusalError(str(error)) from error


@dataclass(frozen=True)
class _Edited:
    """ONNX Runtime without graph optimization on a copy of the file that `edit` made."""

    edit: Callable[[ModelProto], ModelProto]

    name = "onnxruntime"
    version = onnxruntime.__version__
    forkable = True

    def open(self, path: str | os.PathLike[str]) -> Session:
        edited = ask(self.name, lambda: self.edit(load_model(path)).SerializeToString())
        return OnnxRuntime(optimize=False).open(edited)


@dataclass(frozen=True)
class _Float64:
    """onnx's reference evaluator on the file in float64."""

    name = "onnx reference"
    version = onnx.__version__
    forkable = True

    def open(self, path: str | os.PathLike[str]) -> Session:
        return of_model(ask(self.name, lambda: in_float64(load_model(path))))


@dataclass(frozen=True)
class _Second:
    """An engine that is imported in the process that runs it."""

    name: str
    version = ""
    forkable = True

    def open(self, path: str | os.PathLike[str]) -> Session:
        return engine(self.name).open(path)


_ENGINES: dict[str, Engine] = {
    OWN: OnnxRuntime(optimize=False),
    "optimized": OnnxRuntime(),
    "one thread": OnnxRuntime(optimize=False, threads=1),
    "openvino": _Second("openvino"),
    "float64": _Float64(),
    "reference": ReferenceEvaluator(),
    "moved": _Edited(moved),
    "float16": _Edited(stored_in("float16")),
    "bfloat16": _Edited(stored_in("bfloat16")),
    "shapes": _Edited(with_shapes),
    "figures": _Edited(with_figures),
    "moved figures": _Edited(lambda model: with_figures(moved(model))),
}
