"""The command `onnxproof`."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from onnxproof import __version__
from onnxproof.assets import FOLDER_VARIABLE, OFFICIAL, AssetError, official
from onnxproof.versions import EXPORTERS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns the exit status: 0 done, 1 a check fails, 2 not possible (said on stderr), 130
    interrupted.
    """
    arguments = command_line().parse_args(argv)
    try:
        return int(arguments.run(arguments) or 0)
    except (AssetError, CommandError) as error:
        print(f"onnxproof: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("onnxproof: interrupted", file=sys.stderr)
        return 130


def command_line() -> argparse.ArgumentParser:
    """The sub-commands and their options; each sets `run`, which takes the parsed arguments."""
    parser = Parser(prog="onnxproof", description="Shows whether an ONNX file does what the PyTorch model did.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    check_parser = commands.add_parser(
        "check",
        help="check the conversion of a model, or a file that is already exported",
        description="Exports a case with each exporter and checks the file, or checks the file that is given. The exit "
        "status is 0 when every check holds, 1 when one fails, 2 when it could not run.",
        epilog="example: onnxproof check my_models.py:my_case --onnx model.onnx",
    )
    check_parser.add_argument(
        "case", metavar="CASE", help="my_models.py:my_case or package.module:name; a Case, or a function that makes one"
    )
    check_parser.add_argument("--onnx", metavar="FILE", help="check this file (default: export the case)")
    check_parser.add_argument(
        "--exporter",
        choices=EXPORTERS,
        action="append",
        help="export with this one only; may be repeated (default: every exporter of the installed torch)",
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
        help="ONNX Runtime's execution provider (default: %(default)s)",
    )
    check_parser.add_argument("--json", action="store_true", help="print the findings as JSON (default: a table)")
    check_parser.add_argument(
        "--report",
        metavar="DIR",
        help="leave what failed in this folder, with a script that shows it (default: leave nothing)",
    )
    check_parser.set_defaults(run=check)

    fetch_parser = commands.add_parser(
        "fetch",
        help="download the document's checkpoint and picture",
        description="Downloads the document's files into the user's cache, unless they are there, and prints their "
        f"SHA-256 and path as sha256sum does. Where {FOLDER_VARIABLE} names a folder, they are taken from it instead.",
        epilog="example: onnxproof fetch srcnn.pth",
    )
    fetch_parser.add_argument(
        "names",
        nargs="*",
        type=official_name,
        metavar="NAME",
        help=f"{' or '.join(OFFICIAL)} (default: all of them)",
    )
    fetch_parser.set_defaults(run=fetch)
    return parser


def check(arguments: argparse.Namespace) -> int:
    """Checks a case, prints the findings and returns the exit status."""
    from onnxproof.check_command import check_case

    return check_case(arguments)


def fetch(arguments: argparse.Namespace) -> None:
    """Prints the SHA-256 and the path of each official file that is named, or of all."""
    for name in arguments.names or OFFICIAL:
        path = official(name, progress=sys.stderr.isatty())
        print(f"{OFFICIAL[name].sha256}  {path}", flush=True)


def official_name(text: str) -> str:
    """`text`, if an official file has that name."""
    if text not in OFFICIAL:
        raise argparse.ArgumentTypeError(unknown(text, OFFICIAL))
    return text


def unknown(text: str, names: Iterable[str]) -> str:
    """Says that `text` is none of `names`, and which one is nearest."""
    names = list(names)
    nearest = get_close_matches(text, names, n=1)
    return f"{text!r} is unknown, " + (f"did you mean {nearest[0]!r}?" if nearest else f"choose {' or '.join(names)}")


class CommandError(Exception):
    """What a command cannot do; the message says why, in one line."""


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest sub-command, as Python does itself from 3.14 on."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, unknown(value, action.choices))
