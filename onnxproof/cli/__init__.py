"""The command `onnxproof`: its sub-commands, a module each, imported only when they run."""

import argparse
import gc
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from onnxproof import __version__
from onnxproof._internal.names import one_of
from onnxproof.claims.assets import FOLDER_VARIABLE, OFFICIAL
from onnxproof.cli import process
from onnxproof.cli.options import add_conversion, add_limits, add_options_of_checks

_FIRST = """\
Shows whether an ONNX file does what the PyTorch model did.

  onnxproof init my_models.py              write a starting case for your model
  onnxproof check my_models_case.py:case   export it, and check the ONNX file
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns the exit status, see `process.run`."""
    process.make_printable()
    return process.run(command_line().parse_args(argv))


def command_line() -> argparse.ArgumentParser:
    """The sub-commands and their options; each sets `run`, which takes the parsed arguments."""
    parser = argparse.ArgumentParser(
        prog="onnxproof",
        usage="%(prog)s [--help] [--version] COMMAND …",
        description=_FIRST,
        epilog="exit status: 0 every check holds; 1 one fails or is undecided; 2 could not run\n"
        "(see stderr); 130 interrupted. `onnxproof COMMAND --help` shows its options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_init(commands)
    _add_check(commands)
    _add_compare(commands)
    _add_faults(commands)
    _add_engines(commands)
    _add_report(commands)
    _add_fetch(commands)
    for each in (parser, *commands.choices.values()):
        each.suggest_on_error = True  # type: ignore[attr-defined]  # Python 3.14
    return parser


def _add_init(commands: Any) -> None:
    parser = commands.add_parser(
        "init",
        help="write a starting case for a model or an ONNX file",
        description="Writes a case for the model that a Python file defines, or for an ONNX file, which is judged by "
        "itself, with inputs that it was seen to take. Nothing is asked, and no file is replaced. The exit "
        "status is 0 if the case is written, 2 if it could not run, 130 if it was interrupted.",
        epilog="example: onnxproof init my_models.py",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a Python file or module with a torch.nn.Module, one of its models, or an ONNX file, for example "
        "my_models.py, package.module, my_models.py:Net or model.onnx",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the case into this file, for example -o case.py (default: my_models_case.py beside my_models.py)",
    )
    parser.set_defaults(run=_run("init", "write_case"))


def _add_check(commands: Any) -> None:
    parser = commands.add_parser(
        "check",
        help="check the conversion of a model, or a file that is already exported",
        description="Exports a case with each exporter and checks the file, or checks the file that is given. The exit "
        "status is 0 if every check holds, 1 if one fails or is undecided, 2 if it could not run, 130 if it was "
        "interrupted.",
        epilog="example: onnxproof check my_models.py:my_case --onnx model.onnx",
    )
    add_conversion(parser)
    add_options_of_checks(parser)
    parser.set_defaults(run=_run("check", "check_case"), onnx_option="--onnx ")


def _add_faults(commands: Any) -> None:
    parser = commands.add_parser(
        "faults",
        help="see which faults a case would notice",
        description="Puts every known fault that suits it into a case's file, which must be right, and checks each. "
        "What no check sees is tried on other inputs, which the case may need. The exit status is 0 if nothing is to "
        "be added, 1 if other inputs show a fault that the case's do not, 2 if it could not run, 130 if it was "
        "interrupted.",
        epilog="example: onnxproof faults my_models.py:my_case --exporter torchscript",
    )
    add_conversion(parser)
    add_limits(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for example --json > faults.json (default: a table)"
    )
    report = "leave results.json and the table as a page here, for example --report report (default: leave nothing)"
    parser.add_argument("--report", metavar="DIR", help=report)
    parser.set_defaults(run=_run("faults", "try_faults"), onnx_option="--onnx ")


def _add_engines(commands: Any) -> None:
    parser = commands.add_parser(
        "engines",
        help="list the engines that a file can be checked in",
        description="Lists the engines that --engine takes, with their versions and what small files show that each "
        "can run here, or how to install it. The exit status is 0, 2 if it could not run, 130 if it was interrupted.",
        epilog="example: onnxproof engines",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="an engine, for example openvino or opencv:classic (default: all of them)",
    )
    parser.set_defaults(run=_run("engines", "list_engines"))


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="check an ONNX file against the one that a tool made it of",
        description="Checks a file that was simplified, optimized, converted or edited against the file that it was "
        "made of. The exit status is 0 if every check holds, 1 if one fails or is undecided, 2 if it could not run, "
        "130 if it was interrupted.",
        epilog="example: onnxproof compare before.onnx after.onnx --inputs example.npz",
    )
    parser.add_argument("before", metavar="BEFORE", help="the original, for example before.onnx")
    parser.add_argument("onnx", metavar="AFTER", help="the file that was made of it, for example after.onnx")
    parser.add_argument(
        "--inputs",
        metavar="FILE",
        action="append",
        default=[],
        help="judge on the arrays in this .npz file, one for each input by name, for example --inputs example.npz; may "
        "be repeated (default: draw them from what the original declares)",
    )
    parser.add_argument(
        "--dim",
        metavar="NAME=SIZE",
        action="append",
        default=[],
        help="draw inputs of this size along a free dimension, for example --dim height=64; may be repeated (default: "
        "a size that differs by name)",
    )
    parser.add_argument(
        "--opset",
        type=int,
        metavar="N",
        help="hold the file to this opset, for example --opset 18 (default: any)",
    )
    add_options_of_checks(parser)
    parser.set_defaults(run=_run("compare", "compare_files"), exporter=None, onnx_option="")


def _add_report(commands: Any) -> None:
    parser = commands.add_parser(
        "report",
        help="combine the results of one or more runs into a page",
        description="Makes one page, index.html, of the results.json of one or several runs. It needs no network "
        "and no other file.",
        epilog="example: onnxproof report torch2.6/results.json torch2.13/results.json -o report",
    )
    parser.add_argument(
        "results", nargs="+", metavar="RESULTS", help="a results.json, or its folder, for example report"
    )
    parser.add_argument(
        "-o",
        "--output",
        default="report",
        metavar="DIR",
        help="write index.html into this folder, for example -o page (default: %(default)s)",
    )
    parser.add_argument(
        "--faults", metavar="FILE", help="show this table of faults too, for example docs/faults.json (default: none)"
    )
    parser.set_defaults(run=_run("report", "make_report"))


def _add_fetch(commands: Any) -> None:
    parser = commands.add_parser(
        "fetch",
        help="download the tutorial's checkpoint and picture",
        description="Downloads the SRCNN tutorial's files into the user's cache, unless they are there, and prints "
        f"their SHA-256 and path as sha256sum does. If {FOLDER_VARIABLE} names a folder, they are taken from it "
        "instead. The exit status is 0 if they are there, 2 if one is not available, 130 if it was interrupted.",
        epilog="example: onnxproof fetch srcnn.pth",
    )
    parser.add_argument(
        "names",
        nargs="*",
        type=one_of(OFFICIAL),
        metavar="NAME",
        help=f"{' or '.join(OFFICIAL)}, for example {next(iter(OFFICIAL))} (default: all of them)",
    )
    parser.set_defaults(run=_run("fetch", "fetch"))


def _run(module: str, function: str) -> Callable[[argparse.Namespace], int | None]:
    """A sub-command, whose module is imported when it runs."""

    def run(arguments: argparse.Namespace) -> int | None:
        command = getattr(importlib.import_module(f"onnxproof.cli.{module}"), function)
        if not gc.isenabled():  # by `__main__`
            gc.freeze()
            gc.enable()
        return command(arguments)  # type: ignore[no-any-return]

    return run
