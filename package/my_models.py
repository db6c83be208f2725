"""A user's model, and what its conversion is judged on."""

import torch
from torch import nn

from onnxproof import Case


class Scale(nn.Module):
    """Scales a picture by a factor that is given with it."""

    def forward(self, picture, factor):
        return picture * factor


my_case = Case(
    Scale(),
    {"picture": torch.linspace(-1, 1, 70).reshape(1, 1, 7, 10), "factor": torch.tensor(3.0)},
    dynamic={"picture": {2: "height", 3: "width"}},
)
