"""Tables whose rows a file looks up: a run reads few of them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from onnxproof.graph.facts import Graph


def changed_rows(before: Graph, after: Graph) -> Iterator[tuple[str, list[int]]]:
    """The tables of a file, by name, and their rows that are not the original's, where most rows are bit for bit.

    A table that is scaled or rounded as a whole is another one. Rows of zeros say nothing.
    """
    own = tables(before)
    for name, table in tables(after).items():
        alike = [each for each in own.values() if (each.shape, each.dtype) == (table.shape, table.dtype)]
        if not alike:
            continue
        changed: NDArray[np.bool_] = min((_different(each, table) for each in alike), key=np.count_nonzero)
        kept = int(np.count_nonzero(_any_in_row(table != 0) & ~changed))
        if changed.any() and 2 * kept > len(table):
            yield name, [int(row) for row in np.flatnonzero(changed)]


def tables(graph: Graph) -> dict[str, NDArray[np.generic]]:
    """The constants that a Gather takes rows of, by computed indices."""
    looked_up = [node for node in graph.nodes_of("Gather") if node.inputs[1] not in graph.constants]
    names = [node.inputs[0] for node in looked_up if not node.attributes.get("axis")]
    found = {name: graph.constants[name] for name in names if name in graph.constants}
    return {name: table for name, table in found.items() if table.ndim and table.size}


def _different(own: NDArray[np.generic], table: NDArray[np.generic]) -> NDArray[np.bool_]:
    differ = (own != table) & ((own == own) | (table == table))  # NaN is not itself
    return _any_in_row(differ)


def _any_in_row(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(mask.reshape(len(mask), -1).any(1))
