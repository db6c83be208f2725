"""Whether a model reads the values of its inputs, or their sizes, dtypes and devices alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from onnxproof.engines.decisions import operator_name

_OF_SHAPE = ("_like", "new_empty", "new_empty_strided", "new_full", "new_ones", "new_zeros")


class Reading(TorchDispatchMode):
    """Within it, `seen` becomes True when an operation reads the values of one of the `inputs`.

    One that makes a tensor of an input's shape does not. A view counts: what becomes of it is not followed.
    """

    def __init__(self, inputs: Iterable[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inputs = [value for value in inputs if isinstance(value, Tensor)]
        self.seen = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not operator_name(func).endswith(_OF_SHAPE):
            given = tree_flatten((args, kwargs or {}))[0]
            self.seen |= any(value is each for value in given for each in self._inputs)
        return func(*args, **(kwargs or {}))
