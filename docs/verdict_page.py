"""docs/verdicts.md, made of the results.json of every recorded run: `python -m docs.verdict_page`."""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from docs import markdown
from onnxproof.results import ClaimVerdict, Departure, Results, ResultsError, count_gravest, read_results
from onnxproof.versions import PACKAGES

RUNS, PAGE = (Path(__file__).parent / name for name in ("verdicts", "verdicts.md"))

MARKS = {
    ClaimVerdict.HOLDS: "✓",
    ClaimVerdict.DEPARTS: "≠",
    ClaimVerdict.NOT_APPLICABLE: "–",
    ClaimVerdict.FAILING: "✗",
}


def read_runs(folder: Path = RUNS) -> dict[str, Results]:
    """The recorded runs by the name of their file, in the order of `by_numbers`. Raises `ResultsError`."""
    paths = sorted(folder.glob("*.json"), key=lambda path: by_numbers(path.stem))
    return {path.stem: read_results(path) for path in paths}


def by_numbers(name: str) -> tuple[list[int], str]:
    """The key that sorts names of environments by the numbers in them: torch2.2 comes before torch2.11."""
    return [*map(int, re.findall(r"\d+", name))], name


def render(runs: dict[str, Results]) -> str:
    """The page, of runs by name."""
    chapters: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    departures: dict[tuple[str, Departure], list[str]] = defaultdict(list)
    not_applicable: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, claim in ((name, claim) for name, run in runs.items() for claim in run.claims):
        exporters = chapters.setdefault(claim.chapter, {}).setdefault(claim.id, {})
        for exporter, verdict in claim.verdicts.items():
            exporters.setdefault(exporter, {})[name] = MARKS[verdict]
        for departure in claim.departures:
            departures[claim.id, departure].append(name)
        for reason in claim.not_applicable:
            not_applicable[claim.id, reason].append(name)
    return markdown.render(
        "verdicts",
        runs=runs,
        marks=MARKS,
        verdict=ClaimVerdict,
        total=counted(runs.values()),
        counts={name: counted([run]) for name, run in runs.items()},
        chapters=chapters,
        statements={claim.id: claim.statement for run in runs.values() for claim in run.claims},
        departures=sorted(departures.items(), key=lambda item: (item[0][0], astuple(item[0][1]))),
        not_applicable=sorted(not_applicable.items()),
        packages=PACKAGES,
    )


def counted(runs: Iterable[Results]) -> Counter[ClaimVerdict]:
    """The number of claims with each verdict: the gravest of all runs."""
    return count_gravest((claim.id, claim.verdicts.values()) for run in runs for claim in run.claims)


if __name__ == "__main__":
    try:
        PAGE.write_text(render(read_runs()), encoding="utf-8")
    except ResultsError as error:
        sys.exit(str(error))
