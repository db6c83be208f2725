"""Models whose conversion goes wrong in the exporter, and cases that cannot tell whether it did.

torchscript runs the model once and writes down what it computed: whatever was a Python number then is a constant in the
file, though a number among the arguments becomes an input. torch.export follows sizes as symbols, keeps every number
among the arguments as it was, and freezes a free dimension that the model makes a number of.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from onnxproof.case import Case
from onnxproof.faults.fault import model_fault
from onnxproof.probes import SEED
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT

BOTH = (TORCHSCRIPT, TORCH_EXPORT)
FREE = {"image": {0: "batch", 2: "height", 3: "width"}}


def picture(*shape: int) -> NDArray[np.float32]:
    """Values from -1 to 1, float32, the same at every call."""
    return np.random.default_rng(SEED).uniform(-1, 1, shape).astype(np.float32)


IMAGE = picture(2, 3, 6, 8)
OTHER_IMAGE = picture(3, 3, 5, 9)


class Computed(nn.Module):
    """A function of one tensor, as a model."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image)


def on_images(function: Callable[[Tensor], Tensor], **more: Any) -> Case:
    """A function of one image, every dimension but its channels free."""
    also = [{"image": OTHER_IMAGE}]
    return Case(Computed(function).eval(), {"image": IMAGE}, FREE, also, output_names=["output"], **more)


# Frozen at export


