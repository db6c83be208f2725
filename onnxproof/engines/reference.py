"""The reference evaluator of the onnx package: slow, and written to be read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.reference

from onnxproof._internal.trees import Array
from onnxproof.engines.base import Session, ask, require_names
from onnxproof.engines.reference_operators import OPERATORS
from onnxproof.engines.reference_recurrent import RECURRENT
from onnxproof.engines.reference_sampling import GridSample
from onnxproof.graph.load import load_model


@dataclass(frozen=True)
class ReferenceEvaluator:
    """`onnx.reference.ReferenceEvaluator`."""

    name = "onnx reference"
    version = onnx.__version__
    forkable = True

    def open(self, path: str | os.PathLike[str]) -> Session:
        """Raises `EngineError` for a file that the evaluator refuses."""
        return ask(self.name, lambda: of_model(load_model(path)))  # type: ignore[no-any-return]


def of_model(model: onnx.ModelProto) -> Session:
    """A model in the evaluator. Raises `EngineError` for one that it refuses."""
    return _Session(ask(ReferenceEvaluator.name, evaluator, model))


def evaluator(model: onnx.ModelProto) -> onnx.reference.ReferenceEvaluator:
    """onnx's evaluator of a model, with the operators that it needs others for."""
    operators: Any = [*OPERATORS, *RECURRENT, GridSample]
    return onnx.reference.ReferenceEvaluator(model, new_ops=operators)


class _Session:
    def __init__(self, evaluator: onnx.reference.ReferenceEvaluator) -> None:
        self._evaluator = evaluator
        self._last_uses = _last_uses(evaluator)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        held = self._evaluator.rt_inits_
        names = [name for name in self._evaluator.input_names if name not in held]
        require_names(ReferenceEvaluator.name, inputs, names)
        with np.errstate(all="ignore"):
            outputs = ask(ReferenceEvaluator.name, self._run, dict(inputs))
        return dict(zip(self._evaluator.output_names, outputs, strict=True))

    def _run(self, inputs: dict[str, Array]) -> Any:
        """The outputs. onnx's own `run` keeps every value until the end, for bodies that may take it."""
        nodes = self._evaluator.rt_nodes_
        if any(node.need_context() for node in nodes):
            return self._evaluator.run(None, inputs)
        values: dict[str, Any] = {"": None, **self._evaluator.rt_inits_, **inputs}
        for node, names in zip(nodes, self._last_uses, strict=True):
            made = zip(node.output, node.run(*[values[name] for name in node.input]), strict=False)
            values |= {name: value for name, value in made if name}
            for name in names:
                del values[name]
        return [values[name] for name in self._evaluator.output_names]


def _last_uses(evaluator: onnx.reference.ReferenceEvaluator) -> list[set[str]]:
    """The values, by node, that no later node takes and that are no outputs."""
    found, later = [], {"", *evaluator.output_names}
    for node in reversed(evaluator.rt_nodes_):
        found.append({*node.input, *node.output} - later)
        later |= found[-1]
    return found[::-1]
