"""docs/faults.md, made of faults.json, engine_faults.json and where.json by `python -m docs.fault_table --page`."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from docs import markdown, where_table
from docs.engine_reasons import REASONS, Reason
from onnxproof.report.faults import FaultRow, Faults, fault_table, lossy_table

RESULTS, PAGE = (Path(__file__).parent / f"faults.{ending}" for ending in ("json", "md"))

ENGINES = PAGE.with_name("engine_faults.json")


def render(found: Faults) -> str:
    """The page, of what a run found."""
    engines = in_engines(json.loads(ENGINES.read_text(encoding="utf-8")))
    unseen: dict[str, dict[str, None]] = {}
    for row in filter(is_unseen, found["faults"]):
        unseen.setdefault(row["caught_by"], {})[row["id"]] = None
    rows = json.loads(where_table.RESULTS.read_text(encoding="utf-8"))["rows"]
    return markdown.render(
        "faults",
        table=fault_table(found),
        modules=where_table.by_fault(rows),
        by_verify=where_table.by_fault(rows, "verify"),
        lossy=lossy_table(found),
        files=sorted({row["on"] for row in found["faults"] if row["kind"] == "file"}),
        unseen=unseen,
        uncaught=[row for row in found["faults"] if not row["checks"]],
        engines=engines,
        otherwise=REASONS,
        counted=partial(counted, engines["engines"]),
    )


def in_engines(found: dict[str, Any]) -> dict[str, Any]:
    """The versions, and for each engine the files it was asked about and the faults by what it sees of them."""
    engines: dict[str, dict[str, Any]] = {}
    for row in found["faults"]:
        for engine, sight in row["seen"].items():
            of_engine = engines.setdefault(engine, {"files": {}, "asked": Counter(), "seen": {}})
            of_engine["files"][row["on"]] = None
            of_engine["asked"][row["id"]] += 1
            of_engine["seen"].setdefault(sight, Counter())[row["id"]] += 1
    return {"versions": found["versions"], "engines": engines}


def counted(engines: dict[str, dict[str, Any]], engine: str, reason: Reason) -> str:
    """On how many files an engine sees a fault in that way, "" if it is all that it was asked about."""
    seen, asked = engines[engine]["seen"][reason.sight], engines[engine]["asked"]
    counts = {f"{seen[fault]} of {asked[fault]}" for fault in reason.faults if seen[fault] < asked[fault]}
    return f" ({', '.join(sorted(counts))})" if counts else ""


def is_unseen(row: FaultRow) -> bool:
    """Whether the broken file runs on the traced inputs, and gives what the model gives."""
    return row["peers"]["cosine"] == "" and "same-values" not in row["checks"]
