"""What the pages made of data share: a table's row, names in a sentence, the stack of a run."""

from collections.abc import Iterable, Mapping, Sequence


def table_row(cells: Iterable[object]) -> str:
    """A row of a table; a bar in a cell is escaped."""
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def stack(versions: Mapping[str, str]) -> str:
    """`python 3.11.7, torch 2.13.0, …`."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
