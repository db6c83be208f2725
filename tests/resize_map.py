"""Where ONNX Runtime's Resize and torch's interpolate disagree along one axis, as observed and as a rule."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper

import srcnn_models as srcnn
from tests.inputs import scales

Run = Callable[..., dict[str, NDArray[np.float32]]]

TORCHS, FIRST_PIXEL, IMAGE, NONE, OTHER = "torch's", "the first pixel", "the image", "none", "other"

LONGEST = 64
COORDINATE_ERROR = 2 * LONGEST * 2**-24
"""How far off a source coordinate can be in float32: a division and a subtraction, each rounded to 24 bits."""

STEEPEST = 1.5 * 255
"""The steepest slope of a cubic with coefficient -0.75 through pixels of 0..255, in levels per pixel."""

TOLERANCE = STEEPEST * COORDINATE_ERROR


class Outcome(NamedTuple):
    """How one axis is scaled while the other keeps its length.

    Its length in ONNX Runtime's output and in torch's (0 if refused), and whose values ONNX Runtime has.
    """

    onnx_length: int
    torch_length: int
    values: str

    @property
    def agrees(self) -> bool:
        return self.values == TORCHS


def rule(size: int, factor: float) -> Outcome:
    """The outcome for an axis of `size` pixels and a float32 factor.

    ONNX Runtime multiplies in float32 and torch in float64, and both drop the fraction: 5 × 1.4 is 7 in float32 and
    6.9999999 in float64, since the float32 nearest to 1.4 is smaller. ONNX Runtime takes an output of one pixel from
    the first pixel, as "pytorch_half_pixel" says, and copies an image that keeps its size, whatever the factor.
    """
    onnx_length = int(np.float32(size) * np.float32(factor))
    torch_length = int(size * float(np.float32(factor)))
    if onnx_length != torch_length or not torch_length:
        values = NONE
    elif torch_length == 1 < size:
        values = FIRST_PIXEL
    elif torch_length == size > 1 and factor != 1:
        values = IMAGE
    else:
        values = TORCHS
    return Outcome(onnx_length, torch_length, values)


def observed(run: Run, image: NDArray[np.float32], factor: float) -> Outcome:
    """The observed outcome: `run` is `resize_model` in ONNX Runtime, and the referee is torch's interpolate in float64.

    `image` is (1, 1, H, W), with pixels of 0..255 and H up to `LONGEST`; its height is scaled.
    """
    factors = scales(factor, 1)
    output, exact = run({"input": image, "factor": factors})["output"], _torch(image, factors)
    if output.shape != exact.shape or not exact.size:
        return Outcome(output.shape[2], exact.shape[2], NONE)
    is_seen = {
        TORCHS: np.abs(output - exact).max() <= TOLERANCE,
        FIRST_PIXEL: np.array_equal(output, image[:, :, :1]),
        IMAGE: np.array_equal(output, image),
    }
    return Outcome(output.shape[2], exact.shape[2], next((values for values in is_seen if is_seen[values]), OTHER))


def _torch(image: NDArray[np.float32], factors: NDArray[np.float32]) -> NDArray[np.float64]:
    try:
        return srcnn.scale_bicubic(torch.from_numpy(image).double(), torch.from_numpy(factors)).numpy()
    except RuntimeError as error:
        if "sizes should be greater than 0" not in str(error):
            raise
        return image[:, :, :0].astype(np.float64)


def resize_model(**attributes: str) -> onnx.ModelProto:
    """One Resize with the document's attributes, except those given; scales are an input, and sides are free."""
    attributes = srcnn.RESIZE_ATTRIBUTES | attributes
    node = helper.make_node("Resize", ["input", "", "factor"], ["output"], **attributes)
    shapes = {"input": (1, 1, "height", "width"), "factor": (4,), "output": (1, 1, "larger height", "larger width")}
    values = {
        name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()
    }
    graph = helper.make_graph([node], "resize", [values["input"], values["factor"]], [values["output"]])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
