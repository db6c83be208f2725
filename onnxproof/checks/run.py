"""The door to the checks: a case in, findings out."""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ParamSpec

from onnxproof import versions
from onnxproof._internal.forked import SECONDS
from onnxproof._internal.names import unknown
from onnxproof._internal.trees import leaves
from onnxproof.case import Case, CaseError
from onnxproof.checks import engines as two_engines
from onnxproof.checks import formats, interface, loss, values
from onnxproof.checks.check import IN_EACH_ENGINE, IN_FIRST_ENGINE, IN_ONNXRUNTIMES, Check, id_of, judge
from onnxproof.engines.asked import ONNXRUNTIME, engines_of, with_defaults
from onnxproof.engines.base import Engine
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.findings import Finding
from onnxproof.graph.load import GraphError
from onnxproof.graph.record import graph_result
from onnxproof.locating.losses import losses_of
from onnxproof.locating.repro import repro_folder, write_repro
from onnxproof.probing.budget import SECONDS as BUDGET
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict, GraphResult, Target

Asked = ParamSpec("Asked")

CHECKS: dict[str, Check] = {
    id_of(check): check
    for check in (
        interface.exports,
        interface.opset_kept,
        interface.well_formed,
        interface.inputs_kept,
        interface.outputs_kept,
        interface.dims_kept,
        values.inputs_live,
        values.same_values,
        values.same_values_unseen,
        interface.shapes_honest,
        interface.self_contained,
        two_engines.optimizer_neutral,
        two_engines.engines_agree,
        values.repeatable,
        values.probes_adequate,
    )
}
"""The checks by id, in the order in which they run."""

ASKED_CHECKS: dict[str, Check] = {id_of(check): check for check in (interface.no_private_paths,)}
"""The checks that run only if they are named."""

LOSS_CHECKS: dict[str, Check] = {id_of(check): check for check in (loss.loss_kept, formats.format_faithful)}
"""The further checks of a case that states a loss, which run after the others."""


def findings(
    case: Case,
    exporters: Sequence[str] | None = None,
    opset: int | None = None,
    only: Iterable[str] | None = None,
    *,
    skip: Iterable[str] = (),
    checks: Iterable[Check] = (),
    file: str | os.PathLike[str] | None = None,
    engines: Sequence[str | Engine] = (),
    report: str | os.PathLike[str] | None = None,
    timeout: float | None = SECONDS,
    budget: float = BUDGET,
    where: bool = False,
    watch: Callable[[Conversion, str, str], None] = lambda conversion, check, step: None,
) -> Iterator[Finding]:
    """Checks the conversion of a case by each exporter, or a file that is already exported, or made of another one.

    `exporters` are by default those of the installed torch, `opset` is the one that torch writes by default. With a
    `file` nothing is exported, and `opset` is the one that it is held to. `only` and `skip` choose checks by id;
    `checks` are further ones of yours, see `onnxproof.checks.Check`. Each check of values runs in each of the
    `engines`, by name or as an `onnxproof.engines.Engine`, by default in those of the case or in ONNX Runtime on the
    CPU. With a `report` folder each failure leaves a script there that shows it. An export, and a run in an engine, may
    take `timeout` seconds; each is done in another process, which may crash, unless the timeout is None. `budget` is
    how many seconds may be spent on inputs besides the example, see `onnxproof.probing.budget`; `math.inf` leaves
    nothing out. `where` asks of a float16, bfloat16 or int8 file where its loss is made: the last finding of a
    conversion has that in `losses`. `watch` is called with the conversion, the check, and what it does next.

    Raises `CaseError` for a case that cannot be checked, and for an exporter or a check that does not exist;
    `EngineError` for an engine that is not installed or cannot run here.
    """
    chosen = choose(only, skip, checks, [case])
    for conversion in conversions(case, exporters, opset, file, engines, timeout, budget):
        asked = {engine: conversion.engines[engine] for engine in conversion.asked}
        pairs = list(in_engines(chosen, asked))
        for id, engine in pairs:
            placed = conversion.within(engine)
            with conversion.model.watched(partial(watch, placed, id)):
                found = with_repro(judge(chosen[id], placed), placed, report)
                if where and (id, engine) == pairs[-1]:
                    found = replace(found, losses=losses_of(conversion))
            yield found


