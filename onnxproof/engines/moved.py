"""An ONNX model whose results are moved by a few units in their last place: the same model in another rounding."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from onnxproof.graph.declared import numpy_dtype
from onnxproof.graph.facts import opsets_of
from onnxproof.graph.inference import inferred

ROUNDINGS = 4
"""How far a result is moved at most, in units of its last place: half a unit is what one rounding costs, and a sum over
hundreds of products has about eight of them."""

EXACT = frozenset(
    [
        *("Abs", "ArgMax", "ArgMin", "Cast", "CastLike", "Ceil", "Clip", "Compress", "Concat", "Constant"),
        *("ConstantOfShape", "DepthToSpace", "Dropout", "Expand", "EyeLike", "Flatten", "Floor", "Gather"),
        *("GatherElements", "GatherND", "GlobalMaxPool", "Identity", "Max", "MaxPool", "MaxUnpool", "Min", "Neg"),
        *("OneHot", "Pad", "Range", "ReduceMax", "ReduceMin", "Relu", "Reshape", "ReverseSequence", "Round"),
        *("ScatterElements", "ScatterND", "Shape", "Sign", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze"),
        *("Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Where"),
    ]
)
"""Operators that round nothing."""

_EPS = {"float16": 2**-10, "bfloat16": 2**-7, "float32": 2**-23, "float64": 2**-52}
_TYPES = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
_DRAWN = dict.fromkeys(_EPS, TensorProto.FLOAT) | {"float64": TensorProto.DOUBLE}
"""The dtype that random numbers are drawn in: ONNX Runtime draws no narrow ones."""


def moved(model: ModelProto) -> ModelProto:
    """A copy in which each node's floating-point result is moved by up to `ROUNDINGS` halves of its last place.

    Integral results stay from opset 11 on; what is in subgraphs and functions stays.
    """
    dtypes = {name: value.dtype for name, value in inferred(model).items()}
    keeps_integers = opsets_of(model).get("", 0) >= 11
    made = onnx.ModelProto()
    made.CopyFrom(model)
    sizes = {
        dtype: np.array(ROUNDINGS * _EPS[dtype] / 2, numpy_dtype(dtype)) for dtype in _EPS if dtype in dtypes.values()
    }
    made.graph.initializer.extend(numpy_helper.from_array(size, _size_of(dtype)) for dtype, size in sizes.items())
    del made.graph.node[:]
    for index, node in enumerate(model.graph.node):
        copy = made.graph.node.add()
        copy.CopyFrom(node)
        for place, name in enumerate(node.output if node.op_type not in EXACT else ()):
            if dtypes.get(name, "") in _EPS:
                copy.output[place] = f"{name}/exact"
                number = float(1000 * index + 10 * place)
                made.graph.node.extend(_move(name, dtypes[name], number, keeps_integers))
    return made


def _move(name: str, dtype: str, seed: float, keeps_integers: bool) -> Iterator[NodeProto]:
    """The nodes that make `name` of `name/exact`."""
    exact, noise, part, change, product = (f"{name}/{what}" for what in ("exact", "noise", "part", "change", "moved"))
    yield helper.make_node("RandomUniformLike", [exact], [noise], low=-1.0, high=1.0, seed=seed, dtype=_DRAWN[dtype])
    if dtype in _TYPES:
        yield helper.make_node("Cast", [noise], [f"{noise}/narrow"], to=_TYPES[dtype])
        noise = f"{noise}/narrow"
    yield helper.make_node("Mul", [exact, noise], [part])
    yield helper.make_node("Mul", [part, _size_of(dtype)], [change])
    if not keeps_integers:
        yield helper.make_node("Add", [exact, change], [name])
        return
    whole, same = f"{name}/whole", f"{name}/same"
    yield helper.make_node("Add", [exact, change], [product])
    yield helper.make_node("Round", [exact], [whole])
    yield helper.make_node("Equal", [exact, whole], [same])
    yield helper.make_node("Where", [same, exact, product], [name])


def _size_of(dtype: str) -> str:
    return f"{dtype}/size of a move"
