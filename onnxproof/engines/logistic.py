"""How far the rounding of a half moves the logistic function.

Engines compute it as 1/2 + tanh(x / 2) / 2, or by a fraction that is added to 1/2: it is off by some units in the last
place of 1/2, however small it is. torch rounds it in its own last place.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from onnxproof.engines.decisions import operator_name


def logistic_otherwise(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], random: torch.Generator
) -> Tensor | None:
    """The logistic function, moved by up to two units in the last place of 1/2; None for other operations."""
    if operator_name(func) not in ("sigmoid", "sigmoid_") or not args[0].is_floating_point():
        return None
    result: Tensor = func(*args, **kwargs)
    most = torch.finfo(result.dtype).eps
    return result.add_(torch.empty_like(result).uniform_(-most, most, generator=random)).clamp_(0, 1)
