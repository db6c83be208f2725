"""Inputs for an ONNX file that comes without an example, drawn from what it declares with a fixed seed."""

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onnxproof._internal.forked import SECONDS
from onnxproof._internal.names import unknown
from onnxproof._internal.texts import one_line
from onnxproof._internal.trees import Array
from onnxproof.case import CaseError
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.graph.declared import numpy_dtype, require_numbers
from onnxproof.graph.dims import evaluate
from onnxproof.graph.facts import Value, read_graph
from onnxproof.graph.load import GraphError, load_model
from onnxproof.graph.ranges import Limit, index_limits, numbers
from onnxproof.probing.probes import SEED

MOST_VALUES = 2**26
"""A larger input is not drawn."""

BATCH, LENGTHS, SIDES = (2, 3, 4, 5), (12, 20, 28, 36, 44, 52), (64, 96, 128, 160, 192, 224)
"""The sizes that are drawn for a batch, for lengths and channels, and for the sides of pictures: networks of five
stages take multiples of 32."""

PIXEL_BYTES = 2
"""Integers of so few bytes are pictures or sound, and others may be masks."""

MOST_COUNTED = min(LENGTHS)
"""The largest number that is drawn for a length, a position or a step: a length is up to the size of its sequence."""

GIVE = "give an example with `--inputs example.npz`, or as the case's `inputs`"


def drawn_inputs(
    path: str | os.PathLike[str], sizes: Mapping[str, int] | None = None, timeout: float | None = SECONDS
) -> dict[str, Array]:
    """Inputs that an ONNX file takes, arrays of the declared dtypes and shapes by name; the same at every call.

    Free dimensions have `sizes` by name, where these name them, and others differ by name. Integers are below the size
    of the table or axis that they index; others of 8 or 16 bits, as in pictures, have any value. Longer ones are up to
    `MOST_COUNTED` where the file computes with them, as with lengths, if it takes these; else they are 1, as in a mask.
    The file is run, for up to `timeout` seconds a run, to see what it takes. Raises `CaseError` for a file that is not
    run on any inputs, if it takes nothing of what is tried, and for a name that it does not declare.
    """
    try:
        declared = read_graph(path).inputs
        require_numbers(path)
        structure = load_model(path)
        limits, counted = index_limits(structure), numbers(structure)
    except (GraphError, ValueError) as error:
        raise CaseError(str(error)) from error
    _require_drawable(declared)
    symbols = list(dict.fromkeys(symbol for value in declared for _, symbol in _free(value)))
    for name in sizes or {}:
        if name not in symbols:
            raise CaseError(
                f"the free dimension {unknown(name, symbols)}" if symbols else "the file has no free dimension"
            )
    model, refusal = OnnxModel(path, timeout), ""
    try:
        model.load()
    except RefusalError as error:
        raise CaseError(f"{Path(path).name} {cannot_load(error)}") from error
    for draw in _draws(declared, limits, dict(sizes or {}), counted):
        try:
            if all(_is_finite(output) for output in model.run(draw).values()):
                return draw
            refusal = refusal or "its outputs are not finite"
        except RefusalError as error:
            refusal = one_line(error)
    shown = f"; its free dimensions are {', '.join(symbols)}: name sizes that it takes, or" if symbols else ";"
    raise CaseError(f"{Path(path).name} takes none of the inputs that were drawn: {refusal}{shown} {GIVE}")


def cannot_load(error: RefusalError) -> str:
    """What to say of a file that is refused before it has inputs."""
    return f"does not load, whatever its inputs: {one_line(error)}; give a file that ONNX Runtime runs on a CPU"


def _require_drawable(declared: Sequence[Value]) -> None:
    for value in declared:
        if value.shape is None:
            raise CaseError(f"the input {value.name} has no declared shape; {GIVE}")
        try:
            kind = numpy_dtype(value.dtype).kind
        except TypeError:
            kind = "O"
        if kind not in "fiubV":
            raise CaseError(f"the input {value.name} is {value.dtype}; {GIVE}")
        if math.prod(size for size in value.shape if isinstance(size, int)) > MOST_VALUES:
            raise CaseError(f"the input {value.name} has more than {MOST_VALUES} values; {GIVE}")


