"""The results of several runs, each under its own label."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnxproof.results import Results, read_results


@dataclass(frozen=True)
class Run:
    """The results of a run, its label on the page, and the file they were read from."""

    label: str
    path: Path
    results: Results

    @property
    def folder(self) -> Path:
        return self.path.parent


def read_runs(paths: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """Reads results.json files, in their order; runs with the same label get a number.

    Raises `ResultsError` for a file that cannot be used.
    """
    runs: list[Run] = []
    for path in map(Path, paths):
        results = read_results(path)
        taken = {run.label for run in runs}
        numbered = (f"{results.label} ({count})" for count in range(2, len(taken) + 3))
        label = next(name for name in (results.label, *numbered) if name not in taken)
        runs.append(Run(label, path, results))
    return runs
