"""tract, an engine written in Rust for small devices."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tract

from onnxproof.engines.base import EngineError, Session, ask, require_names, version_of
from onnxproof.graph.facts import Graph, read_graph

if TYPE_CHECKING:
    from onnxproof._internal.trees import Array

_TYPES = {
    "bool": "bool",
    "float16": "f16",
    "float32": "f32",
    "float64": "f64",
    **{f"int{bits}": f"i{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"u{bits}" for bits in (8, 16, 32, 64)},
}
"""What tract calls the dtypes that it knows."""


@dataclass(frozen=True)
class Tract:
    """tract on the CPU. A file that it cannot plan or run for free sizes is planned for those of each run."""

    name = "tract"
    forkable = True

    @property
    def version(self) -> str:
        """The installed version."""
        return version_of(self.name)

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that tract refuses to read."""
        graph = ask(self.name, read_graph, path)
        _ask(tract.onnx().load, path)
        return _Session(graph, path)


class _Session:
    def __init__(self, graph: Graph, path: str | os.PathLike[str]) -> None:
        self._graph, self._path = graph, path
        self._refusal: str | None = None
        self._planned: dict[tuple[str, ...], Any] = {}

    def run(self, inputs: "Mapping[str, Array]") -> "dict[str, Array]":
        names = self._graph.input_names
        require_names(Tract.name, inputs, names)
        found = _ask(self._run, [inputs[name] for name in names])
        return dict(zip(self._graph.output_names, found, strict=True))

    def _run(self, arrays: "list[Array]") -> "list[Array]":
        if self._refusal is None:
            try:
                return self._run_planned((), arrays)
            except tract.TractError as error:
                self._refusal = _message(error)
        facts = tuple(",".join([*map(str, array.shape), _TYPES[array.dtype.name]]) for array in arrays)
        try:
            return self._run_planned(facts, arrays)
        except tract.TractError as error:
            said = dict.fromkeys(filter(None, [self._refusal, _message(error)]))
            raise EngineError(f"{Tract.name}: {'; for these sizes: '.join(said)}") from error

    def _run_planned(self, facts: tuple[str, ...], arrays: "list[Array]") -> "list[Array]":
        """The outputs of the file as planned for inputs of these sizes, or for those that it declares."""
        if facts not in self._planned:
            self._planned = {facts: self._plan(facts)}
        return [found.to_numpy() for found in self._planned[facts].run(arrays)]

    def _plan(self, facts: Sequence[str]) -> Any:
        """The file for inputs of these sizes, or of those that it declares."""
        model = tract.onnx().load(self._path)
        places = {model.input_name(place): place for place in range(model.input_count())}
        for name, fact in zip(self._graph.input_names, facts, strict=False):
            model.set_input_fact(places[name], fact)
        for place in range(model.output_count() if facts else 0):
            model.set_output_fact(place, None)  # they have names of free sizes
        return model.into_model().into_runnable()


def _ask(call: Callable[..., Any], *args: Any) -> Any:
    try:
        return ask(Tract.name, call, *args)
    except EngineError as error:
        raise EngineError(_message(error)) from error.__cause__


def _message(error: Exception) -> str:
    return str(error).partition("Stack backtrace:")[0].strip()
