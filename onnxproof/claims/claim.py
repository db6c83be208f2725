"""The claims of a document as data: what it says, where installed stacks depart from it, and the verdicts."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from onnxproof.results import ClaimVerdict, tally

if TYPE_CHECKING:
    import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ALL_EXPORTERS = ""
"""The exporter of an entry or a verdict that concerns all of them."""


@dataclass(frozen=True)
class Claim:
    """One statement of the document, as a sentence."""

    id: str
    chapter: str
    statement: str


@dataclass(frozen=True)
class Deviation:
    """Where the installed stack departs from a claim: the claim's specs become strict xfails that have to raise `seen`.

    It applies to one `exporter` or to all of them, and where `when` is true, a fact of the installed versions. `seen`
    is the exception with its message pattern, and `instead` the name of the spec that asserts what happens. With
    `spec`, only the claim's specs of that name depart. `link` is a public page about it.
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
    """Where a claim does not apply: its specs, or those named `spec`, are skipped with the reason."""

    claim: str
    reason: str
    exporter: str = ALL_EXPORTERS
    when: bool = True
    spec: str = ""


@dataclass(frozen=True)
class SpecVerdict:
    """The verdict of one spec on its claim."""

    claim: str
    exporter: str
    verdict: ClaimVerdict
    spec: str
    reason: str = ""


def read_claims(path: str | os.PathLike[str]) -> tuple[Claim, ...]:
    """Reads a TOML file that has a table per chapter, and in it an id and a statement per claim.

    Raises `ValueError` for a file of another form, and for an id that occurs in two chapters.
    """
    try:
        chapters = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        claims = tuple(Claim(id, chapter, text) for chapter, table in chapters.items() for id, text in table.items())
    except (tomllib.TOMLDecodeError, AttributeError) as error:
        raise ValueError(f"{path}: not a table of claims by chapter: {error}") from error
    if wrong := [claim.id for claim in claims if not isinstance(claim.statement, str)]:
        raise ValueError(f"{path}: claims whose statement is not text: {', '.join(wrong)}")
    if repeated := [id for id, count in Counter(claim.id for claim in claims).items() if count > 1]:
        raise ValueError(f"{path}: claim ids that occur twice: {', '.join(repeated)}")
    return claims


def as_table(verdicts: Sequence[tuple[str, ClaimVerdict]]) -> str:
    """Text of a table that counts (chapter, verdict) pairs: a row per chapter, a column per verdict, and the sum."""
    table = Table("chapter", box=None, pad_edge=False)
    for verdict in ClaimVerdict:
        table.add_column(verdict, justify="right")
    counts = Counter(verdicts)
    for chapter in dict.fromkeys(chapter for chapter, _ in verdicts):
        table.add_row(chapter, *(str(counts[chapter, verdict] or "") for verdict in ClaimVerdict))
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(table)
    total = f"{len(verdicts)} claim{'s' * (len(verdicts) != 1)}"
    return f"{captured.get()}{total}: {tally(verdict for _, verdict in verdicts)}"
