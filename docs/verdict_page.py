"""docs/verdicts.md, made of the results.json of every recorded run: `python -m docs.verdict_page`."""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from docs.markdown import table_row
from onnxproof.claims import DEPARTS, FAILING, HOLDS, NOT_APPLICABLE, VERDICTS, count_gravest
from onnxproof.results import Results, ResultsError, read_results
from onnxproof.versions import PACKAGES

RUNS, PAGE = (Path(__file__).parent / name for name in ("verdicts", "verdicts.md"))

MARKS = {HOLDS: "✓", DEPARTS: "≠", NOT_APPLICABLE: "–", FAILING: "✗"}
EVERYWHERE = "all"

HEAD = """# What holds where

Each column is a run of the whole suite in a tox environment. {summary}

{legend} · empty: this stack has no such exporter.
A claim has a row for each exporter that it is stated with.

Made by `tox -e matrix`, which runs the environments in turn, of the results.json files in [verdicts](verdicts).
`tox -e {example}` runs one of them.
"""


def read_runs(folder: Path = RUNS) -> dict[str, Results]:
    """The recorded runs by the name of their file, in the order of `by_numbers`. Raises `ResultsError`."""
    paths = sorted(folder.glob("*.json"), key=lambda path: by_numbers(path.stem))
    return {path.stem: read_results(path) for path in paths}


def by_numbers(name: str) -> tuple[list[int], str]:
    """The key that sorts names of environments by the numbers in them: torch2.2 stands before torch2.11."""
    return [*map(int, re.findall(r"\d+", name))], name


def render(runs: dict[str, Results]) -> str:
    """The page, of runs by name."""
    legend = " · ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
    parts = [
        HEAD.format(summary=_summary(runs), legend=legend, example=next(iter(runs))),
        *_counts(runs),
        "\n## Claims",
        *_claims(runs),
        "\n## Departures\n",
        *_departures(runs),
        "\n## Where a claim says nothing\n",
        *_not_applicable(runs),
        "\n## Versions\n",
        *_versions(runs),
    ]
    return "\n".join(parts) + "\n"


def _summary(runs: dict[str, Results]) -> str:
    counts = count_gravest((claim.id, claim.verdicts.values()) for run in runs.values() for claim in run.claims)
    return (
        f"Of {sum(counts.values())} claims, {counts[HOLDS]} hold in all {len(runs)}, {counts[DEPARTS]} depart from the "
        f"document in one at least, and {counts[FAILING] or 'none'} fail."
    )


def _counts(runs: dict[str, Results]) -> Iterator[str]:
    yield from _header(["environment", *VERDICTS], right=len(VERDICTS))
    for name, run in runs.items():
        counts = count_gravest((claim.id, claim.verdicts.values()) for claim in run.claims)
        yield table_row([name, *(counts[verdict] for verdict in VERDICTS)])


def _claims(runs: dict[str, Results]) -> Iterator[str]:
    found: dict[str, dict[tuple[str, str], dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for name, run in runs.items():
        for claim in run.claims:
            for exporter, verdict in claim.verdicts.items():
                found[claim.chapter][claim.id, exporter][name] = MARKS[verdict]
    statements = {claim.id: claim.statement for run in runs.values() for claim in run.claims}
    for chapter, rows in found.items():
        yield f"\n### {chapter}\n"
        yield from _header(["claim", "exporter", *runs], centre=len(runs))
        stated = list(dict.fromkeys(claim for claim, _ in rows))
        for claim, exporter in sorted(rows, key=lambda row: stated.index(row[0])):
            yield table_row([f"`{claim}`", exporter, *(rows[claim, exporter].get(name, "") for name in runs)])
        yield ""
        yield from (f"- `{claim}`: {statements[claim]}" for claim in stated)


def _departures(runs: dict[str, Results]) -> Iterator[str]:
    where: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, run in runs.items():
        for claim in run.claims:
            for entry in claim.departures:
                where[claim.id, entry.exporter, entry.reason, entry.link, entry.instead].append(name)
    yield from _header(["claim", "exporter", "why", "what is asserted instead", "environments"])
    for (claim, exporter, reason, link, instead), names in sorted(where.items()):
        why = f"{reason} ([link]({link}))" if link else reason
        yield table_row([f"`{claim}`", exporter, why, f"`{instead}`", _listed(names, runs)])


def _not_applicable(runs: dict[str, Results]) -> Iterator[str]:
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, run in runs.items():
        for claim in run.claims:
            for reason in claim.not_applicable:
                where[claim.id, reason].append(name)
    yield from _header(["claim", "why", "environments"])
    for (claim, reason), names in sorted(where.items()):
        yield table_row([f"`{claim}`", reason, _listed(names, runs)])


def _listed(names: Sequence[str], runs: dict[str, Results]) -> str:
    return EVERYWHERE if len(names) == len(runs) else ", ".join(names)


def _versions(runs: dict[str, Results]) -> Iterator[str]:
    yield from _header(["environment", "python", *PACKAGES])
    for name, run in runs.items():
        yield table_row([name, *(run.environment.get(package, "") for package in ("python", *PACKAGES))])


def _header(titles: Sequence[str], right: int = 0, centre: int = 0) -> Iterator[str]:
    left = len(titles) - right - centre
    yield table_row(titles)
    yield table_row(["---"] * left + [":-:"] * centre + ["--:"] * right)


def main() -> None:
    """Writes the page."""
    try:
        PAGE.write_text(render(read_runs()), encoding="utf-8")
    except ResultsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
