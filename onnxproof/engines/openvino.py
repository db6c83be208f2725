"""OpenVINO."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ml_dtypes
import openvino

from onnxproof.engines.base import EngineError, Session, ask, require_names, threads
from onnxproof.graph.facts import Graph, read_graph

if TYPE_CHECKING:
    from onnxproof._internal.trees import Array


@dataclass(frozen=True)
class OpenVINO:
    """OpenVINO on a device, in float32 and in its execution mode for accuracy.

    Left alone it takes bfloat16 or float16 where the processor has it. `properties` are further ones of OpenVINO, as
    the program sets them that is deployed: `{"INFERENCE_PRECISION_HINT": "bf16"}`.
    """

    device: str = "CPU"
    properties: Mapping[str, Any] = field(default_factory=dict, hash=False)

    version = openvino.__version__.partition("-")[0]  # without the build: 2026.4.1-22982-e213a147257-releases/2026/4
    forkable = True

    @property
    def name(self) -> str:
        """With the device if that is not the CPU."""
        return "openvino" if self.device == "CPU" else f"openvino:{self.device}"

    def require(self) -> None:
        """Raises `EngineError` for a device that is not there."""
        found = ask(self.name, lambda: openvino.Core().available_devices)
        if self.device.partition(".")[0] not in {device.partition(".")[0] for device in found}:
            raise EngineError(f"openvino has no device {self.device}; it has {', '.join(found)}")

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that OpenVINO refuses, and if it runs on another device."""
        self.require()
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY"}
        if self.device == "CPU":
            options["INFERENCE_NUM_THREADS"] = threads()
        asked = options | dict(self.properties)
        compiled = ask(self.name, lambda: openvino.Core().compile_model(os.fspath(path), self.device, asked))
        used = [device.partition(".")[0] for device in compiled.get_property("EXECUTION_DEVICES")]
        if used != [self.device.partition(".")[0]]:
            raise EngineError(f"{self.name}: the file runs on {', '.join(used)}")
        return _Session(self.name, ask(self.name, read_graph, path), compiled)


class _Session:
    def __init__(self, name: str, graph: Graph, compiled: Any) -> None:
        self._name, self._graph, self._compiled = name, graph, compiled

    def run(self, inputs: "Mapping[str, Array]") -> "dict[str, Array]":
        require_names(self._name, inputs, self._graph.input_names)
        outputs = ask(self._name, self._compiled, dict(inputs))
        return {name: self._typed(name, outputs[name]) for name in self._graph.output_names}

    def _typed(self, name: str, array: "Array") -> "Array":
        """OpenVINO hands over the bits of bfloat16 as float16, since numpy has no such type."""
        is_bfloat16 = self._compiled.output(name).element_type == openvino.Type.bf16
        return array.view(ml_dtypes.bfloat16) if is_bfloat16 else array
