"""What a check found about a conversion."""

from dataclasses import dataclass, field, fields
from typing import Any

import msgspec

from onnxproof._internal.trees import Array
from onnxproof.results import CheckResult, FileLosses, GraphResult


@dataclass(frozen=True)
class Cut:
    """Some nodes of a file alone, as an ONNX file in `model`, with one output.

    `inputs` are right values by name, and `exact` is what the model has there in float64, which itself has it in
    `dtype`; rounding explains up to the first of `bounds`, and up to the second in the mean.
    """

    model: bytes
    inputs: dict[str, Array]
    exact: Array
    dtype: str
    bounds: tuple[float, float]


@dataclass(frozen=True)
class FailingRun:
    """Inputs, and the outputs of the model and of the file on them, by name; no `actual` where the file does not run.

    `wrong` are the outputs that differ, by default all, and `engine` is the one they differ in. A failure of two runs
    has the inputs of the first one in `before`. `cut` are the nodes at which the file departs, None if not known.
    """

    inputs: dict[str, Array]
    expected: dict[str, Array]
    actual: dict[str, Array]
    wrong: tuple[str, ...] = ()
    engine: str = "onnxruntime"
    before: dict[str, Array] = field(default_factory=dict)
    cut: Cut | None = None


@dataclass(frozen=True)
class Finding(CheckResult):
    """A `CheckResult`, with the `run` that shows a failure if there is one, and the `graph` of its file.

    The last one of a conversion has the file's `losses` if it was asked where they are made.
    """

    run: FailingRun | None = field(default=None, compare=False, repr=False)
    graph: GraphResult | None = field(default=None, compare=False, repr=False)
    losses: FileLosses | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        lines = [f"{self.conversion}: {self.name}: {self.problem or f'{self.verdict}: {self.figure}'}"]
        lines += [f"→ {self.advice}"] if self.advice else []
        lines += [f"  {self.evidence}"] if self.evidence else []
        return "\n".join(lines)

    def result(self) -> CheckResult:
        """The finding as it stands in results.json."""
        return CheckResult(*(getattr(self, each.name) for each in fields(CheckResult)))

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, for JSON."""
        return msgspec.json.decode(msgspec.json.encode(self.result()))  # type: ignore[no-any-return]
