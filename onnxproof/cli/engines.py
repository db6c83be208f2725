"""The command `onnxproof engines`."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onnxproof._internal.names import unknown
from onnxproof._internal.texts import one_line
from onnxproof.cli.error import CommandError
from onnxproof.engines.abilities import abilities
from onnxproof.engines.base import EngineError, engine_names, how_to_install, options_of, version_of


def list_engines(arguments: argparse.Namespace) -> None:
    """Prints the engines, with what each can run or how to install it. Raises `CommandError` for an unknown one."""
    known = engine_names()
    for name in arguments.names:
        if name.partition(":")[0] not in known:
            raise CommandError(f"the engine {unknown(name, known)}")
    found = {name: _shown(name) for name in arguments.names or known}
    console = Console(emoji=False)
    console.print(_table(found))
    for name in found:
        if option := options_of(name) if ":" not in name else "":
            console.print(f"{name}:… names {option}", markup=False, highlight=False, soft_wrap=True)


def _shown(name: str) -> dict[str, bool] | str:
    """What an engine can run, or why it cannot run here."""
    if missing := how_to_install(name):
        return f"not installed: {missing}"
    try:
        return abilities(name)
    except EngineError as error:
        return one_line(error)


def _table(found: dict[str, dict[str, bool] | str]) -> Table:
    table = Table()
    for column in ("engine", "version", "runs", "does not run"):
        table.add_column(column, no_wrap=column in ("engine", "version"), overflow="fold")
    for name, shown in found.items():
        able, unable = _split(shown)
        table.add_row(escape(name), version_of(name) or "–", escape(able), escape(unable))
    return table


def _split(shown: dict[str, bool] | str) -> tuple[str, str]:
    if isinstance(shown, str):
        return shown, ""
    able, unable = ([name for name, is_able in shown.items() if is_able is wanted] for wanted in (True, False))
    return ", ".join(able) or "nothing that was tried", ", ".join(unable)
