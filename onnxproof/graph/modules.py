"""The torch module that a node was exported from."""

import ast
import re

from onnx import NodeProto

_SCOPES = "pkg.torch.onnx.name_scopes"
"""The entry of a node's metadata in which torch.export lists the paths of the modules around it, then its own name."""

_STACK = "pkg.torch.onnx.stack_trace"
"""The entry in which it has the calls that led to the node, as a traceback shows them, the last one at the end."""

_FRAME = re.compile(r'File "(.+?)", line (\d+), in .*\n?(.*)')

_NAMED = re.compile(
    r"Name:'(.+?)'"  # ONNX Runtime, of a node that fails at work
    r"|Node \((.+?)\) Op"  # ONNX Runtime, of a node with types or shapes that do not fit
    r"|node with name '(.+?)'"  # ONNX Runtime, of a node without a kernel
    r"|node name: (.+?)\)"  # onnx's checker and its shape inference
)


def module_of(node: NodeProto) -> str:
    """The path of the module (`encoder.layers.0`): from torch.export's metadata, else from torchscript's node names.

    "" for a node of the model's own `forward`, and of a file that does not say.
    """
    for entry in getattr(node, "metadata_props", ()):  # onnx before 1.16 has none
        if entry.key == _SCOPES:
            return _innermost(entry.value)
    return _joined(node.name.split("/")[1:-1]) if node.name.startswith("/") else ""


def says_by(node: NodeProto) -> str:
    """What `module_of` was read from: "metadata" or "scoped names", "" for a node that says nothing."""
    if any(entry.key == _SCOPES for entry in getattr(node, "metadata_props", ())):
        return "metadata"
    return "scoped names" if node.name.startswith("/") else ""


def source_of(node: NodeProto) -> tuple[str, int, str] | None:
    """The file, the line and its text that a node was exported from, outside of torch; None if it does not say."""
    for entry in getattr(node, "metadata_props", ()):
        if entry.key == _STACK:
            frames = [frame for frame in _FRAME.findall(entry.value) if "/torch/" not in frame[0].replace("\\", "/")]
            return (frames[-1][0], int(frames[-1][1]), frames[-1][2].strip()) if frames else None
    return None


def name_in(message: str) -> str:
    """The name of the node that a message of onnx or ONNX Runtime is about; "" if there is none."""
    found = _NAMED.search(message)
    return next(filter(None, found.groups())) if found else ""


def _innermost(scopes: str) -> str:
    """The last module of a list such as `['', 'encoder', 'encoder.layers.0', 'linear']`."""
    try:
        paths = ast.literal_eval(scopes)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    return str(paths[-2]) if isinstance(paths, list) and len(paths) > 1 else ""


def _joined(scopes: list[str]) -> str:
    """The path of nested scopes; that of a module in a container repeats the container: `layers`, `layers.0`."""
    path = previous = ""
    for scope in scopes:
        path = path + scope[len(previous) :] if previous and scope.startswith(f"{previous}.") else f"{path}.{scope}"
        previous = scope
    return path.lstrip(".")
