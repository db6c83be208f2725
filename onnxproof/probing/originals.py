"""The model of a case, a PyTorch module or an ONNX file, and its outputs as references."""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from onnxproof._internal.trees import Array, leaves
from onnxproof.case import Case, CaseError
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.engines.torch import TorchModel, copied
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import GraphError, external_files
from onnxproof.parity.compare import Reference, compare
from onnxproof.probing.drawn import GIVE, cannot_load
from onnxproof.probing.orders import Orders
from onnxproof.probing.spread import other_ways

Model = TorchModel | OnnxModel

MOST_BYTES = 2**31
"""The largest model, since several copies are in memory at once; an ONNX file without external data ends there too."""


def model_of(case: Case, timeout: float | None) -> Model:
    """The model; a file may take `timeout` seconds for a run. Raises `CaseError` for one that is too large."""
    size = _bytes_of_file(case.file) if case.file else _bytes_of_module(case.module)
    if size >= MOST_BYTES:
        raise CaseError(f"the model holds {size / 2**30:.1f} GiB of weights; up to 2 GiB can be checked")
    if case.file:
        return OnnxModel(case.file, timeout)
    return TorchModel(copied(case.module), tuple(case.inputs), case.output_names, tuple(case.kwargs))


def reference_of_module(
    model: TorchModel, inputs: Mapping[str, Any], usual: Mapping[str, float] | None = None
) -> Reference:
    """Its outputs, and those in float64; without these if its `usual` rounding is given, which judges then."""
    values, orders = model.run(inputs), Orders(model, inputs)
    exact = orders.exact(values) if usual is None else None
    return Reference(values, exact, orders.free, usual or {}, orders.alike)


def reference_of_file(
    model: OnnxModel, inputs: Mapping[str, Array], usual: Mapping[str, float], in_float64: bool
) -> Reference:
    """Its outputs, and those in float64 if they are asked for; else its `usual` rounding judges."""
    values = model.run(inputs)
    exact = _exact(model, inputs) if in_float64 else None
    return Reference(values, exact, other_ways(model, inputs, values, usual), usual)


def differs_in_reference(model: Model, inputs: Mapping[str, Any], reference: Reference) -> bool:
    """Whether a file has other outputs in onnx's reference evaluator than its own; a module does not run there."""
    if isinstance(model, TorchModel):
        return False
    try:
        actual = model.run_in_reference(inputs)
    except RefusalError:
        return False
    return not all(parity.same for parity in compare(actual, reference, ""))


def decides(model: Model, inputs: Mapping[str, Any]) -> bool:
    """Whether a module takes discrete decisions from floats, such as an order or a mask; a file is not asked."""
    return isinstance(model, TorchModel) and bool(model.decisions(inputs))


def _exact(model: OnnxModel, inputs: Mapping[str, Any]) -> Mapping[str, Array] | None:
    """The outputs in float64; None where an operator has no float64 kernel."""
    try:
        return model.run_in_float64(inputs)
    except RefusalError:
        return None


def _bytes_of_module(module: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


def require_readable(path: Path) -> None:
    """Raises `CaseError` for a damaged file, at which some engines end the process."""
    try:
        read_graph(path)
    except GraphError as error:
        raise CaseError(str(error)) from error


def _bytes_of_file(path: Path) -> int:
    """The bytes of a file and its external data."""
    return path.stat().st_size + sum((path.parent / name).stat().st_size for name in external_files(path))


def refusal(model: Model, case: Case, is_drawn: bool) -> CaseError:
    """Why the model refuses its example, which `is_drawn` where none was given."""
    if isinstance(model, OnnxModel):
        try:
            model.load()
        except RefusalError as error:
            return CaseError(f"the model {cannot_load(error)}")
    try:
        model.run(case.inputs)
    except (Exception, SystemExit) as error:
        reason = str(error).strip().partition("\n")[0]
        if case.file:
            reason = f"{reason}; {GIVE}" if is_drawn else reason
        else:
            reason = f"{type(error).__name__}: {reason}{_hint(case, error)}"
        found = CaseError(f"the model refuses its inputs: {reason}")
        found.__cause__ = error
        return found
    return CaseError("the model refused its inputs once, and takes them now: it keeps state")


def _hint(case: Case, error: BaseException) -> str:
    """What to do about arguments that do not fit, and inputs in another dtype than the weights; "" if they do."""
    if isinstance(error, TypeError) and re.search(r"forward\(\) (missing|takes|got)", str(error)):
        arguments = inspect.signature(case.module.forward)
        return f"; it takes {arguments}: give each by its name in `inputs`, or wrap the model"
    dtypes = {str(weight.dtype).removeprefix("torch.") for weight in case.module.parameters()}
    others = [
        f"{name} is {leaf.dtype}"
        for name, leaf in leaves(case.inputs).items()
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and dtypes and leaf.dtype.name not in dtypes
    ]
    return f"; {', '.join(others)}, the weights are {' and '.join(sorted(dtypes))}: convert one" if others else ""
