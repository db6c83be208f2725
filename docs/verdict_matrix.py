"""Runs the suite on one stack after the other: `python -m docs.verdict_matrix`, or with names of tox environments.

Each run leaves report/NAME, of which report/index.html is made. When all have run, each results.json is recorded as
docs/verdicts/NAME.json, of which docs/verdicts.md is made: never before, since the suite holds the two together. An
environment is removed when it has run, since each takes several GB.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from docs.fault_page import RESULTS as FAULTS
from docs.verdict_page import PAGE, RUNS, by_numbers, read_runs, render

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "report"
PYTHON = "py311"
PROCESSES = 2
MERGE = (sys.executable, "-m", "onnxproof", "report")


def environments() -> list[str]:
    """The name of the tox environment of each stack, in the order of their versions."""
    return sorted((f"{PYTHON}-{path.stem}" for path in (ROOT / "stacks").glob("*.txt")), key=by_numbers)


def run_tox(name: str, report: Path) -> bool:
    """Runs the suite in a tox environment, in sight of the user, and removes that; tells whether all is well."""
    work = Path(os.environ.get("TOX_WORK_DIR", ROOT / ".tox"))
    command = [sys.executable, "-m", "tox", "run", "--workdir", str(work), "-e", name]
    try:
        return subprocess.run([*command, "--", f"-n{PROCESSES}", f"--report={report}"], cwd=ROOT).returncode == 0
    finally:
        shutil.rmtree(work / name, ignore_errors=True)


def run_all(names: Sequence[str], reports: Path, run: Callable[[str, Path], bool]) -> list[str]:
    """Runs all that are named, also after one that fails, and gives the names that failed."""
    failed = []
    for number, name in enumerate(names, 1):
        print(f"\n== {name}, {number} of {len(names)}", flush=True)
        report, start = reports / name, time.monotonic()
        shutil.rmtree(report, ignore_errors=True)
        is_well = run(name, report)
        print(f"== {name}: {'passed' if is_well else 'failed'} in {time.monotonic() - start:.0f} s", flush=True)
        if not is_well:
            failed.append(name)
    return failed


def record(names: Sequence[str], reports: Path, runs: Path, page: Path) -> None:
    """Copies what each run left, failed or not, to `runs`, and makes the page of all that are recorded there."""
    for name in names:
        if (reports / name / "results.json").is_file():
            shutil.copyfile(reports / name / "results.json", runs / f"{name}.json")
    page.write_text(render(read_runs(runs)), encoding="utf-8")


def merge(reports: Path) -> bool:
    """Makes one page, `reports/index.html`, of all that runs left there and of the faults; tells whether it is made."""
    results = sorted(reports.glob("*/results.json"), key=lambda path: by_numbers(path.parent.name))
    command = [*MERGE, *map(str, results), "-o", str(reports), "--faults", str(FAULTS)]
    return subprocess.run(command, cwd=ROOT).returncode == 0


def main(arguments: Sequence[str]) -> int:
    """Runs, records and makes the pages; gives the exit status: 0 all passed, 1 one failed, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m docs.verdict_matrix", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a tox environment (default: that of each stack)")
    names = parser.parse_args(arguments).names or environments()
    try:
        failed = run_all(names, REPORTS, run_tox)
    except KeyboardInterrupt:
        print("interrupted: nothing is recorded", file=sys.stderr)
        return 130
    record(names, REPORTS, RUNS, PAGE)
    is_merged = merge(REPORTS)
    print(f"\n{len(names) - len(failed)} of {len(names)} environments passed")
    for name in failed:
        print(f"failed: {name}")
    return int(bool(failed) or not is_merged)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
