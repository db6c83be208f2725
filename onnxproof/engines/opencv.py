"""OpenCV's DNN module."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import wurlitzer

from onnxproof._internal.names import unknown
from onnxproof.engines.base import EngineError, Session, ask, require_names
from onnxproof.graph.facts import Graph, read_graph

if TYPE_CHECKING:
    from onnxproof._internal.trees import Array

_ENGINES = {"classic": "ENGINE_CLASSIC", "new": "ENGINE_NEW"}
"""OpenCV 5 has two: the one that OpenCV had before, and a new one."""

_SILENT, _WARNINGS = 0, 3
"""Levels of OpenCV's log."""


@dataclass(frozen=True)
class OpenCV:
    """OpenCV's DNN module, on the `engine` that OpenCV chooses, or on its "classic" or its "new" one."""

    engine: str = ""

    version = cv2.__version__
    forkable = True

    @property
    def name(self) -> str:
        """With the engine if one is chosen."""
        return f"opencv:{self.engine}" if self.engine else "opencv"

    def require(self) -> None:
        """Raises `EngineError` for an engine that OpenCV does not have."""
        if self.engine and self.engine not in _ENGINES:
            raise EngineError(f"opencv: the engine {unknown(self.engine, _ENGINES)}")
        if self.engine == "new" and not hasattr(cv2.dnn, _ENGINES["new"]):
            raise EngineError(f"opencv {cv2.__version__} has the classic engine alone; the new one came with 5")

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that OpenCV refuses."""
        self.require()
        graph = ask(self.name, read_graph, path)
        chosen = [getattr(cv2.dnn, _ENGINES[self.engine])] if self.engine and hasattr(cv2.dnn, "ENGINE_NEW") else []
        read = partial(cv2.dnn.readNetFromONNX, os.fspath(path), *chosen)
        net = ask(self.name, _silent, read)
        if net.empty():
            raise EngineError(f"{self.name} does not read the file: {_logged(read)}")
        return _Session(self.name, graph, net)


class _Session:
    def __init__(self, name: str, graph: Graph, net: Any) -> None:
        self._name, self._graph, self._net = name, graph, net

    def run(self, inputs: "Mapping[str, Array]") -> "dict[str, Array]":
        require_names(self._name, inputs, self._graph.input_names)
        outputs = ask(self._name, _silent, self._forward, inputs)
        return dict(zip(self._graph.output_names, outputs, strict=True))

    def _forward(self, inputs: "Mapping[str, Array]") -> "Sequence[Array]":
        for name in self._graph.input_names:
            self._net.setInput(inputs[name], name)
        return self._net.forward(self._graph.output_names)  # type: ignore[no-any-return]


def _silent(call: Callable[..., Any], *args: Any) -> Any:
    """What OpenCV logs as an error it raises as well, or leaves an empty network."""
    with _logs(_SILENT):
        return call(*args)


def _logged(call: Callable[[], Any]) -> str:
    """What OpenCV logs meanwhile, in one line without its own places."""
    with wurlitzer.pipes(stderr=wurlitzer.STDOUT) as (said, _), _logs(_WARNINGS):
        call()
    return " ".join(re.sub(r"\[ *\w+:\S+\] global \S+ \w+ ", "", said.read()).split())


@contextmanager
def _logs(level: int) -> Iterator[None]:
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions at its top
    before = log.getLogLevel()
    log.setLogLevel(level)
    try:
        yield
    finally:
        log.setLogLevel(before)
