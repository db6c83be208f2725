"""The rows of a lossy file's table that a fault has changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onnxproof.case import Case
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import load_model
from onnxproof.locating.lanes import Lanes, Reading
from onnxproof.locating.twin import twins_of


def broken_rows(good: Path, broken: Path, case: Case) -> set[str]:
    """The rows of a broken file whose nodes or constants are not those of the good one."""
    ours, theirs = (_contents(path, case) for path in (broken, good))
    return {row for row, content in ours.items() if content != theirs.get(row)}


def _contents(path: Path, case: Case) -> dict[str, set[Any]]:
    """What each row is made of: operators, attributes and constants, whatever values are called."""
    lanes = Lanes(load_model(path), Reading(truncating=False), twins_of(read_graph(path), case))
    found: dict[str, set[Any]] = {}
    for step in lanes.steps:
        attributes = tuple(map(str, step.proto.attribute))
        constants = tuple(_content(lanes.written, name) for name in step.proto.input)
        found.setdefault(step.row, set()).add((step.proto.op_type, attributes, constants))
    return found


def _content(constants: Mapping[str, Any], name: str) -> Any:
    value = constants.get(name)
    return None if value is None else (str(value.dtype), value.shape, np.asarray(value).tobytes())
