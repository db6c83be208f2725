"""Who is responsible for wrong values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Culprit:
    """The component responsible for wrong values, in a clause, what to do about it, and a fact behind it.

    `node` is the first output of the node at which they go wrong, "" if it is not known.
    """

    text: str
    advice: str
    evidence: str = ""
    node: str = ""
