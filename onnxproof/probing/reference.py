"""The original as reference, a PyTorch model or an ONNX file: its outputs, also in float64, made once."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from onnxproof._internal.forked import SECONDS as TIMEOUT
from onnxproof._internal.trees import Array, count_values, same_bits
from onnxproof.case import Case, CaseError
from onnxproof.engines.base import EngineError
from onnxproof.engines.work import Work
from onnxproof.parity.compare import Reference
from onnxproof.probing.budget import (
    CHEAP,
    FLOAT64,
    SECONDS,
    Budget,
    budget_of_file,
    check_seconds,
    evaluator_seconds,
    run_seconds,
)
from onnxproof.probing.drawn import drawn_inputs
from onnxproof.probing.draws import MOST_VALUES, count
from onnxproof.probing.originals import Original, original_of, require_readable
from onnxproof.probing.probes import Probe, alone_probes, is_constant, other_probes, traced
from onnxproof.probing.reactions import Reactions, differ, reactions
from onnxproof.probing.samples import Samples
from onnxproof.probing.sizes import SizeTrials

if TYPE_CHECKING:
    from torch import nn

Answer = TypeVar("Answer")

ENOUGH_VALUES = 2**12
"""Inputs of so many values show what larger ones do: what changes one thing at a time has about as many, if it can."""


def reference(
    model: "nn.Module", inputs: Mapping[str, Array], output_names: tuple[str, ...] = ("output",)
) -> Reference:
    """The outputs of `model` on `inputs`, and the same in float64.

    `inputs` are arrays by name, in the order of the model's arguments. What the model raises is raised.
    """
    from onnxproof.engines.torch import TorchModel
    from onnxproof.probing.modules import reference_of

    return reference_of(TorchModel(model, tuple(inputs), output_names), inputs)


@dataclass(frozen=True)
class JudgedProbe:
    """A probe that the model accepts, and the model's outputs on it."""

    probe: Probe
    reference: Reference


