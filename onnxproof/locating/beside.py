"""The values of a file beside those of its model: which it has, and where the others begin."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from onnxproof.engines.steps import Step
from onnxproof.graph.facts import Graph, Node
from onnxproof.locating.model_values import ModelValues
from onnxproof.locating.signatures import Signature

KIN = 0.5
"""A wrong value is taken for one of the model's that is nearer than this share of it."""


@dataclass(frozen=True)
class Beside:
    """A model's values and a file's: `found` are the signatures of the file's values by name, its inputs included.

    `also` are pairs of values that are the same although their signatures are not, `apart` are pairs that are not the
    same although their signatures are, and `misplaced` are values of the model that the file has elsewhere.
    """

    model: ModelValues
    graph: Graph
    found: Mapping[str, Signature]
    also: frozenset[tuple[int, str]] = frozenset()
    apart: frozenset[tuple[int, str]] = frozenset()
    misplaced: frozenset[int] = frozenset()

    @cached_property
    def _pairs(self) -> list[tuple[int, str]]:
        """Values of the model, and those of the file that are the same."""
        by_size = defaultdict(list)
        for name, signature in self.found.items():
            by_size[signature.size].append((name, signature))
        pairs = [*self.also] + [
            (place, name)
            for place, expected in enumerate(self.model.expected)
            if expected
            for name, signature in by_size[expected.own.size]
            if expected.is_like(signature)
        ]
        return [pair for pair in pairs if pair[0] not in self.misplaced and not self._is_apart(*pair)]

    def _is_apart(self, place: int, name: str) -> bool:
        """Whether a pair, or one with the same value elsewhere in the model, is known not to be the same."""
        own = self.model.expected[place]
        others = (self.model.expected[each] for each, known in self.apart if known == name)
        return own is not None and any(other.is_like(own.own) for other in others if other)

    @cached_property
    def kept(self) -> set[int]:
        """The values of the model that the file has; its inputs count, and constants that it makes."""
        unknown = {place for place, expected in enumerate(self.model.expected) if expected is None}
        own = set(range(len(self.model.expected))) - self.model.computed
        return {place for place, _ in self._pairs} | own | unknown

    @cached_property
    def right(self) -> set[str]:
        """The values of the file that the model has."""
        return set(self._places)

    def names_of(self, places: Iterable[int]) -> set[str]:
        """The values of the file that are some of the model's."""
        wanted = set(places)
        return {name for name, found in self._places.items() if found & wanted}

    def places_of(self, names: Iterable[str]) -> set[int]:
        """The values of the model that some of the file's are."""
        return set().union(*(self._places.get(name, set()) for name in names))

    # The model

    def lost(self, outputs: Iterable[int]) -> list[Step]:
        """The steps, in their order, whose values the file does not have on the way to these outputs."""
        left, seen = [place for place in outputs if place not in self.kept], set[int]()
        while left:
            place = left.pop()
            if place not in seen:
                seen.add(place)
                step = self.model.made_by(place)
                left += [each for each in step.inputs if each not in self.kept] if step else []
        return [step for step in self.model.steps.steps if seen & set(step.outputs)]

    def first_lost(self, outputs: Iterable[int]) -> list[Step]:
        """Those of the steps whose inputs the file has."""
        return [step for step in self.lost(outputs) if all(place in self.kept for place in step.inputs)]

    def is_part(self, step: Step) -> bool:
        """Whether a step is one of several parts of its module, beside other modules in it, or of the model itself."""
        if not step.module:
            return True
        prefix = f"{step.module}."
        others = (each.module for each in self.model.steps.steps if each.module != step.module)
        return any(module.startswith(prefix) for module in others)

    # The file

    @cached_property
    def maker(self) -> dict[str, Node]:
        """The node that makes each value."""
        return {name: node for node in self.graph.nodes for name in node.outputs if name}

    def strange(self, outputs: Iterable[str]) -> list[Node]:
        """The nodes, in the file's order, between values that the model has and these outputs.

        A node that leaves its input as it is may have been meant to change it: it is one of them.
        """
        left, seen = list(outputs), set[str]()
        while left:
            name = left.pop()
            node = self.maker.get(name)
            if node is None or name in seen or node.op_type == "Constant":
                continue
            is_right = name in self.right and not self.found[name].is_flat  # ones are easily found again
            if is_right and not self._leaves_alone(node):
                continue
            seen |= {each for each in node.outputs if each}
            left += () if is_right else node.inputs
        return [node for node in self.graph.nodes if seen & set(node.outputs)]

    def _leaves_alone(self, node: Node) -> bool:
        given, made = (self._places.get(names[0]) if names else None for names in (node.inputs, node.outputs))
        return given is not None and given == made

    @cached_property
    def _places(self) -> dict[str, set[int]]:
        """The values of the model that each value of the file is."""
        found: dict[str, set[int]] = {}
        for place, name in self._pairs:
            found.setdefault(name, set()).add(place)
        return found

    def after(self, names: Iterable[str], among: Sequence[Node]) -> list[Node]:
        """The nodes, of some, that depend on these values."""
        known, found = set(names), []
        for node in among:
            if known & set(node.inputs):
                known |= set(node.outputs)
                found.append(node)
        return found

    def kin(self, nodes: Iterable[Node], places: Sequence[int]) -> Iterator[tuple[str, int]]:
        """The values of nodes, each with the value of the model that it is most like, if it is like one."""
        wanted = [(place, expected) for place in places if (expected := self.model.expected[place])]
        for name in (name for node in nodes for name in node.outputs if name in self.found):
            ranked = [(expected.distance(self.found[name]), place) for place, expected in wanted]
            distance, place = min(ranked, default=(np.inf, -1))
            if distance < KIN:
                yield name, place
