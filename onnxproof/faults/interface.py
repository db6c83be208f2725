"""Faults in what a file declares, and in how it is stored."""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from onnxproof.faults import edits
from onnxproof.faults.fault import Unsuited, fault, file_fault
from onnxproof.graph.load import load_model

FROZEN_SIZE = 8
"""The height and width that the faults below declare."""


# Inputs


def substitute(model: ModelProto) -> str:
    """Uses another input of the same type, or ones, in place of the last input. Returns the last input's name."""
    *others, last = edits.inputs(model)
    shape = [dim.dim_value for dim in edits.dims(last)]
    alike = [info.name for info in others if info.type == last.type]
    if not alike and not all(shape):
        raise Unsuited("nothing can take the place of the last input")
    dtype = helper.tensor_dtype_to_np_dtype(last.type.tensor_type.elem_type)
    edits.use_instead(model, last.name, alike[0] if alike else edits.constant(model, np.ones(shape), dtype))
    return last.name


@fault(caught_by="inputs-live")
def unused_input(model: ModelProto) -> None:
    """An input is there, and nothing uses it."""
    substitute(model)


@fault(caught_by="inputs-kept")
def input_dropped(model: ModelProto) -> None:
    """An input is gone."""
    edits.drop_input(model, substitute(model))


@fault(caught_by="inputs-kept")
def input_renamed(model: ModelProto) -> None:
    """An input has another name."""
    info = edits.inputs(model)[0]
    edits.use_instead(model, info.name, f"{info.name}.1")
    info.name = f"{info.name}.1"


@fault(caught_by="dims-kept")
def sizes_frozen(model: ModelProto) -> None:
    """Height and width of a picture are declared as numbers."""
    free = [dim for info in edits.pictures(model) for dim in edits.dims(info)[2:] if dim.dim_param]
    if not free:
        raise Unsuited("no picture has a free height or width")
    for dim in free:
        dim.dim_value = FROZEN_SIZE


@fault(caught_by="dims-kept")
def batch_frozen(model: ModelProto) -> None:
    """The number of pictures in a batch is declared as 1."""
    free = [dim for info in edits.pictures(model) for dim in edits.dims(info)[:1] if dim.dim_param]
    if not free:
        raise Unsuited("no picture has a free batch dimension")
    for dim in free:
        dim.dim_value = 1


# Outputs


@fault(caught_by="outputs-kept")
def output_dropped(model: ModelProto) -> None:
    """An output is gone."""
    if len(model.graph.output) < 2:
        raise Unsuited("the file has one output")
    del model.graph.output[-1]
    edits.prune(model)


@fault(caught_by="outputs-kept")
def outputs_swapped(model: ModelProto) -> None:
    """The outputs are there in another order."""
    infos = list(model.graph.output)
    if len(infos) < 2:
        raise Unsuited("the file has one output")
    del model.graph.output[:]
    model.graph.output.extend(infos[::-1])


@fault(caught_by="outputs-kept")
def output_renamed(model: ModelProto) -> None:
    """An output has another name."""
    info = model.graph.output[0]
    edits.rename(model, info.name, f"{info.name}.1")
    info.name = f"{info.name}.1"


@fault(caught_by="outputs-kept")
def output_dtype(model: ModelProto) -> None:
    """An output is float64 in place of float32."""
    name = edits.picture_output(model)
    edits.after(model, name, "Cast", to=TensorProto.DOUBLE)
    info = next(info for info in model.graph.output if info.name == name)
    info.type.tensor_type.elem_type = TensorProto.DOUBLE


@fault(caught_by="outputs-kept")
def output_flattened(model: ModelProto) -> None:
    """An output has two dimensions in place of four."""
    name = edits.picture_output(model)
    edits.after(model, name, "Flatten", axis=1)
    info = next(info for info in model.graph.output if info.name == name)
    info.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "values"]))


@fault(caught_by="shapes-honest")
def declared_dims_wrong(model: ModelProto) -> None:
    """The output is declared with a height that runs do not have."""
    name = edits.picture_output(model)
    info = next(info for info in model.graph.output if info.name == name)
    edits.dims(info)[2].dim_value = FROZEN_SIZE


