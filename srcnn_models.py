"""SRCNN (Dong et al., https://arxiv.org/abs/1501.00092) and six ways to give it its up-sampling factor.

Reference: the model-deployment tutorial on SRCNN, from a fixed factor to a custom operator. The network scales the
picture first, bicubic, and then repairs it with three convolutions (9-1-5). Every variant below has the same three
layers under the same names, so that one checkpoint loads into all of them; they differ in where the factor comes from:

    SuperResolutionNet           built in, through nn.Upsample
    RuntimeFactorNet             an argument, through interpolate
    ItemFactorNet                a tensor, through interpolate and .item()
    StrangeSuperResolutionNet    a tensor, through an autograd.Function with a symbolic of its own
    PortableSuperResolutionNet   a tensor, through a torch.library operator that both exporters understand
    SeparableSuperResolutionNet  a tensor, through one that becomes other nodes than a Resize: exact at any size, fast

A factor tensor is what the scales input of ONNX Resize is: float32 [1, 1, height, width].
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
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
    except OSError:
        raise
    except Exception as error:  # at a damaged file, the unpickler raises whatever its next step does
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
    """`image` scaled by `factor`, the reference of all operators below.

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
    roi = g.op("Constant", value_t=torch.tensor([], dtype=torch.float32))  # the second input, which "cubic" ignores
    return g.op("Resize", image, roi, factor, **attributes)


_SUFFIXES = {str: "_s", float: "_f"}

FLOAT, INT64, DOUBLE = 1, 7, 11  # onnx.TensorProto's numbers of dtypes

CUBIC = [  # the four pixels around a position t beyond the second: Keys' cubic, a = -0.75, as powers of t
    [-0.75, 1.25, -1.25, 0.75],  # t³
    [1.5, -2.25, 1.5, -0.75],  # t²
    [-0.75, 0.0, 0.75, 0.0],  # t
    [0.0, 1.0, 0.0, 0.0],  # 1
]


def separable_bicubic(op: Any, image: Any, factor: Any) -> Any:
    """`scale_bicubic` in ONNX, one axis after the other: each row is the weighted sum of four rows of the image.

    `op` makes a node of each call: an onnxscript opset, or `Nodes`; the nodes mean the same in every opset from 11 on.
    The steps are torch's, each in the precision that torch has there (a fused multiply-add for positions, float64
    here), so that lengths are equal and values differ by the last bits. The cubic is Keys'
    (https://doi.org/10.1109/TASSP.1981.1163711). Why no Resize: ONNX Runtime's rounds lengths in another way, copies
    where torch scales, and takes eight times as long.
    """
    precise, half = op.Cast(factor, to=DOUBLE), op.Cast(0.5, to=DOUBLE)
    lengths = op.Cast(op.Mul(op.Cast(op.Shape(image), to=DOUBLE), precise), to=INT64)  # whole pixels alone
    steps = op.Cast(op.Cast(op.Reciprocal(precise), to=FLOAT), to=DOUBLE)  # between the output's pixels, in the image
    # ONNX has no assertion. What engines refuse is an Expand of four numbers to three, so a bad factor asks for that.
    conditions = [
        op.Equal(op.Gather(factor, [0, 1]), 1.0),  # neither batch nor channels
        op.Less(factor, math.inf),  # nor is it NaN
        op.Greater(lengths, 0),
    ]
    one_or_none = op.ReduceMin(op.Cast(op.Concat(*conditions, axis=0), to=INT64))
    lengths = op.Expand(lengths, op.Add(one_or_none, 3))

    def scale_rows(image: Any, axis: int) -> Any:
        """The rows of an image (N, C, H, W), by the factor of `axis`."""
        rows = op.Range(0, op.Gather(lengths, axis), 1)
        centres = op.Add(op.Cast(op.Reshape(rows, [-1, 1]), to=DOUBLE), half)
        positions = op.Cast(op.Sub(op.Mul(centres, op.Gather(steps, axis)), half), to=FLOAT)  # (length, 1)
        floors = op.Floor(positions)
        t = op.Sub(positions, floors)
        weights = op.Mul(t, CUBIC[0])  # (length, 4), by Horner's rule
        weights = op.Mul(t, op.Add(weights, CUBIC[1]))
        weights = op.Mul(t, op.Add(weights, CUBIC[2]))
        weights = op.Add(weights, CUBIC[3])
        last = op.Cast(op.Sub(op.Gather(op.Shape(image), 2), 1), to=FLOAT)
        nearest = op.Cast(op.Clip(op.Add(floors, [-1.0, 0.0, 1.0, 2.0]), 0.0, last), to=INT64)  # (length, 4)
        four = op.Gather(image, nearest, axis=2)  # (N, C, length, 4, W)
        scaled = op.MatMul(op.Reshape(weights, [-1, 1, 4]), four)  # (N, C, length, 1, W)
        return op.Reshape(scaled, [0, 0, 0, -1])  # (N, C, length, W)

    columns = op.Transpose(image, perm=[0, 1, 3, 2])  # whole rows are gathered many times faster than single pixels
    scaled = op.Transpose(scale_rows(columns, 3), perm=[0, 1, 3, 2])
    return scale_rows(scaled, 2)


