"""Inputs that could not show a fault."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from onnxproof.case import Case
from onnxproof.faults.fault import model_fault
from onnxproof.faults.models import BOTH, Computed, on_images, picture


@model_fault(caught_by="probes-adequate", exporters=BOTH)
def constant_image() -> Case:
    """The only image is black: whatever is done to it, it stays so."""
    return Case(Computed(_smoothed).eval(), {"image": np.zeros((1, 3, 6, 8), np.float32)}, output_names=["output"])


@model_fault(caught_by="probes-adequate", exporters=BOTH)
def single_pixel() -> Case:
    """The only image is one pixel, on which every kernel and every scaling looks right."""
    return Case(Computed(_smoothed).eval(), {"image": picture(1, 1, 1, 1)}, output_names=["output"])


@model_fault(caught_by="probes-adequate", exporters=BOTH)
def dead_network() -> Case:
    """The network's features vanish beside what it adds to them: a file that ignores its picture would look right."""
    return on_images(lambda image: 1e-9 * _smoothed(image) + torch.arange(1, image.shape[3] + 1))


def _smoothed(image: Tensor) -> Tensor:
    return functional.avg_pool2d(image, 3, stride=1, padding=1)
