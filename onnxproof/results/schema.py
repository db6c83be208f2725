"""The classes of results.json."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from onnxproof.results.conversions import CheckResult, GraphResult, RefusedCase, TrialResult
from onnxproof.results.losses import FileLosses
from onnxproof.results.verdicts import ClaimVerdict

SCHEMA = 4
"""Counts up with every change that an older reader would misread."""

# Claims


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
    """A claim with its verdict by exporter, and the evidence.

    `id`, `chapter` and `statement` are the document's. `verdicts` are by exporter, "" for a claim that does not depend
    on one; `departures` and the reasons of `not_applicable` are those met in the run. `specs` are pytest's node ids.
    """

    id: str
    chapter: str
    statement: str
    verdicts: dict[str, ClaimVerdict]
    departures: list[Departure]
    not_applicable: list[str]
    specs: list[str]


# Comparisons


@dataclass(frozen=True)
class Parity:
    """How one output compares with its reference.

    `case` is the id under which it is reported, `output` the name; "*" if the outputs differ in number or names.
    `difference` is the largest distance from the model's own output, `error` the largest from the exact one, which
    passes up to `bound`; `mean` is the signed mean error, which passes up to `mean_bound`. `problem` says what differs,
    "" if nothing does. The figures are in the unit of the output.

    Of the `values`, `unjudged` ones are not compared, since the model's own rounding decides what they are. `referee`
    is what judges floats: the model in "float64", else the "tolerance" of the dtype or the model in other orders of
    "rounding".
    """

    case: str
    output: str
    problem: str = ""
    difference: float = 0.0
    error: float = 0.0
    bound: float = 0.0
    mean: float = 0.0
    mean_bound: float = 0.0
    values: int = 0
    unjudged: int = 0
    referee: str = ""

    @property
    def same(self) -> bool:
        """Whether the output differs by rounding at most."""
        return not self.problem

    @property
    def is_judged(self) -> bool:
        """Whether any of its values were compared, if it has any."""
        return not self.values or self.unjudged < self.values


@dataclass(frozen=True)
class PixelParity:
    """Two pictures of `values` values: `edges` differ by a last bit that became a level, `wrong` by more."""

    values: int
    edges: int
    wrong: int

    @property
    def same(self) -> bool:
        """Whether no value is wrong."""
        return self.wrong == 0


@dataclass(frozen=True)
class Comparison:
    """One output against its reference, in the spec whose node id is `spec`.

    `parity` is how they compare. `pixels` is null unless the output is a picture. `pictures` are files beside
    results.json, by what they show.
    """

    parity: Parity
    pixels: PixelParity | None = None
    pictures: dict[str, str] = field(default_factory=dict)
    spec: str = ""


# Latency


@dataclass(frozen=True)
class Ratio:
    """The `median` of per-round ratios, and its bootstrap 95 % interval from `low` to `high`."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Timing:
    """The time of the contender `name`: the `seconds` of each round, their `median`, and the interquartile range as
    `spread`.

    `ratio` is its time over the baseline's, `gflops` what it achieves (1e9 operations a second), `share` that as a part
    of what matrix products achieve in the same rounds, both null without operations; `pixels` says how its picture
    compares, null without pictures. `versions` are those of the programs that ran it, by name.
    """

    name: str
    seconds: list[float]
    median: float
    spread: float
    ratio: Ratio
    gflops: float | None
    share: float | None
    pixels: PixelParity | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Latency:
    """Contenders timed in the same rounds, as `case`, each on so many `threads`.

    `timings` are in the order in which the contenders were given, the `baseline` among them. `sgemm_gflops` is what
    matrix products achieved, null without operations. `not_run` is why other contenders could not run, by name, `spec`
    the node id of the spec that measured.
    """

    case: str
    baseline: str
    threads: int
    sgemm_gflops: float | None
    timings: list[Timing]
    not_run: dict[str, str] = field(default_factory=dict)
    spec: str = ""

    def __getitem__(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


@dataclass(frozen=True)
class Machine:
    """Where and when a run was timed: the processor's model as `cpu`, how many `cores` it could use, and the `date` on
    which it ended, in UTC as in ISO 8601 (`2026-02-14T09:30:00Z`).
    """

    cpu: str
    cores: int
    date: str

    def __str__(self) -> str:
        return f"{self.cpu} ({self.cores} {'core' if self.cores == 1 else 'cores'})"


# The file


@dataclass(frozen=True)
class Target:
    """An `exporter`, and the `opset` asked of it; its text is the id in a parametrized test."""

    exporter: str
    opset: int

    def __str__(self) -> str:
        return f"{self.exporter}-opset{self.opset}"


@dataclass(frozen=True)
class Results:
    """A run in `schema`: `name` is the tox environment's, or "", and `environment` the version of each package.

    `targets` are what it exported with; the rest is what it found: `claims`, `comparisons`, `findings` (one for each
    check of each conversion), the `graphs` of the files that it kept, `latency`, the cases that were `refused`, where
    the `losses` of lossy files are made, and the `trials` of faults in right files. `machine` is null if it timed
    nothing.
    """

    schema: int
    name: str
    environment: dict[str, str]
    targets: list[Target]
    claims: list[ClaimResult]
    comparisons: list[Comparison]
    findings: list[CheckResult]
    graphs: list[GraphResult]
    latency: list[Latency]
    machine: Machine | None = None
    refused: list[RefusedCase] = field(default_factory=list)
    losses: list[FileLosses] = field(default_factory=list)
    trials: list[TrialResult] = field(default_factory=list)

    @classmethod
    def of_run(
        cls,
        environment: dict[str, str],
        targets: Iterable[Target] = (),
        machine: Machine | None = None,
        **found: Iterable[Any],
    ) -> "Results":
        """The results of this run, named after its tox environment; `found` are the other fields, by default empty."""
        kinds = ("claims", "comparisons", "findings", "graphs", "latency", "refused", "losses", "trials")
        lists: dict[str, Any] = {kind: list(found.get(kind, ())) for kind in kinds}
        name = os.environ.get("TOX_ENV_NAME", "")
        return cls(SCHEMA, name, environment, list(targets), machine=machine, **lists)

    @property
    def label(self) -> str:
        """The run's name on the page."""
        return self.name or f"torch {self.environment.get('torch', '?')}"
