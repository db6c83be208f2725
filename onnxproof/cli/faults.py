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


def try_faults(arguments: argparse.Namespace) -> int:
    """Puts every known fault into a case's file, prints which the case would notice, and returns 1 if one could be.

    Raises `CommandError` if it cannot run.
    """
    require_arguments(arguments)
    found = {}
    with stdout_to_stderr() if arguments.json else contextlib.nullcontext():
        try:
            for conversion in _conversions(arguments):
                title = f"{conversion!r}{conversion.elsewhere}"
                found[title] = list(trials(conversion, _watched(conversion, arguments)))
                if not arguments.json:
                    _print(title, found[title])
        except (EngineError, CaseError, ExportError, GraphError) as error:
            raise CommandError(f"{arguments.case}: {one_line(error)}") from error
    if arguments.json:
        print(json.dumps({name: list(map(asdict, tried)) for name, tried in found.items()}, indent=1))
    return int(any(trial.shown_by or trial.is_missed for tried in found.values() for trial in tried))


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


def _print(conversion: str, found: Sequence[Trial]) -> None:
    """A table of the faults, and what to do."""
    console = Console(emoji=False)
    title = f"{conversion}: {len(found)} of {len(FAULTS)} faults suit the file"
    table = Table("fault", "caught by", title=escape(title))
    table.add_column("else", overflow="fold")
    for trial in found:
        table.add_row(trial.fault, trial.caught_by or "[yellow]–[/]", escape(_instead(trial)))
    console.print(table)
    tried = [trial for trial in found if not trial.untried]
    caught = sum(bool(trial.caught_by) for trial in tried)
    console.print(f"{caught} of {len(tried)} caught{f', {caught / len(tried):.0%}' if tried else ''}", highlight=False)
    for line in _advice(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _instead(trial: Trial) -> str:
    if trial.caught_by or trial.untried:
        return trial.untried
    if trial.shown_by:
        return f"{trial.invisible}; seen on {trial.shown_by}"
    return trial.invisible or "no check fails"


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