class Nodes:
    """onnxscript's way to write a node, for the TorchScript exporter: `Nodes(g).Gather(image, [0, 1], axis=2)`.

    Numbers become constants: a Python int is an int64 and a float is a float32.
    """

    def __init__(self, g: Any) -> None:
        self.g = g

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        def node(*inputs: Any, **attributes: Any) -> Any:
            numbers = {f"{name}_i": value for name, value in attributes.items()}
            return self.g.op(operator, *map(self._value, inputs), **numbers)

        return node

    def _value(self, x: Any) -> Any:
        return x if isinstance(x, torch.Value) else self.g.op("Constant", value_t=torch.tensor(x))


class NewInterpolate(torch.autograd.Function):
    """The document's operator: `forward` for eager runs, `symbolic` for the TorchScript exporter.

    torch.export does not look at `symbolic`: it traces through `forward`, which needs the numbers in the factor.
    """

    @staticmethod
    def symbolic(g: Any, image: Any, factor: Any) -> Any:
        return resize_symbolic(g, image, factor)

    @staticmethod
    def forward(ctx: Any, image: Tensor, factor: Tensor) -> Tensor:
        return scale_bicubic(image, factor)


LIBRARY = torch.library.Library("srcnn", "DEF")
"""`interpolate_bicubic` and `interpolate_separable`: `scale_bicubic` as opaque nodes that no exporter looks into, and
that are exported in two ways.
"""


def scaled_shape(image: Tensor, factor: Tensor) -> Tensor:
    """An empty output of `scale_bicubic`, for torch.export: its height and width depend on values, so each is a symbol
    of its own.

    Up to torch 2.11 a convolution asks how many values its image has: whether they are fewer than 2³¹, and on several
    threads more than 20,480, as 64 channels of 18 × 18 pixels are. The file has no such bounds.
    """
    ctx = torch.library.get_ctx()
    height, width = (ctx.new_dynamic_size(min=18, max=4096) for _ in range(2))
    return image.new_empty((*image.shape[:2], height, width))


def separable_symbolic(g: Any, image: Any, factor: Any) -> Any:
    """`separable_bicubic`, for the TorchScript exporter."""
    return separable_bicubic(Nodes(g), image, factor)


for _name, _symbolic in (("interpolate_bicubic", resize_symbolic), ("interpolate_separable", separable_symbolic)):
    LIBRARY.define(f"{_name}(Tensor image, Tensor factor) -> Tensor")
    LIBRARY.impl(_name, scale_bicubic, "CompositeExplicitAutograd")
    if hasattr(torch.library, "register_fake"):  # torch 2.4
        torch.library.register_fake(f"srcnn::{_name}", scaled_shape)
    register_custom_op_symbolic(f"srcnn::{_name}", _symbolic, 11)

interpolate_bicubic = torch.ops.srcnn.interpolate_bicubic
interpolate_separable = torch.ops.srcnn.interpolate_separable


def onnx_translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """The `custom_translation_table` with which torch.export writes `interpolate_bicubic` as one ONNX Resize, and
    `interpolate_separable` as `separable_bicubic`.
    """
    from onnxscript import opset18 as op  # the torch.export exporter's own dependency, and needed by nothing else here

    def resize(image: Any, factor: Any) -> Any:
        return op.Resize(image, None, factor, **RESIZE_ATTRIBUTES)

    def separable(image: Any, factor: Any) -> Any:
        return separable_bicubic(op, image, factor)

    return {
        torch.ops.srcnn.interpolate_bicubic.default: resize,
        torch.ops.srcnn.interpolate_separable.default: separable,
    }


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
    """The factor is a tensor [1, 1, height, width] and stays an input of the graph, through torchscript alone."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(NewInterpolate.apply(image, factor))


class PortableSuperResolutionNet(SRCNN):
    """The factor is a tensor [1, 1, height, width] and stays an input of the graph, through both exporters."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(interpolate_bicubic(image, factor))


