"""What a file has besides another one, and what changes no value: metadata, and declarations of inner values."""

import os

from onnx import ModelProto

from onnxproof.graph.load import load_structure, reading

SHOWN = 3
"""How many names are shown."""


def additions(before: str | os.PathLike[str], after: str | os.PathLike[str]) -> list[str]:
    """What `after` has and `before` does not have, in a few words each. Raises `GraphError` for an unreadable file."""
    with reading(before):
        old = _noted(load_structure(before))
    with reading(after):
        new = _noted(load_structure(after))
    found = []
    for what, names in new.items():
        more = sorted(names - old[what])
        if more and what == "declared inner values":
            found.append(f"{len(more)} {what}")
        elif more:
            found.append(f"{what} {', '.join(more[:SHOWN])}{' and more' * (len(more) > SHOWN)}")
    return found


def _noted(model: ModelProto) -> dict[str, set[str]]:
    return {
        "metadata": {entry.key for entry in model.metadata_props},
        "domain": {entry.domain or "ai.onnx" for entry in model.opset_import},
        "producer": {model.producer_name} - {""},
        "declared inner values": {info.name for info in model.graph.value_info},
    }
