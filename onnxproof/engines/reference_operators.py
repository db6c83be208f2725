"""Operators that onnx's reference evaluator gets wrong, refuses, or takes gigabytes for, as onnx specifies them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_batch_normalization import BatchNormalization_14
from onnx.reference.ops.op_conv import Conv as OnnxConv
from onnx.reference.ops.op_conv_transpose import ConvTranspose as OnnxConvTranspose
from onnx.reference.ops.op_max_pool import MaxPool as OnnxMaxPool
from onnx.reference.ops.op_negative_log_likelihood_loss import NegativeLogLikelihoodLoss

from onnxproof._internal.trees import Array
from onnxproof.engines.pictures import convolved, convolved_transposed, max_pooled, wide


class BatchNormalization(BatchNormalization_14):
    """Normalizes by the given mean and variance at every opset: onnx takes `momentum` for training before opset 14."""


class DequantizeLinear(OpRun):
    """Takes every opset: onnx has none from 10 to 18, which quantizers write."""

    def _run(
        self,
        x: Array,
        scale: Array,
        zero: Array | None = None,
        axis: int | None = None,
        block_size: int | None = None,
        output_dtype: int | None = None,
    ) -> tuple[Array]:
        axis = 1 if axis is None else axis
        steps = _along(scale, x.shape, axis, block_size or 0)
        zeros = 0 if zero is None else _along(zero.astype(np.float32), x.shape, axis, block_size or 0)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(output_dtype) if output_dtype else scale.dtype
        return (((x.astype(np.float32) - zeros) * steps).astype(dtype),)


class GatherElements(OpRun):
    """Takes any number of elements, from data that may be larger than the indices: `numpy.choose` takes 64."""

    def _run(self, data: Array, indices: Array, axis: int | None = None) -> tuple[Array]:
        axis = (axis or 0) % data.ndim
        part = data[tuple(slice(None) if each == axis else slice(size) for each, size in enumerate(indices.shape))]
        return (np.take_along_axis(part, indices.astype(np.int64), axis),)


class Gemm(OpRun):
    """Multiplies narrow floats in float32, as processors do: numpy has no fast product of them."""

    def _run(
        self,
        a: Array,
        b: Array,
        c: Array | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        transA: int | None = None,  # noqa: N803  # onnx's names
        transB: int | None = None,  # noqa: N803
        broadcast: int | None = None,
    ) -> tuple[Array]:
        found = (wide(a).T if transA else wide(a)) @ (wide(b).T if transB else wide(b))
        found = found if alpha in (None, 1) else found * found.dtype.type(alpha)
        if c is not None and c.size:
            found = found + (wide(c) if beta in (None, 1) else wide(c) * found.dtype.type(beta))
        return (found.astype(a.dtype),)


class LogSoftmax(OpRun):
    """Takes the logarithm of the sum, which is one at least: onnx takes that of each share, which may be 0."""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        return (_log_softmax(x, -1 if axis is None else axis),)


class MatMul(OpRun):
    """Multiplies narrow floats in float32, as processors do."""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(np.matmul(wide(a), wide(b))).astype(a.dtype),)


class MaxPool(OnnxMaxPool):
    """Rounds sizes up as it should, where the stride is 1, too."""

    def _run(self, x: Array, **options: Any) -> Any:
        is_plain = (options.get("auto_pad") or "NOTSET") == "NOTSET" and len(self.output) == 1
        return (max_pooled(x, **options),) if is_plain else super()._run(x, **options)


class Pad(OpRun):
    """Takes away what a negative padding says: `numpy.pad` takes none."""

    def _run(
        self,
        data: Array,
        pads: Sequence[int] = (),
        constant_value: Array | float | None = None,
        axes: Sequence[int] | None = None,
        mode: str | None = None,
        value: float | None = None,
    ) -> tuple[Array]:
        added = np.zeros((data.ndim, 2), np.int64)
        added[list(range(data.ndim) if axes is None else axes)] = np.reshape(pads, (2, -1)).T
        kept = tuple(
            slice(max(0, -before), size - max(0, -after))
            for (before, after), size in zip(added, data.shape, strict=True)
        )
        more = np.maximum(added, 0)
        if mode and mode != "constant":
            return (np.pad(data[kept], more, mode),)  # type: ignore[call-overload]
        fill = constant_value if constant_value is not None else value or 0
        return (np.pad(data[kept], more, constant_values=np.asarray(fill).astype(data.dtype)),)


class Conv(OnnxConv):
    """Convolves with some patches side by side at a time, and without zeros in a dilated kernel."""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
        if (options.get("auto_pad") or "NOTSET") != "NOTSET":
            return super()._run(x, weight, bias, **options)
        found = convolved(x, weight, **options)
        return (_with_bias(found, bias),)


class ConvTranspose(OnnxConvTranspose):
    """Adds up whole pictures, one for each place of the kernel: onnx visits every pixel in Python."""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
        is_plain = (options.get("auto_pad") or "NOTSET") == "NOTSET" and not options.get("output_shape")
        if not is_plain:
            return super()._run(x, weight, bias, **options)
        found = convolved_transposed(x, weight, **options)
        return (_with_bias(found, bias),)


class Relu(OpRun):
    """Makes one array of another: onnx copies it once more."""

    def _run(self, x: Array) -> tuple[Array]:
        return (np.asarray(np.maximum(x, x.dtype.type(0))),)


class SoftmaxCrossEntropyLoss(NegativeLogLikelihoodLoss):
    """Takes the logarithm of the sum, as `LogSoftmax` does."""

    def _run(self, x: Array, target: Array, weight: Array | None = None, **more: Any) -> tuple[Array, ...]:
        logarithms = _log_softmax(x, 1)
        return (*super()._run(logarithms, target, weight, **more), logarithms)[: len(self.onnx_node.output)]


class Split(OpRun):
    """Refuses sizes that do not add up to that of the value: onnx takes what there is."""

    def _run(
        self, x: Array, split: Array | None = None, axis: int | None = None, num_outputs: int | None = None
    ) -> tuple[Array, ...]:
        size, count = x.shape[axis or 0], num_outputs or len(self.onnx_node.output)
        most = -(-size // count)
        sizes = [*[most] * (count - 1), size - most * (count - 1)] if split is None else list(split)
        if sum(sizes) != size or min(sizes) < 0:
            raise ValueError(f"Split: the sizes {sizes} do not add up to {size}")
        return tuple(np.split(x, np.cumsum(sizes)[:-1], axis or 0))


OPERATORS = [
    BatchNormalization,
    Conv,
    ConvTranspose,
    DequantizeLinear,
    GatherElements,
    Gemm,
    LogSoftmax,
    MatMul,
    MaxPool,
    Pad,
    Relu,
    SoftmaxCrossEntropyLoss,
    Split,
]


def _log_softmax(x: Array, axis: int) -> Array:
    below = wide(x) - wide(x).max(axis, keepdims=True, initial=-np.inf)
    return np.asarray(below - np.log(np.exp(below).sum(axis, keepdims=True)), x.dtype)


def _along(values: Array, shape: Sequence[int], axis: int, block_size: int) -> Array:
    """A scale in the shape in which it is applied: one, one for each place on an axis, or for each block on it."""
    if block_size:
        return np.repeat(values, block_size, axis)[tuple(map(slice, shape))]
    if values.size == 1:
        return values.reshape(())
    return values.reshape([values.size if place == axis % len(shape) else 1 for place in range(len(shape))])


def _with_bias(found: Array, bias: Array | None) -> Array:
    """Adds the bias in place: a large array takes longer to be had than to be added to."""
    if bias is not None:
        found += bias.reshape(-1, *[1] * (found.ndim - 2))
    return found
