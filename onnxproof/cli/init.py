"""The command `onnxproof init`."""

import argparse
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

from onnxproof._internal.files import write_whole
from onnxproof.cli.error import CommandError
from onnxproof.cli.process import stdout_to_stderr
from onnxproof.cli.starting import Start, of_file, of_module, quoted

CASE = """\
\"\"\"{question}

{command}
\"\"\"

import numpy as np
{imports}
from onnxproof import Case

random = np.random.default_rng(0)

{todo}
case = Case(
    {model},
    {{
{inputs}    }},
{dynamic})
"""


def write_case(arguments: argparse.Namespace) -> None:
    """Writes the starting case and prints its path, what is to be filled in, and the command that checks it.

    Raises `CommandError` for a source without a model, and for a path that exists.
    """
    place, _, name = arguments.source.partition(":")
    path = Path(arguments.output or _beside(place))
    if path.exists():
        raise CommandError(f"{path} exists, and stays as it is; move it, or name another file with -o")
    with stdout_to_stderr():  # of the user's module
        start = of_file(place) if place.endswith(".onnx") else of_module(place, name)
    command = shlex.join(["onnxproof", "check", f"{path}:case", *start.options])
    try:
        write_whole(path, _text(start, command).encode())
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}; name a file that can be written with -o") from error
    print(f"{path}: {start.todo}\n→ {command}")


def _beside(place: str) -> Path:
    """Where the case goes: beside a file, so that it can import it, or into the current folder for a module."""
    if place.endswith((".py", ".onnx")):
        return Path(place).with_name(re.sub(r"\W", "_", f"{Path(place).stem}_case") + ".py")
    return Path(f"{place.rpartition('.')[2]}_case.py")


def _text(start: Start, command: str) -> str:
    return CASE.format(
        question=start.question,
        command=command,
        imports=f"\n{start.imports}\n" if start.imports else "",
        todo=fill(start.todo, 100, initial_indent="# ", subsequent_indent="# ", break_long_words=False),
        model=start.model,
        inputs="".join(f"        {quoted(name)}: {code},\n" for name, code in start.inputs.items()),
        dynamic=f"    dynamic={_dynamic(start.dynamic)},\n" if start.dynamic else "",
    )


def _dynamic(found: Mapping[str, Mapping[int, str]]) -> str:
    inputs = {name: ", ".join(f"{axis}: {quoted(dim)}" for axis, dim in axes.items()) for name, axes in found.items()}
    return f"{{{', '.join(f'{quoted(name)}: {{{axes}}}' for name, axes in inputs.items())}}}"
