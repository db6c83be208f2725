"""results.json: what a run leaves, and what the report is made of."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

SCHEMA = 2
"""Counts up with every change after which an older reader would go wrong."""


class ResultsError(Exception):
    """A results file that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class Departure:
    """Why a claim's specs fail as they do; `exporter` is "" for all of them."""

    exporter: str
    reason: str
    instead: str
    link: str


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its verdict by exporter, and what led to it."""

    id: str
    chapter: str
    statement: str
    verdicts: dict[str, str]
    departures: list[Departure]
    not_applicable: list[str]
    specs: list[str]


@dataclass(frozen=True)
class Pixels:
    """How two pictures compare by the pixel rule."""

    values: int
    edges: int
    wrong: int


@dataclass(frozen=True)
class Comparison:
    """One output against its reference; `pictures` are files beside results.json, by what they show."""

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
    """What one check found of one conversion."""

    case: str
    exporter: str
    file: str
    opset: int | None
    check: str
    verdict: str
    figure: str
    problem: str
    advice: str


@dataclass(frozen=True)
class GraphInput:
    """An input of a file: `shape` as text, `folded` where the model has it and the file does not."""

    name: str
    shape: str
    folded: bool


@dataclass(frozen=True)
class GraphNode:
    """A node of a file, its attributes as text; `inputs` and `outputs` are names of values."""

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, str]


@dataclass(frozen=True)
class GraphResult:
    """The main graph of an exported file; `constants` are the values that it holds, as text."""

    file: str
    target: str
    opset: int
    inputs: list[GraphInput]
    outputs: list[str]
    nodes: list[GraphNode]
    constants: dict[str, str]


@dataclass(frozen=True)
class RatioResult:
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class TimingResult:
    """One contender's time in seconds, its ratio to the baseline, and its share of a matrix product's speed."""

    name: str
    median: float
    spread: float
    ratio: RatioResult
    gflops: float | None
    share: float | None


@dataclass(frozen=True)
class LatencyResult:
    """Contenders that were timed in the same rounds, and why others could not run."""

    case: str
    baseline: str
    threads: int
    timings: list[TimingResult]
    not_run: dict[str, str]


@dataclass(frozen=True)
class Results:
    """A run: `name` is the tox environment's, where there is one, and `environment` the version of each package."""

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


_Read = TypeVar("_Read", Results, _Version)


def read_results(path: str | os.PathLike[str]) -> Results:
    """The results in a file. Raises `ResultsError` for a file that is missing, broken, partial or of another schema."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; name a results.json that `pytest --report` left") from error
    found = _decode(path, data, _Version).schema
    if found != SCHEMA:
        older = "run the suite again with this version" if found < SCHEMA else "use the newer version"
        raise ResultsError(f"{path}: schema {found}, and this onnxproof reads {SCHEMA}; {older}")
    return _decode(path, data, Results)


def _decode(path: str | os.PathLike[str], data: bytes, kind: type[_Read]) -> _Read:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ResultsError(f"{path}: not a whole results.json ({error}); run the suite again") from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: broken, it is no JSON ({error}); run the suite again") from error