class ReferenceModel:
    """The model of a case, and its outputs.

    `budget` is how many seconds its probes may cost, see `Budget`, and in proportion less for an ONNX file; `left_out`
    counts those that it does not pay for. An ONNX file may take `timeout` seconds for a run; its inputs may be drawn.

    Raises `CaseError`, when it is first run, for a model that refuses its example, has outputs that are not tensors, or
    is too large; and at once for a file that takes no inputs that are drawn.
    """

    def __init__(self, case: Case, budget: float = SECONDS, timeout: float | None = TIMEOUT) -> None:
        if case.file:
            require_readable(case.file)
        self.is_drawn = bool(case.file) and not case.inputs
        self.case = replace(case, inputs=drawn_inputs(case.file or "", timeout=timeout)) if self.is_drawn else case
        self.timeout = timeout
        self.left_out = 0
        self.watch: Callable[[str], None] = lambda step: None
        self._seconds = budget
        self._example_seconds = 0.0

    @cached_property
    def budget(self) -> float:
        """How many seconds its probes may cost."""
        return budget_of_file(self._seconds, self._example_work) if self.case.file else self._seconds

    @cached_property
    def _budget(self) -> Budget:
        return Budget(self.budget)

    @property
    def _name(self) -> str:
        """What runs the model."""
        return "the original" if self.case.file else "torch"

    @cached_property
    def _model(self) -> Original:
        return original_of(self.case, self.timeout)

    @contextlib.contextmanager
    def watched(self, watch: Callable[[str], None]) -> Iterator[None]:
        """Tells `watch` each step of a check before it begins, and "" before the first."""
        self.watch, before = watch, self.watch
        try:
            watch("")
            yield
        finally:
            self.watch = before

    def ask(self, inputs: Mapping[str, Any]) -> Reference | None:
        """Its outputs, and those in float64 if it runs there, a file within the budget; None for inputs it refuses."""
        return self._ask(inputs, self._pays_for_float64(inputs))

    def _pays_for_float64(self, inputs: Mapping[str, Any]) -> bool:
        return not self.case.file or evaluator_seconds(self.work(inputs)) <= self.budget

    def _ask(self, inputs: Mapping[str, Any], in_float64: bool) -> Reference | None:
        return self._accepted(lambda model: model.reference(inputs, in_float64))

    def values(self, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        """Its outputs alone; None for inputs that it refuses."""
        return self._accepted(lambda model: model.run(inputs))

    def exact_values(self, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        """Its outputs in float64 alone; None where it does not run there."""
        return self._accepted(lambda model: model.run_in_float64(inputs))

    def values_stored_in(self, format: str, inputs: Mapping[str, Any]) -> dict[str, Array] | None:
        """Its outputs with floats rounded to "float16" or "bfloat16" wherever they are stored; None if it refuses."""
        return self._accepted(lambda model: model.run_stored_in(format, inputs))

    @cached_property
    def samples(self) -> Samples:
        """The samples of its case."""
        return Samples(self)

    def _accepted(self, call: Callable[[Original], Answer]) -> Answer | None:
        try:
            return call(self._model)
        except EngineError as error:
            raise CaseError(str(error)) from error
        except CaseError:
            raise
        except (Exception, SystemExit):  # a model that exits would end the command as if every check held
            return None

    @cached_property
    def judged(self) -> tuple[JudgedProbe, ...]:
        """The probes that the model accepts, the example first."""
        case, example = self.case, traced(self.case)
        self.watch(f"{self._name} on the example")
        started = time.perf_counter()
        asked = self.ask(case.inputs)
        if asked is None:
            raise self._model.refusal(self.is_drawn)
        self._example_seconds = time.perf_counter() - started
        base = (count(case, case.sizes) > MOST_VALUES and self.sizes.small) or example
        usual: list[JudgedProbe] = []
        for draw in (other_probes, alone_probes):
            if all(judged.probe.is_own for judged in usual):
                found = (self._judged_as_usual(probe, asked) for probe in self._affordable(draw(case, base)))
                usual += filter(None, found)
        sizes = (JudgedProbe(*pair) for pair in self.sizes.accepted)
        return JudgedProbe(example, asked), *usual, *sizes

    def _judged_as_usual(self, probe: Probe, asked: Reference) -> JudgedProbe | None:
        found = self._ask_within_budget(probe)
        if found and self._is_usual(probe, found, asked):
            return JudgedProbe(probe, found)
        return self._judged_as_usual(probe.otherwise, asked) if probe.otherwise else None

    def _is_usual(self, probe: Probe, found: Reference, asked: Reference) -> bool:
        """Whether it is finite on values that are made up, and decides nothing by equal ones."""
        return probe.is_own or (
            asked.finite <= found.finite
            and not (is_constant(self.case, probe) and self._accepted(lambda model: model.decides(probe.inputs)))
        )

    @cached_property
    def sizes(self) -> SizeTrials[Reference]:
        """The other sizes that were tried on it."""
        return SizeTrials(self.case, self._ask_at_sizes)

    def _ask_at_sizes(self, probe: Probe) -> Reference | None:
        """Its outputs; None where nothing is left of them, or NaN alone: such sizes are too small for it."""
        reference = self._ask_within_budget(probe)
        return None if reference is None or reference.is_empty else reference

    def _affordable(self, found: Iterable[Probe]) -> Iterator[Probe]:
        """The case's own probes and those that the budget pays for, but one at least; others are counted."""
        count = 0
        for probe in found:
            if count and not (probe.is_own or self._budget.pays_for(CHEAP * run_seconds(self.work(probe.inputs)))):
                self.left_out += 1
            else:
                count += 1
                yield probe

    def _ask_within_budget(self, probe: Probe) -> Reference | None:
        """Its outputs, in float64 as well if the budget pays for that; None for inputs that it refuses."""
        self.watch(f"{self._name} on {probe.id}")
        work = self.work(probe.inputs)
        cheap = CHEAP * run_seconds(work)
        in_float64 = evaluator_seconds(work) if self.case.file else FLOAT64 * run_seconds(work)
        pays = self._budget.pays_for(cheap + in_float64)
        reference = self._ask(probe.inputs, in_float64=pays)
        self._budget.spent += cheap + in_float64 * pays if reference else 0
        return reference

    def work(self, inputs: Mapping[str, Any]) -> Work:
        """The work of a run, from that of the example by the number of values."""
        share = count_values(inputs) / max(1, count_values(self.case.inputs))
        return Work(share * self._example_work.flops, share * self._example_work.loops)

    def check_seconds(self, is_first: bool = True) -> float:
        """How long checking a file takes on this machine, about, by the time of the example; 0 before that has run."""
        if not self._example_seconds:
            return 0.0
        nominal = (1 + FLOAT64) * run_seconds(self._example_work) or 1.0
        return check_seconds(self._example_work, self.budget, is_first) * self._example_seconds / nominal

    @cached_property
    def _example_work(self) -> Work:
        return self._accepted(lambda model: model.work(self.case.inputs)) or Work()

    @property
    def traced(self) -> JudgedProbe:
        """The example."""
        return self.judged[0]

    @cached_property
    def reactions(self) -> Reactions:
        """The inputs that change one input's values or one dimension's size, to which the model reacts."""
        base = self.base
        return reactions(self.case, base.probe, base.reference, self.sizes.beside, self.values, self._exact_if_cheap)

    def _exact_if_cheap(self, inputs: Mapping[str, Any]) -> Mapping[str, Array] | None:
        return self.exact_values(inputs) if self._pays_for_float64(inputs) else None

    @property
    def ignored_inputs(self) -> tuple[str, ...]:
        """The inputs of which no other values that were tried change an output by more than rounding."""
        return tuple(change.name for change, shown in self.reactions.items() if change.kind == "input" and not shown)

    @cached_property
    def reads_values(self) -> bool:
        """Whether it reads the values of its inputs, and not their sizes alone."""
        return self._accepted(lambda model: model.reads_values(self.base.probe.inputs)) is not False

    @cached_property
    def reacts_to_values(self) -> bool:
        """Whether other values of its inputs change an output by more than rounding, at the same sizes."""
        if len(self.ignored_inputs) < len(self.case.required_inputs):
            return True
        firsts: dict[tuple[int, ...], JudgedProbe] = {}
        for judged in self.judged:
            first = firsts.setdefault(tuple(judged.probe.sizes.values()), judged)
            if differ(judged.reference.values, first.reference, partial(self._exact_if_cheap, judged.probe.inputs)):
                return True
        return False

    @property
    def base(self) -> JudgedProbe:
        """The probe that changes are made to: the example or, where that is large, one of other sizes."""
        cheap = [judged for judged in self.judged if count_values(judged.probe.inputs) <= MOST_VALUES]
        cheap = [judged for judged in cheap if 1 not in judged.probe.sizes.values()]
        if self.traced in cheap or not cheap:
            return self.traced
        telling = [judged for judged in cheap if count_values(judged.probe.inputs) >= ENOUGH_VALUES]
        choose = min if telling else max
        return choose(telling or cheap, key=lambda judged: count_values(judged.probe.inputs))

    @cached_property
    def repeats(self) -> bool:
        """Whether it has the same outputs when it runs on its base again."""
        own = self.base.reference.values
        again = self.values(self.base.probe.inputs)
        return again is not None and same_bits(again, own)

    def differs_in_reference(self, judged: JudgedProbe) -> bool:
        """Whether a file that is the model has other outputs in onnx's reference evaluator itself."""
        return self._model.differs_in_reference(judged.probe.inputs, judged.reference)

    def judge(self, probe: Probe) -> JudgedProbe | None:
        """Another probe with the model's outputs; None if the model refuses it, or leaves no number of it."""
        found = self.ask(probe.inputs)
        return JudgedProbe(probe, found) if found and not found.is_empty else None
