"""Runs the suite on each stack in turn: `python -m docs.verdict_matrix`, or with names of tox environments.

Each run leaves report/NAME; report/index.html is the page of all. docs/verdicts and docs/verdicts.md are written when
all runs have ended, because the suite compares them. Each environment is removed after its run: it takes several GB.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from docs.fault_page import RESULTS as FAULTS
from docs.verdict_page import PAGE, RUNS, by_numbers, read_runs, render
from onnxproof.report.page import write_report
from onnxproof.results import ResultsError

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "report"
BENCHMARKS = "benchmarks"
"""The folder of a run that judges no claim."""
PYTHON = "py311"
PROCESSES = 2
SPECS = ("-o", "norecursedirs=.* harness")
"""The document's specs, without the tests of onnxproof itself: they alone decide what is recorded."""


def environments() -> list[str]:
    """The name of the tox environment of each stack, in the order of their versions."""
    return sorted((f"{PYTHON}-{path.stem}" for path in (ROOT / "stacks").glob("*.txt")), key=by_numbers)


def run(name: str, tests: Sequence[str] = ()) -> bool:
    """Runs the suite, or these tests, in a tox environment, then removes the environment; whether they passed."""
    work = Path(os.environ.get("TOX_WORK_DIR", ROOT / ".tox"))
    shutil.rmtree(REPORTS / name, ignore_errors=True)
    command = [sys.executable, "-m", "tox", "run", "--workdir", str(work), "-e", name]
    try:
        suite = [*tests, f"-n{PROCESSES}", f"--onnx-report={REPORTS / name}"]
        return subprocess.run([*command, "--", *suite], cwd=ROOT).returncode == 0
    finally:
        shutil.rmtree(work / name, ignore_errors=True)


def record(names: Sequence[str]) -> None:
    """Records the results.json of each run, failed or not, and makes the pages. Raises `ResultsError`."""
    for name in names:
        if (REPORTS / name / "results.json").is_file():
            shutil.copyfile(REPORTS / name / "results.json", RUNS / f"{name}.json")
    PAGE.write_text(render(read_runs(RUNS)), encoding="utf-8")
    paths = (path for path in REPORTS.glob("*/results.json") if path.parent.name != BENCHMARKS)
    found = sorted(paths, key=lambda path: by_numbers(path.parent.name))
    write_report(found, REPORTS, FAULTS)


def command_line() -> argparse.ArgumentParser:
    """The options and arguments of the script."""
    parser = argparse.ArgumentParser(prog="python -m docs.verdict_matrix", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="a tox environment (default: that of each stack)")
    parser.add_argument(
        "--specs",
        action="store_true",
        help="run the document's specs without the tests of onnxproof itself (default: the whole suite)",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Runs and records; the exit status is 0 if all passed, 1 if one failed, 130 after Ctrl-C."""
    asked = command_line().parse_args(arguments)
    names = asked.names or environments()
    try:
        failed = [name for name in names if not run(name, SPECS if asked.specs else ())]
        record(names)
    except KeyboardInterrupt:
        print("interrupted: nothing is recorded", file=sys.stderr)
        return 130
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(names) - len(failed)} of {len(names)} environments passed", *failed, sep="\nfailed: ")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
