"""The command `onnxproof check`."""

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from textwrap import TextWrapper

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onnxproof import versions
from onnxproof._internal.files import make_writable
from onnxproof._internal.texts import one_line
from onnxproof.case import Case, CaseError
from onnxproof.checks.run import choose, findings
from onnxproof.cli.error import CommandError
from onnxproof.cli.load import load, of_the_user, require_no_arguments
from onnxproof.cli.losses import print_losses
from onnxproof.cli.process import stdout_to_stderr
from onnxproof.cli.samples import with_loss
from onnxproof.engines.asked import engines_of, versions_of
from onnxproof.engines.base import EngineError
from onnxproof.findings import Finding
from onnxproof.graph.load import GraphError, load_model
from onnxproof.probing.conversion import Conversion
from onnxproof.results import CheckVerdict, Results, as_json, tally, without_copies

NARROW = 60
"""Columns of a terminal in which a table would cut the names of the checks."""

_STYLES = {
    CheckVerdict.HOLDS: "green",
    CheckVerdict.FAILS: "bold red",
    CheckVerdict.EXPECTED: "yellow",
    CheckVerdict.UNDECIDED: "bold yellow",
    CheckVerdict.NOT_JUDGED: "dim",
}


def check_case(arguments: argparse.Namespace) -> int:
    """Checks the case that is named, prints the findings, and returns 1 if one fails or is undecided, else 0.

    Raises `CommandError` if it cannot run.
    """
    return run_checks(arguments, arguments.case, lambda: load_case(arguments.case))


def run_checks(arguments: argparse.Namespace, name: str, make: Callable[[], Case]) -> int:
    """Checks the case that is made, which messages call `name`; the rest is `check_case`."""
    require_arguments(arguments)
    try:
        with stdout_to_stderr() if arguments.json else contextlib.nullcontext():
            case = with_loss(make(), arguments)
            found = list(_shown(case, arguments))
    except CaseError as error:
        raise CommandError(f"{name}: {one_line(error)}") from error
    except EngineError as error:  # one of the case's
        raise CommandError(f"{name}: engines: {one_line(error)}") from error
    if arguments.json:
        print(as_json(_results(found)))
    page = _page(found, arguments.report) if arguments.report else ""
    if arguments.json and arguments.report:
        print(page, file=sys.stderr)
    elif not arguments.json:
        print(_next_step(found, page) + _alone(case, arguments.onnx))
    return int(not all(finding.verdict.is_a_pass for finding in found))


def _results(found: Sequence[Finding]) -> Results:
    graphs = without_copies([finding.graph for finding in found if finding.graph], found)
    checked = [finding.result() for finding in found]
    losses = [finding.losses for finding in found if finding.losses]
    environment = versions.environment() | versions_of([finding.engine for finding in checked])
    return Results.of_run(environment, findings=checked, graphs=graphs, losses=losses)


def _page(found: Sequence[Finding], folder: str) -> str:
    """Writes the page, whose modules are imported for it alone, and returns its path."""
    from onnxproof.report.page import write_run

    with _writing(folder):
        return str(write_run(_results(found), folder))


def _next_step(found: Sequence[Finding], page: str) -> str:
    """The last line: what to fix first and where the evidence is, or that nothing is to be done."""
    failing = [finding for finding in found if finding.verdict == CheckVerdict.FAILS]
    undecided = [finding for finding in found if finding.verdict == CheckVerdict.UNDECIDED]
    unjudged = sum(finding.verdict == CheckVerdict.NOT_JUDGED for finding in found)
    if failing:
        evidence = f"{page} has the evidence" if page else "--report report leaves a page and scripts that show it"
        return f"Next: fix {failing[0].name} of {failing[0].conversion}; {evidence}."
    if undecided:
        return f"Next: decide {undecided[0].name} of {undecided[0].conversion}. {undecided[0].advice}"
    verdict = f"No check fails; {unjudged} could not judge, as the table says" if unjudged else "Every check holds"
    return f"{verdict}{f': {page}' if page else '.'}"


def _alone(case: Case, file: str | None) -> str:
    """What a file that is judged by itself does not show; "" for others."""
    if not (case.file and file and case.file.resolve() == Path(file).resolve()):
        return ""
    return f"\n{case.file.name} was judged by itself, not by the model that it was made from."


def _shown(case: Case, arguments: argparse.Namespace) -> Iterator[Finding]:
    """The findings; those of a conversion are printed once it is checked, unless JSON is asked for."""
    for _, found in groupby(_findings(case, arguments), attrgetter("exporter")):
        of_conversion = list(found)
        if not arguments.json:
            _print_findings(of_conversion, arguments.report)
        yield from of_conversion


