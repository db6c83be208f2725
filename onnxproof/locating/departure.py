"""The module and the nodes at which a file departs from its model, by the values inside both."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from onnxproof._internal.trees import Array
from onnxproof.engines.steps import Step
from onnxproof.findings import Cut
from onnxproof.graph.facts import Node
from onnxproof.graph.load import load_model
from onnxproof.graph.modules import module_of, says_by
from onnxproof.locating.beside import Beside
from onnxproof.locating.clause import Departure
from onnxproof.locating.cutting import cut, run_cut
from onnxproof.locating.inner import names_inside, values_in_onnxruntime
from onnxproof.locating.kinds import changed, exchanged, is_reordered, same_weight
from onnxproof.locating.model_values import ModelRuns
from onnxproof.locating.signatures import signature
from onnxproof.locating.spots import Pair, Says, Spot, figures_of, nodes_in_words, outputs_of, said, short_source
from onnxproof.locating.weights import own_weights
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.reference import JudgedProbe
from onnxproof.results import Where

MOST_TURNS = 16
"""How often the search begins anew with what it has learned."""

SLIGHT, GROSS = 4, 1000
"""How many times the bound a value may be off where an output is this many times off."""


def departure(conversion: Conversion, judged: JudgedProbe) -> Departure:
    """Where the file of a module departs from it on a probe."""
    try:
        return _Search(conversion, judged).found()
    except Exception:  # an engine may refuse to return inner values, and a model to run in another way
        return Departure()


class _Search:
    """A file and its model, run on a probe."""

    def __init__(self, conversion: Conversion, judged: JudgedProbe) -> None:
        self.conversion, self.judged = conversion, judged
        self.feeds = conversion.feeds(judged.probe.inputs)
        self.runs = ModelRuns(conversion.case, judged.probe.inputs)
        inside = ((name, signature(value)) for name, value in values_in_onnxruntime(conversion, self.feeds))
        fed = ((name, signature(value)) for name, value in self.feeds.items())
        signatures = {name: found for pairs in (fed, inside) for name, found in pairs if found}
        self.beside = Beside(self.runs.values(), conversion.graph, signatures)

    def found(self) -> Departure:
        wrong = self._wrong_outputs()
        if len(self.beside.found) < len(names_inside(self.conversion)) / 2:
            return Departure()
        self._learn(apart={(place, name) for name, place in wrong if self._same_form(place, name)})
        for _ in range(MOST_TURNS):
            lost = [place for _, place in wrong if place not in self.beside.kept]
            if not lost:
                at_the_end = [(place, name) for _, place in wrong for name in self.beside.names_of([place])]
                if apart := self._apart(at_the_end):
                    self._learn(apart=apart)
                    continue
                return self._at_the_end(wrong)
            first = self.beside.first_lost(lost)
            if not first:
                return Departure()
            outputs = [name for name, place in wrong if place in lost]
            if elsewhere := self._misplaced(first, outputs):
                self._learn(misplaced=elsewhere)
                continue
            spot = self._spot(first, lost, outputs)
            taken = {name for node in spot.nodes for name in node.inputs}
            inputs = [(place, name) for place in spot.step.inputs for name in taken & self.beside.names_of([place])]
            if apart := self._apart(inputs):
                self._learn(apart=apart)
            elif spot.pair is None or spot.pair.key in self.beside.apart or self._departs(spot.pair):
                return self._told(spot)
            else:
                self._learn(also={spot.pair.key})
        return Departure()

    def _learn(self, **known: set[Any]) -> None:
        """Begins anew with more that is known of pairs of values."""
        self.beside = replace(self.beside, **{name: getattr(self.beside, name) | more for name, more in known.items()})

    def _same_form(self, place: int, name: str) -> bool:
        """Whether a wrong output has the shape of the model's, so that its values are what is wrong."""
        expected, found = self.beside.model.expected[place], self.beside.found.get(name)
        parities = self.conversion.outcome(self.judged).parities
        is_form = any(each.problem.startswith(("dtype", "shape")) for each in parities if each.output == name)
        return expected is not None and found is not None and not is_form

    def _apart(self, pairs: Sequence[tuple[int, str]]) -> set[tuple[int, str]]:
        """Those of some pairs, of a value of the model and one of the file, that differ by more than rounding."""
        made = [(place, name) for place, name in pairs if place in self.beside.model.steps.maker]
        whole = self.runs.whole({place for place, _ in made}) if made else {}
        inside = self._inside([name for _, name in made]) if made else {}
        found = set()
        for place, name in made:
            own, exact = whole[place]
            if name in inside and own is not None and own.dtype.kind == "f" and inside[name].size == own.size:
                pair = Pair(name, place, inside[name], own, exact.reshape(own.shape))
                found |= {(place, name)} if self._departs(pair) else set()
        return found

    def _departs(self, pair: Pair) -> bool:
        """Whether a pair differs: a little beside a gross fault is rounding, and what decides by it comes later."""
        parity = pair.parity
        is_slight = 0 < parity.error <= SLIGHT * parity.bound and abs(parity.mean) <= SLIGHT * parity.mean_bound
        return not (parity.same or (is_slight and self._is_gross))

    @cached_property
    def _is_gross(self) -> bool:
        """Whether a wrong output is far beyond what rounding explains."""
        parities = self.conversion.outcome(self.judged).parities
        return any(parity.error > GROSS * parity.bound for parity in parities if not parity.same)

    def _misplaced(self, first: Sequence[Step], outputs: Sequence[str]) -> set[int]:
        """The values that the first lost steps take, if the file has them, and the wrong outputs do not come from them.

        Those that the outputs come from instead are misplaced, too.
        """
        strange = self.beside.strange(outputs)
        if any(self.beside.after(self.beside.names_of(step.inputs), strange) for step in first):
            return set()
        instead = self.beside.places_of(name for node in strange for name in node.inputs)
        taken = {place for step in first for place in step.inputs}
        return (taken | instead) & set(self.beside.model.steps.maker)

    def _wrong_outputs(self) -> list[tuple[str, int]]:
        """The file's wrong outputs, each with the place of what the model has there."""
        names, places = self.conversion.graph.output_names, self.beside.model.steps.outputs
        parities = self.conversion.outcome(self.judged).parities
        pairs = list(zip(names, places, strict=False))
        if len(parities) != len(pairs):
            return pairs
        return [pair for pair, parity in zip(pairs, parities, strict=True) if not parity.same]

    def _spot(self, first: Sequence[Step], lost: Sequence[int], outputs: Sequence[str]) -> Spot:
        beside, strange = self.beside, self.beside.strange(outputs)
        says = self._says(strange)
        inside = set(outputs_of(strange))
        heads = {said(says, node)[0] for node in strange if inside.isdisjoint(node.inputs) and said(says, node)[1]}
        step = next((step for step in first if step.module in heads), first[0])
        after = beside.after(beside.names_of(step.inputs), strange) or strange
        steps = [step]
        if not beside.is_part(step):
            steps = [each for each in beside.lost(lost) if each.module == step.module]
        norm = self._merged_norm(steps[-1], after)
        own = [node for node in after if said(says, node)[0] in (step.module, norm and norm.module)]
        own = [node for node in own if said(says, node)[1]]
        own = self._as_formed(own, step) if beside.is_part(step) else own
        places = [place for each in (*steps, norm) if each for place in each.outputs]
        kin = next(beside.kin(after, places), ("", -1)) if beside.is_part(step) or not own else ("", -1)
        pair = self._pair(*kin) or self._pair(*self._last(own, norm or steps[-1]))
        last = pair.name if pair else (own or after)[-1 if own else 0].outputs[0]
        nodes = [node for node in beside.strange([last]) if node in after]
        return Spot(step, norm, nodes, says, pair)

    def _as_formed(self, nodes: Sequence[Node], step: Step) -> list[Node]:
        """The nodes up to the first that makes a wrong value of the shape of a step's; the first alone if none does."""
        expected = self.beside.model.expected[step.outputs[0]]
        for place, node in enumerate(nodes):
            made = self.beside.found.get(node.outputs[0]) if node.outputs[0] not in self.beside.right else None
            if made and expected and made.shape == expected.own.shape:
                return list(nodes[: place + 1])
        return list(nodes[:1])

    def _merged_norm(self, step: Step, nodes: Sequence[Node]) -> Step | None:
        """The normalization behind a convolution that the file has merged with it."""
        if not step.operator.startswith("conv") or any(node.op_type == "BatchNormalization" for node in nodes[1:2]):
            return None
        behind = [each for each in self.beside.model.steps.steps if set(each.inputs) & set(step.outputs)]
        is_merged = len(behind) == 1 and behind[0].operator.endswith("batch_norm")
        return behind[0] if is_merged and behind[0].outputs[0] not in self.beside.kept else None

    def _last(self, nodes: Sequence[Node], step: Step) -> tuple[str, int]:
        """The last value of some nodes and that of a step."""
        found = next((name for node in nodes[-1:] for name in node.outputs[:1] if name in self.beside.found), "")
        return found, step.outputs[0]

    def _says(self, nodes: Sequence[Node]) -> Says:
        """The module that each node names, and what it says it by, by the node's first output."""
        wanted = outputs_of(nodes)
        found = {node.output[0]: node for node in load_model(self.conversion.file.path).graph.node if node.output}
        return {name: (module_of(found[name]), says_by(found[name])) for name in wanted if name in found}

    def _pair(self, name: str, place: int) -> Pair | None:
        """A value of the file and one of the model; None if one of them is not known."""
        actual = self._inside([name]).get(name) if name else None
        own, exact = self.runs.whole([place])[place] if actual is not None else (None, None)
        if actual is None or own is None or exact is None:
            return None
        return Pair(name, place, actual, own, exact.reshape(own.shape))

    def _inside(self, names: Sequence[str]) -> dict[str, Array]:
        """Values of the file."""
        wanted = [name for name in names if name not in self.feeds]
        return dict(self.feeds) | dict(values_in_onnxruntime(self.conversion, self.feeds, wanted))

    # In words

    def _told(self, spot: Spot) -> Departure:
        step, evidence = spot.named, spot.evidence or self._by_weights(spot)
        is_part = self.beside.is_part(step)
        subject = f"`{step.module}` ({step.type})" if step.module else "the model's own forward"
        subject = f"`{step.operator.removesuffix('.default')}` of {subject}" if is_part else subject
        other = next((each.module for each in (spot.step, spot.norm) if each and each is not step), "")
        called = list(filter(None, (short_source(step.source), f"merged with `{other}`" if other else "")))
        what = "operation" if is_part else "module"
        told = f"{', '.join([subject, *called])}{',' * bool(called)} is the first {what} whose output departs"
        made = self._made_in_between(step)
        told += f"{figures_of(spot.pair)}; its {'computed ' * bool(made)}inputs are right. "
        told += f"{nodes_in_words(spot.nodes)}, by {evidence}.{made}"
        own = [node for node in spot.nodes if said(spot.says, node)[0] in (step.module, other)] or spot.nodes[:1]
        found = exchanged(self.conversion, own, {step.module, other}) or self._reordered(spot)
        nodes = tuple(node.outputs[0] for node in spot.nodes)
        where = Where(step.module, step.type, short_source(step.source), nodes, evidence, self._errors())
        return Departure(where, f"{told} {found}".strip(), self._cut(spot.nodes, spot.pair))

    def _made_in_between(self, step: Step) -> str:
        """The line of a constant that the model makes for a step and no node of the file makes, as a sentence."""
        constants = set(step.inputs) - self.beside.model.computed
        makers = [maker for place in constants if (maker := self.beside.model.made_by(place))]
        lost = [maker for maker in makers if maker.source and not self.beside.names_of(maker.outputs)]
        return f" A constant that it takes is made at {short_source(lost[0].source)}." if lost else ""

    def _cut(self, nodes: Sequence[Node], pair: Pair | None) -> Cut | None:
        """The nodes alone, with the right inputs."""
        if pair is None or not nodes:
            return None
        model = cut(load_model(self.conversion.file.path), outputs_of(nodes), [pair.name])
        inputs = {name: value for name, value in self._inside(model.needs).items() if name in model.needs}
        return Cut(model.with_types(inputs), inputs, pair.exact, pair.own.dtype.name, pair.bounds)

    def _by_weights(self, spot: Spot) -> str:
        """Whether the nodes have weights of the module, by name or by value."""
        prefix = f"{spot.named.module}."
        own = {name: value for name, value in own_weights(self.conversion.case).items() if name.startswith(prefix)}
        constants = self.conversion.graph.constants
        used = [name for node in spot.nodes for name in node.inputs if name in constants]
        is_own = any(name in own or any(same_weight(constants[name], each) for each in own.values()) for name in used)
        return "weights" if spot.named.module and is_own else "values"

    def _reordered(self, spot: Spot) -> str:
        """That the first node puts values in another order, and that without it the others are right; "" if not."""
        if spot.pair is None or len(spot.nodes) < 2:
            return ""
        head, behind = spot.nodes[0], self._cut(spot.nodes[1:], spot.pair)
        given = next((name for name in head.inputs if name in self.beside.found), "")
        made = behind.inputs.get(head.outputs[0]) if behind else None
        if not behind or made is None or not given:
            return ""
        value = self._inside([given])[given]
        if not is_reordered(value, made):
            return ""
        without = run_cut(self.conversion, behind, behind.inputs | {head.outputs[0]: value})
        if without is None or not replace(spot.pair, actual=without).parity.same:
            return ""
        what = "The input" if given in self.feeds else "The value"
        return f"{what} `{given}` is permuted: without {head.op_type} → {head.outputs[0]} the output is right."

    def _errors(self) -> tuple[tuple[str, float], ...]:
        """The wrong values of the file that are like one of the model's, each with its distance from that."""
        outputs = [place for _, place in self._wrong_outputs()]
        lost = [place for step in self.beside.lost(outputs) for place in step.outputs]
        strange = self.beside.strange(name for name, _ in self._wrong_outputs())
        found = []
        for name, place in self.beside.kin(strange, lost):
            expected = self.beside.model.expected[place]
            if expected:
                found.append((name, float(f"{expected.distance(self.beside.found[name]):.2g}")))
        return tuple(found)

    def _at_the_end(self, wrong: Sequence[tuple[str, int]]) -> Departure:
        """The outputs whose values the file has inside, and the nodes that change them afterwards."""
        told, nodes, cuts = [], list[str](), list[Cut | None]()
        for name, place in wrong:
            kept = [each for each in self.beside.found if each in self.beside.names_of([place])]
            inside = [each for each in kept if each != name][-1:] or [name]
            behind = self.beside.after(inside, self.beside.strange([name]))
            nodes += [node.outputs[0] for node in behind]
            change = self._change(name, place)
            told.append(f"The output `{name}` is right inside, as `{inside[0]}`, and wrong at the end{change}.")
            told += [f"{nodes_in_words(behind)}."] if behind else []
            cuts.append(self._cut(behind, self._pair(name, place)))
        return Departure(Where("", "", "", tuple(nodes), "values"), " ".join(told), cuts[0])

    def _change(self, name: str, place: int) -> str:
        """What was made of an output after it was right, as a further clause."""
        own = dict(zip(self.beside.model.steps.outputs, self.judged.reference.values, strict=False))
        for other, known in own.items():
            if other != place and name in self.beside.names_of([other]):
                return f": it has the values of `{known}`"
        return changed(self.conversion.outputs(self.judged)[name], self.judged.reference.values[own[place]])
