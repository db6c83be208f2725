"""docs/faults.md, made of docs/faults.json by `python -m docs.fault_table --page`."""

from pathlib import Path

from docs import markdown
from onnxproof.report.faults import FaultRow, Faults, fault_table, lossy_table

RESULTS, PAGE = (Path(__file__).parent / f"faults.{ending}" for ending in ("json", "md"))


def render(found: Faults) -> str:
    """The page, of what a run found."""
    unseen: dict[str, dict[str, None]] = {}
    for row in filter(is_unseen, found["faults"]):
        unseen.setdefault(row["caught_by"], {})[row["id"]] = None
    return markdown.render(
        "faults",
        table=fault_table(found),
        lossy=lossy_table(found),
        files=sorted({row["on"] for row in found["faults"] if row["kind"] == "file"}),
        unseen=unseen,
        uncaught=[row for row in found["faults"] if not row["checks"]],
    )


def is_unseen(row: FaultRow) -> bool:
    """Whether the broken file runs on the traced inputs, and gives what the model gives."""
    return row["peers"]["cosine"] == "" and "same-values" not in row["checks"]