@model_fault("size-as-number", caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model makes a number of the image's size, which torchscript writes as a constant."""
    return on_images(lambda image: image.reshape(image.shape[0], 3, int(image.shape[2]) * int(image.shape[3])))


@model_fault("size-frozen-by-exporter", caught_by="dims-kept", exporters=(TORCH_EXPORT,))
def _() -> Case:
    """The model makes a number of the image's size, and torch.export freezes the free dimension in silence."""
    return on_images(lambda image: image.reshape(image.shape[0], 3, int(image.shape[2]) * int(image.shape[3])))


@model_fault("count-in-tensor", caught_by="same-values-unseen", exporters=BOTH)
def _() -> Case:
    """The model makes a tensor of the image's number of pixels, which is that of the traced image for ever."""
    return on_images(lambda image: image * torch.tensor(float(np.prod(image.shape))))


@model_fault("loop-over-batch", caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model loops over the images of a batch, and torchscript writes the loop as often as it ran."""
    return on_images(_largest_of_each)


@model_fault("loop-over-frozen-batch", caught_by="dims-kept", exporters=(TORCH_EXPORT,))
def _() -> Case:
    """The model loops over the images of a batch, and torch.export freezes their number."""
    return on_images(_largest_of_each)


@model_fault("data-dependent-branch", caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model branches on its data, and torchscript writes the branch that was taken."""
    return on_images(lambda image: image + 1 if image.sum() > 0 else image - 1)


@model_fault("numpy-in-forward", caught_by="inputs-live", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model computes with numpy, where torchscript sees a constant."""
    image = {"image": IMAGE}
    model = Computed(lambda image: torch.from_numpy(np.cumsum(image.detach().numpy(), axis=2)) + 0 * image).eval()
    return Case(model, image, output_names=["output"])


@model_fault("factor-item", caught_by="inputs-kept", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model takes its factor out of a tensor with `.item()`, and torchscript folds it."""
    also = [{"image": OTHER_IMAGE, "factor": np.array([3], np.float32)}]
    return Case(
        ScaledByItem(), {"image": IMAGE, "factor": np.array([2], np.float32)}, FREE, also, output_names=["output"]
    )


@model_fault("factor-as-int", caught_by="inputs-kept", exporters=(TORCH_EXPORT,))
def _() -> Case:
    """The factor is an int among the arguments, which torch.export keeps as it was."""
    also = [{"image": OTHER_IMAGE, "factor": 3}]
    return Case(Scaled(), {"image": IMAGE, "factor": 2}, FREE, also, output_names=["output"])


class ScaledByItem(nn.Module):
    """Multiplies by a number that it takes out of a tensor."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return image * factor.item()


class Scaled(nn.Module):
    """Multiplies by a number."""

    def forward(self, image: Tensor, factor: int) -> Tensor:
        return image * factor


@model_fault("count-of-calls", caught_by="repeatable", exporters=BOTH)
def _() -> Case:
    """The model counts its calls and multiplies by their number, which the file has as it was at export."""
    return Case(Counting().eval(), {"image": IMAGE}, FREE, [{"image": OTHER_IMAGE}], output_names=["output"])


class Counting(nn.Module):
    """Multiplies by the number of its calls."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return image * self.calls


def _largest_of_each(image: Tensor) -> Tensor:
    largest = image[0]
    for one in image:
        largest = torch.maximum(largest, one)
    return largest


# Exported as something else


@model_fault("branch-on-export", caught_by="same-values", exporters=BOTH)
def _() -> Case:
    """The model asks whether it is being exported, and is another model then."""
    return on_images(
        lambda image: functional.relu(image) if torch.onnx.is_in_onnx_export() else functional.leaky_relu(image)
    )


class Doubled(torch.autograd.Function):
    """Doubles in torch, and adds 2 in ONNX."""

    @staticmethod
    def symbolic(g: Any, image: Any) -> Any:
        return g.op("Add", image, g.op("Constant", value_t=torch.tensor(2.0)))

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        return image * 2


@model_fault("wrong-symbolic", caught_by="same-values", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The symbolic of an operator does something else than its forward."""
    return on_images(Doubled.apply)


@model_fault("wrong-translation", caught_by="same-values", exporters=(TORCH_EXPORT,))
def _() -> Case:
    """The translation that torch.export is given for an operator is that of another."""
    return on_images(torch.asinh, translations=_asinh_as_tanh)


def _asinh_as_tanh() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    from onnxscript import opset18 as op  # torch.export's own dependency

    def translation(image: Any) -> Any:
        return op.Tanh(image)

    return {torch.ops.aten.asinh.default: translation}


@model_fault("opset-not-written", caught_by="opset-kept", exporters=(TORCH_EXPORT,), opset=11)
def _() -> Case:
    """Opset 11 is asked of torch.export, which writes 18 and above."""
    return on_images(lambda image: functional.interpolate(image, scale_factor=2.0, mode="nearest"))


@model_fault("no-such-operator", caught_by="exports", exporters=BOTH)
def _() -> Case:
    """The model uses an operator for which there is nothing in ONNX."""
    return Case(Computed(torch.linalg.eigvals).eval(), {"matrix": picture(4, 4)}, output_names=["output"])


# Training and chance


@model_fault("dropout-always-on", caught_by="repeatable", exporters=BOTH)
def _() -> Case:
    """The model calls `functional.dropout` without `training=self.training`: it drops values in eval mode too."""
    return on_images(functional.dropout)


@model_fault("dropout-in-train-mode", caught_by="repeatable", exporters=BOTH)
def _() -> Case:
    """The model was left in training mode, and its dropout at work."""
    return Case(nn.Dropout().train(), {"image": IMAGE}, FREE, output_names=["output"])


@model_fault("batch-norm-in-train-mode", caught_by="same-values", exporters=BOTH)
def _() -> Case:
    """The model was left in training mode: it takes the batch's own statistics, and the file does not."""
    return Case(nn.BatchNorm2d(3).train(), {"image": IMAGE}, FREE, output_names=["output"])


@model_fault("batch-statistics-optimized-away", caught_by="optimizer-neutral", exporters=(TORCHSCRIPT,))
def _() -> Case:
    """The model always takes the batch's own statistics, and ONNX Runtime's optimizer puts others in their place."""
    return on_images(_batch_normed)


@model_fault("batch-statistics-lost", caught_by="same-values", exporters=(TORCH_EXPORT,))
def _() -> Case:
    """The model always takes the batch's own statistics, and torch.export writes the stored ones."""
    return on_images(_batch_normed)


def _batch_normed(image: Tensor) -> Tensor:
    return functional.batch_norm(image, torch.zeros(3), torch.ones(3), training=True)


@model_fault("random-noise", caught_by="repeatable", exporters=BOTH)
def _() -> Case:
    """The model adds noise that it draws at every run."""
    return on_images(lambda image: image + torch.randn_like(image))


# Optimized as something else


@model_fault("rounded-gelu", caught_by="optimizer-neutral", exporters=BOTH)
def _() -> Case:
    """The model has a Gelu with √2 rounded to 1.4142, and ONNX Runtime's optimizer puts the exact one in its place."""
    return on_images(lambda image: image * 0.5 * (1 + torch.erf(image / 1.4142)))


# Inputs that show nothing


@model_fault("constant-image", caught_by="probes-adequate", exporters=BOTH)
def _() -> Case:
    """The only image is black: whatever is done to it, it stays so."""
    return Case(Computed(_smoothed).eval(), {"image": np.zeros((1, 3, 6, 8), np.float32)}, output_names=["output"])


@model_fault("single-pixel", caught_by="probes-adequate", exporters=BOTH)
def _() -> Case:
    """The only image is one pixel, on which every kernel and every scaling looks right."""
    return Case(Computed(_smoothed).eval(), {"image": picture(1, 1, 1, 1)}, output_names=["output"])


def _smoothed(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, 3, stride=1, padding=1)
