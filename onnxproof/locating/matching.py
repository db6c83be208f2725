"""The weights of a quantized file beside the model's own: which is which, and how far apart they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.case import Case
from onnxproof.graph.facts import Graph, read_graph
from onnxproof.graph.quantized import QuantizedWeight
from onnxproof.locating.weights import own_weights

ALIKE = 0.5
"""The least cosine of a weight and the one that it was made of, found by value."""

LARGER = 2.0
"""How many times larger or smaller a weight may be that is found by value: a factor may be folded into it."""

ROUNDING = 1e-3
"""How much of a step is added to its half for the rounding of the division."""

FLOAT32 = 4e-6
"""What float32 itself rounds where a normalization is folded, as a part of the largest value: a step may be smaller."""

_LAYERS = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True)
class OwnWeight:
    """A weight of the model, and the name of its layer's bias, "" for none."""

    name: str
    values: Array
    bias: str = ""


HALF = 0.5
"""What rounding costs, in steps."""


@dataclass(frozen=True)
class Match:
    """A weight of the file and the one that it is made of.

    `steps` is how far they are apart at most, in steps, at `index`, where the model has `wanted`; half a step is what
    rounding costs.
    """

    weight: QuantizedWeight
    own: OwnWeight
    steps: float
    index: tuple[int, ...]
    wanted: float

    def is_rounded(self, steps: float = HALF) -> bool:
        """Whether rounding by so many steps explains every value."""
        return self.steps <= steps + ROUNDING


def weights_of(case: Case) -> dict[str, OwnWeight]:
    """The model's weights by name, and those of convolutions with the normalization behind them."""
    if case.file:
        graph = read_graph(case.file)
        biases = {
            node.inputs[1]: node.inputs[2]
            for node in graph.nodes
            if node.op_type in _LAYERS and len(node.inputs) > 2 and node.inputs[2] in graph.constants
        }
        found = {name: OwnWeight(name, values, biases.get(name, "")) for name, values in graph.constants.items()}
    else:
        from onnxproof.locating.normalized import normalized

        own = dict(own_weights(case))
        own |= {f"{name} part {part}": each for name, values in own.items() for part, each in _packed(name, values)}
        found = {name: OwnWeight(name, values, _bias_of(name, own)) for name, values in own.items()}
        found |= {name: OwnWeight(name, values, bias) for name, values, bias in normalized(case.module)}
    return {name: weight for name, weight in found.items() if weight.values.dtype.kind == "f"}


def matched(weights: Sequence[QuantizedWeight], own: Mapping[str, OwnWeight]) -> Iterator[Match | QuantizedWeight]:
    """Each weight of a file with the nearest of the model's: of those with its name, else of all; itself for none."""
    for weight in (weight for weight in weights if weight.values.size):
        named = sorted((name for name in own if weight.name.startswith(name)), key=len)[-1:]
        of_name = [each for name in named for each in called(name, own)]
        found = [_match(weight, each, values) for each in of_name for values in turned(weight, each.values)]
        if not found:
            alike = (
                (each, values)
                for each in own.values()
                for values in turned(weight, each.values)
                if _is_alike(weight.values, values) or _is_permuted(weight, values)
            )
            found = [_match(weight, *pair) for pair in alike]
        yield min(found, key=_unlikeness) if found else weight


def _unlikeness(match: Match) -> tuple[bool, float]:
    """First what is rounded, by its steps, then the others by how far their values are apart, in whatever places."""
    if match.is_rounded(1):
        return False, match.steps
    ours, theirs = (np.sort(values, axis=None) for values in (match.weight.values, match.own.values))
    return True, float(np.abs(ours - theirs).sum())


def called(name: str, own: Mapping[str, OwnWeight]) -> list[OwnWeight]:
    """The model's weight of a name, alone and with each normalization; none for another name."""
    return [each for each in own.values() if each.name == name or each.name.startswith(f"{name} with ")]


def lost_biases(
    matches: Sequence[Match], weights: Sequence[QuantizedWeight], own: Mapping[str, OwnWeight], graph: Graph
) -> list[str]:
    """The biases, by name, of matched layers that neither `weights` nor a float constant of the file holds."""
    held = {match.own.name for match in matches}
    floats = [values for values in graph.constants.values() if values.dtype.kind == "f"]

    def is_held(bias: OwnWeight) -> bool:
        fitting = (_match(weight, bias, values) for weight in weights for values in turned(weight, bias.values))
        return any(_is_close(values, bias.values) for values in floats) or any(each.is_rounded() for each in fitting)

    biases = dict.fromkeys(match.own.bias for match in matches if match.own.bias and match.own.bias not in held)
    return [name for name in biases if own[name].values.any() and not is_held(own[name])]


def _is_close(values: Array, bias: Array) -> bool:
    wide = bias.astype(np.float64).ravel()
    return values.size == wide.size and bool(np.allclose(values.ravel(), wide, 1e-2, 1e-2 * float(np.abs(wide).max())))


def turned(weight: QuantizedWeight, values: Array) -> list[Array]:
    """The values in the shape of a weight, as they are or transposed."""
    both = [values, values.T] if values.ndim == 2 else [values]
    return [each.astype(np.float64) for each in both if each.shape == weight.values.shape]


def _is_alike(ours: Array, theirs: Array) -> bool:
    a, b = float(np.linalg.norm(ours)), float(np.linalg.norm(theirs))
    return bool(a and b) and 1 / LARGER <= a / b <= LARGER and float(np.vdot(ours, theirs)) >= ALIKE * a * b


def _is_permuted(weight: QuantizedWeight, values: Array) -> bool:
    """Whether both have the same values up to rounding, in whatever places."""
    ours, theirs = (np.sort(each, axis=None) for each in (weight.values, values))
    return bool(np.abs(ours - theirs).max() <= np.max(weight.step))


def _match(weight: QuantizedWeight, own: OwnWeight, values: Array) -> Match:
    apart = np.abs(weight.values - values)
    fine = apart <= FLOAT32 * np.abs(values).max()
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(fine, 0, apart / weight.step)
        if weight.at_end is not None:
            steps = np.where(weight.at_end & (steps <= 1), np.minimum(steps, HALF), steps)
    steps = np.where(np.isnan(steps), np.inf, steps)
    worst = np.unravel_index(int(np.argmax(steps)), steps.shape)
    return Match(weight, own, float(steps[worst]), tuple(map(int, worst)), float(values[worst]))


def _packed(name: str, values: Array) -> Iterator[tuple[int, Array]]:
    """The parts of a weight of torch's attention, which a file may have apart: query, key and value."""
    if name.endswith(("in_proj_weight", "in_proj_bias")):
        yield from enumerate(np.split(values, 3))


def _bias_of(name: str, own: Mapping[str, Array]) -> str:
    bias = f"{name.removesuffix('weight')}bias"
    return bias if name.endswith("weight") and bias in own else ""