class SeparableSuperResolutionNet(SRCNN):
    """The factor is a tensor [1, 1, height, width], and the file that either exporter writes has torch's output at any
    size and factor.
    """

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(interpolate_separable(image, factor))


# For export


def transposed(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """A transposed convolution with the same output: weights flipped, channels swapped, padding k - 1 - p.

    Raises `ValueError` for a convolution with a stride, dilation or groups, for which that does not hold.
    """
    if {*conv.stride, *conv.dilation, conv.groups} != {1} or isinstance(conv.padding, str):
        raise ValueError(f"{conv} is not a plain convolution with stride 1 and a padding in numbers")
    height, width = (size - 1 - padding for size, padding in zip(conv.kernel_size, conv.padding, strict=True))
    has_bias, sizes = conv.bias is not None, (conv.kernel_size[0], conv.kernel_size[1])
    layer = nn.ConvTranspose2d(conv.in_channels, conv.out_channels, sizes, padding=(height, width), bias=has_bias)
    state = conv.state_dict()
    layer.load_state_dict(state | {"weight": state["weight"].transpose(0, 1).flip(2, 3)})
    return layer


def with_transposed_reconstruction(network: SRCNN) -> SRCNN:
    """A copy of `network`, for export, whose last layer ONNX Runtime computes in half the time.

    Its convolutions work on blocks of output channels, and here there are three. A transposed one is a product of
    matrices over the 32 channels of the input, where three outputs at 25 offsets are 75 rows.
    """
    network = copy.deepcopy(network)
    network.conv3 = transposed(network.conv3)  # type: ignore[assignment]
    return network


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


class Counter(nn.Module):
    """Counts to three: a model without inputs."""

    def forward(self) -> Tensor:
        return torch.arange(3) + 1


class Scale(nn.Module):
    """Multiplies by its second argument, which may be a tensor or a Python number."""

    def forward(self, input: Tensor, factor: Tensor | float) -> Tensor:
        return input * factor


class ItemScale(Scale):
    """Multiplies by the number that `.item()` takes out of its second argument."""

    def forward(self, input: Tensor, factor: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(input, factor.item())


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def scale_plainly(image: Tensor, factor: Tensor) -> Tensor:
    """`image` scaled by `factor`, [1, 1, height, width], with `interpolate` and no operator.

    torchscript compiles this function where it would trace another, and so records the `tolist`. torch.export records
    it anyway, as symbols, which `interpolate` takes as sizes alone: `recompute_scale_factor` makes sizes of factors.
    """
    factors: list[float] = factor[2:].tolist()
    return interpolate(image, scale_factor=factors, mode="bicubic", align_corners=False, recompute_scale_factor=True)


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def resize_plainly(image: Tensor, size: Tensor) -> Tensor:
    """`image` scaled to `size`, [height, width], in the same way."""
    return interpolate(image, size=[int(size[0]), int(size[1])], mode="bicubic", align_corners=False)


class PlainFactorNet(SRCNN):
    """The factor is a tensor [1, 1, height, width] and stays an input of the graph, without an operator."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(scale_plainly(image, factor))


class PlainSizeNet(SRCNN):
    """The output's size is a tensor [height, width] and stays an input of the graph, without an operator."""

    def forward(self, image: Tensor, size: Tensor) -> Tensor:
        return self.restore(resize_plainly(image, size))


class ContextFreeInterpolate(torch.autograd.Function):
    """`NewInterpolate` with a `forward` that takes no ctx: `setup_context` does."""

    symbolic = staticmethod(resize_symbolic)
    forward = staticmethod(scale_bicubic)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Would keep what a backward needs."""


class ContextFreeNet(SRCNN):
    """`StrangeSuperResolutionNet` with `ContextFreeInterpolate`."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return self.restore(ContextFreeInterpolate.apply(image, factor))


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
