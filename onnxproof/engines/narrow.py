"""An ONNX model whose floats are stored in a narrower type, and computed as they were."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from onnxproof.engines.moved import EXACT
from onnxproof.graph.declared import numpy_dtype
from onnxproof.graph.inference import inferred

_TYPES = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}


def stored_in(format: str) -> Callable[[ModelProto], ModelProto]:
    """Makes a copy of a model in which float32 inputs, weights and results are rounded to "float16" or "bfloat16"."""

    def edit(model: ModelProto) -> ModelProto:
        floats = {name for name, value in inferred(model).items() if value.dtype == "float32"}
        made = onnx.ModelProto()
        made.CopyFrom(model)
        for tensor in made.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT:
                with np.errstate(over="ignore"):
                    narrow = numpy_helper.to_array(tensor).astype(numpy_dtype(format)).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(narrow, tensor.name))
        del made.graph.node[:]
        taken = {value.name for value in model.graph.input if value.name in floats}
        for name in taken:
            _round(made, name, f"{name}/stored", format)
        for node in model.graph.node:
            copy = made.graph.node.add()
            copy.CopyFrom(node)
            copy.input[:] = [f"{name}/stored" if name in taken else name for name in node.input]
            for place, name in enumerate(node.output if node.op_type not in EXACT else ()):
                if name in floats:
                    copy.output[place] = f"{name}/wide"
                    _round(made, f"{name}/wide", name, format)
        return made

    return edit


def _round(model: ModelProto, name: str, rounded: str, format: str) -> None:
    narrow = f"{rounded}/{format}"
    model.graph.node.append(helper.make_node("Cast", [name], [narrow], to=_TYPES[format]))
    model.graph.node.append(helper.make_node("Cast", [narrow], [rounded], to=TensorProto.FLOAT))
