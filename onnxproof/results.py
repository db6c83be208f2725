"""results.json: what a run leaves, and what the report is made of."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

SCHEMA = 2
"""Counts up with every change after which an older reader would go wrong."""

ClaimVerdict = Literal["holds", "departs", "not applicable", "failing"]
CheckVerdict = Literal["holds", "fails", "expected", "not judged"]

Kind = TypeVar("Kind")


class ResultsError(Exception):
    """A results file that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class Departure:
    """Why a claim's specs fail as they do.

    `exporter` is where they do, "" for all of them; `reason` is one line, `instead` the spec of what happens there,
    `link` a public page on it, or "".
    """

    exporter: str
    reason: str
    instead: str
    link: str


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its verdict by exporter, and what led to it.

    `id`, `chapter` and `statement` are the document's. `verdicts` are "holds", "departs", "not applicable" or "failing"
    by exporter, "" where none is asked; `departures` and the reasons of `not_applicable` are those that were met in the
    run. `specs` are pytest's node ids.
    """

    id: str
    chapter: str
    statement: str
    verdicts: dict[str, ClaimVerdict]
    departures: list[Departure]
    not_applicable: list[str]
    specs: list[str]


@dataclass(frozen=True)
class Pixels:
    """How two pictures of `values` values compare: `edges` differ at a truncation edge, `wrong` by more."""

    values: int
    edges: int
    wrong: int


@dataclass(frozen=True)
class Comparison:
    """One output against its reference, as `case` in the spec whose node id is `spec`.

    `same`, `problem`, `difference`, `error` and `bound` are those of its `Parity`, in the output's unit; `pixels` is
    null for what is no picture. `pictures` are files beside results.json, by what they show.
    """

    case: str
    spec: str
    same: bool
    problem: str
    difference: float
    error: float
    bound: float
    pixels: Pixels | None = None
    pictures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What one check found of one conversion.

    The conversion is the `case` by name and its `exporter`, or "" and the `file` that was given, and the `opset` asked
    for, null where none was. `check` is the id; its `verdict` is "holds", "fails", "expected" or "not judged". `figure`
    is what was measured, `problem` what is wrong or why nothing is judged, `advice` what to do, each as text or "".
    """

    case: str
    exporter: str
    file: str
    opset: int | None
    check: str
    verdict: CheckVerdict
    figure: str
    problem: str
    advice: str


@dataclass(frozen=True)
class GraphInput:
    """An input by its `name`: dtype and `shape` as text; `folded` where the model has it and the file does not."""

    name: str
    shape: str
    folded: bool


@dataclass(frozen=True)
class GraphNode:
    """A node of a file, of the operator `op_type`, its `attributes` as text; `inputs` and `outputs` are value names."""

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, str]


@dataclass(frozen=True)
class GraphResult:
    """The main graph of an exported file.

    `file` lies beside results.json and was made by `target` (`torchscript-opset11`) in the default domain's `opset`.
    `inputs` are the graph's, and the model's that were folded; `outputs` are names; `nodes` stand in the file's order,
    without those of constants; `constants` are the values that it holds, as text by name.
    """

    file: str
    target: str
    opset: int
    inputs: list[GraphInput]
    outputs: list[str]
    nodes: list[GraphNode]
    constants: dict[str, str]


@dataclass(frozen=True)
class RatioResult:
    """The `median` of per-round ratios, and its bootstrap 95 % interval from `low` to `high`."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class TimingResult:
    """The time of the contender `name` in seconds: its `median`, and its interquartile range as `spread`.

    `ratio` is its time over the baseline's; `gflops` (1e9 operations a second) and `share` (of the speed of a matrix
    product) are null where no operations were given.
    """

    name: str
    median: float
    spread: float
    ratio: RatioResult
    gflops: float | None
    share: float | None


@dataclass(frozen=True)
class LatencyResult:
    """Contenders that were timed in the same rounds, as `case`, on so many `threads` each.

    `timings` stand in the order in which they were given, the `baseline` among them; `not_run` is why others could not
    run, by name.
    """

    case: str
    baseline: str
    threads: int
    timings: list[TimingResult]
    not_run: dict[str, str]


@dataclass(frozen=True)
class Results:
    """A run in `schema`: `name` is the tox environment's, or "", and `environment` the version of each package.

    `targets` are what it exported with, an `exporter` and an `opset` each; the rest is what it found: `claims`,
    `comparisons` and `conversions` (a row a check), the `graphs` of the files that it kept, and `latency`.
    """

    schema: int
    name: str
    environment: dict[str, str]
    targets: list[dict[str, Any]]
    claims: list[ClaimResult]
    comparisons: list[Comparison]
    conversions: list[Checked]
    graphs: list[GraphResult]
    latency: list[LatencyResult]

    @property
    def label(self) -> str:
        """What the run is called beside others."""
        return self.name or f"torch {self.environment.get('torch', '?')}"


@dataclass(frozen=True)
class _Version:
    schema: int


def read_results(path: str | os.PathLike[str]) -> Results:
    """The results in a file. Raises `ResultsError` for a file that is missing, broken, partial or of another schema."""
    content = read_json(path)
    found = typed(path, content, _Version).schema
    if found != SCHEMA:
        older = "run the suite again with this version" if found < SCHEMA else "use the newer version"
        raise ResultsError(f"{path}: schema {found}, and this onnxproof reads {SCHEMA}; {older}")
    return typed(path, content, Results)


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds; NaN and infinities are read, as Python writes them. Raises `ResultsError`."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name a file that a run has left") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: broken, it is no JSON ({error}); make it again") from error


def typed(path: str | os.PathLike[str], content: Any, kind: type[Kind]) -> Kind:
    """`content`, which is that of a file, as a `kind`. Raises `ResultsError` that says what in it is none."""
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ResultsError(f"{path}: not whole ({error}); make it again") from error
