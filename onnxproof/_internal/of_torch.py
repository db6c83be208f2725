"""Whether a value is one of torch's, asked without importing torch: where nobody has imported it, none is."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeGuard

    from torch import Tensor, nn


def is_tensor(value: Any) -> "TypeGuard[Tensor]":
    """Whether a value is a tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def is_module(value: Any) -> "TypeGuard[nn.Module]":
    """Whether a value is a module, such as a model."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)
