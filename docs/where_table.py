"""How often the module that is named is the one that holds the fault.

`python -m docs.where_table` writes docs/where.json, and from it the table in docs/where.md; `--page` writes that only.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from onnxproof.versions import EXPORTERS

RESULTS, PAGE = (Path(__file__).parent / f"where.{ending}" for ending in ("json", "md"))
PLACE = re.compile(r"(?<=<!-- table: python -m docs.where_table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "onnxsim", "onnxslim")


def rows() -> list[dict[str, str]]:
    """A row for each fault in each file: whether the module that is named holds it, and by what it is known."""
    from tests.harness.located import MADE_BY, NETWORKS, located

    found = []
    for network in NETWORKS:
        for exporter in EXPORTERS:
            for made_by in MADE_BY:
                for each in located(network, exporter, made_by):
                    row = {"network": network, "exporter": exporter, "made_by": made_by, "fault": each.fault}
                    row |= {"says": each.says, "evidence": each.where.evidence if each.where else ""}
                    found.append(row | {"named": each.verdict})
    return found


def table(found: Iterable[Mapping[str, str]]) -> str:
    """A row for each network and exporter: of how many faults the module that is named holds the place."""
    found = list(found)
    made_by = list(dict.fromkeys(row["made_by"] for row in found))
    lines = [f"| network | exporter | {' | '.join(made_by)} |", "| --- | --- |" + " --: |" * len(made_by)]
    for network, exporter in dict.fromkeys((row["network"], row["exporter"]) for row in found):
        here = [row for row in found if (row["network"], row["exporter"]) == (network, exporter)]
        lines.append(f"| {network} | {exporter} | {' | '.join(_cells(here, made_by))} |")
    return "\n".join([*lines, f"| all | | {' | '.join(_cells(found, made_by))} |", ""])


def _cells(rows: Iterable[Mapping[str, str]], made_by: Iterable[str]) -> list[str]:
    rows = list(rows)
    named = [[row["named"] for row in rows if row["made_by"] == each] for each in made_by]
    return list(map(_cell, named))


def _cell(verdicts: list[str]) -> str:
    counts = Counter(verdicts)
    wrong = f", {counts['wrong']} wrong" if counts["wrong"] else ""
    return f"{counts['right']} of {len(verdicts)}{wrong}" if verdicts else "–"


def by_fault(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Of how many files the module of each fault is named."""
    verdicts: dict[str, list[str]] = {}
    for row in found:
        verdicts.setdefault(row["fault"], []).append(row["named"])
    return {fault: _cell(each) for fault, each in verdicts.items()}


def render(text: str, found: Iterable[Mapping[str, str]]) -> str:
    """The page with the table in its place."""
    return PLACE.sub(lambda _: table(found), text)


def main() -> None:
    if sys.argv[1:] != ["--page"]:
        measured = {"versions": {name: version(name) for name in STACK}, "rows": rows()}
        RESULTS.write_text(json.dumps(measured, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), found["rows"]), encoding="utf-8")


if __name__ == "__main__":
    main()