def _free(value: Value) -> Iterator[tuple[int, str]]:
    """The free dimensions of an input by axis; one without a name has the input's and the axis as name."""
    for axis, size in enumerate(value.shape or ()):
        if not isinstance(size, int):
            yield axis, size or f"{value.name}.{axis}"


def _draws(
    declared: Sequence[Value],
    limits: Mapping[str, Sequence[Limit]],
    given: Mapping[str, int],
    counted: Collection[str],
) -> Iterator[dict[str, Array]]:
    """Inputs of sizes that differ by name, and of others where the file refuses those; then with positive values.

    Those in `counted` are other numbers than 1, and 1 at last.
    """
    axes: dict[str, set[int]] = {}
    for value in declared:
        for axis, symbol in _free(value):
            axes.setdefault(symbol, set()).add(axis)
    tried = []
    for is_positive, of in ((False, counted), (True, counted), *([(False, ()), (True, ())] if counted else ())):
        for differ, batch in ((True, BATCH), (False, BATCH), (True, (1,)), (False, (1,))):
            sizes = _sizes(axes, given, differ, batch)
            if (is_positive, of, sizes) not in tried:
                tried.append((is_positive, of, sizes))
                yield {
                    value.name: _drawn(value, sizes, limits.get(value.name, ()), is_positive, value.name in of)
                    for value in declared
                }


def _sizes(
    axes: Mapping[str, set[int]], given: Mapping[str, int], differ: bool, batch: Sequence[int]
) -> dict[str, int]:
    """A size of each free dimension; of one that is written as a sum or product of others, theirs."""
    found, counts = dict(given), {BATCH: 0, LENGTHS: 0, SIDES: 0}
    for symbol, places in axes.items():
        kind = BATCH if places == {0} else SIDES if min(places) > 1 else LENGTHS
        sizes = batch if kind is BATCH else kind
        if symbol.isidentifier() or "." in symbol:
            found.setdefault(symbol, sizes[counts[kind] * differ % len(sizes)])
            counts[kind] += 1
    return {symbol: found.get(symbol) or evaluate(symbol, dict(found)) or LENGTHS[0] for symbol in axes}


def _drawn(
    value: Value, sizes: Mapping[str, int], limits: Sequence[Limit], is_positive: bool, is_counted: bool
) -> Array:
    draw = np.random.default_rng([SEED, *value.name.encode()])
    free = dict(_free(value))
    shape = [sizes[free[axis]] if axis in free else int(size or 0) for axis, size in enumerate(value.shape or ())]
    dtype = numpy_dtype(value.dtype)
    if dtype.kind == "b":
        return np.ones(shape, bool)
    if dtype.kind in "iu":
        below = [limit if isinstance(limit, int) else sizes.get(limit, 0) for limit in limits]
        known = [limit for limit in below if limit > 0]
        if known:
            return draw.integers(0, min(known), shape).astype(dtype)
        if is_counted:
            return draw.integers(1, MOST_COUNTED, shape, endpoint=True).astype(dtype)
        return np.ones(shape, dtype) if dtype.itemsize > PIXEL_BYTES else _any_integers(draw, shape, dtype)
    values: Any = draw.random(shape) if is_positive else draw.standard_normal(shape)
    return np.asarray(values).astype(dtype)


def _any_integers(draw: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Integers of the dtype's whole range."""
    range_ = np.iinfo(dtype)
    return draw.integers(range_.min, range_.max, shape, dtype, endpoint=True)


def _is_finite(output: Array) -> bool:
    return output.dtype.kind not in "fV" or bool(np.isfinite(output.astype(np.float64)).all())
