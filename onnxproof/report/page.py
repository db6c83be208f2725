"""One page of the results of several runs. It needs no other file and no network."""

import base64
import functools
import hashlib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onnxproof._internal.files import make_writable, write_whole
from onnxproof.report.faults import Faults, fault_table, read_faults
from onnxproof.report.latencies import charts
from onnxproof.report.losses import loss_chart
from onnxproof.report.paths import Paths
from onnxproof.report.pictures import LEFT_OUT, Album
from onnxproof.report.runs import Run, read_runs
from onnxproof.report.summary import sentence
from onnxproof.report.tables import claim_matrix, conversions, drawn_graphs, shared
from onnxproof.report.texts import in_short
from onnxproof.report.trials import case_trials
from onnxproof.results import Results, as_json

LARGEST = 10_000_000
"""The size of the page in bytes up to which pictures are added."""

_PLACE = Markup('<p class="note place">{}</p>').format(LEFT_OUT)  # no other text of the page can contain this tag


def write_report(
    results: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    faults: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes `folder/index.html` atomically and returns its path.

    `results` are paths of results.json files. With `faults`, the path of a faults.json, the page has its table too.
    Raises `ResultsError` for a file that cannot be used, and `OSError` for a folder that cannot be written.
    """
    runs = read_runs(results)
    found = read_faults(faults) if faults else None
    make_writable(folder)
    return write_whole(Path(folder, "index.html"), page(runs, found, folder))


def write_run(results: Results, folder: str | os.PathLike[str], faults: str | os.PathLike[str] | None = None) -> Path:
    """Writes the results.json of a run and the page about it, and returns the page's path; raises as `write_report`."""
    make_writable(folder)
    path = write_whole(Path(folder, "results.json"), as_json(results).encode())
    return write_report([path], folder, faults)


def page(runs: Sequence[Run], faults: Faults | None = None, folder: str | os.PathLike[str] = ".") -> bytes:
    """The page as UTF-8, for a file in `folder`. Pictures that would take it past `LARGEST` are left out."""
    album = Album(runs, LARGEST)
    content = _render("report.html", **_facts(runs, faults, Path(folder)), album=album, place=_PLACE)
    placed: set[str] = set()
    for viewer in album.viewers:
        digests = {each.digest for each in viewer.shown}
        data = {digest: album.data[digest] for digest in sorted(digests - placed)}
        pictures = _render("viewer.html", viewer=viewer, data=data)
        if len(content) + len(pictures) > LARGEST:
            break
        content = content.replace(_PLACE.encode(), pictures, 1)
        placed |= digests
    return content


@functools.cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("onnxproof.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, **values: Any) -> bytes:
    return _templates().get_template(template).render(values).encode(errors="replace")


def _facts(runs: Sequence[Run], faults: Faults | None, folder: Path) -> dict[str, Any]:
    graphs, checked = drawn_graphs(runs), conversions(runs)
    has_graph = graphs or any(each.item.graph for each in checked)
    return {
        "runs": runs,
        "sentence": sentence(runs),
        "packages": _packages(runs),
        "matrix": claim_matrix(runs),
        "exporters": sorted({name for run in runs for claim in run.results.claims for name in claim.verdicts if name}),
        "graphs": graphs,
        "conversions": checked,
        "refused": shared(runs, lambda run: run.results.refused),
        "charts": charts(runs),
        "trials": shared(runs, case_trials),
        "faults": fault_table(faults) if faults else None,
        "paths": Paths(folder),
        "in_short": in_short,
        "loss_chart": loss_chart,
        "is_web": lambda link: link.startswith(("https://", "http://")),
        "style": Markup(_render("report.css").decode()),
        "scripts": [_script("report.js"), *map(_script, ("dagre.js", "layout.js", "graph.js") if has_graph else ())],
    }


def _script(template: str) -> dict[str, str]:
    """A script with its digest, by which the page allows it."""
    text = resources.files("onnxproof.report").joinpath("templates", template).read_text(encoding="utf-8")
    return {"text": Markup(text), "digest": base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}


def _packages(runs: Sequence[Run]) -> list[str]:
    """The packages of the runs, first those whose versions differ."""
    found = dict.fromkeys(name for run in runs for name in run.results.environment)
    return sorted(found, key=lambda name: len({run.results.environment.get(name) for run in runs}) == 1)
