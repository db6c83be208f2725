"""Checks of a file that is not meant to be equal: the stated loss, on the samples of the case."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import Array
from onnxproof.case import CaseError
from onnxproof.checks.check import CheckError, NotJudgedError, UndecidedError
from onnxproof.checks.figures import told
from onnxproof.checks.values import require_repeats
from onnxproof.engines.base import EngineError
from onnxproof.findings import FailingRun
from onnxproof.parity.compare import Reference
from onnxproof.parity.interval import count_needed, highest_share, lowest_share, mean_difference
from onnxproof.parity.loss import AGREES, SCORE, Loss
from onnxproof.parity.metrics import MetricError, Outputs, decibels, decided, same_decision, worst_noise
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.samples import Sample

SLACK = 4
"""How much larger than on the inputs that were tried the model's own rounding may be on a sample."""

NO_MODEL_IN_FLOAT64 = 1e-5
"""The model's own rounding, as a part of its outputs, where it does not run in float64."""


@dataclass
class _Judged:
    """The samples that were judged: a number each, where larger is better, and the run of the worst."""

    figures: list[float] = field(default_factory=list)
    kept: int = 0
    decisions: set[bytes] = field(default_factory=set)
    worst: tuple[float, FailingRun] | None = None

    def add(self, figure: float, is_kept: bool, run: FailingRun) -> None:
        self.figures.append(figure)
        self.kept += is_kept
        if self.worst is None or figure < self.worst[0]:
            self.worst = figure, run

    @property
    def count(self) -> int:
        return len(self.figures)

    @property
    def lost(self) -> int:
        return self.count - self.kept


def loss_kept(conversion: Conversion) -> str:
    """The file keeps the stated loss on the samples, by an exact confidence bound."""
    stated = stated_loss(conversion)
    conversion.graph  # noqa: B018  # an unreadable file is not a loss
    require_repeats(conversion)
    judged, judge = _Judged(), _judge_of(conversion, stated)
    for sample, actual, expected in sample_runs(conversion):
        run = FailingRun(conversion.every_input(sample.inputs), dict(expected), dict(actual))
        try:
            judge(judged, sample, actual, expected, run)
        except MetricError as error:
            raise CaseError(f"on {sample.id}: {error}; give the case decide=, or state another loss") from error
    ids = [f"{conversion.model.samples.repeated} repeated"] if conversion.model.samples.repeated else []
    verdict = _of_scores if stated.metric == SCORE else _of_shares
    return "; ".join([verdict(stated, judged), *ids])


def stated_loss(conversion: Conversion) -> Loss:
    """The loss of the case. Raises `NotJudgedError` if none is stated."""
    stated = conversion.case.stated_loss
    if stated is None:
        raise NotJudgedError("the case states no loss: outputs have to be equal")
    return stated


def sample_runs(conversion: Conversion) -> Iterator[tuple[Sample, Outputs, Outputs]]:
    """Each sample, with the outputs of the file and of the model, called by the model's names.

    Raises `CheckError` for what no loss excuses: a refusal, other outputs, shapes or dtypes, and values that are not
    finite where the model's are.
    """
    for sample, expected in conversion.model.samples.with_values():
        inputs = conversion.every_input(sample.inputs)
        try:
            actual = conversion.run(sample.inputs)
        except EngineError as error:
            run = FailingRun(inputs, dict(expected), {})
            raise CheckError(f"on {sample.id} the file does not run: {one_line(error)}", _TAKES, run=run) from error
        found = by_position(actual, Reference(expected), sample.id, is_lossy=True)
        wrong = next((parity for parity in found if not parity.same), None)
        if wrong:
            run = FailingRun(inputs, dict(expected), dict(actual))
            raise CheckError(f"on {sample.id}: {told(wrong)}, which no loss excuses", _LOOK, run=run)
        yield sample, dict(zip(expected, actual.values(), strict=True)), expected


_LOSE_LESS = (
    "Quantize with more calibration data, keep the layers that lose most in float32, which `--where` lists, or state "
    "what you accept."
)
_TAKES = "Make a file that takes what the model takes, or leave the sample out of what is deployed and of `samples`."
_LOOK = (
    "Keep in float32 what overflows or has another shape, such as with `op_block_list` of a float16 converter or "
    "`nodes_to_exclude` of a quantizer."
)


def _judge_of(conversion: Conversion, stated: Loss) -> Any:
    kinds = {AGREES: _Decisions, SCORE: _Scores}
    return kinds.get(stated.metric, _Ratios)(conversion, stated)


class _Decisions:
    def __init__(self, conversion: Conversion, stated: Loss) -> None:
        self._decide = conversion.case.decide or decided

    def __call__(self, judged: _Judged, sample: Sample, actual: Outputs, expected: Outputs, run: FailingRun) -> None:
        ours, theirs = (_asked("decide", self._decide, sample, outputs) for outputs in (actual, expected))
        is_kept = same_decision(ours, theirs)
        judged.decisions.add(_bytes_of(theirs))
        judged.add(float(is_kept), is_kept, run)


class _Scores:
    def __init__(self, conversion: Conversion, stated: Loss) -> None:
        self._score = conversion.case.score

    def __call__(self, judged: _Judged, sample: Sample, actual: Outputs, expected: Outputs, run: FailingRun) -> None:
        ours, own = (self._scored(sample, outputs) for outputs in (actual, expected))
        judged.add(ours - own, ours >= own, run)

    def _scored(self, sample: Sample, outputs: Outputs) -> float:
        assert self._score is not None  # the case has seen to it
        found = float(_asked("score", self._score, sample, outputs, sample.label))
        if not 0 <= found <= 1:
            raise CaseError(f"score is {found:g} on {sample.id}; let it be from 0 to 1, such as 1 for a right answer")
        return found


