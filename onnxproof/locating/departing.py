"""The first value of a file that its original does not have, found by the values in both: their names may differ."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.engines.base import EngineError
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.engines.statistics import FIGURES, SHAPE
from onnxproof.graph.facts import Graph, Node
from onnxproof.locating.clause import Departure
from onnxproof.parity.rounding import SLACK
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.reference import JudgedProbe
from onnxproof.results import Where

SHOWN = 3
"""How many inputs of a node are named."""


@dataclass(frozen=True)
class _Seen:
    """A value of the original: its figures, and how far rounding moves them."""

    figures: Array
    reach: Array

    def is_like(self, figures: Array) -> bool:
        """Whether another value's figures are the same up to rounding."""
        near = np.abs(figures - self.figures) <= self.reach
        return bool(np.all(near | (figures == self.figures) | (np.isnan(figures) & np.isnan(self.figures))))


def first_departing_value(conversion: Conversion, judged: JudgedProbe) -> Departure:
    """The first node of the file, whose inputs the original has, and whose output it does not have.

    Nothing if there is none, and where the values of one of the files cannot be seen.
    """
    paths = conversion.case.file or "", conversion.file.path
    with (
        closing(OnnxModel(paths[0], conversion.timeout)) as original,
        closing(OnnxModel(paths[1], conversion.timeout)) as file,
    ):
        return _told(conversion, judged, original, file)


def _told(conversion: Conversion, judged: JudgedProbe, original: OnnxModel, file: OnnxModel) -> Departure:
    try:
        with np.errstate(all="ignore"):
            seen = _seen(original, judged.probe.inputs)
            found = _figures(file.run_in("figures", conversion.feeds(judged.probe.inputs)))
            departing = _first(conversion.graph, seen, found)
    except (EngineError, RefusalError):
        return Departure()
    if departing is None:
        return Departure()
    made_of = [name for name in departing.inputs if name and name not in conversion.graph.constants]
    of = f", made of {', '.join(made_of[:SHOWN])}" if made_of else ""
    told = f"The first value that the original does not have is {departing.outputs[0]} of {departing.op_type}{of}."
    return Departure(Where(departing.module, "", "", departing.outputs[:1], "values"), told)


def _seen(original: OnnxModel, inputs: Mapping[str, Array]) -> dict[tuple[int, ...], list[_Seen]]:
    """The values of the original by shape."""
    figures = _figures(original.run_in("figures", inputs))
    moved = [_figures(original.run_in("moved figures", inputs)) for _ in range(2)]
    found: dict[tuple[int, ...], list[_Seen]] = defaultdict(list)
    for name, (shape, own) in figures.items():
        least = np.finfo(np.float32).eps * own[2] * np.array([1, max(1, np.prod(shape)), 1, max(1.0, own[2])])
        reach = SLACK * np.max([np.abs(run[name][1] - own) for run in moved if name in run], axis=0, initial=0)
        found[shape].append(_Seen(own, reach + least))
    return found


def _figures(outputs: Mapping[str, Array]) -> dict[str, tuple[tuple[int, ...], Array]]:
    """The shape and the figures of each value."""
    names = [name.removeprefix(FIGURES) for name in outputs if name.startswith(FIGURES)]
    return {name: (tuple(map(int, outputs[SHAPE + name])), outputs[FIGURES + name]) for name in names}


def _first(
    graph: Graph,
    seen: Mapping[tuple[int, ...], list[_Seen]],
    found: Mapping[str, tuple[tuple[int, ...], Array]],
) -> Node | None:
    strange: set[str] = set()
    for node in graph.nodes:
        if any(name in strange for name in node.inputs):
            continue
        for name in node.outputs:
            if name in found and not any(each.is_like(found[name][1]) for each in seen.get(found[name][0], ())):
                return node
    return None
