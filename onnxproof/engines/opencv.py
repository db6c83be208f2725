"""OpenCV's DNN module."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2

from onnxproof._internal.trees import Array
from onnxproof.engines.base import Session, ask, require_names
from onnxproof.graph.facts import Graph, read_graph


@dataclass(frozen=True)
class OpenCV:
    """OpenCV's DNN module, on the engine that OpenCV chooses."""

    name = "opencv"
    version = cv2.__version__

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that OpenCV refuses."""
        graph = ask(self.name, read_graph, path)
        return _Session(graph, ask(self.name, _silent, cv2.dnn.readNetFromONNX, os.fspath(path)))


class _Session:
    def __init__(self, graph: Graph, net: Any) -> None:
        self._graph, self._net = graph, net

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        require_names(OpenCV.name, inputs, self._graph.input_names)
        return dict(zip(self._graph.output_names, ask(OpenCV.name, _silent, self._forward, inputs), strict=True))

    def _forward(self, inputs: Mapping[str, Array]) -> Sequence[Array]:
        for name in self._graph.input_names:
            self._net.setInput(inputs[name], name)
        return self._net.forward(self._graph.output_names)  # type: ignore[no-any-return]


def _silent(call: Callable[..., Any], *args: Any) -> Any:
    """What OpenCV logs as an error it raises as well."""
    log = getattr(cv2.utils, "logging", cv2)  # OpenCV 4 has the functions at its top
    level = log.getLogLevel()
    log.setLogLevel(0)
    try:
        return call(*args)
    finally:
        log.setLogLevel(level)
