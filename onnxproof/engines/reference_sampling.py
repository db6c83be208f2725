"""GridSample, of which onnx's reference evaluator knows one name of each mode, and gets one wrong."""

from typing import Any

import numpy as np
import onnx
from onnx.reference.ops.op_grid_sample import GridSample as OnnxGridSample

from onnxproof._internal.trees import Array

NEW_MODES = {"bilinear": "linear", "bicubic": "cubic"}
"""What opset 20 calls the modes of opset 16's GridSample; onnx 1.14's evaluator knows the earlier names."""

knows_new_modes = onnx.defs.get_schema("GridSample").since_version >= 20


class GridSample(OnnxGridSample):
    """Knows the modes by their names at opset 16, too, and repeats the border to either side of a cubic's four pixels.

    onnx moves the place itself to the border, and interpolates there.
    """

    repeats_pixels = False

    def _run(self, x: Array, grid: Array, mode: str = "linear", **more: Any) -> Any:
        padding = more.get("padding_mode") or getattr(self, "padding_mode", "zeros")
        self.repeats_pixels = mode in ("cubic", "bicubic") and padding == "border"
        return super()._run(x, grid, mode=NEW_MODES.get(mode, mode) if knows_new_modes else mode, **more)

    def _prepare_border(self, *args: Any, **more: Any) -> Array:
        border: Array = super()._prepare_border(*args, **more)
        return np.repeat([-np.inf, np.inf], len(border) // 2) if self.repeats_pixels else border
