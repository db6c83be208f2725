"""Models that an exporter converts wrongly, and cases that cannot show whether it does.

torchscript runs the model once and records what it computes: it makes an input of a number among the arguments, and a
constant of every other Python number. torch.export traces sizes as symbols, keeps every number among the arguments at
its value, and freezes a free dimension that the model turns into a number.
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
from onnxproof.probing.probes import SEED
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT

BOTH = (TORCHSCRIPT, TORCH_EXPORT)
FREE = {"image": {0: "batch", 2: "height", 3: "width"}}


def picture(*shape: int) -> NDArray[np.float32]:
    """Returns the same float32 values from -1 to 1 at every call."""
    return np.random.default_rng(SEED).uniform(-1, 1, shape).astype(np.float32)


IMAGE = picture(2, 3, 6, 8)
OTHER_IMAGE = picture(3, 3, 5, 9)


class Computed(nn.Module):
    """Makes a model from a function of one tensor."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image: Tensor) -> Tensor:
        return self.function(image)


def on_images(function: Callable[[Tensor], Tensor], **more: Any) -> Case:
    """Makes a case from a function of one image; every dimension except the channels is free."""
    also = [{"image": OTHER_IMAGE}]
    return Case(Computed(function).eval(), {"image": IMAGE}, FREE, also, output_names=["output"], **more)


# Frozen at export


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def size_as_number() -> Case:
    """The model makes a number of the image's size, which torchscript writes as a constant."""
    return on_images(lambda image: image.reshape(image.shape[0], 3, int(image.shape[2]) * int(image.shape[3])))


@model_fault(caught_by="dims-kept", exporters=(TORCH_EXPORT,))
def size_frozen_by_exporter() -> Case:
    """The model makes a number of the image's size, and torch.export freezes the free dimension in silence."""
    return on_images(lambda image: image.reshape(image.shape[0], 3, int(image.shape[2]) * int(image.shape[3])))


@model_fault(caught_by="same-values-unseen", exporters=BOTH)
def count_in_tensor() -> Case:
    """The model makes a tensor of the image's number of pixels, which is that of the traced image for ever."""
    return on_images(lambda image: image * torch.tensor(float(np.prod(image.shape))))


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def loop_over_batch() -> Case:
    """The model loops over the images of a batch, and torchscript writes the loop as often as it ran."""
    return on_images(_largest_of_each)


@model_fault(caught_by="dims-kept", exporters=(TORCH_EXPORT,))
def loop_over_frozen_batch() -> Case:
    """The model loops over the images of a batch, and torch.export freezes their number."""
    return on_images(_largest_of_each)


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def data_dependent_branch() -> Case:
    """The model branches on its data, and torchscript writes the branch that was taken."""
    return on_images(lambda image: image + 1 if image.sum() > 0 else image - 1)


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def mask_shortcut() -> Case:
    """The model leaves out a mask that hides nothing, and torchscript writes the branch without the mask."""
    inputs = {"features": picture(2, 12, 3), "mask": np.ones((2, 12), np.int64)}
    dynamic = {"features": {0: "batch", 1: "length"}, "mask": {0: "batch", 1: "length"}}
    return Case(Masked().eval(), inputs, dynamic, output_names=["output"])


@model_fault(caught_by="inputs-live", exporters=(TORCHSCRIPT,))
def numpy_in_forward() -> Case:
    """The model computes with numpy, where torchscript sees a constant."""
    image = {"image": IMAGE}
    model = Computed(lambda image: torch.from_numpy(np.cumsum(image.detach().numpy(), axis=2)) + 0 * image).eval()
    return Case(model, image, output_names=["output"])


@model_fault(caught_by="inputs-kept", exporters=(TORCHSCRIPT,))
def factor_item() -> Case:
    """The model takes its factor out of a tensor with `.item()`, and torchscript folds it."""
    also = [{"image": OTHER_IMAGE, "factor": np.array([3], np.float32)}]
    return Case(
        ScaledByItem(), {"image": IMAGE, "factor": np.array([2], np.float32)}, FREE, also, output_names=["output"]
    )


@model_fault(caught_by="inputs-kept", exporters=(TORCH_EXPORT,))
def factor_as_int() -> Case:
    """The factor is an int among the arguments, which torch.export keeps as it was."""
    also = [{"image": OTHER_IMAGE, "factor": 3}]
    return Case(Scaled(), {"image": IMAGE, "factor": 2}, FREE, also, output_names=["output"])


