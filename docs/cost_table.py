"""Measures what a check costs at real sizes, beside a bare conversion.

`python -m docs.cost_table` writes docs/costs.json, and docs/speed.md with it, best on an idle machine.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.costs import COSTS
from docs.speed_page import COSTS as RESULTS
from docs.speed_page import write
from onnxproof.plugin.machine import machine
from onnxproof.versions import environment

SPECS = ("benchmarks/test_costs.py", "benchmarks/test_checks.py", "-p", "no:randomly")


def measured(file: Path) -> tuple[dict[str, dict[str, object]], int]:
    """What each benchmark found, by its name, and pytest's exit status: not 0 if a median misses its bound."""
    asked = [sys.executable, "-m", "pytest", *SPECS, f"--benchmark-json={file}"]
    status = subprocess.run(asked).returncode
    found = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    return {benchmark["name"]: benchmark["extra_info"] for benchmark in found}, status


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found, status = measured(Path(folder, "benchmarks.json"))
    rows = [
        {"title": cost.title, "most_times": cost.times, "most_memory": cost.memory, **found[f"test_cost[{cost.id}]"]}
        for cost in COSTS
    ]
    small = {name.partition("[")[2][:-1]: info for name, info in found.items() if name.startswith("test_checks")}
    made = {"environment": environment(), "cpu": machine().cpu, "costs": rows, "small": small}
    RESULTS.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write()
    sys.exit(status)


if __name__ == "__main__":
    main()
