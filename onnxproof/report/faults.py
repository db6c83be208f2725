"""faults.json: what the checks and other tools said of broken files and conversions."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

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


class Rows(TypedDict):
    """Faults, and the right files or conversions beside them."""

    faults: list[FaultRow]
    good: list[GoodRow]


class Run(Rows):
    """What one run found, and with which versions."""

    versions: dict[str, str]


class Faults(Run, total=False):
    """A run, and what it found of files that may lose accuracy."""

    lossy: Rows


def read_faults(path: str | os.PathLike[str]) -> Faults:
    """What a faults.json holds. Raises `ResultsError` for a file that is missing, broken or partial."""
    return typed(path, read_json(path), Faults)


def grouped(rows: Iterable[FaultRow]) -> list[list[FaultRow]]:
    """The rows of each fault: those of a file fault on all files, those of a model fault with one exporter."""
    groups: dict[tuple[str, ...], list[FaultRow]] = {}
    for row in rows:
        groups.setdefault((row["id"],) if row["kind"] != "model" else (row["id"], row["on"]), []).append(row)
    return list(groups.values())


def mark(row: FaultRow, peer: str, good: Mapping[str, GoodRow]) -> str:
    """What a peer said of one broken file."""
    answer = row["peers"].get(peer)
    if answer is None:
        return NOT_ASKED
    if not answer:
        return MISSED
    is_pair = row["kind"] != "model" and peer != "polygraphy"  # Polygraphy compares with the good file itself
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


@dataclass(frozen=True)
class FaultLine:
    """A fault, where it was tried, which checks caught it, and what each peer said of it."""

    id: str
    kind: str
    sentence: str
    place: str
    named: str
    is_caught: bool
    others: tuple[str, ...]
    marks: tuple[str, ...]


@dataclass(frozen=True)
class Rate:
    """How many of the `asked` faults a tool caught, and how many it rejected as it did the good file (`alike`).

    `alarms` are the ids of the good conversions that it rejected, among `judged`. A fault of files counts once for each
    file that it was tried on; onnxproof catches it with the check that is named for it.
    """

    tool: str
    asked: int
    caught: int
    alike: int
    judged: int
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class FaultTable:
    """A line for each fault, and a rate for each tool: onnxproof first, then the peers."""

    versions: str
    lines: tuple[FaultLine, ...]
    rates: tuple[Rate, ...]

    @property
    def peers(self) -> tuple[str, ...]:
        """The other tools, in the order of a line's marks."""
        return tuple(rate.tool for rate in self.rates[1:])

    @property
    def caught(self) -> int:
        return self.rates[0].caught

    @property
    def asked(self) -> int:
        return self.rates[0].asked

    @property
    def caught_by_peers(self) -> tuple[str, ...]:
        return tuple(f"{rate.caught} of {rate.asked}" for rate in self.rates[1:])


def lossy_table(found: Faults) -> FaultTable:
    """What a run found of files that may lose accuracy, counted."""
    none: Rows = {"faults": [], "good": []}
    rows = found.get("lossy", none)
    return fault_table({"versions": found["versions"], "faults": rows["faults"], "good": rows["good"]})


def fault_table(found: Faults) -> FaultTable:
    """What a run found, counted."""
    good = {row["id"]: row for row in found["good"]}
    peers = tuple(dict.fromkeys(peer for row in found["faults"] for peer in row["peers"]))
    return FaultTable(
        versions=", ".join(f"{name} {number}" for name, number in found["versions"].items()),
        lines=tuple(_line(rows, peers, good) for rows in grouped(found["faults"])),
        rates=(_own_rate(found), *(_rate(peer, found, good) for peer in peers)),
    )


def _line(rows: Sequence[FaultRow], peers: Iterable[str], good: Mapping[str, GoodRow]) -> FaultLine:
    first = rows[0]
    named = first["caught_by"]
    found = dict.fromkeys(check for row in rows for check in row["checks"])
    return FaultLine(
        first["id"],
        first["kind"],
        first["sentence"],
        f"{len(rows)} files" if len(rows) > 1 else first["on"],
        named,
        all(named in row["checks"] for row in rows),
        tuple(check for check in found if check != named),
        tuple(counted([mark(row, peer, good) for row in rows]) for peer in peers),
    )


def _own_rate(found: Faults) -> Rate:
    faults, good = found["faults"], found["good"]
    caught = sum(row["caught_by"] in row["checks"] for row in faults)
    return Rate("onnxproof", len(faults), caught, 0, len(good), tuple(row["id"] for row in good if row["checks"]))


def _rate(peer: str, found: Faults, good: Mapping[str, GoodRow]) -> Rate:
    marks = [mark(row, peer, good) for row in found["faults"]]
    answers = {row["id"]: row["peers"].get(peer) for row in found["good"]}
    return Rate(
        peer,
        asked=len(marks) - marks.count(NOT_ASKED),
        caught=marks.count(CAUGHT),
        alike=marks.count(ALIKE),
        judged=sum(answer is not None for answer in answers.values()),
        alarms=tuple(id for id, answer in answers.items() if answer),
    )
