"""What a run of the benchmarks ends with, line by line."""

import os
from collections.abc import Iterator
from pathlib import Path

from onnxproof.report.moves import FASTER, SLOWER, UNCHANGED, Moves
from onnxproof.results import Latency, Machine

JSON, HISTOGRAM = "benchmarks.json", "histogram"
"""pytest-benchmark's own files beside results.json; the name of a histogram goes on with its workload."""


def ratio_lines(latency: Latency) -> Iterator[str]:
    """Each contender against the baseline, or why it was not run."""
    for timing in latency.timings:
        ratio = timing.ratio
        text = f"{ratio.median:.3f} ({ratio.low:.3f} to {ratio.high:.3f}) of {latency.baseline}"
        of_peak = f", {timing.gflops:.1f} GFLOP/s, {timing.share:.0%} of sgemm" if timing.share else ""
        yield f"{latency.case}: {timing.name} {text}, {timing.median * 1e3:.1f} ms{of_peak}"
    for name, reason in latency.not_run.items():
        yield f"{latency.case}: {name} not run: {reason}"


def compared_lines(found: Moves, earlier: Machine | None, now: Machine) -> Iterator[tuple[str, str]]:
    """What has moved since an earlier run, each line with its verdict or ""; the last one counts."""
    if earlier:
        yield f"earlier on {earlier}, {earlier.date}; now on {now}, {now.date}", ""
    for verdict in (UNCHANGED, FASTER, SLOWER):
        for move in found[verdict]:
            yield f"{move.case}: {move.contender} {move.later}, earlier {move.earlier}: {verdict}", verdict
    for what in ("new", "missing", "unlike"):
        for name in getattr(found, what):
            yield f"{'not comparable' if what == 'unlike' else what}: {name}", ""
    yield found.counts, SLOWER if found[SLOWER] else ""


def file_lines(folder: Path, start: Path) -> Iterator[str]:
    """The files of the report in a folder, by their paths from another one."""
    for pattern, what in (
        ("index.html", "the page"),
        ("results.json", "every measured time, for --compare and onnxproof report"),
        (JSON, "pytest-benchmark's file"),
        (f"{HISTOGRAM}*.svg", "its histogram"),
    ):
        for path in sorted(folder.glob(pattern)):
            yield f"{os.path.relpath(path, start)}: {what}"
