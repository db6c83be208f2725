"""The command `onnxproof compare`."""

import argparse

from onnxproof._internal.texts import one_line
from onnxproof.case import Case
from onnxproof.cli.check import run_checks
from onnxproof.cli.error import CommandError
from onnxproof.cli.samples import arrays_in
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError
from onnxproof.probing.drawn import drawn_inputs


def compare_files(arguments: argparse.Namespace) -> int:
    """Checks a file against the one that it was made of, prints the findings, and returns 1 if one fails or is
    undecided, else 0.

    Raises `CommandError` if it cannot run.
    """
    if arguments.inputs and arguments.dim:
        raise CommandError("--dim: the files that --inputs names have sizes already; leave one of them out")
    examples = [arrays_in("--inputs", path) for path in arguments.inputs]
    sizes = dict(map(_size, arguments.dim))
    try:
        read_graph(arguments.before)
    except GraphError as error:
        raise CommandError(one_line(error)) from error

    def make() -> Case:
        own, *also = examples or [drawn_inputs(arguments.before, sizes, arguments.timeout)]
        return Case(arguments.before, own, also=also)

    return run_checks(arguments, arguments.before, make)


def _size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name or not size.isdecimal() or not int(size):
        raise CommandError(f"--dim {text}: write a free dimension and its size, such as height=64")
    return name, int(size)
