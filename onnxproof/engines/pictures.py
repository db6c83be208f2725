"""Convolutions and pools of whole pictures, without a loop over their pixels."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from onnxproof._internal.trees import Array

BLOCK = 2**18
"""The values of the patches that a convolution lays side by side at a time: they stay in the processor's cache."""


def convolved(
    x: Array,
    weight: Array,
    dilations: Sequence[int] | None = None,
    group: int | None = 1,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    """The kernel times the patches of some pictures, or of some rows of one, at a time."""
    rank, group = x.ndim - 2, group or 1
    kernel, pads = weight.shape[2:], pads or [0] * 2 * rank
    padded = np.pad(wide(x), [(0, 0), (0, 0), *zip(pads[:rank], pads[rank:], strict=True)])
    windows = _windows(padded, kernel, dilations or [1] * rank, strides or [1] * rank)
    sizes = windows.shape[2:-rank]
    patches = windows.transpose(0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))  # (N, C, *kernel, *places)
    grouped = wide(weight).reshape(group, -1, math.prod(weight.shape[1:]))  # (group, out, in × kernel)
    found = np.zeros((len(x), group, grouped.shape[1], *sizes), x.dtype)
    a_row = group * grouped.shape[2] * math.prod(sizes[1:])
    pictures, rows = (max(1, BLOCK // max(1, values)) for values in (a_row * sizes[0], a_row))
    for first, top in product(range(0, len(x), pictures), range(0, sizes[0], rows)):
        part = patches[(slice(first, first + pictures), *[slice(None)] * (1 + rank), slice(top, top + rows))]
        columns = part.reshape(len(part), group, grouped.shape[2], -1)  # (N, group, in × kernel, places)
        place = found[first : first + pictures, :, :, top : top + rows]
        place[...] = (grouped @ columns).reshape(place.shape)
    return found.reshape(len(x), len(weight), *sizes)


def convolved_transposed(
    x: Array,
    weight: Array,
    dilations: Sequence[int] | None = None,
    group: int | None = 1,
    output_padding: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    """Adds up whole pictures, one for each place of the kernel."""
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


def max_pooled(
    x: Array,
    kernel_shape: Sequence[int],
    ceil_mode: int | None = 0,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
    **_: Any,
) -> Array:
    """The largest value of each window, which may begin in the picture and end behind it."""
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
    pooled: Array = _windows(padded, kernel_shape, dilations, strides).max(tuple(range(-rank, 0)))
    kept: Any = map(slice, counts)
    return pooled[(..., *kept)]


def wide(values: Array) -> Array:
    """Narrow floats in float32; anything else as it is."""
    return values.astype(np.float32) if values.dtype.name in ("float16", "bfloat16") else values


def _windows(padded: Array, kernel: Sequence[int], dilations: Sequence[int], strides: Sequence[int]) -> Array:
    """The values that a kernel meets at each of its places: (N, C, *places, *kernel), a view."""
    axes = tuple(range(2, padded.ndim))
    found = np.lib.stride_tricks.sliding_window_view(padded, tuple(_reaches(kernel, dilations)), axes)
    return found[(slice(None), slice(None), *(slice(None, None, step) for step in (*strides, *dilations)))]


def _reaches(kernel: Sequence[int], dilations: Sequence[int]) -> list[int]:
    return [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
