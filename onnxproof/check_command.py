"""The command `onnxproof check`."""

import argparse
import contextlib
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import TextWrapper
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from onnxproof import versions
from onnxproof.case import Case, CaseError
from onnxproof.check_plugin import as_result, known, told
from onnxproof.checks import CHECKS
from onnxproof.cli import CommandError
from onnxproof.conversion import Conversion
from onnxproof.engines import EngineError, require_provider
from onnxproof.files import make_writable
from onnxproof.findings import EXPECTED, FAILS, HOLDS, NOT_JUDGED, Finding, first_line
from onnxproof.model_file import GraphError, load_model
from onnxproof.names import suggestion
from onnxproof.original import Original
from onnxproof.repro import write_repro
from onnxproof.results import SCHEMA

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
            repros = _write_repros(arguments.report, *found[-1]) if arguments.report else {}
            if not arguments.json:
                _print_findings(*found[-1], repros)
    except CaseError as error:
        raise CommandError(f"{arguments.case}: {first_line(error)}") from error
    if arguments.json:
        results = [as_result(conversion, finding) for conversion, findings in found for finding in findings]
        print(json.dumps({"schema": SCHEMA, "environment": versions.environment(), "conversions": results}, indent=1))
    return int(any(finding.verdict == FAILS for _, findings in found for finding in findings))


def load_case(text: str) -> Case:
    """The case that `file.py:name` or `package.module:name` names; a function is called. Raises `CommandError`."""
    place, colon, name = text.rpartition(":")
    if not (colon and place and name):
        raise CommandError(f"{text}: write my_models.py:my_case or package.module:name")
    module = _module(place)
    if not hasattr(module, name):
        raise CommandError(f"{place} has no {name!r}{suggestion(name, dir(module))}")
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
    try:
        require_provider(arguments.provider)
    except EngineError as error:
        raise CommandError(f"--provider: {error}") from error
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
            near = suggestion(path.name, (file.name for file in path.parent.glob("*.py")))
            raise CommandError(f"{place}: no such file{near}")
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
    """Every finding; on a terminal the check that is at work is shown meanwhile, and in a log nothing is."""
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), MofNCompleteColumn(), TimeElapsedColumn()
    shown = sys.stderr.isatty()  # and not what FORCE_COLOR has rich believe
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        task = progress.add_task("", total=len(CHECKS))
        findings = []
        for id, check in CHECKS.items():
            progress.update(task, description=f"{conversion!r}: {id}")
            findings.append(check(conversion))
            progress.advance(task)
    return findings


def _write_repros(report: str, conversion: Conversion, findings: list[Finding]) -> dict[str, Path | None]:
    """The folder of each check that fails, by its id."""
    with _writing(report):
        return {
            finding.check: write_repro(Path(report), conversion, finding)
            for finding in findings
            if finding.verdict == FAILS
        }


@contextlib.contextmanager
def _writing(report: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"--report {report}: {error.strerror}; name a folder that can be written") from error


def _print_findings(conversion: Conversion, findings: list[Finding], repros: Mapping[str, Path | None]) -> None:
    """A table of the checks, and below it, in whole words and paths, what fails and what to do."""
    console = Console()
    wrapper = TextWrapper(console.width, break_long_words=False, break_on_hyphens=False)
    opset = f", opset {conversion.opset}" if conversion.opset else ""
    made = conversion.given or conversion.exporter
    table = Table("check", "verdict", title=escape(f"{conversion.case.name}: {made}{opset}"))
    table.add_column("figure", overflow="fold")
    for finding in findings:
        seen = finding.figure or ("see below" if finding.verdict in (FAILS, EXPECTED) else finding.problem)
        table.add_row(finding.check, f"[{_STYLES[finding.verdict]}]{finding.verdict}[/]", escape(seen))
    console.print(table)
    for finding in findings:
        if finding.verdict in (FAILS, EXPECTED):
            lines = told(conversion, finding, repros.get(finding.check)).splitlines()
            text = "\n".join(wrapper.fill(line) for line in lines)
            console.print(text, style=_STYLES[finding.verdict], soft_wrap=True, markup=False, highlight=False)
    counts = ", ".join(
        f"{count} {verdict}" for verdict in _STYLES if (count := sum(f.verdict == verdict for f in findings))
    )
    console.print(f"{len(findings)} checks: {counts}", highlight=False)
