"""The table of where a lossy file's loss is made."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onnxproof.results import FileLosses

MOST_ROWS = 20
"""More are in the JSON and on the page."""

NARROW = 80
"""Columns of a terminal in which a table would cut the names of the nodes."""

COLUMNS = ("gain", "own error", "accumulated", "clipped")


def print_losses(console: Console, losses: FileLosses) -> None:
    """The rows of a table, or a line each where it is too narrow, and what was measured."""
    shown = list(zip(losses.labels, losses.rows, strict=True))[:MOST_ROWS]
    if shown and console.width < NARROW:
        for label, row in shown:
            figures = ", ".join(f"{name} {text}" for name, text in zip(COLUMNS, row.figures, strict=True) if text)
            console.print(f"{label}: {figures}", markup=False, highlight=False)
    elif shown:
        table = Table(title="where the loss is made")
        table.add_column("restored to float", overflow="fold")
        for name in COLUMNS:
            table.add_column(name, justify="right", no_wrap=True)
        for label, row in shown:
            table.add_row(escape(label), *row.figures)
        console.print(table)
    if len(losses.rows) > MOST_ROWS:
        console.print(f"{len(losses.rows) - MOST_ROWS} more with --json or --report", highlight=False)
    console.print(losses.told, markup=False, highlight=False)
