"""The values inside a file, a few at a time."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxproof._internal.trees import Array
from onnxproof.engines.asked import UNOPTIMIZED
from onnxproof.engines.base import EngineError
from onnxproof.engines.reference import evaluator
from onnxproof.graph.load import load_model
from onnxproof.locating.cutting import cut
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.conversion import Conversion

MOST_BYTES = 2**26
"""Bytes of values that are asked for in one run, about: all of a large file's would take gigabytes."""

FEWEST = 4
"""How many values are asked for first, before it is known how large they are."""

SMALL_SHARE = 1e-4
"""By how much of it a value may differ that is computed right of the same inputs."""


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


def wrong_on_its_inputs(
    model: onnx.ModelProto, name: str, ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> str:
    """The value that an engine computes wrong, of which one that departs is made; that one if each is right by itself.

    A value may depart because an input is a little off, such as a logarithm of a share of 1e-8: `ours` are the engine's
    values, `theirs` the evaluator's.
    """
    found = name
    makers = {each: node for node in model.graph.node for each in node.output}
    while found in makers and _is_right_alone(model, found, ours):
        made = [each for each in makers[found].input if each in makers and each in ours and each in theirs]
        found = max(made, key=lambda each: _share(ours[each], theirs[each]), default="")
    return found if found in makers else name


def _is_right_alone(model: onnx.ModelProto, name: str, ours: Mapping[str, Array]) -> bool:
    """Whether the evaluator makes an engine's value of the engine's own inputs, down to small shares of it."""
    part = cut(model, [name], [name])
    try:
        alone = onnx.load_from_string(part.with_types(ours))
        made: Any = next(iter(evaluator(alone).run(None, {each: ours[each] for each in part.needs})))
    except Exception:  # the evaluator takes no such node alone
        return False
    return _share(ours[name], made) < SMALL_SHARE


def _share(ours: Array, theirs: Array) -> float:
    """How far a value is from another one at most, as a share of that; infinity where it has another form."""
    if ours.shape != theirs.shape or ours.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(ours, theirs) else float("inf")
    with np.errstate(all="ignore"):
        apart = np.abs(ours.astype(np.float64) - theirs) / np.abs(theirs)
    return float(np.nan_to_num(apart, nan=0.0).max(initial=0))
