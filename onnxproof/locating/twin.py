"""The model's own values of the constants that a lossy file holds rounded."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxproof._internal.trees import Array
from onnxproof.case import Case
from onnxproof.graph.facts import Graph, Node
from onnxproof.graph.quantized import NARROW, QuantizedWeight, quantized_weights
from onnxproof.locating.matching import Match, OwnWeight, lost_biases, matched, turned, weights_of

LAYERS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "QLinearConv": 8, "QGemm": 6}
"""The operators with a bias, and its place."""

_ROUNDS = ("Cast", "DequantizeLinear", "QuantizeLinear", "Identity")


@dataclass(frozen=True)
class Twin:
    """The model's `values` of a constant of the file, in its shape, and the size of a step of the file's."""

    values: NDArray[np.float64]
    step: NDArray[np.float64]


@dataclass(frozen=True)
class Twins:
    """The model's own values of a file's constants, by name.

    `lost` are biases that a layer lacks, and `modules` the paths of the modules whose weights a node takes, both by the
    node's first output.
    """

    constants: dict[str, Twin]
    lost: dict[str, Array]
    modules: dict[str, str]


def twins_of(graph: Graph, case: Case) -> Twins:
    """The constants of a file that are found among the model's own."""
    own = weights_of(case)
    weights = [*quantized_weights(graph), *_narrow(graph)]
    matches = [each for each in matched(weights, own) if isinstance(each, Match)]
    found = Twins({match.weight.name: _twin(match.weight, match.own) for match in matches}, {}, {})
    missing = lost_biases(matches, weights, own, graph)
    steps = {weight.name: weight for weight in weights}
    for node, match, taken in _layers(graph, matches):
        bias = own.get(match.own.bias)
        if bias is not None and taken in steps and steps[taken].values.size == bias.values.size:
            found.constants[taken] = _twin(steps[taken], bias)
        elif bias is not None and not taken and node.op_type in LAYERS and bias.name in missing:
            found.lost[node.outputs[0]] = bias.values.astype(np.float64)
        if not case.file:
            found.modules[node.outputs[0]] = match.own.name.partition(" ")[0].rpartition(".")[0]
    return found


def _twin(weight: QuantizedWeight, own: OwnWeight) -> Twin:
    fitting = turned(weight, own.values) or [own.values.astype(np.float64).reshape(weight.values.shape)]
    return Twin(min(fitting, key=lambda values: float(np.linalg.norm(values - weight.values))), weight.step)


def _narrow(graph: Graph) -> Iterator[QuantizedWeight]:
    """The constants in float16 or bfloat16, biases too."""
    for name, values in graph.constants.items():
        if values.dtype.name in NARROW and values.size > 1:
            wide = values.astype(np.float64)
            yield QuantizedWeight(name, name, wide, np.maximum(np.abs(wide), 1e-6) * 2.0**-8)


def _layers(graph: Graph, matches: list[Match]) -> Iterator[tuple[Node, Match, str]]:
    """The nodes that take a weight, each with that, and the constant that its bias comes from, "" for no bias."""
    by_name = {match.weight.name: match for match in matches if match.weight.values.ndim > 1}
    makers = {output: node for node in graph.nodes for output in node.outputs}

    def origin(name: str) -> str:
        while name in makers and makers[name].op_type in _ROUNDS:
            name = makers[name].inputs[0]
        return name

    for node in graph.nodes:
        bias = LAYERS.get(node.op_type, len(node.inputs))
        found = (by_name[origin(name)] for name in node.inputs if origin(name) in by_name)
        match = next(found, None) if node.op_type not in _ROUNDS else None
        if match:
            yield node, match, origin(node.inputs[bias]) if bias < len(node.inputs) else ""
