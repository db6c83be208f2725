"""Check of what a file's own format explains of its loss."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.checks.check import CheckError, NotJudgedError
from onnxproof.checks.figures import told
from onnxproof.checks.loss import sample_runs, stated_loss
from onnxproof.checks.values import require_repeats
from onnxproof.engines.base import EngineError
from onnxproof.findings import FailingRun
from onnxproof.graph.quantized import (
    format_of,
    formats_of,
    layers_not_in,
    mismatches,
    narrow_weights,
    quantized_weights,
)
from onnxproof.locating.matching import FLOAT32, Match, OwnWeight, called, lost_biases, matched, weights_of
from onnxproof.parity.loss import Loss
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.reference import JudgedProbe

FARTHER = 4
"""How many times farther from float64 a file may be than the model itself, stored in its format."""

MOST_SAMPLES = 16
"""The samples that a floor is measured on."""

FEW = 16
"""Fewer values say too little of a mean error."""

LEAST = 1e-6
"""An error that is no part of a format's, as a part of the output."""

_MAKE_AGAIN = "Convert the model's own file again, and report the model to the tool that converts it."


def format_faithful(conversion: Conversion) -> str:
    """The file loses no more than its format does, weight by weight or on the samples."""
    stated, graph = stated_loss(conversion), conversion.graph
    format = format_of(graph)
    if others := layers_not_in(graph, stated.format) if stated.format else []:
        raise CheckError(
            f"the weights of {_first(others)} are not in {stated.format}, which is stated of all layers",
            "Let the tool convert them, or leave the format out of the loss.",
            node=others[0],
        )
    if format == "int8":
        return _of_integers(conversion)
    if len(mixed := formats_of(graph)) > 1:
        raise CheckError(f"the file computes in {' and '.join(mixed)}", "Convert it to one: each cast loses bits.")
    require_repeats(conversion)
    return _of_floats(conversion, format) if format != "float32" else _of_float32(conversion, stated)


def _of_integers(conversion: Conversion) -> str:
    """Each weight is the model's, up to half a step, and no value changes its scale on the way."""
    graph = conversion.graph
    for mismatch in mismatches(graph):
        raise CheckError(mismatch.problem, _MAKE_AGAIN, node=mismatch.node)
    own = weights_of(conversion.case)
    weights = list(quantized_weights(graph))
    found = list(matched(weights, own))
    matches = [each for each in found if isinstance(each, Match)]
    changed = [name for name, values in graph.constants.items() if _differs(values, called(name, own))]
    if changed:
        raise CheckError(f"{_first(changed)} is a float in the file, and not the model's", _MAKE_AGAIN)
    _require_rounded(matches, 0.5)
    if lost := lost_biases(matches, weights, own, graph):
        raise CheckError(f"the file has no {_first(lost)}, which the model adds", _MAKE_AGAIN)
    if not matches:
        raise NotJudgedError("none of the file's integers is found among the model's weights")
    worst = max(match.steps for match in matches)
    unknown = len(found) - len(matches)
    more = f"; {unknown} not found in the model" if unknown else ""
    return f"{len(matches)} weights within {worst:.2g} steps{more}"


def _require_rounded(matches: Sequence[Match], steps: float) -> None:
    for match in matches:
        if not match.is_rounded(steps):
            raise CheckError(_apart(match, steps), _MAKE_AGAIN, evidence=_pattern(match), node=match.weight.node)


def _differs(values: Array, own: Sequence[OwnWeight]) -> bool:
    """Whether a float constant is none of the weights that it may be by its name, in their dtype and shape."""
    alike = [each.values for each in own if (each.values.dtype, each.values.shape) == (values.dtype, values.shape)]
    return bool(alike) and not any(np.allclose(values, each, 1e-5, FLOAT32 * np.abs(each).max()) for each in alike)


def _apart(match: Match, steps: float) -> str:
    index = match.index
    at = f"[{', '.join(map(str, index))}]"
    step = float(np.broadcast_to(match.weight.step, match.weight.values.shape)[index])
    return (
        f"{match.weight.name} is {match.weight.values[index]:.4g} at {at}, {match.own.name} is {match.wanted:.4g}: "
        f"{match.steps:.3g} steps of {step:.2g} apart, where rounding costs {steps:g}"
    )


def _pattern(match: Match) -> str:
    """What the whole weight looks like beside the model's: a factor, or channels in other places."""
    ours, theirs = match.weight.values, match.own.values.astype(np.float64)
    if ours.shape != theirs.shape:
        theirs = theirs.T
    size = float(np.vdot(theirs, theirs))
    factor = float(np.vdot(ours, theirs)) / size if size else 0.0
    if not ours.any():
        return "It is 0 throughout."
    if factor and abs(factor - 1) > 1e-3 and np.abs(ours / factor - theirs).max() <= np.max(match.weight.step):
        return f"It is {factor:.3g} times the model's throughout."
    if ours.ndim > 1:
        rows, own = (array.reshape(array.shape[0], -1) for array in (ours, theirs))
        step = np.max(match.weight.step)
        wrong = [row for row in range(len(rows)) if np.abs(rows[row] - own[row]).max() > step]
        moved = {row: int(np.argmin(np.abs(own - rows[row]).max(1))) for row in wrong[:8]}
        if wrong and all(row != place and _is_multiple(rows[row], own[place], step) for row, place in moved.items()):
            return f"Its channel {wrong[0]} is the model's channel {moved[wrong[0]]}."
    return ""


