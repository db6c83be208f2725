"""The loss that an engine adds to that of a lossy file as it is written."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice

from onnxproof._internal.forked import Forked
from onnxproof._internal.trees import Array
from onnxproof.checks.check import CheckError
from onnxproof.checks.figures import told
from onnxproof.engines.asked import REFERENCE
from onnxproof.engines.base import EngineError
from onnxproof.engines.executed import told as executed_told
from onnxproof.findings import FailingRun
from onnxproof.graph.quantized import format_of
from onnxproof.parity.compare import Reference
from onnxproof.parity.metrics import decibels, worst_noise
from onnxproof.probing.budget import evaluator_seconds
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.reference import JudgedProbe
from onnxproof.probing.samples import Sample

PART = 0.2
"""The part of the budget that the samples may cost."""

A_NODE = 1e-4
"""The seconds that the reference evaluator takes for a node besides its arithmetic."""

AT_ONCE = 32
"""The samples that run in one engine before the other opens the file again."""

Outputs = Mapping[str, Array]


def engine_loss(conversion: Conversion, judged: JudgedProbe) -> str:
    """What the engine adds on as many samples as the budget pays for, else on a probe, and what it ran.

    Raises `CheckError` for a sample on which the file as it is written, in the reference evaluator, is not finite where
    the model is, or has another form.
    """
    runs = list(_on_samples(conversion))
    on = f"on {len(runs)} sample{'s' * (len(runs) != 1)} " if runs else ""
    if not runs:
        ours, written = (conversion.outputs(judged, name) for name in (conversion.engine, REFERENCE))
        own = judged.reference.exact or judged.reference.values
        runs = [(worst_noise("sqnr", ours, written), worst_noise("sqnr", written, own))]
    added, had = (math.sqrt(sum(noise[which] ** 2 for noise in runs) / len(runs)) for which in (0, 1))
    more = _executed(conversion)
    return f"{on}the engine adds {_noise(added)}; the file as written has {_noise(had)}{'; ' * bool(more)}{more}"


def _on_samples(conversion: Conversion) -> Iterator[tuple[float, float]]:
    """The noise that the engine adds to a sample, and that of the file as it is written."""
    samples = islice(conversion.model.samples, _count(conversion))
    while block := list(islice(samples, AT_ONCE)):
        conversion.model.watch(f"{conversion.engines[REFERENCE].name} on {block[0].id}")
        written = [_run(conversion, sample, REFERENCE) for sample in block]
        ours = [_run(conversion, sample, conversion.engine) for sample in block]
        for sample, *found in zip(block, ours, written, strict=True):
            if all(outputs is not None for outputs in found):
                yield _noises(conversion, sample, *found)  # type: ignore[arg-type]


def _count(conversion: Conversion) -> int | None:
    """How many samples the budget pays for; None for all of them."""
    cost = evaluator_seconds(conversion.model.work(conversion.case.inputs)) + A_NODE * len(conversion.graph.nodes)
    return None if math.isinf(conversion.model.budget) else max(1, int(PART * conversion.model.budget / cost))


def _run(conversion: Conversion, sample: Sample, engine: str) -> Outputs | None:
    try:
        return conversion.run(sample.inputs, engine)
    except EngineError:  # loss-kept says so
        return None


def _noises(conversion: Conversion, sample: Sample, ours: Outputs, written: Outputs) -> tuple[float, float]:
    values = conversion.model.samples.values(sample)
    found = by_position(written, Reference(values), sample.id, is_lossy=True)
    if wrong := next((parity for parity in found if not parity.same), None):
        raise CheckError(
            f"on {sample.id} the reference evaluator has another result: {told(wrong)}",
            "Run the file in the engine that you deploy to: it may mean something else there.",
            run=FailingRun(conversion.every_input(sample.inputs), dict(values), dict(written), engine=REFERENCE),
        )
    exact = conversion.model.samples.exact(sample) or values
    return worst_noise("sqnr", ours, written), worst_noise("sqnr", written, exact)


def _executed(conversion: Conversion) -> str:
    """In which types ONNX Runtime runs the file, "" if that is not known."""
    if getattr(conversion.engines[conversion.engine], "name", "") != "onnxruntime":
        return ""
    format = format_of(conversion.graph)
    try:
        ask = Forked(executed_told, conversion.timeout)
        return str(ask(conversion.file.path, format, conversion.provider)) if format != "float32" else ""
    except Exception:  # ONNX Runtime may refuse to write what it runs
        return ""


def _noise(noise: float) -> str:
    found = decibels(noise)
    return "no error" if found == math.inf else f"errors {found:.0f} dB below the signal"
