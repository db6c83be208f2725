"""Operators that onnx's reference evaluator gets wrong, refuses, or takes gigabytes for, as onnx specifies them."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_batch_normalization import BatchNormalization_14
from onnx.reference.ops.op_conv import Conv as OnnxConv
from onnx.reference.ops.op_conv_transpose import ConvTranspose as OnnxConvTranspose
from onnx.reference.ops.op_grid_sample import GridSample as OnnxGridSample
from onnx.reference.ops.op_max_pool import MaxPool as OnnxMaxPool
from onnx.reference.ops.op_negative_log_likelihood_loss import NegativeLogLikelihoodLoss

from onnxproof._internal.trees import Array

NEW_MODES = {"bilinear": "linear", "bicubic": "cubic"}
"""What opset 20 calls the modes of opset 16's GridSample; onnx 1.14's evaluator knows the earlier names."""

knows_new_modes = onnx.defs.get_schema("GridSample").since_version >= 20


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
        found = (_wide(a).T if transA else _wide(a)) @ (_wide(b).T if transB else _wide(b))
        found = found if alpha in (None, 1) else found * found.dtype.type(alpha)
        if c is not None and c.size:
            found = found + (_wide(c) if beta in (None, 1) else _wide(c) * found.dtype.type(beta))
        return (found.astype(a.dtype),)


class GridSample(OnnxGridSample):
    """Knows the modes by their names at opset 16, too."""

    def _run(self, x: Array, grid: Array, mode: str = "linear", **more: Any) -> Any:
        return super()._run(x, grid, mode=NEW_MODES.get(mode, mode) if knows_new_modes else mode, **more)


class LogSoftmax(OpRun):
    """Takes the logarithm of the sum, which is one at least: onnx takes that of each share, which may be 0."""

    def _run(self, x: Array, axis: int | None = None) -> tuple[Array]:
        return (_log_softmax(x, -1 if axis is None else axis),)


class MatMul(OpRun):
    """Multiplies narrow floats in float32, as processors do."""

    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(np.matmul(_wide(a), _wide(b))).astype(a.dtype),)


class MaxPool(OnnxMaxPool):
    """Rounds sizes up as it should, where the stride is 1, too."""

    def _run(self, x: Array, **options: Any) -> Any:
        is_plain = (options.get("auto_pad") or "NOTSET") == "NOTSET" and len(self.output) == 1
        return (_max_pool(x, **options),) if is_plain else super()._run(x, **options)


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
        found = _convolve(x, weight, **options)
        return (found if bias is None else found + bias.reshape(-1, *[1] * (x.ndim - 2)),)


BLOCK = 2**18
"""The values of the patches that a convolution lays side by side at a time: they stay in the processor's cache."""


class ConvTranspose(OnnxConvTranspose):
    """Adds up whole pictures, one for each place of the kernel: onnx visits every pixel in Python."""

    def _run(self, x: Array, weight: Array, bias: Array | None = None, **options: Any) -> Any:
        is_plain = (options.get("auto_pad") or "NOTSET") == "NOTSET" and not options.get("output_shape")
        if not is_plain:
            return super()._run(x, weight, bias, **options)
        found = _convolve_transposed(x, weight, **options)
        return (found if bias is None else found + bias.reshape(-1, *[1] * (x.ndim - 2)),)


class SoftmaxCrossEntropyLoss(NegativeLogLikelihoodLoss):
    """Takes the logarithm of the sum, as `LogSoftmax` does."""

    def _run(self, x: Array, target: Array, weight: Array | None = None, **more: Any) -> tuple[Array, ...]:
        logarithms = _log_softmax(x, 1)
        return (*super()._run(logarithms, target, weight, **more), logarithms)[: len(self.onnx_node.output)]


OPERATORS = [
    BatchNormalization,
    Conv,
    ConvTranspose,
    DequantizeLinear,
    GatherElements,
    Gemm,
    GridSample,
    LogSoftmax,
    MatMul,
    MaxPool,
    Pad,
    SoftmaxCrossEntropyLoss,
]


def _log_softmax(x: Array, axis: int) -> Array:
    below = _wide(x) - _wide(x).max(axis, keepdims=True, initial=-np.inf)
    return np.asarray(below - np.log(np.exp(below).sum(axis, keepdims=True)), x.dtype)


def _wide(values: Array) -> Array:
    """Narrow floats in float32; anything else as it is."""
    return values.astype(np.float32) if values.dtype.name in ("float16", "bfloat16") else values


def _along(values: Array, shape: Sequence[int], axis: int, block_size: int) -> Array:
    """A scale in the shape in which it is applied: one, one for each place on an axis, or for each block on it."""
    if block_size:
        return np.repeat(values, block_size, axis)[tuple(map(slice, shape))]
    if values.size == 1:
        return values.reshape(())
    return values.reshape([values.size if place == axis % len(shape) else 1 for place in range(len(shape))])


