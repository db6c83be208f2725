"""results.json files made into one page, which needs nothing but itself."""

import base64
import functools
import hashlib
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onnxproof.fault_results import Faults, fault_table, read_faults
from onnxproof.files import is_file, make_writable, write_whole
from onnxproof.report_pictures import Album, make_album
from onnxproof.report_summary import sentence
from onnxproof.report_tables import charts, claim_matrix, conversions, drawn_graphs
from onnxproof.results import GraphResult
from onnxproof.runs import Run, read_runs

LARGEST = 10_000_000
"""Bytes of the page, as far as leaving pictures out gets it there."""
COMPARISON_SIZE = 1000
"""Characters that the page takes for what is told of one comparison, at most."""


def write_report(
    results: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    faults: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes `folder/index.html`, whole or not at all, and returns its path.

    `results` are paths of results.json files; `faults` is that of a faults.json, whose table is shown then. Raises
    `ResultsError` for a file that cannot be used, which it names, and `OSError` for a folder that cannot be written.
    """
    runs = read_runs(results)
    found = read_faults(faults) if faults else None
    make_writable(folder)
    return write_whole(Path(folder, "index.html"), page(runs, found))


def page(runs: Sequence[Run], faults: Faults | None = None) -> bytes:
    """The page, as UTF-8; pictures are left out, and said to be, where it would pass `LARGEST`."""
    bare = _render(runs, faults, Album())
    comparisons = sum(len(run.results.comparisons) for run in runs)
    album = make_album(runs, LARGEST - len(bare) - COMPARISON_SIZE * comparisons)
    return _render(runs, faults, album)


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("onnxproof"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(runs: Sequence[Run], faults: Faults | None, album: Album) -> bytes:
    templates = _templates()
    script = templates.get_template("report.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = templates.get_template("report.html").render(
        runs=runs,
        sentence=sentence(runs),
        packages=_packages(runs),
        matrix=claim_matrix(runs),
        exporters=sorted({name for run in runs for claim in run.results.claims for name in claim.verdicts if name}),
        album=album,
        graphs=drawn_graphs(runs),
        conversions=conversions(runs),
        charts=charts(runs),
        faults=fault_table(faults) if faults else None,
        netron=_netron,
        is_web=lambda link: link.startswith(("https://", "http://")),
        style=Markup(templates.get_template("report.css").render()),
        script=Markup(script),
        script_digest=digest,
    )
    return text.encode(errors="replace")


def _packages(runs: Sequence[Run]) -> list[str]:
    """The packages that the runs had, those that they differ in first."""
    found = dict.fromkeys(name for run in runs for name in run.results.environment)
    return sorted(found, key=lambda name: len({run.results.environment.get(name) for run in runs}) == 1)


def _netron(runs: Sequence[Run], graph: GraphResult) -> str:
    """The command that opens the file in Netron, of the first run whose folder has it still; "" where none has."""
    paths = (run.folder / graph.file for run in runs)
    return next((f"netron {shlex.quote(f'{path.parent}/{path.name}')}" for path in paths if is_file(path)), "")
