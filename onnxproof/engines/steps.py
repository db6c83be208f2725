"""The operations of a model's run one by one: the module and the line of each, and what is kept of its values."""

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from onnxproof._internal.files import is_own
from onnxproof._internal.trees import leaves
from onnxproof.engines.decisions import operator_name

Keep = Callable[[int, Tensor], Any]
"""What is kept of a tensor, from its place and itself."""

_TORCH = Path(torch.__file__).parent


@dataclass(frozen=True)
class Step:
    """An operation: its name, the path of the innermost `module` around it, that module's class, and the line.

    `inputs` and `outputs` are places in `Steps.values`; weights and constants are not among them.
    """

    operator: str
    module: str
    type: str
    source: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Steps:
    """A run: `values` is what is kept of each tensor, the inputs' first, and `outputs` the places of the outputs."""

    values: list[Any] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    maker: dict[int, Step] = field(default_factory=dict)


@contextmanager
def recorded(model: nn.Module, steps: Steps, keep: Keep) -> Iterator[None]:
    """Writes the operations of a run of `model` into `steps`, and what `keep` makes of each tensor and its place.

    torch's fast path of attention is off meanwhile, which would show a whole layer as one operation.
    """
    recorder = _Recorder(model, steps, keep)
    switch = getattr(torch.backends, "mha", None)
    was = switch.get_fastpath_enabled() if switch else False
    with ExitStack() as stack:
        for handle in (
            hooks.register_module_forward_pre_hook(recorder.enters),
            hooks.register_module_forward_hook(recorder.leaves),
        ):
            stack.callback(handle.remove)
        if switch:
            switch.set_fastpath_enabled(False)
            stack.callback(switch.set_fastpath_enabled, was)
        stack.enter_context(recorder)
        yield


class _Recorder(TorchDispatchMode):
    """Follows each tensor by identity, and what is written in place by its storage."""

    supports_higher_order_operators = True

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init__(self, model: nn.Module, steps: Steps, keep: Keep) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {module: name for name, module in model.named_modules()}
        self._weights = {id(weight) for weight in (*model.parameters(), *model.buffers())}
        self._steps, self._keep = steps, keep
        self._within: list[nn.Module] = []
        self._places: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._written: dict[int, int] = {}
        self._is_keeping = False
        self._thread = threading.get_ident()

    def enters(self, module: nn.Module, args: Any) -> None:
        """Called before each module's forward, also in other threads."""
        if threading.get_ident() != self._thread:
            return
        self._within.append(module)
        if self._names.get(module) == "":
            for value in _tensors(args):
                self._place(value)

    def leaves(self, module: nn.Module, args: Any, output: Any) -> None:
        """Called after each module's forward, also in other threads."""
        if threading.get_ident() != self._thread:
            return
        self._within.pop()
        if self._names.get(module) == "":
            values = leaves(output if isinstance(output, Mapping) else {"": output}).values()
            self._steps.outputs = [self._place(value) for value in values if isinstance(value, Tensor)]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if self._is_keeping or not self._within:
            return func(*args, **(kwargs or {}))
        given = [value for value in _tensors((args, kwargs or {})) if id(value) not in self._weights]
        inputs = dict.fromkeys(place for value in given for place in self._read(value))
        storages = {_storage(value) for value in given}
        result = func(*args, **(kwargs or {}))
        results = _tensors(result)
        outputs = []
        for value in results:
            storage = _storage(value)
            is_input = any(value is each for each in given)
            if storage not in storages:
                self._written.pop(storage, None)
            outputs.append(self._new(value))
            if is_input:
                self._written[storage] = outputs[-1]
        if outputs:
            self._add(func, tuple(inputs), tuple(outputs))
        return result

    def _add(self, func: Any, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> None:
        named = [module for module in self._within if self._names.get(module) is not None]
        path, kind = (self._names[named[-1]], type(named[-1]).__name__) if named else ("", "")
        step = Step(operator_name(func), path, kind, _line(sys._getframe(2)), inputs, outputs)
        self._steps.steps.append(step)
        self._steps.maker |= dict.fromkeys(outputs, step)

    def _read(self, value: Tensor) -> Iterator[int]:
        """The places of a tensor, and of what was last written into its storage; none for a constant."""
        place = self._known(value)
        if place is None:
            return
        yield place
        written = self._written.get(_storage(value), place)
        if written > place:
            yield written

    def _place(self, value: Tensor) -> int:
        found = self._known(value)
        return self._new(value) if found is None else found

    def _known(self, value: Tensor) -> int | None:
        reference, place = self._places.get(id(value), (lambda: None, None))
        return place if reference() is value else None

    def _new(self, value: Tensor) -> int:
        place = len(self._steps.values)
        self._is_keeping = True
        self._steps.values.append(self._keep(place, value))
        self._is_keeping = False
        self._places[id(value)] = weakref.ref(value), place
        return place


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_flatten(values)[0] if isinstance(value, Tensor)]


def _storage(value: Tensor) -> int:
    try:
        return value.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # a sparse tensor has none
        return id(value)


def _line(frame: FrameType | None) -> str:
    """The innermost line outside of torch, as `path:line`, "" for none before the caller of the model."""
    while frame:
        file = Path(frame.f_code.co_filename)
        if not (file.is_relative_to(_TORCH) or str(file).startswith("<")):
            return "" if is_own(file) else f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
