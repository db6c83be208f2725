"""Declares what torchvision needs to be imported: its wheel on PyPI is built for CUDA.

Beside a CPU build of torch its C++ operators do not load, and `import torchvision` fails where it describes two of
them. Once they are declared, its models in Python work; those that call `nms` or `roi_align` do not.
"""

from importlib.util import find_spec
from pathlib import Path

import torch

DECLARED = torch.library.Library("torchvision", "FRAGMENT")
"""Holds what is declared here; its end would end the declarations."""

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def _declare() -> None:
    try:
        torch.ops.load_library(Path(find_spec("torchvision").origin).with_name("_C.so"))
    except OSError:
        for name in ("nms", "qnms"):
            DECLARED.define(name + SIGNATURE)


_declare()
