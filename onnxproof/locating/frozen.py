"""Where a file stops on inputs that it was not traced with."""

from typing import TYPE_CHECKING

from onnx import NodeProto

from onnxproof._internal.files import short
from onnxproof.graph.load import load_model
from onnxproof.graph.modules import module_of, name_in, says_by, source_of
from onnxproof.locating.clause import Departure
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import ExportedFile
from onnxproof.results import Where
from onnxproof.versions import TORCHSCRIPT

if TYPE_CHECKING:
    from torch import nn


def where_it_stops(conversion: Conversion, refusal: str) -> Departure:
    """The module and the line that the node came from at which an engine stopped, by its message.

    Nothing if the message names no node, or the file does not say where that came from.
    """
    node = _node_in(conversion, refusal)
    if node is None:
        return Departure()
    path, source = module_of(node), source_of(node)
    module = _module_at(conversion, path)
    inside = f" of `{path}`, a {type(module).__name__}" if module else ""
    line = f", from {short(source[0])}:{source[1]}: `{source[2]}`" if source else ""
    if not (inside or line):
        return Departure()
    place = f"{short(source[0])}:{source[1]}" if source else ""
    kind = type(module).__name__ if module else ""
    where = Where(path if module else "", kind, place, tuple(node.output[:1]), says_by(node) or "metadata")
    return Departure(where, f"It stops at a {node.op_type}{inside}{line}.")


def _node_in(conversion: Conversion, message: str) -> NodeProto | None:
    """The node of the file that a message is about."""
    name = name_in(message)
    nodes = load_model(conversion.file.path).graph.node if name else ()
    return next((node for node in nodes if node.name == name), None)


def _module_at(conversion: Conversion, path: str) -> "nn.Module | None":
    """The module within the model that has this path."""
    return dict(conversion.case.module.named_modules()).get(path) if path else None


def frozen_by_torch(conversion: Conversion, refusal: str) -> str:
    """What to do about a file that refuses other sizes in a module of torch, as advice.

    "" if the node that the engine's message names is not in such a module, and where the tracer warned of the model's
    own code, which may have frozen the size then.
    """
    file = conversion.file
    if not isinstance(file, ExportedFile) or file.exporter != TORCHSCRIPT or file.own_warnings:
        return ""
    node = _node_in(conversion, refusal)
    path = module_of(node) if node else ""
    module = _module_at(conversion, path)
    if module is None or not type(module).__module__.startswith("torch.nn."):
        return ""
    return (
        f"Try the other exporter: the node that refuses it is in torch's own {type(module).__name__}, {path}, and the "
        "tracer warned of nothing in the model's code."
    )