def _is_multiple(row: Array, own: Array, step: float) -> bool:
    """Whether a channel is another one up to its scale, which may be that of its place."""
    factor = float(np.vdot(row, own)) / (float(np.vdot(own, own)) or 1.0)
    return bool(factor > 0 and np.abs(row - factor * own).max() <= step)


def _of_float32(conversion: Conversion, stated: Loss) -> str:
    """A file in float32 loses nothing by its format, whatever is stated."""
    for judged in conversion.model.judged:
        try:
            found = by_position(conversion.outputs(judged), judged.reference, judged.probe.id)
        except EngineError as error:
            raise NotJudgedError(f"the file does not run on {judged.probe.id}: see same-values") from error
        wrong = next((parity for parity in found if not parity.same), None)
        if wrong:
            raise CheckError(
                f"the file is float32, which loses nothing, and on {judged.probe.id}: {told(wrong)}",
                "Check it without a loss, which says where it goes wrong.",
                run=_run(conversion, judged, conversion.outputs(judged)),
            )
    return "float32, equal up to rounding"


def _of_floats(conversion: Conversion, format: str) -> str:
    """A file in float16 or bfloat16 has the model's weights, and is as far from float64 as the model stored so."""
    found = matched(list(narrow_weights(conversion.graph)), weights_of(conversion.case))
    _require_rounded([each for each in found if isinstance(each, Match)], 1)  # bfloat16 is truncated as well
    runs = [*_probe_runs(conversion), *islice(_sample_runs(conversion), MOST_SAMPLES)]
    if not runs:
        raise NotJudgedError("the file runs on none of the inputs: see same-values")
    ratios = []
    for place, name in enumerate(runs[0][1]):
        errors: list[tuple[Array, Array]] = []
        for inputs, exact, actual in runs:
            stored = conversion.model.values_stored_in(format, inputs)
            wide = exact[name].astype(np.float64)
            if stored is None or wide.dtype.kind != "f" or not wide.size:
                continue
            whole = float(np.sqrt(np.mean(np.square(wide)))) or 1.0
            both = [*actual.values()][place], [*stored.values()][place]
            errors.append(tuple((each.astype(np.float64) - wide) / whole for each in both))  # type: ignore[arg-type]
        for part, ours, floor in _parts(errors):
            ratios.append(ours / floor)
            if ours > FARTHER * floor:
                raise CheckError(
                    f"output {name}{part} is {ours / floor:.1f} times as far from the model in float64 as the model "
                    f"stored in {format}: {ours:.2g} of it, {floor:.2g} is what {format} costs",
                    "Look for what the format does not explain: a weight that is not the model's, a cast to another "
                    "type.",
                )
    if not ratios:
        raise NotJudgedError(
            f"its weights are the model's in {format}; the model stored in that is not finite, or has too few values"
        )
    return f"{max(ratios):.2g} times what {format} costs, {FARTHER} allowed"


Run = tuple[Mapping[str, object], Mapping[str, Array], Mapping[str, Array]]
"""Inputs, the model's outputs in float64 or its own, and the file's."""


def _probe_runs(conversion: Conversion) -> Iterator[Run]:
    for judged in conversion.model.judged:
        outcome = conversion.outcome(judged)
        if outcome.is_right and not outcome.refusal:
            exact = judged.reference.exact or judged.reference.values
            yield judged.probe.inputs, exact, conversion.outputs(judged)


def _sample_runs(conversion: Conversion) -> Iterator[Run]:
    for sample, actual, expected in sample_runs(conversion):
        yield sample.inputs, expected, actual


def _parts(errors: Sequence[tuple[Array, Array]]) -> Iterator[tuple[str, float, float]]:
    """The root mean square errors of the file and of the floor: on the whole output, and on each of its channels."""
    finite = [pair for pair in errors if all(np.isfinite(each).all() for each in pair)]
    if not finite:
        return
    whole = [float(np.sqrt(np.mean([np.mean(np.square(pair[which])) for pair in finite]))) for which in (0, 1)]
    if sum(pair[0].size for pair in finite) < FEW:
        return
    yield "", whole[0], max(whole[1], LEAST)
    channels = {pair[0].shape[1] for pair in finite if pair[0].ndim > 1}
    if len(channels) != 1 or any(pair[0].ndim < 2 for pair in finite):
        return
    if sum(pair[0].size for pair in finite) < FEW * channels.pop():
        return
    of_channels = [
        np.sqrt(np.mean([np.square(pair[which]).mean(tuple({*range(pair[which].ndim)} - {1})) for pair in finite], 0))
        for which in (0, 1)
    ]
    for channel, (ours, floor) in enumerate(zip(*of_channels, strict=True)):
        yield f"[:, {channel}]", float(ours), max(float(floor), whole[1], LEAST)


def _run(conversion: Conversion, judged: JudgedProbe, actual: Mapping[str, Array]) -> FailingRun:
    return FailingRun(conversion.every_input(judged.probe.inputs), dict(judged.reference.values), dict(actual))


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
