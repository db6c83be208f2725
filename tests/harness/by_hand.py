"""A small model and a hand-written file that does the same, on which checks run fast."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from onnxproof.case import Case
from onnxproof.checks.check import Check, judge
from onnxproof.engines.asked import default_engines
from onnxproof.findings import Finding
from onnxproof.probing.conversion import Conversion

ROWS = np.linspace(-3, 4, 24, dtype=np.float32).reshape(6, 4)
FACTOR = np.array([2], np.float32)

FILE = """
<ir_version: 8, opset_import: ["": 18]>
g (float[rows, 4] x, float[1] factor) => (float[rows, 4] scaled, float[rows] total)
<float[1] two = {2}, int64[1] last = {1}>
{ scaled = Mul (x, factor) total = ReduceSum <keepdims = 0> (x, last) }
"""


class Scale(nn.Module):
    """The torch model of `FILE`."""

    def forward(self, x: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        return x * factor, x.sum(-1)  # (rows, 4), (rows,)


class FakeEngine:
    """An engine whose sessions run a function of the inputs."""

    name, version = "fake", "1"

    def __init__(self, run: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        self.run = run

    def open(self, path: object) -> "FakeEngine":
        return self


def in_engines(conversion: Conversion, **engines: Any) -> Conversion:
    """The conversion in other engines, by name."""
    return Conversion(conversion.model, conversion.file, default_engines() | engines)


class Gives(nn.Module):
    """A model that calls a function."""

    def __init__(self, make: Callable[..., Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, *inputs: Tensor) -> Any:
        return self.make(*inputs)


def scale_case(model: nn.Module | None = None, **options: Any) -> Case:
    """A case of `Scale`, or of another model, with free rows."""
    inputs = {"x": ROWS, "factor": FACTOR}
    return Case(model or Scale(), **{"inputs": inputs, "dynamic": {"x": {0: "rows"}}, **options})


def edited(*changes: tuple[str, str]) -> str:
    """`FILE` with each text replaced wherever it occurs."""
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def seen(check: Check, conversion: Conversion) -> tuple[str, str]:
    """The verdict of a check, with its figure or problem."""
    return said(judge(check, conversion))


def said(finding: Finding) -> tuple[str, str]:
    """The verdict of a finding, with its figure or problem."""
    return finding.verdict, finding.figure or finding.problem
