"""The command `onnxproof check`."""

import argparse
import contextlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from onnxproof import versions
from onnxproof.case import Case, CaseError
from onnxproof.check_plugin import as_result, known
from onnxproof.checks import CHECKS
from onnxproof.cli import CommandError
from onnxproof.conversion import Conversion
from onnxproof.files import make_writable
from onnxproof.findings import EXPECTED, FAILS, HOLDS, NOT_JUDGED, Finding, first_line
from onnxproof.graph import GraphError, load_model
from onnxproof.original import Original
from onnxproof.repro import write_repro

_STYLES = {HOLDS: "green", FAILS: "bold red", EXPECTED: "yellow", NOT_JUDGED: "dim"}


def check_case(arguments: argparse.Namespace) -> int:
    """Checks the case that is named, prints the findings, and returns 1 when one fails, else 0.

    Raises `CommandError` where it cannot run.
    """
    _check_arguments(arguments)
    found: list[tuple[Conversion, list[Finding]]] = []
    try:
        case = known(load_case(arguments.case))
        for conversion in _conversions(case, arguments):
            found.append((conversion, _findings(conversion)))
            if arguments.report:
                _write_repros(arguments.report, *found[-1])
            if not arguments.json:
                _print_table(*found[-1])
    except CaseError as error:
        raise CommandError(f"{arguments.case}: {first_line(error)}") from error
    if arguments.json:
        results = [as_result(conversion, finding) for conversion, findings in found for finding in findings]
        print(json.dumps({"schema": 1, "environment": versions.environment(), "conversions": results}, indent=1))
    return int(any(finding.verdict == FAILS for _, findings in found for finding in findings))


def load_case(text: str) -> Case:
    """The case that `file.py:name` or `package.module:name` names; a function is called. Raises `CommandError`."""
    place, colon, name = text.rpartition(":")
    if not (colon and place and name):
        raise CommandError(f"{text}: write my_models.py:my_case or package.module:name")
    module = _module(place)
    if not hasattr(module, name):
        near = get_close_matches(name, dir(module), n=1)
        raise CommandError(f"{place} has no {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    found = getattr(module, name)
    if callable(found) and not isinstance(found, Case):
        try:
            found = found()
        except CaseError:
            raise
        except (Exception, SystemExit) as error:
            raise CommandError(f"{text} raised {_where(error)}") from error
    if not isinstance(found, Case):
        raise CommandError(f"{text} is a {type(found).__name__}; give an onnxproof.Case, or a function that makes one")
    return found


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.onnx and arguments.exporter:
        raise CommandError("--exporter: the file that --onnx names is already exported; leave one of them out")
    if arguments.opset is not None and arguments.opset < 1:
        raise CommandError(f"--opset {arguments.opset}: opsets count from 1")
    available = onnxruntime.get_available_providers()
    if arguments.provider not in available:
        raise CommandError(f"--provider {arguments.provider}: onnxruntime has {', '.join(available)}")
    if arguments.onnx:
        try:
            load_model(arguments.onnx)
        except GraphError as error:
            raise CommandError(f"--onnx {first_line(error)}") from error
    if arguments.report:
        with _writing(arguments.report):
            make_writable(arguments.report)


def _module(place: str) -> ModuleType:
    try:
        if not place.endswith(".py"):
            sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(place)
        path = Path(place)
        if not path.is_file():
            raise CommandError(f"{place}: no such file")
        sys.path.insert(0, str(path.parent.resolve()))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise CommandError(f"{place}: not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except CommandError:
        raise
    except ModuleNotFoundError as error:
        raise CommandError(f"{place}: no module named {error.name!r}") from error
    except CaseError:
        raise
    except (Exception, SystemExit) as error:  # a script that ends itself would end the command as if all held
        raise CommandError(f"{place} raised {_where(error)}") from error
    return module


def _where(error: BaseException) -> str:
    """An error of the user's own code in one line."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}:{error.lineno})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {first_line(error)} ({frame.filename}:{frame.lineno})"


def _conversions(case: Case, arguments: argparse.Namespace) -> Iterator[Conversion]:
    options: dict[str, Any] = {"opset": arguments.opset, "provider": arguments.provider}
    if arguments.onnx:
        yield Conversion(case, exporter="", given=arguments.onnx, **options)
        return
    original = Original(case)
    for exporter in dict.fromkeys(arguments.exporter or versions.EXPORTERS):
        yield Conversion(original, exporter=exporter, **options)


def _findings(conversion: Conversion) -> list[Finding]:
    """Every finding; on a terminal the check that is at work is shown meanwhile."""
    console = Console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{conversion!r}", total=None)
        findings = []
        for id, check in CHECKS.items():
            progress.update(task, description=f"{conversion!r}: {id}")
            findings.append(check(conversion))
    return findings


def _write_repros(report: str, conversion: Conversion, findings: list[Finding]) -> None:
    for finding in findings:
        if finding.verdict == FAILS:
            with _writing(report):
                write_repro(Path(report), conversion, finding)


@contextlib.contextmanager
def _writing(report: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"--report {report}: {error.strerror}; name a folder that can be written") from error


def _print_table(conversion: Conversion, findings: list[Finding]) -> None:
    opset = f", opset {conversion.opset}" if conversion.opset else ""
    made = conversion.given or conversion.exporter
    table = Table("check", "verdict", "figure", "what to do", title=escape(f"{conversion.case.name}: {made}{opset}"))
    for finding in findings:
        seen = finding.problem or finding.figure
        table.add_row(
            finding.check, f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]", escape(seen), escape(finding.advice)
        )
    console = Console()
    console.print(table)
    counts = ", ".join(
        f"{count} {verdict}" for verdict in _STYLES if (count := sum(f.verdict == verdict for f in findings))
    )
    console.print(f"{len(findings)} checks: {counts}", highlight=False)
