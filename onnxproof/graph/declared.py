"""The inputs that a file declares, and values for them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from onnxproof._internal.trees import Array, to_array
from onnxproof.graph.facts import Value, value_of
from onnxproof.graph.load import load_structure, reading


def declared_inputs(path: str | os.PathLike[str]) -> tuple[Value, ...]:
    """The inputs that a file asks for; its external data is not read. Raises `GraphError`."""
    with reading(path):
        graph = load_structure(path).graph
        held = {tensor.name for tensor in graph.initializer}
        return tuple(value_of(info) for info in graph.input if info.name not in held)


def optional_inputs(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], bool]:
    """The inputs that have a default, an initializer of their name, and whether they may be mere weights.

    Files of IR version 3 declare each weight as an input, and so do exporters that are asked to. Raises `GraphError`.
    """
    with reading(path):
        model = load_structure(path)
        held = [tensor.name for tensor in model.graph.initializer]
        declared = {info.name for info in model.graph.input}
        return tuple(name for name in held if name in declared), declared.issuperset(held)


def require_numbers(path: str | os.PathLike[str]) -> None:
    """Raises `ValueError` for a file with an output that is not a tensor of numbers, and `GraphError`."""
    with reading(path):
        outputs = load_structure(path).graph.output
        kinds = {value.name: _kind(value) for value in outputs}
    name = next((name for name, kind in kinds.items() if kind), "")
    if name:
        raise ValueError(
            f"the output {name} is {kinds[name]}, and tensors of numbers are judged; keep those alone, such as with "
            "`onnx.utils.extract_model`"
        )


def _kind(output: onnx.ValueInfoProto) -> str:
    """What an output is if it is not a tensor of numbers; "" if it is."""
    kind = output.type.WhichOneof("value")
    if kind == "tensor_type":
        return "a tensor of strings" if output.type.tensor_type.elem_type == onnx.TensorProto.STRING else ""
    return f"a {kind.removesuffix('_type').replace('_', ' ')}" if kind else ""


def as_declared(what: str, inputs: Mapping[str, Any], declared: Sequence[Value]) -> dict[str, Array]:
    """The inputs as arrays, in the file's order; numbers and lists get the declared dtype.

    Raises `ValueError`, which names them `what`, for inputs of other names, dtypes, ranks or
    fixed sizes than the file's.
    """
    asked = [value.name for value in declared]
    if not isinstance(inputs, Mapping) or set(inputs) != set(asked):
        raise ValueError(f"{what} has {_names(inputs)}; the file asks for {_names(asked)}")
    found = {value.name: _as_array(inputs[value.name], value) for value in declared}
    for value in declared:
        rank = found[value.name].ndim
        if value.shape is not None and rank != len(value.shape):
            raise ValueError(f"{value.name} has {rank} dimensions in {what}, the file declares {len(value.shape)}")
        _require_fit(found[value.name], value, what)
    return found


def _require_fit(array: Array, value: Value, what: str) -> None:
    """Raises `ValueError` for an array of another dtype or size than the file declares."""
    if array.dtype.kind in "fiub" and array.dtype.name != value.dtype:
        raise ValueError(f"{value.name} is {array.dtype.name} in {what}, the file declares {value.dtype}; convert it")
    for axis, (size, declared) in enumerate(zip(array.shape, value.shape or array.shape, strict=True)):
        if isinstance(declared, int) and size != declared:
            raise ValueError(
                f"{value.name} has the size {size} along dimension {axis} in {what}, the file declares {declared}"
            )


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of a tensor, by its name here. Raises `TypeError` if numpy has none."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def _as_array(given: Any, value: Value) -> Array:
    array = to_array(given)
    if isinstance(array, np.ndarray | np.generic):
        return np.asarray(array)
    try:
        return np.asarray(array, numpy_dtype(value.dtype))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value.name} is {given!r:.80}; give an array of {value.dtype}") from error


def _names(found: Any) -> str:
    return ", ".join(map(str, found)) or "none"
