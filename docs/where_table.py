"""How often the module that is named is the one that holds the fault.

`python -m docs.where_table` writes docs/where.json, and from it the tables in docs/where.md; `--page` writes the page.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onnxproof.versions import EXPORTERS, TORCH_EXPORT

RESULTS, PAGE = (Path(__file__).parent / f"where.{ending}" for ending in ("json", "md"))
PLACE = re.compile(r"(?<=<!-- table: python -m docs.where_table -->\n).*?(?=<!-- end of table -->)", re.DOTALL)
OF_VERIFY = re.compile(PLACE.pattern.replace("table:", "verify:"), re.DOTALL)
STACK = ("torch", "onnx", "onnxscript", "onnxruntime", "onnxsim", "onnxslim")


def rows() -> list[dict[str, str]]:
    """A row for each fault in each file: whether the module that is named holds it, and by what it is known.

    `verify` says the same of PyTorch's verify_onnx_program, which takes only what torch.export's exporter made.
    """
    from docs.where_verify import Verification
    from tests.harness.located import MADE_BY, NETWORKS, good, located

    verification = cache(lambda network: Verification(good(network, TORCH_EXPORT)))
    found = []
    for network in NETWORKS:
        for exporter in EXPORTERS:
            for made_by in MADE_BY:
                for each in located(network, exporter, made_by):
                    row = {"network": network, "exporter": exporter, "made_by": made_by, "fault": each.fault}
                    row |= {"says": each.says, "evidence": each.where.evidence if each.where else ""}
                    row |= {"named": each.verdict}
                    if exporter == TORCH_EXPORT and not MADE_BY[made_by]:
                        row |= {"verify": verification(network).verdict(each)}
                    found.append(row)
    return found


def times() -> dict[str, tuple[float, float]]:
    """How many times as long as onnxproof verify_onnx_program takes, as it is and without garbage collections."""
    from docs.where_verify import times_as_long
    from tests.harness.located import NETWORKS

    return {network: times_as_long(network) for network in NETWORKS}


def table(found: Iterable[Mapping[str, str]]) -> str:
    """A row for each network and exporter: of how many faults the module that is named holds the place."""
    found = list(found)
    made_by = list(dict.fromkeys(row["made_by"] for row in found))
    lines = [f"| network | exporter | {' | '.join(made_by)} |", "| --- | --- |" + " --: |" * len(made_by)]
    for network, exporter in dict.fromkeys((row["network"], row["exporter"]) for row in found):
        here = [row for row in found if (row["network"], row["exporter"]) == (network, exporter)]
        lines.append(f"| {network} | {exporter} | {' | '.join(_cells(here, made_by))} |")
    return "\n".join([*lines, f"| all | | {' | '.join(_cells(found, made_by))} |", ""])


def verify_table(found: Mapping[str, Any]) -> str:
    """A row for each network: of how many faults verify_onnx_program names the module, and how long it takes."""
    rows = [row for row in found["rows"] if "verify" in row]
    lines = [
        "| network | names the module | another | the same in the right file | nothing | time | without collections |",
        "| --- |" + " --: |" * 6,
    ]
    for network, (as_it_is, without) in found["times"].items():
        counted = _counted(row["verify"] for row in rows if row["network"] == network)
        lines.append(f"| {network} | {counted} | {as_it_is:g} × | {without:g} × |")
    return "\n".join([*lines, f"| all | {_counted(row['verify'] for row in rows)} | | |", ""])


def _counted(verdicts: Iterable[str]) -> str:
    counts = Counter(verdicts)
    others = " | ".join(str(counts[verdict]) for verdict in ("wrong", "alike", "none"))
    return f"{counts['right']} of {counts.total()} | {others}"


def _cells(rows: Iterable[Mapping[str, str]], made_by: Iterable[str]) -> list[str]:
    rows = list(rows)
    named = [[row["named"] for row in rows if row["made_by"] == each] for each in made_by]
    return list(map(_cell, named))


def _cell(verdicts: list[str]) -> str:
    counts = Counter(verdicts)
    wrong = f", {counts['wrong']} wrong" if counts["wrong"] else ""
    return f"{counts['right']} of {len(verdicts)}{wrong}" if verdicts else "–"


def by_fault(found: Iterable[Mapping[str, str]], by: str = "named") -> dict[str, str]:
    """In how many files the module of each fault is named, by onnxproof or, `by` "verify", by verify_onnx_program."""
    verdicts: dict[str, list[str]] = {}
    for row in (row for row in found if by in row):
        verdicts.setdefault(row["fault"], []).append(row[by])
    return {fault: _cell(each) for fault, each in verdicts.items()}


def render(text: str, found: Mapping[str, Any]) -> str:
    """The page with the tables in their places."""
    return OF_VERIFY.sub(lambda _: verify_table(found), PLACE.sub(lambda _: table(found["rows"]), text))


def main() -> None:
    if sys.argv[1:] != ["--page"]:
        measured = {"versions": {name: version(name) for name in STACK}, "times": times(), "rows": rows()}
        RESULTS.write_text(json.dumps(measured, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
