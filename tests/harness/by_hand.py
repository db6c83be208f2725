"""A model and the file that does the same, both so small that a check is through with them in no time."""

from typing import Any

import numpy as np
from torch import Tensor, nn

from onnxproof.case import Case

ROWS = np.linspace(-3, 4, 24, dtype=np.float32).reshape(6, 4)
FACTOR = np.array([2], np.float32)

FILE = """
<ir_version: 8, opset_import: ["": 18]>
g (float[rows, 4] x, float[1] factor) => (float[rows, 4] scaled, float[rows] total)
<float[1] two = {2}, int64[1] last = {1}>
{ scaled = Mul (x, factor) total = ReduceSum <keepdims = 0> (x, last) }
"""


class Scale(nn.Module):
    """What `FILE` does, in torch."""

    def forward(self, x: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        return x * factor, x.sum(-1)  # (rows, 4), (rows,)


def scale_case(model: nn.Module | None = None, **options: Any) -> Case:
    """`Scale`, or another model of its inputs, with free rows."""
    inputs = {"x": ROWS, "factor": FACTOR}
    return Case(model or Scale(), **{"inputs": inputs, "dynamic": {"x": {0: "rows"}}, **options})


def edited(*changes: tuple[str, str]) -> str:
    """`FILE` with texts in it replaced, each wherever it stands."""
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text
