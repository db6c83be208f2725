"""A document's claims as data: what it says, where installed stacks depart from it, and the verdicts."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FAILING, DEPARTS, HOLDS, NOT_APPLICABLE = "failing", "departs", "holds", "not applicable"
VERDICTS = (HOLDS, DEPARTS, NOT_APPLICABLE, FAILING)
ALL_EXPORTERS = ""
"""The exporter of a verdict that does not depend on one."""

GRAVEST_FIRST = (FAILING, DEPARTS, HOLDS, NOT_APPLICABLE)


@dataclass(frozen=True)
class Claim:
    """One thing that the document says, in one sentence."""

    id: str
    chapter: str
    statement: str


@dataclass(frozen=True)
class Deviation:
    """Where the installed stack departs from a claim: the claim's specs are strict xfails that end as `seen` says.

    `exporter` and `when` say where it applies: one exporter or all, and a fact of the installed versions. `seen` is the
    exception with its message pattern, `instead` the name of the spec that asserts what happens. With `spec`, only the
    claim's specs of that name depart.
    """

    claim: str
    reason: str
    seen: "pytest.RaisesExc[Any]"
    instead: str
    exporter: str = ALL_EXPORTERS
    when: bool = True
    spec: str = ""
    link: str = ""


@dataclass(frozen=True)
class NotApplicable:
    """Where a claim says nothing: its specs, or those named `spec`, are skipped there with the reason."""

    claim: str
    reason: str
    exporter: str = ALL_EXPORTERS
    when: bool = True
    spec: str = ""


@dataclass(frozen=True)
class Evidence:
    """What one spec found on its claim."""

    claim: str
    exporter: str
    verdict: str
    spec: str
    reason: str = ""


def read_claims(path: str | os.PathLike[str]) -> tuple[Claim, ...]:
    """The claims of a TOML file: a table a chapter, in it an id and a statement a line.

    Raises `ValueError` for a file that is no such table, and for an id that stands in two chapters.
    """
    try:
        chapters = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        claims = tuple(Claim(id, chapter, text) for chapter, table in chapters.items() for id, text in table.items())
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ValueError(f"{path}: not a table of claims by chapter: {error}") from error
    strange = [claim.id for claim in claims if not isinstance(claim.statement, str)]
    if strange:
        raise ValueError(f"{path}: claims that are no sentence: {', '.join(strange)}")
    twice = [id for id, count in Counter(claim.id for claim in claims).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: claim ids that stand there twice: {', '.join(twice)}")
    return claims


def gravest(verdicts: Iterable[str]) -> str:
    """The verdict of what has several."""
    return min(verdicts, key=GRAVEST_FIRST.index)


def count_gravest(found: Iterable[tuple[str, Iterable[str]]]) -> Counter[str]:
    """How many claims have which verdict, of ids with verdicts; an id that comes several times has the gravest."""
    verdicts: dict[str, set[str]] = {}
    for id, given in found:
        verdicts.setdefault(id, set()).update(given)
    return Counter(gravest(given) for given in verdicts.values() if given)


def as_table(verdicts: Sequence[tuple[str, str]]) -> str:
    """The verdicts of claims, each beside its chapter, as text: a row a chapter, a column a verdict, and the sum."""
    table = Table("chapter", box=None, pad_edge=False)
    for verdict in VERDICTS:
        table.add_column(verdict, justify="right")
    counts = Counter(verdicts)
    for chapter in dict.fromkeys(chapter for chapter, _ in verdicts):
        table.add_row(chapter, *(str(counts[chapter, verdict] or "") for verdict in VERDICTS))
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(table)
    total = Counter(verdict for _, verdict in verdicts)
    found = ", ".join(f"{total[verdict]} {verdict}" for verdict in VERDICTS if total[verdict])
    return f"{captured.get()}{len(verdicts)} claims: {found}"
