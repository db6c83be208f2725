"""The command `onnxproof faults`."""

import argparse
import contextlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from onnxproof import versions
from onnxproof._internal.texts import one_line
from onnxproof.case import CaseError
from onnxproof.checks.run import conversions
from onnxproof.cli.check import load_case, require_arguments
from onnxproof.cli.error import CommandError
from onnxproof.cli.process import stdout_to_stderr
from onnxproof.engines.base import EngineError
from onnxproof.exporting import ExportError
from onnxproof.faults import FAULTS, Fault
from onnxproof.faults.trials import Trial, trials
from onnxproof.graph.load import GraphError
from onnxproof.probing.conversion import Conversion
from onnxproof.report.page import write_run
from onnxproof.results import Results, TrialResult


def try_faults(arguments: argparse.Namespace) -> int:
    """Puts every known fault into a case's file, prints which the case would notice, and returns 1 if one could be.

    Raises `CommandError` if it cannot run.
    """
    require_arguments(arguments)
    found, results = {}, list[TrialResult]()
    with stdout_to_stderr() if arguments.json else contextlib.nullcontext():
        try:
            for conversion in _conversions(arguments):
                title = f"{conversion!r}{conversion.elsewhere}"
                found[title] = list(trials(conversion, _watched(conversion, arguments)))
                results += (tried := _results(conversion, found[title]))
                if not arguments.json:
                    _print(title, found[title], tried)
        except (EngineError, CaseError, ExportError, GraphError) as error:
            raise CommandError(f"{arguments.case}: {one_line(error)}") from error
    if arguments.report:
        _write_page(results, arguments)
    if arguments.json:
        print(json.dumps({name: list(map(asdict, tried)) for name, tried in found.items()}, indent=1))
    return int(any(trial.shown_by or trial.is_missed for tried in found.values() for trial in tried))


def _results(conversion: Conversion, found: Sequence[Trial]) -> list[TrialResult]:
    """The trials as they stand in results.json."""
    of = conversion.case.name, conversion.file.exporter, conversion.file.given
    return [TrialResult(*of, **asdict(trial)) for trial in found]


def _write_page(found: Sequence[TrialResult], arguments: argparse.Namespace) -> None:
    """Writes results.json and the page of the trials, and prints its path."""
    try:
        page = write_run(Results.of_run(versions.environment(), trials=found), arguments.report)
    except OSError as error:
        raise CommandError(
            f"--report {arguments.report}: {error.strerror}; name a folder that can be written"
        ) from error
    print(page, file=sys.stderr if arguments.json else sys.stdout)


def _conversions(arguments: argparse.Namespace) -> Iterator[Conversion]:
    """Each conversion in each engine asked for."""
    found = conversions(
        load_case(arguments.case),
        arguments.exporter,
        arguments.opset,
        arguments.onnx,
        arguments.engine,
        arguments.timeout,
        math.inf if arguments.thorough else arguments.budget,
    )
    return (conversion.within(engine) for conversion in found for engine in conversion.asked)


def _watched(conversion: Conversion, arguments: argparse.Namespace) -> Iterator[Fault]:
    """The faults one by one; meanwhile a terminal shows how many are done."""
    console = Console(stderr=True)
    shown = track(FAULTS, "faults", console=console, transient=True, disable=not sys.stderr.isatty())
    for fault in shown:
        arguments.running = f"{conversion!r}: {fault.id}"
        yield fault


def _print(conversion: str, found: Sequence[Trial], results: Sequence[TrialResult]) -> None:
    """A table of the faults, and what to do."""
    console = Console(emoji=False)
    title = f"{conversion}: {len(found)} of {len(FAULTS)} faults suit the file"
    table = Table("fault", "caught by", title=escape(title))
    table.add_column("else", overflow="fold")
    for result in results:
        table.add_row(result.fault, result.caught_by or "[yellow]–[/]", escape(result.instead))
    console.print(table)
    tried = [trial for trial in found if not trial.untried]
    caught = sum(bool(trial.caught_by) for trial in tried)
    console.print(f"{caught} of {len(tried)} caught{f', {caught / len(tried):.0%}' if tried else ''}", highlight=False)
    for line in _advice(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _advice(found: Sequence[Trial]) -> Iterator[str]:
    shown = [trial for trial in found if trial.shown_by]
    for probe in dict.fromkeys(trial.shown_by for trial in shown):
        faults = ", ".join(trial.fault for trial in shown if trial.shown_by == probe)
        yield f"→ Give inputs as {probe} in the case's `also`, if the model meets such: they show {faults}."
    if missed := [trial.fault for trial in found if trial.is_missed]:
        yield f"→ No check of this case sees {', '.join(missed)}: give what it leaves open, such as `output_names`."
    if untried := dict.fromkeys(trial.untried for trial in found if trial.untried):
        yield f"→ Not tried: {'; '.join(untried)}. `onnxproof check` says why."
    if alike := [trial.fault for trial in found if trial.invisible and not trial.shown_by]:
        yield f"No input that was tried shows {', '.join(alike)}: they may change nothing in this file."
