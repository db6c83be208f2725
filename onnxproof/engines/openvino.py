"""OpenVINO on the CPU."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openvino
import torch

from onnxproof._internal.trees import Array
from onnxproof.engines.base import Session, ask, require_names
from onnxproof.graph.facts import Graph, read_graph


@dataclass(frozen=True)
class OpenVINO:
    """OpenVINO on the CPU, in float32: left alone, it takes bfloat16 where the processor has it."""

    name = "openvino"
    version = openvino.__version__.partition("-")[0]  # without the build: 2026.4.1-22982-e213a147257-releases/2026/4

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that OpenVINO refuses."""
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        compiled = ask(self.name, lambda: openvino.Core().compile_model(os.fspath(path), "CPU", options))
        return _Session(ask(self.name, read_graph, path), compiled)


class _Session:
    def __init__(self, graph: Graph, compiled: Any) -> None:
        self._graph, self._compiled = graph, compiled

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        require_names(OpenVINO.name, inputs, self._graph.input_names)
        outputs = ask(OpenVINO.name, self._compiled, dict(inputs))
        return {name: outputs[name] for name in self._graph.output_names}
