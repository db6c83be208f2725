"""The results of several runs, each under a label of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onnxproof.results import Results, read_results


@dataclass(frozen=True)
class Run:
    """A run's results, what it is called beside the others, and the file that they are from."""

    label: str
    path: Path
    results: Results

    @property
    def folder(self) -> Path:
        return self.path.parent


def read_runs(paths: Sequence[str | os.PathLike[str]]) -> list[Run]:
    """The runs in results.json files, in their order; the second of a label gets a number.

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
