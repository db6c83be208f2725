"""What of an original is not as in the file: other weights, and arguments left at their default."""

import inspect
import tempfile
from pathlib import Path

import numpy as np
import onnx

from onnxproof._internal.trees import Array, leaves, to_array
from onnxproof.case import Case
from onnxproof.engines.base import EngineError
from onnxproof.graph.load import load_model
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.reference import JudgedProbe
from onnxproof.versions import TORCH_EXPORT


def default_advice(conversion: Conversion) -> str:
    """What to do about numbers among the defaults of `forward` that became inputs of the file; "" for none."""
    known = leaves(conversion.case.inputs)
    if conversion.case.file:
        return ""
    try:
        strange = [name for name in conversion.graph.input_names if name not in known]
        parameters = inspect.signature(conversion.case.module.forward).parameters.values()
    except ValueError:
        return ""
    given = conversion.case.inputs
    numbers = [p.name for p in parameters if isinstance(p.default, int | float) and p.name not in given]
    if not (strange and numbers) or conversion.file.written_by == TORCH_EXPORT:
        return ""
    names = " and ".join(f"`{name}`" for name in numbers)
    return (
        f"Wrap the model in a module whose `forward` has no {names}, or give it in the case's `inputs`: torchscript "
        "makes inputs of numbers that are defaults."
    )


def other_weights(conversion: Conversion, judged: JudgedProbe) -> list[str]:
    """The weights, by name, that differ from the model's, if the file with the model's own in their place is right.

    Empty otherwise: exporters rename, transpose and fold weights, and values alone prove nothing.
    """
    own = own_weights(conversion.case)
    model, changed = load_model(conversion.file.path), []
    for tensor in model.graph.initializer:
        wanted, found = own.get(tensor.name), onnx.numpy_helper.to_array(tensor)
        if wanted is None or wanted.shape != found.shape or wanted.dtype != found.dtype:
            continue
        if not np.array_equal(found, wanted, equal_nan=wanted.dtype.kind == "f"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(wanted, tensor.name))
            changed.append(tensor.name)
    return changed if changed and _is_right(model, conversion, judged) else []


def own_weights(case: Case) -> dict[str, Array]:
    """The model's weights by name; those of a file are its initializers."""
    if case.file:
        return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in load_model(case.file).graph.initializer}
    return {name: to_array(value) for name, value in case.module.state_dict().items()}


def _is_right(model: onnx.ModelProto, conversion: Conversion, judged: JudgedProbe) -> bool:
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "model.onnx")
        onnx.save(model, path)
        try:
            actual = conversion.open(path).run(conversion.feeds(judged.probe.inputs))
        except EngineError:
            return False
    return all(parity.same for parity in by_position(actual, judged.reference, ""))
