"""The place at which a file departs from its model, and the words for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from onnxproof._internal.files import short
from onnxproof._internal.trees import Array
from onnxproof.engines.steps import Step
from onnxproof.graph.facts import Node
from onnxproof.parity.compare import Reference, compare
from onnxproof.results import Parity

Says = Mapping[str, tuple[str, str]]
"""The module that nodes name, and what they say it by, by the node's first output."""

SHOWN = 4
"""How many nodes a sentence names."""


@dataclass(frozen=True)
class Pair:
    """A value of the file, `name`, and the model's at `place`: its `own`, and the `exact` one."""

    name: str
    place: int
    actual: Array
    own: Array
    exact: Array

    @property
    def key(self) -> tuple[int, str]:
        """The place and the name."""
        return self.place, self.name

    @cached_property
    def parity(self) -> Parity:
        """How they compare, in the model's dtype."""
        actual = self.actual.reshape(self.own.shape) if self.actual.size == self.own.size else self.actual
        reference = Reference({self.name: self.own}, {self.name: self.exact})
        return compare({self.name: actual.astype(self.own.dtype)}, reference, "")[0]

    @property
    def bounds(self) -> tuple[float, float]:
        """The largest error that rounding explains, and the largest in the mean."""
        judged = self.parity if self.parity.bound else replace(self, actual=self.own).parity
        return judged.bound or 1e-30, judged.mean_bound or 1e-30


@dataclass(frozen=True)
class Spot:
    """The first step that is lost, the `norm` that is merged with it, the nodes of the file that do what they do, what
    these say of their modules, and the first wrong value beside the model's; None if that is not known."""

    step: Step
    norm: Step | None
    nodes: Sequence[Node]
    says: Says
    pair: Pair | None

    @property
    def named(self) -> Step:
        """The step whose module the file names, else the first one."""
        modules = [module for module, by in self._said if by]
        return self.norm if self.norm and self.step.module not in modules and self.norm.module in modules else self.step

    @property
    def evidence(self) -> str:
        """What the file says it by; "" if the file says nothing, or what the values contradict."""
        return next((by for module, by in self._said if by and module == self.named.module), "")

    @property
    def _said(self) -> Iterator[tuple[str, str]]:
        return (said(self.says, node) for node in self.nodes)


def outputs_of(nodes: Sequence[Node]) -> list[str]:
    """The values that nodes make."""
    return [name for node in nodes for name in node.outputs if name]


def said(says: Says, node: Node) -> tuple[str, str]:
    """The module that a node names, and what it says it by; "" for a node that says nothing."""
    return says.get(node.outputs[0], ("", "")) if node.outputs else ("", "")


def figures_of(pair: Pair | None) -> str:
    """How wrong a value is, as a further clause."""
    if pair is None:
        return ""
    if pair.actual.shape != pair.own.shape:
        return f": its shape is {pair.actual.shape}, the model's {pair.own.shape}"
    parity = pair.parity
    if parity.same:
        return ""
    if not parity.bound:
        return ": values are not finite" if "not finite" in parity.problem else ""
    if parity.error > parity.bound:
        return f": {parity.error:.2g} where rounding explains {parity.bound:.2g}"
    return f": {abs(parity.mean):.2g} in the mean where rounding explains {parity.mean_bound:.2g}"


def nodes_in_words(nodes: Sequence[Node]) -> str:
    """The nodes in words."""
    shown = [f"{node.op_type} → {node.outputs[0]}" for node in nodes]
    if len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 1], "…", shown[-1]]
    return f"{'Nodes' if len(shown) > 1 else 'Node'} {', '.join(shown)}"


def short_source(source: str) -> str:
    """A line as a user in the current folder would write it."""
    file, colon, line = source.rpartition(":")
    return f"{short(file)}{colon}{line}" if file else ""
