"""docs/speed.md, made of docs/speed.json and docs/costs.json, and the case study's sentence about speed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.contenders import BASELINE, SEPARABLE
from benchmarks.test_operator import ASSERTED, LARGEST_SIDE, SCALED, TIMES_COST, TIMES_RESIZE
from benchmarks.test_operator_network import TIMES_DOCUMENT, TIMES_TORCH
from docs import markdown
from onnxproof.results import Latency, PixelParity, Ratio, Timing

RESULTS, PAGE = (Path(__file__).parent / f"speed.{ending}" for ending in ("json", "md"))
COSTS = RESULTS.with_name("costs.json")

LARGEST_DIFFERENCE = 2e-3
"""Of 0..255; tests/test_separable.py asserts it."""


@dataclass(frozen=True)
class Face:
    """How far the face is from torch's, through one exporter."""

    difference: float
    pixels: PixelParity


@dataclass(frozen=True)
class Cost:
    """What an output pixel costs at one size of the picture, as a multiple of its cost at another."""

    size: str
    of: str
    ratio: Ratio


@dataclass(frozen=True)
class Speed:
    """What one run measured, and on which machine."""

    environment: dict[str, str]
    machine: dict[str, Any]
    latency: list[Latency]
    faces: list[Face]
    costs: list[Cost]

    def __getitem__(self, case: str) -> Latency:
        return next(timed for timed in self.latency if timed.case == case)

    @property
    def difference(self) -> float:
        """The largest difference of the face from torch's."""
        return max(face.difference for face in self.faces)

    @property
    def edges(self) -> int:
        """The most values of the face at truncation edges."""
        return max(face.pixels.edges for face in self.faces)


@dataclass(frozen=True)
class CheckCost:
    """What checking one case took, times a bare conversion, and gigabytes above its peak; and the most of each."""

    title: str
    most_times: float
    most_memory: float
    times: Ratio
    bare_gigabytes: float
    above_gigabytes: float


@dataclass(frozen=True)
class SmallCost:
    """What the checks of a small case took, times a script that does all of their exports and runs once."""

    times: Ratio


@dataclass(frozen=True)
class Checks:
    """What checks cost; `small` by exporter."""

    environment: dict[str, str]
    cpu: str
    costs: list[CheckCost]
    small: dict[str, SmallCost]


def write() -> None:
    """Makes the page of the results that are there."""
    found, checks = (json.loads(file.read_text(encoding="utf-8")) for file in (RESULTS, COSTS))
    PAGE.write_text(render(found, checks), encoding="utf-8")


def render(found: Mapping[str, Any], checks: Mapping[str, Any]) -> str:
    """The page, of what a run of each table found."""
    speed = msgspec.convert(found, Speed)
    return markdown.render(
        "speed",
        speed=speed,
        document=BASELINE,
        plain=SEPARABLE,
        asserted=ASSERTED,
        scaled=SCALED,
        largest_side=LARGEST_SIDE,
        largest_difference=LARGEST_DIFFERENCE,
        times={"resize": TIMES_RESIZE, "document": TIMES_DOCUMENT, "torch": TIMES_TORCH, "cost": TIMES_COST},
        costs={(cost.size, cost.of): cost.ratio for cost in speed.costs},
        highest_cost=max(speed.costs, key=lambda cost: cost.ratio.median),
        checks=msgspec.convert(checks, Checks),
        met=met,
        milliseconds=milliseconds,
    )


def summary(found: Mapping[str, Any]) -> str:
    """What docs/srcnn.md says of the figures."""
    return markdown.render("speed_summary", speed=msgspec.convert(found, Speed), document=BASELINE)


def met(ratio: Ratio, least: float = 0, most: float = float("inf")) -> str:
    """Whether a ratio is within its bounds, and whether its interval is."""
    if not least <= ratio.median <= most:
        return "no"
    return "yes" if least <= ratio.low and ratio.high <= most else "in the median, not in the whole interval"


def milliseconds(timing: Timing) -> str:
    """The median of a contender."""
    median = timing.median * 1e3
    return f"{median:.1f}" if median < 10 else f"{median:.0f}"
