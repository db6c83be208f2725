"""The command `onnxproof`."""

import argparse
import contextlib
import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from onnxproof import __version__
from onnxproof.assets import FOLDER_VARIABLE, OFFICIAL, AssetError, official
from onnxproof.names import one_of, unknown
from onnxproof.versions import EXPORTERS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns the exit status: 0 done, 1 a check fails, 2 not possible (said on stderr), 130
    interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without × or → shows ?, and is no reason to stop
    arguments = command_line().parse_args(argv)
    status, reason = 0, ""
    with _interrupts() as interrupts:
        try:
            status = int(arguments.run(arguments) or 0)
            sys.stdout.flush()
        except (AssetError, CommandError) as error:
            status, reason = 2, str(error)
        except BrokenPipeError:  # who reads has seen enough; `rich` ends with 1 there as well
            _drop_output()
            status = 1
        except OSError as error:
            _drop_output()
            needed = f"its output, and files in {tempfile.gettempdir()} while it runs (TMPDIR names another folder)"
            status, reason = 2, f"{error}; it has to write {needed}"
        except KeyboardInterrupt:
            interrupts.append(signal.SIGINT)
        except Exception:
            if not interrupts:
                raise
    if interrupts:
        status, reason = 130, "interrupted"
    if reason:
        print(f"onnxproof: {reason}", file=sys.stderr)
    return status


def _drop_output() -> None:
    """Sends what stdout does not take nowhere: it would be tried again at the end, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The interrupts so far: native code that Python calls can turn KeyboardInterrupt into an error of its own."""
    seen: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone hears of signals
        yield seen
        return
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def command_line() -> argparse.ArgumentParser:
    """The sub-commands and their options; each sets `run`, which takes the parsed arguments."""
    parser = Parser(
        prog="onnxproof",
        description="Shows whether an ONNX file does what the PyTorch model did.",
        epilog="exit status: 0 done, and every check holds; 1 a check fails; 2 not possible, for a reason that stderr "
        "has in one line; 130 interrupted. example: onnxproof check my_models.py:my_case",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check_parser = commands.add_parser(
        "check",
        help="check the conversion of a model, or a file that is already exported",
        description="Exports a case with each exporter and checks the file, or checks the file that is given. The exit "
        "status is 0 when every check holds, 1 when one fails, 2 when it could not run, 130 when it was interrupted.",
        epilog="example: onnxproof check my_models.py:my_case --onnx model.onnx",
    )
    check_parser.add_argument(
        "case",
        metavar="CASE",
        help="a Case, or a function that makes one, for example my_models.py:my_case or package.module:name",
    )
    check_parser.add_argument(
        "--onnx", metavar="FILE", help="check this file, for example --onnx model.onnx (default: export the case)"
    )
    check_parser.add_argument(
        "--exporter",
        choices=EXPORTERS,
        action="append",
        help="export with this one only, for example --exporter torchscript; may be repeated (default: every exporter "
        "of the installed torch)",
    )
    check_parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="export at this opset, or hold the file to it, for example --opset 18 (default: the exporter's lowest)",
    )
    check_parser.add_argument(
        "--provider",
        default="CPUExecutionProvider",
        metavar="NAME",
        help="ONNX Runtime's execution provider, for example --provider CUDAExecutionProvider (default: %(default)s)",
    )
    check_parser.add_argument(
        "--json",
        action="store_true",
        help="print the findings as JSON, for example --json > findings.json (default: a table)",
    )
    check_parser.add_argument(
        "--report",
        metavar="DIR",
        help="leave what failed in this folder, with a script that shows it, for example --report report (default: "
        "leave nothing)",
    )
    check_parser.set_defaults(run=check)

    report_parser = commands.add_parser(
        "report",
        help="make one page of what runs have left",
        description="Makes one page, index.html, of the results.json of one or several runs. It needs no network "
        "and no other file.",
        epilog="example: onnxproof report torch2.6/results.json torch2.13/results.json -o report",
    )
    report_parser.add_argument(
        "results", nargs="+", metavar="RESULTS", help="a results.json, or its folder, for example report"
    )
    report_parser.add_argument(
        "-o",
        "--output",
        default="report",
        metavar="DIR",
        help="write index.html into this folder, for example -o page (default: %(default)s)",
    )
    report_parser.add_argument(
        "--faults", metavar="FILE", help="show this table of faults too, for example docs/faults.json (default: none)"
    )
    report_parser.set_defaults(run=report)

    fetch_parser = commands.add_parser(
        "fetch",
        help="download the document's checkpoint and picture",
        description="Downloads the document's files into the user's cache, unless they are there, and prints their "
        f"SHA-256 and path as sha256sum does. Where {FOLDER_VARIABLE} names a folder, they are taken from it instead. "
        "The exit status is 0 when they are there, 2 when one cannot be had, 130 when it was interrupted.",
        epilog="example: onnxproof fetch srcnn.pth",
    )
    fetch_parser.add_argument(
        "names",
        nargs="*",
        type=one_of(OFFICIAL),
        metavar="NAME",
        help=f"{' or '.join(OFFICIAL)}, for example {next(iter(OFFICIAL))} (default: all of them)",
    )
    fetch_parser.set_defaults(run=fetch)
    return parser


def check(arguments: argparse.Namespace) -> int:
    """Checks a case, prints the findings and returns the exit status."""
    from onnxproof.check_command import check_case

    return check_case(arguments)


def report(arguments: argparse.Namespace) -> None:
    """Makes the page of a report."""
    from onnxproof.report_command import make_report

    make_report(arguments)


def fetch(arguments: argparse.Namespace) -> None:
    """Prints the SHA-256 and the path of each official file that is named, or of all."""
    for name in arguments.names or OFFICIAL:
        path = official(name, progress=sys.stderr.isatty())
        print(f"{OFFICIAL[name].sha256}  {path}", flush=True)


class CommandError(Exception):
    """What a command cannot do; the message says why, in one line."""


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest sub-command, choice and option."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses an unknown option before anything else: what is missing then is missing for that reason."""
        given = sys.argv[1:] if args is None else list(args)
        own = takewhile(lambda text: text.startswith("-"), given) if self._subparsers else given
        for text in takewhile(lambda text: text != "--", own):
            option = text.partition("=")[0]
            if option.startswith("--") and not any(known.startswith(option) for known in self._option_string_actions):
                self.error(unknown(option, [known for known in self._option_string_actions if known.startswith("--")]))
        return super().parse_known_args(given, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, unknown(value, action.choices))
