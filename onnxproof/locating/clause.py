"""Who is responsible for wrong values."""

from dataclasses import dataclass

from onnxproof.findings import Cut
from onnxproof.results import Where


@dataclass(frozen=True)
class Culprit:
    """The component responsible for wrong values, in a clause, what to do about it, and a fact behind it.

    `node` is the first output of the node at which they go wrong, "" if it is not known, and `where` what else is known
    of that place, with the nodes there alone.
    """

    text: str
    advice: str
    evidence: str = ""
    node: str = ""
    where: Where | None = None
    cut: Cut | None = None


@dataclass(frozen=True)
class Departure:
    """Where a file departs from its model, the same in a sentence or two, and its nodes alone; empty if not known."""

    where: Where | None = None
    told: str = ""
    cut: Cut | None = None

    @property
    def node(self) -> str:
        """The first node, by its first output, "" for none."""
        return self.where.nodes[0] if self.where and self.where.nodes else ""
