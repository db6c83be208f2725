"""What an engine can run, seen on small files."""

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx.parser

from onnxproof._internal.forked import Forked, ProcessError
from onnxproof.engines.asked import require
from onnxproof.engines.base import EngineError, engine

if TYPE_CHECKING:
    from onnxproof._internal.trees import Array

SECONDS = 20
"""How long an engine may take to start, and for a file; after one that takes longer no other is tried."""


@dataclass(frozen=True)
class Ability:
    """A small file, inputs, and the output that ONNX states for them."""

    name: str
    graph: str
    inputs: "Mapping[str, Array]"
    expected: "Array"
    opset: int = 18

    def is_shown(self, engine_name: str, folder: Path) -> bool:
        """Whether an engine gives that output. Raises `EngineError` for a file or inputs that it refuses."""
        path = folder / "model.onnx"
        header = f'<ir_version: 8, opset_import: ["": {self.opset}]> '
        onnx.save(onnx.parser.parse_model(header + self.graph), path)
        (found,) = engine(engine_name).open(path).run(self.inputs).values()
        same = found.dtype == self.expected.dtype and found.shape == self.expected.shape
        return same and bool(np.allclose(found, self.expected, rtol=1e-3, atol=1e-3))


_ROWS = np.arange(12, dtype=np.float32).reshape(3, 4) - 4
_IMAGE = _ROWS.reshape(1, 1, 3, 4)
_SCALES = np.array([1, 1, 2, 2], np.float32)

ABILITIES = (
    Ability(
        "free sizes",
        "g (float[n, 4] x) => (float[n, 4] y) { y = Relu (x) }",
        {"x": _ROWS},
        np.maximum(_ROWS, 0),
    ),
    Ability(
        "sizes as inputs",
        "g (float[1, 1, h, w] x, float[4] scales) => (float[1, 1, a, b] y) "
        '{ y = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> '
        "(x, , scales) }",
        {"x": _IMAGE, "scales": _SCALES},
        _IMAGE.repeat(2, 2).repeat(2, 3),
    ),
    Ability(
        "float16",
        "g (float16[3, 4] x) => (float16[3, 4] y) { y = Add (x, x) }",
        {"x": _ROWS.astype(np.float16)},
        (2 * _ROWS).astype(np.float16),
    ),
    Ability(
        "float64",
        "g (double[3, 4] x) => (double[3, 4] y) { y = Add (x, x) }",
        {"x": _ROWS.astype(np.float64)},
        2 * _ROWS.astype(np.float64),
    ),
    Ability(
        "int64 beyond 32 bits",
        "g (int64[2] x) => (int64[2] y) { y = Add (x, x) }",
        {"x": np.array([2**40, -3])},
        np.array([2**41, -6]),
    ),
    Ability(
        "int8",
        "g (float[3, 4] x) => (float[3, 4] y) <float s = {0.5}, int8 z = {1}> "
        "{ q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z) }",
        {"x": _ROWS},
        _ROWS,
    ),
    Ability(
        "control flow",
        "g (float[3, 4] x, bool[1] b) => (float[3, 4] y) { y = If (b) <"
        "then_branch = t () => (float[3, 4] p) { p = Add (x, x) }, "
        "else_branch = e () => (float[3, 4] q) { q = Neg (x) }> }",
        {"x": _ROWS, "b": np.array([False])},
        -_ROWS,
    ),
)
"""What files of models ask of an engine beyond float32 of known sizes."""


def abilities(name: str) -> dict[str, bool]:
    """Whether an engine shows each of `ABILITIES`; it runs in another process, and a crash shows none.

    Raises `EngineError` for an engine that is not known, not installed or cannot run here.
    """

    def show(ability: Ability) -> bool:
        with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
            try:
                return ability.is_shown(name, Path(folder))
            except EngineError:
                return False

    def start() -> None:
        require(engine(name))

    asked = Forked(lambda ability: show(ability) if ability else start(), SECONDS)
    try:
        asked(None)
    except ProcessError as error:
        raise EngineError(f"{name} {error}") from error
    found = dict.fromkeys((ability.name for ability in ABILITIES), False)
    for ability in ABILITIES:
        started = time.monotonic()
        with suppress(ProcessError):
            found[ability.name] = asked(ability)
        if time.monotonic() - started > SECONDS:
            break
    asked.close()
    return found
