"""The command `onnxproof`."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from onnxproof import __version__
from onnxproof.assets import FOLDER_VARIABLE, OFFICIAL, AssetError, official


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns the exit status: 0 done, 2 not possible (said on stderr), 130 interrupted."""
    arguments = command_line().parse_args(argv)
    try:
        arguments.run(arguments)
    except AssetError as error:
        print(f"onnxproof: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("onnxproof: interrupted", file=sys.stderr)
        return 130
    return 0


def command_line() -> argparse.ArgumentParser:
    """The sub-commands and their options; each sets `run`, which takes the parsed arguments."""
    parser = Parser(prog="onnxproof", description="Shows whether an ONNX file does what the PyTorch model did.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

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


class Parser(argparse.ArgumentParser):
    """An argument parser that suggests the nearest sub-command, as Python does itself from 3.14 on."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, unknown(value, action.choices))
