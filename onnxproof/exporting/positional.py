"""A model that takes by position what it takes by name alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn


class ByPosition(nn.Module):
    """A model whose keyword-only arguments can be passed by position: torchscript knows no others."""

    def __init__(self, model: nn.Module, arguments: Sequence[Any], named: Mapping[str, Any]) -> None:
        super().__init__()
        self.model, self.count, self.names = model, len(arguments), tuple(named)

    def forward(self, *values: Any) -> Any:
        return self.model(*values[: self.count], **dict(zip(self.names, values[self.count :], strict=True)))