class Masked(nn.Module):
    """Adds up the features that a mask of ones and zeros shows."""

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        shown = features if bool(mask.all()) else features * mask[..., None]  # (N, L, 3)
        return shown.sum(1) + 0 * mask.sum()


class ScaledByItem(nn.Module):
    """Multiplies by a number that it reads from a tensor."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return image * factor.item()


class Scaled(nn.Module):
    """Multiplies by a number."""

    def forward(self, image: Tensor, factor: int) -> Tensor:
        return image * factor


@model_fault(caught_by="repeatable", exporters=BOTH)
def count_of_calls() -> Case:
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


@model_fault(caught_by="same-values", exporters=BOTH)
def branch_on_export() -> Case:
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


@model_fault(caught_by="same-values", exporters=(TORCHSCRIPT,))
def wrong_symbolic() -> Case:
    """The symbolic of an operator does something else than its forward."""
    return on_images(Doubled.apply)


class Signs(torch.autograd.Function):
    """Takes zero for positive in torch, and leaves it zero in ONNX."""

    @staticmethod
    def symbolic(g: Any, image: Any) -> Any:
        return g.op("Sign", image)

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        return torch.where(image >= 0, 1.0, -1.0)


@model_fault(caught_by="same-values-unseen", exporters=(TORCHSCRIPT,))
def other_sign_of_zero() -> Case:
    """The symbolic of an operator does something else than its forward, for zeros alone."""
    return Case(Computed(Signs.apply).eval(), {"image": IMAGE}, FREE, output_names=["output"])


@model_fault(caught_by="same-values", exporters=(TORCH_EXPORT,))
def wrong_translation() -> Case:
    """The translation that torch.export is given for an operator is that of another."""
    return on_images(torch.asinh, translations=_asinh_as_tanh)


def _asinh_as_tanh() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    from onnxscript import opset18 as op  # torch.export's own dependency

    def translation(image: Any) -> Any:
        return op.Tanh(image)

    return {torch.ops.aten.asinh.default: translation}


@model_fault(caught_by="opset-kept", exporters=(TORCH_EXPORT,), opset=11)
def opset_not_written() -> Case:
    """Opset 11 is asked of torch.export, which writes 18 and above."""
    return on_images(lambda image: functional.interpolate(image, scale_factor=2.0, mode="nearest"))


@model_fault(caught_by="exports", exporters=BOTH)
def no_such_operator() -> Case:
    """The model uses an operator for which there is nothing in ONNX."""
    return Case(Computed(torch.linalg.eigvals).eval(), {"matrix": picture(4, 4)}, output_names=["output"])


# Training and chance


@model_fault(caught_by="repeatable", exporters=BOTH)
def dropout_always_on() -> Case:
    """The model calls `functional.dropout` without `training=self.training`: it drops values in eval mode too."""
    return on_images(functional.dropout)


@model_fault(caught_by="repeatable", exporters=BOTH)
def dropout_in_train_mode() -> Case:
    """The model was left in training mode, and its dropout at work."""
    return Case(nn.Dropout().train(), {"image": IMAGE}, FREE, output_names=["output"])


@model_fault(caught_by="same-values", exporters=BOTH)
def batch_norm_in_train_mode() -> Case:
    """The model was left in training mode: it takes the batch's own statistics, and the file does not."""
    return Case(nn.BatchNorm2d(3).train(), {"image": IMAGE}, FREE, output_names=["output"])


@model_fault(caught_by="optimizer-neutral", exporters=(TORCHSCRIPT,))
def batch_statistics_optimized_away() -> Case:
    """The model always takes the batch's own statistics, and ONNX Runtime's optimizer puts others in their place."""
    return on_images(_batch_normed)


@model_fault(caught_by="same-values", exporters=(TORCH_EXPORT,))
def batch_statistics_lost() -> Case:
    """The model always takes the batch's own statistics, and torch.export writes the stored ones."""
    return on_images(_batch_normed)


def _batch_normed(image: Tensor) -> Tensor:
    return functional.batch_norm(image, torch.zeros(3), torch.ones(3), training=True)


@model_fault(caught_by="repeatable", exporters=BOTH)
def random_noise() -> Case:
    """The model adds noise that it draws at every run."""
    return on_images(lambda image: image + torch.randn_like(image))


# Optimized as something else


@model_fault(caught_by="optimizer-neutral", exporters=BOTH)
def rounded_gelu() -> Case:
    """The model has a Gelu with √2 rounded to 1.4142, and ONNX Runtime's optimizer puts the exact one in its place."""
    return on_images(lambda image: image * 0.5 * (1 + torch.erf(image / 1.4142)))
