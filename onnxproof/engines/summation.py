"""How far the order of a long sum moves what is made of it: means, norms, and normalizations by them.

torch adds pairwise, and is off by one unit in the last place. An engine that adds one value after the other is off by
some units, in proportion to the root of their number; what is computed from the sum moves together.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from onnxproof.engines.decisions import arguments_of, operator_name

VALUES_A_UNIT = 16**2
"""How many values move a sum by a unit: ONNX Runtime's means of 2**16 to 2**19 values are off by 4 to 36 units, of
which the slack of four allows 64 to 180."""

_SUMS = {
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool2d",
    "cumsum",
    "linalg_vector_norm",
    "logsumexp",
    "mean",
    "norm",
    "std",
    "std_mean",
    "sum",
    "var",
    "var_mean",
}


def units(func: Any, args: tuple[Any, ...], result: Tensor) -> float:
    """How far the order of summation moves a result, in units of its last place; 0 for what is not a sum."""
    if operator_name(func) not in _SUMS or not result.numel():
        return 0.0
    sums = 1 if operator_name(func) == "cumsum" else result.numel()
    return math.sqrt(args[0].numel() / sums / VALUES_A_UNIT)


def normalized_otherwise(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random: torch.Generator
) -> Tensor | None:
    """The result of a normalization with a mean and a variance that are summed in another order.

    None for other operations, and for inputs too short to show it.
    """
    if operator_name(func) not in ("group_norm", "instance_norm", "layer_norm"):
        return None
    given = arguments_of(func, args, kwargs)
    image, weight, bias = given["input"], given["weight"], given["bias"]
    rows = _normalized_together(operator_name(func), given)
    if rows is None or rows.numel() == 0 or rows.shape[1] < VALUES_A_UNIT:
        return None
    size = torch.finfo(image.dtype).eps * math.sqrt(rows.shape[1] / VALUES_A_UNIT)

    def moved(figure: Tensor) -> Tensor:
        return figure * (1 + torch.empty_like(figure).uniform_(-size, size, generator=random))

    mean, variance = rows.mean(1, keepdim=True), rows.var(1, unbiased=False, keepdim=True)
    result = ((rows - moved(mean)) / torch.sqrt(moved(variance) + given["eps"])).reshape(image.shape)
    of_channels = (
        (-1,) + (1,) * (image.dim() - 2) if operator_name(func) != "layer_norm" else tuple(given["normalized_shape"])
    )
    result = result if weight is None else result * weight.reshape(of_channels)
    return result if bias is None else result + bias.reshape(of_channels)


def _normalized_together(name: str, given: Mapping[str, Any]) -> Tensor | None:
    """The values of the input, in a row each that has a mean and a variance of its own; None where these are given."""
    image = given["input"]
    if name == "layer_norm":
        return image.reshape(-1, math.prod(given["normalized_shape"]))  # type: ignore[no-any-return]
    if name == "group_norm":
        return image.reshape(image.shape[0] * given["num_groups"], -1)  # type: ignore[no-any-return]
    return image.reshape(image.shape[0] * image.shape[1], -1) if given["use_input_stats"] else None
