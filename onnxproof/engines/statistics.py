"""The values inside an ONNX file as a few numbers each, which a run computes in bounded memory."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from onnxproof.graph.facts import opsets_of
from onnxproof.graph.inference import inferred

SHAPE, FIGURES = "shape of ", "figures of "
"""What the outputs of `with_figures` are called, before the value's own name."""

_NUMBERS = ("float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool")
_ALL, _ZERO, _ONE = (f"of figures/{name}" for name in ("all", "zero", "one"))


def with_figures(model: ModelProto) -> ModelProto:
    """A copy whose outputs are the shape, and four sums in float64, of each value that a node of the main graph makes.

    The sums are of the values, of these weighted by their place, of their absolutes and of their squares. Raises
    `ValueError` for an opset before 11, which lacks the operators.
    """
    if opsets_of(model).get("", 0) < 11:
        raise ValueError("the opset lacks the operators")
    known = inferred(model)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.output[:]
    constants = {_ALL: np.array([-1]), _ZERO: np.array(0), _ONE: np.array(1)}
    made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    for name in (name for node in model.graph.node for name in node.output):
        if name in known and known[name].dtype in _NUMBERS:
            made.graph.node.extend(_figures(name))
            made.graph.output.extend(ValueInfoProto(name=prefix + name) for prefix in (SHAPE, FIGURES))
    return made


def _figures(name: str) -> Iterator[NodeProto]:
    def part(text: str) -> str:
        return f"{text} of {name}/figures"

    yield helper.make_node("Shape", [name], [SHAPE + name])
    yield helper.make_node("Cast", [name], [part("wide")], to=TensorProto.DOUBLE)
    yield helper.make_node("Reshape", [part("wide"), _ALL], [part("flat")])
    yield helper.make_node("Size", [name], [part("size")])
    yield helper.make_node("Range", [_ZERO, part("size"), _ONE], [part("place")])
    yield helper.make_node("Cast", [part("place")], [part("weight")], to=TensorProto.DOUBLE)
    yield helper.make_node("Mul", [part("flat"), part("weight")], [part("weighted")])
    yield helper.make_node("Abs", [part("flat")], [part("absolute")])
    yield helper.make_node("Mul", [part("flat"), part("flat")], [part("square")])
    sums = [f"{part(each)}/sum" for each in ("flat", "weighted", "absolute", "square")]
    for total, each in zip(sums, ("flat", "weighted", "absolute", "square"), strict=True):
        yield helper.make_node("ReduceSum", [part(each)], [total], keepdims=1)
    yield helper.make_node("Concat", sums, [FIGURES + name], axis=0)
