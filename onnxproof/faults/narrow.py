"""Faults of a file in float16 or bfloat16, and one of any file that may lose accuracy."""

from collections.abc import Callable

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, numpy_helper

from onnxproof.faults import edits
from onnxproof.faults.fault import Unsuited, lossy_fault

# Narrow floats


@lossy_fault(caught_by="same-values")
def overflow_behind_convolution(model: ModelProto) -> None:
    """A convolution's result is multiplied by 60 000 twice, which is infinite in float16, and divided again."""
    _overflow(model, edits.nodes(model, "Conv")[-1].output[0])


@lossy_fault(caught_by="engines-agree")
def overflow_that_a_cpu_hides(model: ModelProto) -> None:
    """A value is infinite in float16, where ONNX Runtime computes in float32 on a CPU, and a GPU does not."""
    if any(node.op_type == "Conv" for node in model.graph.node):
        raise Unsuited("the file has a Conv, into which ONNX Runtime folds the factor")
    _overflow(model, _narrow_value(model, TensorProto.FLOAT16))


def _overflow(model: ModelProto, value: str) -> None:
    _narrow_value(model, TensorProto.FLOAT16)
    large = edits.constant(model, 60_000, np.float16)
    for op_type in ("Div", "Div", "Mul", "Mul"):
        edits.after(model, value, op_type, large)
        value = f"{value}_changed"


@lossy_fault(caught_by="format-faithful")
def cast_truncates(model: ModelProto) -> None:
    """A value is cast to int32 in units of 1/64, and back."""
    value = _narrow_value(model, TensorProto.FLOAT16)
    unit = edits.constant(model, 64, np.float16)
    for op_type, more, attributes in (
        ("Div", [unit], {}),
        ("Cast", [], {"to": TensorProto.FLOAT16}),
        ("Cast", [], {"to": TensorProto.INT32}),
        ("Mul", [unit], {}),
    ):
        edits.after(model, value, op_type, *more, **attributes)
        value = f"{value}_changed"


@lossy_fault(caught_by="format-faithful")
def cast_through_bfloat16(model: ModelProto) -> None:
    """A float16 value goes through bfloat16, which has three bits less."""
    value = _narrow_value(model, TensorProto.FLOAT16)
    edits.after(model, value, "Cast", to=TensorProto.FLOAT16)
    edits.after(model, f"{value}_changed", "Cast", to=TensorProto.BFLOAT16)


@lossy_fault(caught_by="format-faithful")
def narrow_channels_swapped(model: ModelProto) -> None:
    """Two channels of a narrow weight are swapped."""
    tensor = _narrow_weight(model)
    _write(tensor, edits.swapped(numpy_helper.to_array(tensor)))


@lossy_fault(caught_by="format-faithful")
def narrow_weight_truncated(model: ModelProto) -> None:
    """A narrow weight has four bits less than its format."""
    tensor = _narrow_weight(model)
    values = numpy_helper.to_array(tensor)
    wide = values.astype(np.float32)
    bits = 6 if values.dtype == np.float16 else 3
    mantissa, exponent = np.frexp(wide)
    _write(tensor, np.ldexp(np.trunc(mantissa * 2**bits) / 2**bits, exponent).astype(values.dtype))


@lossy_fault(caught_by="format-faithful")
def narrow_bias_zero(model: ModelProto) -> None:
    """A narrow bias is zero."""
    tensor = _narrow_weight(model, lambda values: values.ndim == 1 and values.size > 2 and bool(values.any()))
    _write(tensor, np.zeros_like(numpy_helper.to_array(tensor)))


# Anything lossy


@lossy_fault(caught_by="loss-kept")
def another_unit(model: ModelProto) -> None:
    """The inputs are expected in another unit, a hundred times as large."""
    for info in edits.inputs(model):
        if info.type.tensor_type.elem_type == TensorProto.FLOAT and len(edits.dims(info)) == 4:
            edits.after(model, info.name, "Mul", edits.constant(model, 0.01))
            return
    raise Unsuited("the file has no float input of four dimensions")


def _narrow_weight(
    model: ModelProto, such: Callable[[NDArray[np.generic]], bool] = lambda values: values.ndim > 1
) -> TensorProto:
    """The last constant in float16 or bfloat16 with the property."""
    narrow = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    found = [t for t in model.graph.initializer if t.data_type in narrow and such(numpy_helper.to_array(t))]
    if not found:
        raise Unsuited("the file has no such narrow constant")
    return found[-1]


def _write(tensor: TensorProto, values: NDArray[np.generic]) -> None:
    """Sets a narrow constant, also one of bfloat16."""
    made = numpy_helper.from_array(values.astype(np.float16 if values.dtype == np.float16 else ml_dtypes.bfloat16))
    made.name = tensor.name
    tensor.CopyFrom(made)


def _narrow_value(model: ModelProto, dtype: int) -> str:
    """The float16 result of the last layer."""
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    found = [
        node.output[0]
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul", "Relu") and any(kinds.get(name) == dtype for name in node.input)
    ]
    if not found:
        raise Unsuited("the file computes nothing in float16")
    return found[-1]
