"""Faults in the values of inputs and outputs."""

import numpy as np
from onnx import ModelProto

from onnxproof.faults import edits
from onnxproof.faults.fault import fault


@fault(caught_by="same-values")
def inputs_swapped(model: ModelProto) -> None:
    """Two inputs of equal type stand in each other's place."""
    one, other = edits.twins(edits.inputs(model))
    edits.use_instead(model, one, "kept_meanwhile")
    edits.use_instead(model, other, one)
    edits.use_instead(model, "kept_meanwhile", other)


@fault(caught_by="same-values")
def height_and_width_swapped(model: ModelProto) -> None:
    """Height and width of each picture are swapped as soon as it comes in."""
    for info in edits.pictures(model):
        edits.after(model, info.name, "Transpose", perm=[0, 1, 3, 2])


@fault(caught_by="same-values")
def input_channels_swapped(model: ModelProto) -> None:
    """The channels of a picture come in as BGR."""
    reverse(model, edits.pictures(model)[0].name)


@fault(caught_by="same-values")
def input_normalized(model: ModelProto) -> None:
    """A picture is divided by 255 inside the file, which the model leaves to its caller."""
    edits.after(model, edits.pictures(model)[0].name, "Div", edits.constant(model, 255))


@fault(caught_by="same-values")
def outputs_exchanged(model: ModelProto) -> None:
    """Two outputs of equal type have each other's values."""
    one, other = edits.twins(list(model.graph.output))
    edits.rename(model, one, "kept_meanwhile")
    edits.rename(model, other, one)
    edits.rename(model, "kept_meanwhile", other)


@fault(caught_by="same-values")
def output_clipped(model: ModelProto) -> None:
    """The output is clipped to 0..255."""
    edits.after(model, edits.picture_output(model), "Clip", edits.constant(model, 0), edits.constant(model, 255))


@fault(caught_by="same-values")
def output_channels_swapped(model: ModelProto) -> None:
    """The channels of the output stand in reverse order."""
    reverse(model, edits.picture_output(model))


@fault(caught_by="same-values")
def output_transposed(model: ModelProto) -> None:
    """Height and width of the output are swapped."""
    edits.after(model, edits.picture_output(model), "Transpose", perm=[0, 1, 3, 2])


@fault(caught_by="same-values")
def output_cropped(model: ModelProto) -> None:
    """The output lacks its last column."""
    start, end, axis = (edits.constant(model, [number], np.int64) for number in (0, -1, 3))
    edits.after(model, edits.picture_output(model), "Slice", start, end, axis)


@fault(caught_by="engines-agree")
def crop_skipped_by_onnxruntime(model: ModelProto) -> None:
    """A Resize crops the output at scale 1, which ONNX Runtime takes for nothing to do and other engines obey."""
    middle = edits.constant(model, [0, 0, 0.25, 0.25, 1, 1, 0.75, 0.75])
    cropped = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    edits.after(model, edits.picture_output(model), "Resize", middle, edits.constant(model, [1, 1, 1, 1]), **cropped)


@fault(caught_by="repeatable")
def random_op(model: ModelProto) -> None:
    """The output is multiplied by a random number that is drawn at every run."""
    edits.after(model, edits.picture_output(model), "Mul", "random_number")
    edits.insert(model, 0, "RandomNormal", [], "random_number", mean=1.0, scale=0.01, shape=[1])


def reverse(model: ModelProto, value: str) -> None:
    """Reverses the channels of a value."""
    channels = (-1, np.iinfo(np.int64).min, 1, -1)  # start, end, axis, step
    edits.after(model, value, "Slice", *(edits.constant(model, [number], np.int64) for number in channels))