class _Ratios:
    """Errors in dB against the model in float64, which runs only where its float32 outputs cannot tell."""

    def __init__(self, conversion: Conversion, stated: Loss) -> None:
        self._conversion, self._metric = conversion, stated.metric
        self._most = 10 ** (-stated.least / 20)
        self._rounding = SLACK * self._own_noise()

    def __call__(self, judged: _Judged, sample: Sample, actual: Outputs, expected: Outputs, run: FailingRun) -> None:
        noise = worst_noise(self._metric, actual, expected)
        if abs(noise - self._most) <= self._rounding * (1 + noise):
            exact = self._conversion.model.samples.exact(sample)
            noise = worst_noise(self._metric, actual, exact) if exact else noise
        judged.add(decibels(noise), noise <= self._most, run)

    def _own_noise(self) -> float:
        """The model's rounding on its example."""
        reference = self._conversion.model.traced.reference
        if not reference.exact:
            return NO_MODEL_IN_FLOAT64
        return worst_noise(self._metric, reference.values, reference.exact)


def _asked(name: str, function: Callable[..., Any], sample: Sample, outputs: Outputs, *more: Any) -> Any:
    """What a function of the user makes of outputs. Raises `CaseError` if it raises."""
    try:
        return function(dict(outputs), *more)
    except MetricError:
        raise
    except Exception as error:
        problem = f"{type(error).__name__}: {one_line(error)}"
        raise CaseError(f"{name} raised {problem} on {sample.id}, whose outputs are {', '.join(outputs)}") from error


def _bytes_of(decision: Any) -> bytes:
    parts = decision if isinstance(decision, tuple | list) else (decision,)
    arrays: list[Array] = [np.asarray(part) for part in parts]
    return b"|".join(str(each.shape).encode() + each.tobytes() for each in arrays)


def _of_shares(stated: Loss, judged: _Judged) -> str:
    """The figure of a share that is shown. Raises `CheckError` and `UndecidedError`."""
    low, high = (bound(judged.kept, judged.count, stated.confidence) for bound in (lowest_share, highest_share))
    seen = _seen(stated, judged)
    sure = f"at {_percent(stated.confidence)}"
    asked = _percent(stated.share)
    if judged.count and high < stated.share:
        raise CheckError(
            f"{seen}: at most {_percent(high)} of inputs {sure}, {asked} is stated",
            _LOSE_LESS,
            figure=f"{judged.kept} of {judged.count}",
            run=judged.worst[1] if judged.worst else None,
        )
    needed = count_needed(judged.lost, stated.share, stated.confidence)
    if low < stated.share:
        more = f" with no more than {judged.lost} lost" if judged.lost else ""
        raise UndecidedError(
            f"{seen}: at least {_percent(low)} of inputs {sure}, {asked} is stated; {needed} are needed{more}",
            f"Give {needed - judged.count} more different samples: in the case's `samples`, or by `--samples DIR`.",
            figure=f"{judged.kept} of {judged.count}",
        )
    if stated.metric == AGREES and len(judged.decisions) == 1:
        raise UndecidedError(
            f"the model decides the same on all {judged.count} samples: a file that is wrong would, too",
            "Give samples on which the model decides differently, or decide= on what matters.",
            figure=f"{judged.kept} of {judged.count}",
        )
    worst = f", the worst {judged.worst[0]:.1f} dB" if stated.is_ratio and judged.worst else ""
    return f"{seen}: at least {_percent(low)} {sure}{worst}"


def _seen(stated: Loss, judged: _Judged) -> str:
    if not judged.count:
        return "no samples are given"
    if stated.metric != AGREES:
        return f"{judged.kept} of {judged.count} samples have {stated.metric} >= {stated.least:g} dB"
    flips = f"{judged.lost} flip{'s' * (judged.lost > 1)}" if judged.lost else "without a flip"
    return f"{judged.count} samples {'with ' * bool(judged.lost)}{flips}"


def _of_scores(stated: Loss, judged: _Judged) -> str:
    """The figure of a difference that is shown. Raises `CheckError` and `UndecidedError`."""
    found = np.array(judged.figures)
    low, high = (100 * each for each in mean_difference(found, stated.confidence)) if judged.count else (-100, 100)
    mean = 100 * float(found.mean()) if judged.count else 0.0
    seen = f"{mean:+.2f} pp on {judged.count} samples" if judged.count else "no samples are given"
    if high < stated.least:
        raise CheckError(
            f"{seen}: at most {high:+.2f} pp at {_percent(stated.confidence)}, {stated.least:g} pp is stated",
            _LOSE_LESS,
            figure=f"{mean:+.2f} pp",
            run=judged.worst[1] if judged.worst else None,
        )
    if low < stated.least:
        raise UndecidedError(
            f"{seen}: at least {low:+.2f} pp at {_percent(stated.confidence)}, {stated.least:g} pp is stated",
            "Give more different samples with labels: in the case's `samples`, or by `--samples DIR`.",
            figure=f"{mean:+.2f} pp",
        )
    return f"{seen}: at least {low:+.2f} pp at {_percent(stated.confidence)}"


def _percent(share: float) -> str:
    """A share in percent, with as many digits as tell it from 100."""
    percent = 100 * share
    digits = 1 if percent < 99.9 else 3
    return f"{np.floor(percent * 10**digits + 1e-6) / 10**digits:g} %"
