"""Where a lossy file's loss is made: node by node, on a few samples."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from onnxproof._internal.texts import one_line
from onnxproof.engines.base import EngineError
from onnxproof.exporting.export import ExportError
from onnxproof.graph.facts import Graph
from onnxproof.graph.load import GraphError, load_model
from onnxproof.graph.quantized import format_of, formats_of
from onnxproof.locating.lanes import Lanes, Reading
from onnxproof.locating.measuring import Measured, outputs_in_float64
from onnxproof.locating.twin import Twins, twins_of
from onnxproof.parity.metrics import MetricError, decibels, worst_noise
from onnxproof.probing.budget import evaluator_seconds
from onnxproof.probing.conversion import Conversion
from onnxproof.results import FileLosses, NodeLoss

SECONDS = 30.0
"""What a table may cost, counted in operations as a budget is."""

MOST_SAMPLES, MOST_GAINS = 16, 20
"""The samples that nodes are measured on, and the nodes that are restored."""

AT_A_TIME = 4
"""The nodes that are restored in one run, each with values of its own."""

RUNS = 8
"""The runs of a sample besides those with a node restored, of which each costs about half of one."""

A_NODE = 1e-4
"""The seconds that a node costs besides its arithmetic."""

LEAST = 2e-6
"""An error that float32 makes as well."""

EQUAL = 1e-4
"""An error of the float twin that says that it is the model."""

_READINGS = {"int8": (Reading(is_relu=True), Reading(), Reading(is_relu=True, at_most=6.0))}
_OTHERS = (Reading(), Reading(truncating=False))

_Sample = tuple[str, Mapping[str, Any]]


def losses_of(conversion: Conversion) -> FileLosses:
    """The table of a conversion's file, or why there is none."""
    case, file = conversion.case, conversion.file
    named = case.name, file.exporter, file.given, file.opset
    try:
        return _losses(conversion, FileLosses(*named, format=format_of(conversion.graph)))
    except (ExportError, GraphError):
        problem = "there is no file that can be read"
    except (EngineError, MetricError) as error:
        problem = f"it cannot be run node by node: {one_line(error)}"
    return FileLosses(*named, problem=problem)


def _losses(conversion: Conversion, found: FileLosses) -> FileLosses:
    graph = conversion.graph
    if found.format == "float32":
        return replace(found, problem="the file is float32, which loses nothing")
    samples = list(islice(_samples(conversion), MOST_SAMPLES))
    if not samples:
        return replace(found, problem="the model accepts no input of the case")
    cost = evaluator_seconds(conversion.model.work(samples[0][1])) + A_NODE * len(graph.nodes)
    count = max(1, min(len(samples), int(SECONDS / (cost * (RUNS + MOST_GAINS / 2)))))
    gains = max(1, min(MOST_GAINS, int(2 * (SECONDS / (count * cost) - RUNS))))
    twins = twins_of(graph, conversion.case)
    lanes = _lanes(conversion, samples[0], found.format, twins)
    measured = Measured(lanes, is_narrow=bool(formats_of(graph)))
    runs = []
    for id, inputs in samples[:count]:
        conversion.model.watch(f"node by node on {id}")
        feeds = conversion.feeds(inputs)
        exact, written = measured.add(feeds)
        own = _model_outputs(conversion, inputs)
        measured.error.add(_noise(written, own))
        measured.rest.add(_noise(exact, own))
        runs.append((feeds, own))
    rows = measured.worst_rows(LEAST)
    for first in range(0, min(len(rows), gains), AT_A_TIME):
        some = rows[first : min(first + AT_A_TIME, gains)]
        for (feeds, own), (id, _) in zip(runs, samples, strict=False):
            conversion.model.watch(f"{', '.join(some)} in float on {id}")
            for row, outputs in measured.restored(feeds, some).items():
                measured.without[row].add(_noise(outputs, own))
    ids = [id for id, _ in samples[:count]]
    table = [_row(graph, twins, measured, row) for row in rows]
    table.sort(key=_order)
    return replace(found, samples=ids, error=measured.error.mean, rest=measured.rest.mean, rows=table)


def _samples(conversion: Conversion) -> Iterator[_Sample]:
    """The samples of the case, else what its checks judge on."""
    case = conversion.case
    if callable(case.samples) or len(case.samples):
        yield from ((sample.id, sample.inputs) for sample in conversion.model.samples)
    else:
        yield from ((judged.probe.id, judged.probe.inputs) for judged in conversion.model.judged)


def _lanes(conversion: Conversion, sample: _Sample, format: str, twins: Twins) -> Lanes:
    """The file's nodes, read so that in float64 they are nearest to the model."""
    model = load_model(conversion.file.path)
    feeds, own = conversion.feeds(sample[1]), _model_outputs(conversion, sample[1])
    found: list[tuple[float, Lanes]] = []
    for reading in _READINGS.get(format, _OTHERS):
        lanes = Lanes(model, reading, twins)
        found.append((_noise(outputs_in_float64(lanes, feeds), own), lanes))
        if found[-1][0] <= EQUAL:
            break
    return min(found, key=lambda each: each[0])[1]


def _model_outputs(conversion: Conversion, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model's outputs, in float64 if it runs there."""
    found = conversion.model.exact_values(inputs) or conversion.model.values(inputs)
    if found is None:
        raise EngineError("the model refuses the sample")
    return found


def _noise(outputs: Mapping[str, Any], own: Mapping[str, Any]) -> float:
    """The error of the worst output that is a float, by position."""
    if len(outputs) != len(own):
        raise EngineError(f"it has {len(outputs)} outputs, the model {len(own)}")
    pairs = [pair for pair in zip(outputs.values(), own.values(), strict=True) if pair[1].dtype.kind == "f"]
    names = [str(place) for place in range(len(pairs))]
    ours, theirs = (dict(zip(names, each, strict=True)) for each in zip(*pairs, strict=True)) if pairs else ({}, {})
    return worst_noise("sqnr", ours, theirs)


def _row(graph: Graph, twins: Twins, measured: Measured, row: str) -> NodeLoss:
    node = next((node for node in graph.nodes if row in node.outputs), None)
    own, accumulated, clipped = measured.figures(row)
    kind, module = (node.op_type, node.module or twins.modules.get(row, "")) if node else ("input", "")
    return NodeLoss(row, kind, module, own, accumulated, _gain(measured, row), clipped, node.name if node else "")


def _order(row: NodeLoss) -> tuple[bool, bool, float, float]:
    """First what is not finite, then what gains most; where gains are much the same, what errs most."""
    return math.isfinite(row.own), row.gain is None, -round(row.gain or 0, 1), -row.own


def _gain(measured: Measured, row: str) -> float | None:
    if row not in measured.without:
        return None
    before, after = measured.error.mean, measured.without[row].mean
    return 0.0 if before == after else decibels(after) - decibels(before)