def load_case(text: str) -> Case:
    """The case that `file.py:name` or `package.module:name` names; a function is called. Raises `CommandError`."""
    found = load(text)
    if callable(found) and not isinstance(found, Case):
        found = of_the_user(text, require_no_arguments(text, found))
    if not isinstance(found, Case):
        raise CommandError(
            f"{text} is of type {type(found).__name__}; give an onnxproof.Case, or a function that makes one"
        )
    return found


def require_arguments(arguments: argparse.Namespace) -> None:
    """Raises `CommandError` for options that do not go together, or a file that cannot be read."""
    if arguments.onnx and arguments.exporter:
        raise CommandError("--exporter: the file that --onnx names is already exported; leave one of them out")
    if arguments.opset is not None and arguments.opset < 1:
        raise CommandError(f"--opset {arguments.opset}: opsets count from 1")
    try:
        engines_of(arguments.engine)
    except EngineError as error:
        raise CommandError(f"--engine: {one_line(error)}") from error
    if arguments.onnx:
        try:
            load_model(arguments.onnx)
        except GraphError as error:
            raise CommandError(f"{arguments.onnx_option}{one_line(error)}") from error
    if arguments.report:
        with _writing(arguments.report):
            make_writable(arguments.report)


def _findings(case: Case, arguments: argparse.Namespace) -> Iterator[Finding]:
    """The findings one by one; meanwhile a terminal shows what is running."""
    checks = [load(text) for text in arguments.check]
    chosen = list(choose(arguments.only, arguments.skip, checks, [case]))
    with _writing(arguments.report), _on_a_terminal(chosen) as update:

        def show(conversion: Conversion, check: str, step: str) -> None:
            arguments.running = f"{conversion!r}: {check}{conversion.elsewhere}"
            update(conversion, check, step)

        yield from findings(
            case,
            arguments.exporter,
            arguments.opset,
            arguments.only,
            skip=arguments.skip,
            checks=checks,
            file=arguments.onnx,
            engines=arguments.engine,
            report=arguments.report,
            timeout=arguments.timeout,
            budget=math.inf if arguments.thorough else arguments.budget,
            where=arguments.where,
            watch=show,
        )


@contextlib.contextmanager
def _on_a_terminal(checks: Sequence[str]) -> Iterator[Callable[[Conversion, str, str], None]]:
    """Shows what runs on stderr, if that is a terminal; a log shows nothing."""
    if not sys.stderr.isatty():  # rich would also believe FORCE_COLOR
        yield lambda conversion, check, step: None
        return
    from onnxproof.cli.progress import Shown

    with Shown(checks) as shown:
        yield shown.update


@contextlib.contextmanager
def _writing(report: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not report:
            raise
        raise CommandError(f"--report {report}: {error.strerror}; name a folder that can be written") from error


def _print_findings(found: Sequence[Finding], report: str | None) -> None:
    """A table of the checks, or a line each where it is too narrow, and in whole words and paths what fails and why."""
    console = Console(emoji=False)  # opencv:new: is no sign
    wrapper = TextWrapper(console.width, break_long_words=False, break_on_hyphens=False)
    first = found[0]
    opset = f", opset {first.opset}" if first.opset else ""
    title = f"{first.case}: {first.file or first.exporter}{opset}"
    told = (CheckVerdict.FAILS, CheckVerdict.EXPECTED, CheckVerdict.UNDECIDED)
    failing = [finding for finding in found if finding.verdict in told]
    seen = [finding.figure or ("see below" if finding in failing else finding.problem) for finding in found]
    if console.width < NARROW:
        console.print(title, markup=False, highlight=False)
        for finding, text in zip(found, seen, strict=True):
            line = wrapper.fill(f"{finding.name}: {finding.verdict}: {text}")
            console.print(line, style=_STYLES[finding.verdict], soft_wrap=True, markup=False, highlight=False)
    else:
        console.print(_table(title, found, seen))
    for finding in failing:
        script = f"\n→ python {report}/{finding.repro}/repro.py" if finding.repro else ""
        text = "\n".join(map(wrapper.fill, f"{finding}{script}".splitlines()))
        console.print(text, style=_STYLES[finding.verdict], soft_wrap=True, markup=False, highlight=False)
    checks = f"{len(found)} check{'s' * (len(found) != 1)}"
    console.print(f"{checks}: {tally(finding.verdict for finding in found)}", highlight=False)
    for losses in (finding.losses for finding in found if finding.losses):
        print_losses(console, losses)


def _table(title: str, found: Sequence[Finding], seen: Sequence[str]) -> Table:
    """A row for each finding, with the engine if it is not ONNX Runtime on the CPU throughout."""
    in_engines = any(finding.is_elsewhere for finding in found)
    table = Table("check", *["engine"] * in_engines, "verdict", title=escape(title))
    table.add_column("figure", overflow="fold")
    before = ""
    for finding, text in zip(found, seen, strict=True):
        engine = [escape(finding.engine)] * in_engines
        check, before = "" if finding.check == before else finding.check, finding.check
        table.add_row(check, *engine, f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]", escape(text))
    return table
