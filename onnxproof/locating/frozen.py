"""A size that a module of torch froze, not the model's own code."""

from onnxproof.graph.load import load_model
from onnxproof.graph.modules import module_of, name_in
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import ExportedFile
from onnxproof.versions import TORCHSCRIPT


def frozen_by_torch(conversion: Conversion, refusal: str) -> str:
    """What to do about a file that refuses other sizes in a module of torch, as advice.

    "" if the node that the engine's message names is not in such a module, and where the tracer warned of the model's
    own code, which may have frozen the size then.
    """
    file = conversion.file
    if not isinstance(file, ExportedFile) or file.exporter != TORCHSCRIPT or file.own_warnings:
        return ""
    name = name_in(refusal)
    path = next((module_of(node) for node in load_model(file.path).graph.node if name and node.name == name), "")
    module = dict(conversion.case.module.named_modules()).get(path) if path else None
    if module is None or not type(module).__module__.startswith("torch.nn."):
        return ""
    return (
        f"Try the other exporter: the node that refuses it is in torch's own {type(module).__name__}, {path}, and the "
        "tracer warned of nothing in the model's code."
    )
