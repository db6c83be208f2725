"""faults.json: what the checks and other tools said of broken files and conversions."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from onnxproof.results import read_json, typed

CAUGHT, MISSED, ALIKE, NOT_ASKED = "✓", "✗", "≈", "–"


class FaultRow(TypedDict):
    """A fault on one file or exporter; a peer's answer is "" where it accepts the file, None where it is not asked."""

    id: str
    kind: str
    on: str
    sentence: str
    caught_by: str
    checks: list[str]
    peers: dict[str, str | None]


class GoodRow(TypedDict):
    """A good conversion, and what was said of it."""

    id: str
    checks: list[str]
    peers: dict[str, str | None]


class Faults(TypedDict):
    """What one run found, and with which versions."""

    versions: dict[str, str]
    faults: list[FaultRow]
    good: list[GoodRow]


def read_faults(path: str | os.PathLike[str]) -> Faults:
    """What a faults.json holds. Raises `ResultsError` for a file that is missing, broken or partial."""
    return typed(path, read_json(path), Faults)


def grouped(rows: Iterable[FaultRow]) -> list[list[FaultRow]]:
    """The rows of each fault: those of a file fault on all files, those of a model fault with one exporter."""
    groups: dict[tuple[str, ...], list[FaultRow]] = {}
    for row in rows:
        groups.setdefault((row["id"],) if row["kind"] == "file" else (row["id"], row["on"]), []).append(row)
    return list(groups.values())


def mark(row: Mapping[str, Any], peer: str, good: Mapping[str, Any]) -> str:
    """What a peer said of one broken file."""
    answer = row["peers"].get(peer)
    if answer is None:
        return NOT_ASKED
    if not answer:
        return MISSED
    is_pair = row["kind"] == "file" and peer != "polygraphy"  # Polygraphy compares with the good file itself
    said_of_good = good[row["on"]]["peers"].get(peer) if is_pair and row["on"] in good else ""
    return ALIKE if said_of_good and said_of_good[:30] == answer[:30] else CAUGHT


def counted(marks: Sequence[str]) -> str:
    """One mark for several files: how many of them it is true of."""
    asked = [mark for mark in marks if mark != NOT_ASKED]
    if not asked:
        return NOT_ASKED
    if len(set(asked)) == 1:
        return asked[0]
    best = CAUGHT if CAUGHT in asked else ALIKE
    return f"{best} {asked.count(best)} of {len(asked)}"
