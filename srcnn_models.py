"""SRCNN (Dong et al., https://arxiv.org/abs/1501.00092) and five ways to give it its up-sampling factor.

Reference: the model-deployment tutorial on SRCNN, from a fixed factor to a custom operator. The network scales the
picture first, bicubic, and then repairs it with three convolutions (9-1-5). Every variant below has the same three
layers under the same names, so that one checkpoint loads into all of them; they differ in where the factor comes from:

    SuperResolutionNet           built in, through nn.Upsample
    RuntimeFactorNet             an argument, through interpolate
    ItemFactorNet                a tensor, through interpolate and .item()
    StrangeSuperResolutionNet    a tensor, through an autograd.Function with a symbolic of its own
    PortableSuperResolutionNet   a tensor, through a torch.library operator that both exporters understand

A factor tensor is what the scales input of ONNX Resize is: float32 [1, 1, height, width].
"""

import math
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu
from torch.onnx.utils import register_custom_op_symbolic

# Checkpoints


def load_checkpoint(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The `state_dict` entry of a checkpoint file.

    The file is read with `weights_only=True`: one that would run code is refused. Raises `ValueError` for a file that
    is no checkpoint, that holds more than tensors and plain values, or that has no `state_dict`.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(
            f"{path}: not a checkpoint of tensors and plain values, so it was not loaded; "
            "save the weights again as {'state_dict': model.state_dict()}"
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise ValueError(f"{path}: the checkpoint has no 'state_dict' entry")
    return dict(checkpoint["state_dict"])


def strip_prefix(state_dict: Mapping[str, Tensor], names: Iterable[str] = ()) -> dict[str, Tensor]:
    """A copy of `state_dict` without the first dotted component of every key (`generator.conv1.weight` →
    `conv1.weight`).

    A dict whose keys are all among `names`, the parameter names of the network it is for, is already stripped and
    comes back as it is. Raises `ValueError` for a key without a dot and for keys that become the same, and names them.
    """
    if set(state_dict) <= set(names):
        return dict(state_dict)
    whole = [key for key in state_dict if "." not in key]
    if whole:
        raise ValueError(f"no prefix to strip: {', '.join(map(repr, whole))} has no dot")
    origins: dict[str, list[str]] = {}
    for key in state_dict:
        origins.setdefault(key.partition(".")[2], []).append(key)
    collisions = [f"{' and '.join(map(repr, keys))} → {name!r}" for name, keys in origins.items() if len(keys) > 1]
    if collisions:
        raise ValueError(f"keys that become the same without their prefix: {'; '.join(collisions)}")
    return {name: state_dict[key] for name, (key,) in origins.items()}


# Operators

RESIZE_ATTRIBUTES: dict[str, Any] = {
    "coordinate_transformation_mode": "pytorch_half_pixel",
    "cubic_coeff_a": -0.75,  # torch's bicubic coefficient; ONNX has the same default, but only as a default
    "mode": "cubic",
    "nearest_mode": "floor",
}


def scale_bicubic(image: Tensor, factor: Tensor) -> Tensor:
    """`image` scaled by `factor`, the reference of both operators below.

    `image` is (N, C, H, W) and `factor` is [1, 1, height, width], the scales of an ONNX Resize. Raises `ValueError`
    for a factor of another length, for one that scales batch or channels, and for one that is not positive and finite.
    """
    factors = factor.tolist()
    if len(factors) != 4 or factors[:2] != [1, 1]:
        raise ValueError(f"factor is {factors}, expected [1, 1, height, width]")
    if not all(math.isfinite(f) and f > 0 for f in factors):
        raise ValueError(f"factor is {factors}, expected positive finite numbers")
    return interpolate(image, scale_factor=factors[2:], mode="bicubic", align_corners=False)


def resize_symbolic(g: Any, image: Any, factor: Any) -> Any:
    """One ONNX Resize with `factor` as its scales, for the TorchScript exporter."""
    attributes = {name + _SUFFIXES[type(value)]: value for name, value in RESIZE_ATTRIBUTES.items()}
    roi = g.op(
        "Constant", value_t=torch.tensor([], dtype=torch.float32)
    )  # Resize's second input, empty: unused by "cubic"
    return g.op("Resize", image, roi, factor, **attributes)


_SUFFIXES = {str: "_s", float: "_f"}


class NewInterpolate(torch.autograd.Function):
    """The document's operator: `forward` for eager runs, `symbolic` for the TorchScript exporter.

    torch.export does not look at `symbolic`: it traces through `forward` and refuses its Python numbers.
    """

    @staticmethod
    def symbolic(g: Any, image: Any, factor: Any) -> Any:
        return resize_symbolic(g, image, factor)

    @staticmethod
    def forward(ctx: Any, image: Tensor, factor: Tensor) -> Tensor:
        return scale_bicubic(image, factor)


if hasattr(torch.library, "custom_op"):  # torch 2.4

    @torch.library.custom_op("srcnn::interpolate_bicubic", mutates_args=())
    def interpolate_bicubic(image: Tensor, factor: Tensor) -> Tensor:
        """`scale_bicubic` as one opaque node, which neither exporter looks into."""
        return scale_bicubic(image, factor)

    @interpolate_bicubic.register_fake
    def _(image: Tensor, factor: Tensor) -> Tensor:
        """The output's height and width depend on values, so each is a symbol of its own."""
        ctx = torch.library.get_ctx()
        height, width = ctx.new_dynamic_size(), ctx.new_dynamic_size()
        return image.new_empty((*image.shape[:2], height, width))

    register_custom_op_symbolic("srcnn::interpolate_bicubic", resize_symbolic, 11)


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The `custom_translation_table` with which torch.export writes `interpolate_bicubic` as one ONNX Resize."""
    from onnxscript import opset18 as op  # the torch.export exporter's own dependency, and needed by nothing else here

    def resize(image: Any, factor: Any) -> Any:
        return op.Resize(image, None, factor, **RESIZE_ATTRIBUTES)

    return {torch.ops.srcnn.interpolate_bicubic.default: resize}


# Networks


class SRCNN(nn.Module):
    """The three convolutions that all variants share: patches 9×9, non-linear mapping 1×1, reconstruction 5×5."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=9, padding=4)
        self.conv2 = nn.Conv2d(64, 32, kernel_size=1)
        self.conv3 = nn.Conv2d(32, 3, kernel_size=5, padding=2)

    def restore(self, image: Tensor) -> Tensor:
        """The repaired picture of a scaled one, at the same size."""
        patches = relu(self.conv1(image))  # (N, 64, H, W)
        mapped = relu(self.conv2(patches))  # (N, 32, H, W)
        return self.conv3(mapped)  # (N, 3, H, W)


class SuperResolutionNet(SRCNN):
    """The factor is built in: another factor is another network, and another export."""

    def __init__(self, upscale_factor: float) -> None:
        super().__init__()
        self.img_upsampler = nn.Upsample(scale_factor=upscale_factor, mode="bicubic", align_corners=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.restore(self.img_upsampler(image))


class RuntimeFactorNet(SRCNN):
    """The factor is an argument, a Python number: eager runs take any, an exported file has the one that it was traced
    with.
    """

    def forward(self, image: Tensor, factor: float) -> Tensor:
        return self.restore(interpolate(image, scale_factor=factor, mode="bicubic", align_corners=False))


class ItemFactorNet(SRCNN):
    """The factor is a one-element tensor that `.item()` turns into a number: the tracer folds it into the graph."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(interpolate(image, scale_factor=factor.item(), mode="bicubic", align_corners=False))


class StrangeSuperResolutionNet(SRCNN):
    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(NewInterpolate.apply(image, factor))


class PortableSuperResolutionNet(SRCNN):
    """The factor is a tensor [1, 1, height, width] and stays an input of the graph, through both exporters."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(interpolate_bicubic(image, factor))


# Models for single claims


class InterpolateNet(SRCNN):
    """`SuperResolutionNet` with the function in place of the layer."""

    def __init__(self, upscale_factor: float) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, image: Tensor) -> Tensor:
        return self.restore(interpolate(image, scale_factor=self.upscale_factor, mode="bicubic", align_corners=False))


class SignBranch(nn.Module):
    """Adds 1 where the input's sum is positive and takes 1 away elsewhere: a branch that depends on the data."""

    def forward(self, input: Tensor) -> Tensor:
        return input + 1 if input.sum() > 0 else input - 1


class Scale(nn.Module):
    """Multiplies by its second argument, which may be a tensor or a Python number."""

    def forward(self, input: Tensor, factor: Tensor | float) -> Tensor:
        return input * factor


class Operator(nn.Module):
    """One operator: `compute` in torch, and for the TorchScript exporter what `symbolic` writes with `g.op`."""

    def __init__(self, compute: Callable[..., Tensor], symbolic: Callable[..., Any]) -> None:
        super().__init__()
        members = {"forward": staticmethod(lambda ctx, *inputs: compute(*inputs)), "symbolic": staticmethod(symbolic)}
        self.function: Any = type("Function", (torch.autograd.Function,), members)

    def forward(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self.function.apply(*inputs)
        return output


class NewOperatorNet(SRCNN):
    """`StrangeSuperResolutionNet` with a new ONNX operator, in a domain of its own, in place of the Resize."""

    def __init__(self) -> None:
        super().__init__()
        self.interpolate = Operator(scale_bicubic, lambda g, *inputs: g.op("srcnn::InterpolateBicubic", *inputs))

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(self.interpolate(image, factor))


def new_operator_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The `custom_translation_table` with which torch.export writes `interpolate_bicubic` as the new ONNX operator."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    image, factor, output = (OpSchema.FormalParameter(name, "tensor(float)") for name in ("image", "factor", "output"))
    schema = OpSchema("InterpolateBicubic", "srcnn", 1, inputs=[image, factor], outputs=[output])
    return {torch.ops.srcnn.interpolate_bicubic.default: Op(Opset(schema.domain, 1), schema.name, schema)}