def in_engines(checks: Iterable[str], asked: Mapping[str, Engine]) -> Iterator[tuple[str, str]]:
    """Each check with each engine that it runs in, which is ONNX Runtime on the CPU for a check of the file itself."""
    every, first = tuple(asked), tuple(asked)[:1]
    of_onnxruntime = tuple(name for name, engine in asked.items() if isinstance(engine, OnnxRuntime))
    places = dict.fromkeys(IN_EACH_ENGINE, every) | dict.fromkeys(IN_FIRST_ENGINE, first)
    places |= dict.fromkeys(IN_ONNXRUNTIMES, of_onnxruntime or first)
    return ((id, engine) for id in checks for engine in places.get(id, (ONNXRUNTIME,)))


def _as_list(found: Callable[Asked, Iterator[Finding]]) -> Callable[Asked, list[Finding]]:
    """The same function, with all its findings at once."""

    @functools.wraps(found)
    def run(*args: Asked.args, **options: Asked.kwargs) -> list[Finding]:
        return list(found(*args, **options))

    return run


run = _as_list(findings)


def choose(
    only: Iterable[str] | None = None,
    skip: Iterable[str] = (),
    checks: Iterable[Check] = (),
    cases: Iterable[Case] = (),
) -> dict[str, Check]:
    """The checks to run by id; those of a loss if one of the cases states one, and some only if `only` names them.

    Raises `CaseError` for an id that does not exist, also in the cases' `expected`.
    """
    cases = tuple(cases)
    of_loss = LOSS_CHECKS if any(case.loss for case in cases) else {}
    known = CHECKS | of_loss | ASKED_CHECKS | (own := {id_of(check): check for check in checks})
    only, skip = None if only is None else tuple(only), tuple(skip)
    named = [("only", only or ()), ("skip", skip), *((f"{case.name}: expected", case.expected) for case in cases)]
    for what, ids in named:
        for id in ids:
            if id in LOSS_CHECKS and id not in known:
                raise CaseError(f"{what}: {id} is for a case that states a loss; none does")
            if id not in known:
                raise CaseError(f"{what}: the check {unknown(id, known)}")
    wanted = only if only is not None else [id for id in known if id not in ASKED_CHECKS or id in own]
    return {id: check for id, check in known.items() if id in wanted and id not in skip}


def conversions(
    case: Case,
    exporters: Sequence[str] | None = None,
    opset: int | None = None,
    file: str | os.PathLike[str] | None = None,
    engines: Sequence[str | Engine] = (),
    timeout: float | None = SECONDS,
    budget: float = BUDGET,
) -> Iterator[Conversion]:
    """The conversion of a case by each exporter, or the one of its file; `run` has the arguments."""
    if file and exporters:
        raise CaseError("a file that is given is already exported; leave out the exporters, or the file")
    if opset is not None and not file:
        _require_opset(opset)
    if case.file and not file:
        raise CaseError(f"{case.file.name} is compared with a file that was made of it; give that as `file`")
    asked = engines_of(engines or case.engines)
    found, names = with_defaults(asked), tuple(asked)
    model = ReferenceModel(case, budget, timeout)
    if file:
        yield Conversion(model, GivenFile(file, opset), found, timeout, names)
        return
    for exporter in dict.fromkeys(exporters or versions.EXPORTERS):
        if exporter not in versions.EXPORTERS:
            raise CaseError(f"the exporter {unknown(exporter, versions.EXPORTERS)}")
        yield exported(model, exporter, opset, found, timeout, names)


def _require_opset(opset: int) -> None:
    newest = max(versions.opsets(exporter)[-1] for exporter in versions.EXPORTERS)
    if opset > newest:
        raise CaseError(
            f"opset {opset} is asked for; the newest that an exporter of the installed torch writes is {newest}"
        )


def with_repro(finding: Finding, conversion: Conversion, report: str | os.PathLike[str] | None) -> Finding:
    """The finding with a folder in `report` that shows a failure; one that an earlier run left for it is removed.

    Raises `OSError` if it cannot be written.
    """
    if not report:
        return finding
    folder = write_repro(Path(report), conversion, finding) if finding.verdict == CheckVerdict.FAILS else None
    if folder is None:
        _remove(repro_folder(Path(report), conversion, finding))
        return finding
    repro = folder.relative_to(report).as_posix()
    return replace(finding, repro=repro, graph=_graph(conversion, f"{repro}/model.onnx"))


def _graph(conversion: Conversion, file: str) -> GraphResult | None:
    """The graph of the file, to be shown beside its finding; None if it cannot be read."""
    made_by, opset = conversion.file.exporter, conversion.file.opset
    target = Target(made_by, opset) if made_by and opset else ""
    try:
        return graph_result(conversion.graph, file, target, list(leaves(conversion.case.inputs)))
    except GraphError:
        return None


def _remove(folder: Path) -> None:
    """Removes a folder of an earlier run, and those above it that are empty then."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()
