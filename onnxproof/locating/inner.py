"""The values inside a file, a few at a time."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxproof._internal.trees import Array
from onnxproof.engines.asked import UNOPTIMIZED
from onnxproof.engines.base import EngineError
from onnxproof.engines.reference import evaluator
from onnxproof.graph.load import load_model
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.conversion import Conversion

MOST_BYTES = 2**26
"""Bytes of values that are asked for in one run, about: all of a large file's would take gigabytes."""

FEWEST = 4
"""How many values are asked for first, before it is known how large they are."""


def names_inside(conversion: Conversion) -> list[str]:
    """The values of the main graph that nodes make, in the file's order."""
    return [name for node in conversion.graph.nodes if node.op_type != "Constant" for name in node.outputs if name]


def values_in_onnxruntime(
    conversion: Conversion, feeds: dict[str, Array], names: Sequence[str] | None = None
) -> Iterator[tuple[str, Array]]:
    """Values of the main graph, by default all, in ONNX Runtime without graph optimization.

    Values that it does not give out, such as sequences, are left out.
    """
    left = list(names_inside(conversion) if names is None else names)
    count = FEWEST
    while left:
        asked, left = left[:count], left[count:]
        try:
            found = _run(conversion, feeds, asked)
        except EngineError:
            if len(asked) == 1:
                continue
            count, left = max(1, len(asked) // 2), [*asked, *left]
            continue
        size = sum(value.nbytes for value in found.values()) or 1
        yield from found.items()
        count = max(1, min(4 * len(asked), len(asked) * MOST_BYTES // size))


def _run(conversion: Conversion, feeds: dict[str, Array], names: Sequence[str]) -> dict[str, Array]:
    model = load_model(conversion.file.path)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "opened.onnx")
        onnx.save(model, path)
        found = conversion.open(path, UNOPTIMIZED).run(feeds)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def values_in_evaluator(conversion: Conversion, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every value of the main graph in the reference evaluator, by name."""
    found: Any = evaluator(load_model(conversion.file.path)).run(None, feeds, intermediate=True)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def agree(ours: Array, theirs: Array) -> bool:
    """Whether two values are the same up to rounding."""
    return compare({"value": ours}, Reference({"value": theirs}), "")[0].same
