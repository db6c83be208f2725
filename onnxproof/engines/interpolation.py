"""How far the rounding of coordinates moves what is interpolated between pixels.

Engines compute the place of an output pixel in the input in float32, from sizes or from a rounded scale: it is off by
up to half a unit in the last place of the farthest coordinate, and the value by that times the slope between two
pixels.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from onnxproof.engines.decisions import operator_name

_INTERPOLATIONS = ("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d")


def interpolated_otherwise(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random: torch.Generator
) -> Tensor | None:
    """The result of an interpolation at coordinates that are rounded otherwise; None for other operations."""
    if operator_name(func) not in _INTERPOLATIONS or not args[0].is_floating_point():
        return None
    image, *others = args
    result: Tensor = func(image, *others, **kwargs)
    for axis in range(2, image.dim()):
        slope = func(torch.diff(image, dim=axis, append=image.narrow(axis, -1, 1)), *others, **kwargs)
        most = torch.finfo(torch.float32).eps / 2 * image.shape[axis]
        result = result + slope * torch.empty_like(slope).uniform_(-most, most, generator=random)
    return result