@fault(caught_by="shapes-honest")
def symbolic_dims_tied(model: ModelProto) -> None:
    """The output is declared with one symbol for its height and its width."""
    name = edits.picture_output(model)
    height, width = edits.dims(next(info for info in model.graph.output if info.name == name))[2:]
    if not (height.dim_param and width.dim_param) or height == width:
        raise Unsuited("height and width of the output are not two symbols")
    width.dim_param = height.dim_param


# Header and structure


@fault(caught_by="opset-kept")
def opset_lowered(model: ModelProto) -> None:
    """The header names an opset below the one that the nodes were written for."""
    edits.set_opset(model, edits.opset(model) - 1)


@fault(caught_by="opset-kept")
def opset_raised(model: ModelProto) -> None:
    """The file has a higher opset than was asked for."""
    edits.set_opset(model, edits.opset(model) + 1)


@fault(caught_by="well-formed")
def node_order_broken(model: ModelProto) -> None:
    """The nodes stand in an order in which values are used before they are made."""
    nodes = list(model.graph.node)
    if not any(set(node.output) & set(other.input) for node in nodes for other in nodes):
        raise Unsuited("no node uses another one's output")
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])


@fault(caught_by="well-formed")
def duplicate_names(model: ModelProto) -> None:
    """Two nodes make a value of the same name."""
    model.graph.node.append(model.graph.node[-1])


@fault(caught_by="well-formed")
def undefined_value(model: ModelProto) -> None:
    """A node uses a value that nothing makes."""
    node = next((node for node in reversed(model.graph.node) if node.input), None)
    if node is None:
        raise Unsuited("no node of the file uses a value")
    node.input[0] = "made_by_nothing"


@fault(caught_by="well-formed")
def inner_type_wrong(model: ModelProto) -> None:
    """A value inside is declared as int64, and its node makes float32."""
    value = edits.nodes(model, "Relu")[0].output[0]
    kept = [info for info in model.graph.value_info if info.name != value]
    del model.graph.value_info[:]
    model.graph.value_info.extend([*kept, helper.make_tensor_value_info(value, TensorProto.INT64, None)])


@fault(caught_by="self-contained")
def operator_without_body(model: ModelProto) -> None:
    """A node is of a domain that no engine knows, and the file has no function for it."""
    node = edits.nodes(model, "Relu")[0]
    node.op_type, node.domain = "OwnRelu", "onnxproof.unknown"
    model.opset_import.append(helper.make_opsetid(node.domain, 1))


# Files


@file_fault(caught_by="well-formed")
def truncated_file(good: Path, folder: Path) -> Path:
    """The second half of the file is missing."""
    broken = folder / good.name
    data = good.read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    return broken


@file_fault(caught_by="well-formed")
def empty_file(good: Path, folder: Path) -> Path:
    """The file is there, and empty."""
    broken = folder / good.name
    broken.touch()
    return broken


@file_fault(caught_by="self-contained")
def missing_external_data(good: Path, folder: Path) -> Path:
    """The weights are in a second file that is not there."""
    broken, data = with_external_data(good, folder)
    data.unlink()
    return broken


@file_fault(caught_by="self-contained")
def cut_external_data(good: Path, folder: Path) -> Path:
    """The weights are in a second file, of which half is missing."""
    broken, data = with_external_data(good, folder)
    content = data.read_bytes()
    data.write_bytes(content[: len(content) // 2])
    return broken


@file_fault(caught_by="self-contained")
def external_data_outside(good: Path, folder: Path) -> Path:
    """The weights are in a second file outside the folder of the first."""
    inside = folder / "model"
    inside.mkdir()
    broken, data = with_external_data(good, inside)
    model = onnx.load(broken, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = f"../{data.name}"
    onnx.save(model, broken)
    data.rename(folder / data.name)
    return broken


def with_external_data(good: Path, folder: Path) -> tuple[Path, Path]:
    """Copies a good file and moves its weights to a second file. Raises `Unsuited` if there are none to move."""
    model = load_model(good)
    if not any(tensor.HasField("raw_data") for tensor in model.graph.initializer):
        raise Unsuited("the file has no weights that a second one could hold")
    copy = folder / good.name
    location = f"{good.name}.data"
    onnx.save(model, copy, save_as_external_data=True, location=location, size_threshold=0)
    return copy, folder / location
