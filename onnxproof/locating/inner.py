"""The values inside a file, and the module of the model at which they depart from it."""

import inspect
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from onnxproof._internal.files import short
from onnxproof._internal.trees import Array, count_values, to_array
from onnxproof.engines.asked import UNOPTIMIZED
from onnxproof.engines.reference import evaluator
from onnxproof.engines.torch import TorchModel, copied
from onnxproof.graph.load import load_model
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.reference import JudgedProbe

MOST_INPUTS = 2**20
"""Values of inputs; with more, all values inside the model and the file would take gigabytes."""

_LEAVE_ALONE = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout")
"""Modules that change nothing in eval mode."""


def values_in_onnxruntime(conversion: Conversion, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every value of the main graph in ONNX Runtime without graph optimization, by name."""
    opened = load_model(conversion.file.path)
    outputs = {value.name for value in opened.graph.output}
    inner = [name for node in opened.graph.node for name in node.output if name and name not in outputs]
    opened.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "opened.onnx")
        onnx.save(opened, path)
        return conversion.open(path, UNOPTIMIZED).run(feeds)


def values_in_evaluator(conversion: Conversion, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every value of the main graph in the reference evaluator, by name."""
    found: Any = evaluator(load_model(conversion.file.path)).run(None, feeds, intermediate=True)
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


def agree(ours: Array, theirs: Array) -> bool:
    """Whether two values are the same up to rounding."""
    return compare({"value": ours}, Reference({"value": theirs}), "")[0].same


def departing_module(conversion: Conversion, judged: JudgedProbe) -> str:
    """The innermost module whose input is among the file's values, and its output is not, in a sentence.

    "" if there is none: what departs is then in no module, or in many. A module that an exporter has merged with the
    next one is not taken for it, nor one that is given what the module before it happened to leave as it is.
    """
    if count_values(judged.probe.inputs) > MOST_INPUTS:
        return ""
    try:
        feeds = conversion.feeds(judged.probe.inputs)
        known = _Known([*feeds.values(), *values_in_onnxruntime(conversion, feeds).values()])
        calls = _calls(conversion, judged)
    except Exception:  # an engine may refuse to return inner values
        return ""
    kept = [known.has(call.outputs) for call in calls]
    vague = {id(value) for call in calls if call.changes_nothing for value in call.outputs}
    fine = {id(value) for call, is_kept in zip(calls, kept, strict=True) if is_kept for value in call.inputs}
    departing = [
        call
        for call, is_kept in zip(calls, kept, strict=True)
        if not is_kept
        and known.has(call.inputs)
        and not any(id(value) in vague for value in call.inputs)
        and not any(id(value) in fine for value in call.outputs)
    ]
    last = max((place for place, is_kept in enumerate(kept) if is_kept), default=-1)
    found = next((call for call in departing if calls.index(call) > last), departing[0] if departing else None)
    return found.told if found else ""


@dataclass(frozen=True, eq=False)
class _Call:
    """A call of a module, with the tensors that went in and out."""

    name: str
    kind: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    place: str

    @property
    def changes_nothing(self) -> bool:
        """Whether an output has the values of an input, in a module that is not meant to leave it as it is."""
        known = _Known([to_array(value) for value in self.inputs])
        return self.kind not in _LEAVE_ALONE and known.has(self.outputs)

    @property
    def told(self) -> str:
        return f"The input of `{self.name}`, a {self.kind}{self.place}, is among the file's values, its output is not."


class _Known:
    """Values of a file, by shape."""

    def __init__(self, values: list[Array]) -> None:
        self._values: dict[tuple[int, ...], list[Array]] = {}
        for value in values:
            self._values.setdefault(value.shape, []).append(value)

    def has(self, tensors: list[Tensor]) -> bool:
        """Whether some of the tensors are floats of more than one value, and all of these are among the values."""
        arrays = [to_array(tensor) for tensor in tensors if tensor.is_floating_point() and tensor.numel() > 1]
        return bool(arrays) and all(map(self._has, arrays))

    def _has(self, array: Array) -> bool:
        return any(agree(value, array) for value in self._values.get(array.shape, []) if value.dtype == array.dtype)


def _calls(conversion: Conversion, judged: JudgedProbe) -> list[_Call]:
    """The calls of all modules within the model, in the order in which they return."""
    case, found = conversion.case, []
    model = copied(case.module)

    def watch(name: str, module: nn.Module) -> None:
        def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            values = [*_tensors((args, kwargs))], [*_tensors(output)]
            found.append(_Call(name, type(module).__name__, *values, _place_of(module)))

        module.register_forward_hook(keep, with_kwargs=True)

    for name, module in model.named_modules():
        if name:
            watch(name, module)
    TorchModel(model, tuple(case.inputs), case.output_names, tuple(case.kwargs)).run(judged.probe.inputs)
    return found


def _place_of(module: nn.Module) -> str:
    """Where the `forward` of a module that is not torch's own is written, in brackets."""
    forward = type(module).forward
    if forward.__module__.startswith("torch."):
        return ""
    code = inspect.unwrap(forward).__code__
    return f" ({short(code.co_filename)}:{code.co_firstlineno})"


def _tensors(values: Any) -> Iterator[Tensor]:
    return (value for value in tree_flatten(values)[0] if isinstance(value, Tensor))
