"""docs/zoo.md, made of docs/zoo.json by `python -m docs.zoo_page`."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import TypedDict

from docs import markdown
from onnxproof.results import CheckVerdict

RESULTS, PAGE = (Path(__file__).parent / f"zoo.{ending}" for ending in ("json", "md"))

REASON = "expected: "


class Run(TypedDict):
    """The findings on one architecture by one exporter, its CPU seconds, and the peak memory of its processes."""

    name: str
    package: str
    exporter: str
    findings: list[dict[str, str]]
    seconds: float
    mebibytes: int


class Tried(TypedDict):
    """The faults that were put into a right file of one architecture: each with what caught it, or was measured."""

    name: str
    package: str
    exporter: str
    trials: list[dict[str, str]]


class Zoo(TypedDict):
    """The runs of one record, the faults put into its files, and with which versions."""

    versions: dict[str, str]
    runs: list[Run]
    faults: list[Tried]


def read() -> Zoo:
    """The recorded runs."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def merged(earlier: Zoo, later: Zoo) -> Zoo:
    """The later entries, and the earlier ones of other architectures and exporters if the versions are the same."""
    if earlier["versions"] != later["versions"]:
        return later
    runs, faults = (
        {(entry["package"], entry["name"], entry["exporter"]): entry for entry in [*earlier[kind], *later[kind]]}
        for kind in ("runs", "faults")
    )
    return Zoo(
        versions=later["versions"],
        runs=[runs[key] for key in sorted(runs)],
        faults=[faults[key] for key in sorted(faults)],
    )


def render(found: Zoo) -> str:
    """The page, of what was recorded."""
    verdicts = [verdict(run) for run in found["runs"]]
    return markdown.render(
        "zoo",
        versions=found["versions"],
        runs=[run | {"verdict": told} for run, told in zip(found["runs"], verdicts, strict=True)],
        counts=Counter(told.split()[0] for told in verdicts),
        names=list(dict.fromkeys(run["name"] for run in found["runs"])),
        packages=sorted({run["package"] for run in found["runs"]}),
        faults=faults(found["runs"]),
        tried=found["faults"],
        trials=Counter(_outcome(trial) for tried in found["faults"] for trial in tried["trials"]),
    )


def verdict(run: Run) -> str:
    """The run in a word or two: its true faults by their checks, if it has any."""
    expected = checks_with(run, CheckVerdict.EXPECTED)
    unexpected = [finding["check"] or "crash" for finding in unexplained(run)]
    if unexpected:
        return f"**{', '.join(unexpected)}**"
    if expected == ["exports"]:
        return "refused"
    return f"✗ {', '.join(expected)}" if expected else "✓"


def _outcome(trial: dict[str, str]) -> str:
    """What became of a fault in a file."""
    return next((kind for kind in ("caught_by", "invisible", "untried") if trial.get(kind)), "missed")


def checks_with(run: Run, verdict: CheckVerdict) -> list[str]:
    return [finding["check"] for finding in run["findings"] if finding["verdict"] == verdict]


def unexplained(run: Run) -> list[dict[str, str]]:
    """The failures that are no known fault, and what is not judged without a way out."""
    expected = checks_with(run, CheckVerdict.EXPECTED)
    return [
        finding
        for finding in run["findings"]
        if finding["verdict"] == CheckVerdict.FAILS
        or (finding["verdict"] == CheckVerdict.NOT_JUDGED and not _has_way_out(finding["problem"], expected))
    ]


def _has_way_out(problem: str, expected: list[str]) -> bool:
    """Whether a check that does not judge names an option that makes it judge, or a known fault."""
    known = re.search(r"see ([a-z-]+)$", problem)
    return " --" in problem or bool(known and known[1] in expected)


def faults(runs: list[Run]) -> list[dict[str, object]]:
    """Each known fault once: the architecture, the exporters that have it, its checks and the reason."""
    found: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for run in runs:
        for finding in run["findings"]:
            if finding["verdict"] == CheckVerdict.EXPECTED:
                entry = found.setdefault(
                    (run["name"], finding["advice"].removeprefix(REASON)), {"exporters": {}, "checks": {}}
                )
                entry["exporters"][run["exporter"]] = entry["checks"][finding["check"]] = None
    return [{"name": name, "reason": reason} | entry for (name, reason), entry in found.items()]


if __name__ == "__main__":
    PAGE.write_text(render(read()), encoding="utf-8")