def _max_pool(
    x: Array,
    kernel_shape: Sequence[int],
    ceil_mode: int | None = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    rank = len(kernel_shape)
    dilations, strides, pads = dilations or [1] * rank, strides or [1] * rank, pads or [0] * 2 * rank
    reaches = _reaches(kernel_shape, dilations)
    counts, ends = [], []
    for size, reach, stride, before, after in zip(x.shape[2:], reaches, strides, pads[:rank], pads[rank:], strict=True):
        count = (size + before + after - reach) / stride + 1
        count = math.ceil(count) if ceil_mode else math.floor(count)
        count -= bool(ceil_mode and (count - 1) * stride >= size + before)  # it would begin in the padding
        counts.append(count)
        ends.append(max(after, (count - 1) * stride + reach - size - before))
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    padded = np.pad(x, [(0, 0), (0, 0), *zip(pads[:rank], ends, strict=True)], constant_values=lowest)
    pooled = _windows(padded, kernel_shape, dilations, strides).max(tuple(range(-rank, 0)))
    return pooled[(..., *map(slice, counts))]


def _convolve(
    x: Array,
    weight: Array,
    dilations: Sequence[int] | None = None,
    group: int | None = 1,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    """Multiplies the kernel by the patches of some pictures, or of some rows of one, at a time."""
    rank, group = x.ndim - 2, group or 1
    kernel, pads = weight.shape[2:], pads or [0] * 2 * rank
    padded = np.pad(_wide(x), [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    windows = _windows(padded, kernel, dilations or [1] * rank, strides or [1] * rank)
    sizes = windows.shape[2:-rank]
    patches = windows.transpose(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))  # (N, C, *kernel, *places)
    grouped = _wide(weight).reshape(group, -1, math.prod(weight.shape[1:]))  # (group, out, in × kernel)
    found = np.zeros((len(x), group, grouped.shape[1], *sizes), x.dtype)
    a_row = group * grouped.shape[2] * math.prod(sizes[1:])
    pictures, rows = (max(1, BLOCK // max(1, values)) for values in (a_row * sizes[0], a_row))
    for first, top in product(range(0, len(x), pictures), range(0, sizes[0], rows)):
        part = patches[(slice(first, first + pictures), *[slice(None)] * (1 + rank), slice(top, top + rows))]
        columns = part.reshape(len(part), group, grouped.shape[2], -1)  # (N, group, in × kernel, places)
        place = found[first : first + pictures, :, :, top : top + rows]
        place[...] = (grouped @ columns).reshape(place.shape)
    return found.reshape(len(x), len(weight), *sizes)


def _convolve_transposed(
    x: Array,
    weight: Array,
    dilations: Sequence[int] | None = None,
    group: int | None = 1,
    output_padding: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    rank, group = x.ndim - 2, group or 1
    kernel, sizes = weight.shape[2:], x.shape[2:]
    strides, dilations, pads = strides or [1] * rank, dilations or [1] * rank, pads or [0] * 2 * rank
    more = output_padding or [0] * rank
    reaches = _reaches(kernel, dilations)
    room = [
        (size - 1) * step + reach + extra
        for size, step, reach, extra in zip(sizes, strides, reaches, more, strict=True)
    ]
    made = np.zeros((len(x), group * weight.shape[1], *room), x.dtype)
    columns = x.reshape(len(x), group, -1, math.prod(sizes))  # (N, group, in, P)
    rows = weight.reshape(group, -1, *weight.shape[1:])  # (group, in, out, *kernel)
    for at in np.ndindex(kernel):
        part = rows[(..., *at)].swapaxes(1, 2) @ columns  # (N, group, out, P)
        places: Any = [
            slice(first * hole, first * hole + (size - 1) * step + 1, step)
            for first, hole, size, step in zip(at, dilations, sizes, strides, strict=True)
        ]
        made[(..., *places)] += part.reshape(len(x), -1, *sizes)
    ends = [size - behind for size, behind in zip(room, pads[rank:], strict=True)]
    kept: Any = map(slice, pads[:rank], ends)
    return made[(..., *kept)]


def _windows(padded: Array, kernel: Sequence[int], dilations: Sequence[int], strides: Sequence[int]) -> Array:
    """The values that a kernel meets at each of its places: (N, C, *places, *kernel), a view."""
    axes = tuple(range(2, padded.ndim))
    found = np.lib.stride_tricks.sliding_window_view(padded, tuple(_reaches(kernel, dilations)), axes)
    return found[(slice(None), slice(None), *(slice(None, None, step) for step in (*strides, *dilations)))]


def _reaches(kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    return [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
