"""Models of torchvision, without their weights."""

import torchvision.models as models
from torch import nn
from torchvision.models.optical_flow import raft_small

from onnxproof import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import IMAGE, STATIC, architecture, noise, wrong

CLASSES = {"weights": None, "num_classes": 10}


def image_case(model: nn.Module, height: int, width: int, dynamic=IMAGE) -> Case:
    return Case(model, {"image": noise(2, 3, height, width)}, dynamic={"image": dynamic})


@architecture("torchvision")
def shufflenet():
    return image_case(models.shufflenet_v2_x0_5(**CLASSES), 64, 96)


@architecture("torchvision")
@wrong(TORCH_EXPORT, "exports", "the exporter ends with an assertion at poolings that round sizes up")
def googlenet():
    return image_case(models.googlenet(**CLASSES, init_weights=True, aux_logits=False), 64, 96)


@architecture("torchvision")
@wrong(
    TORCHSCRIPT,
    "same-values-unseen",
    "windows shift as for the example's size",
)
@wrong(TORCH_EXPORT, "same-values-unseen", "its padding is not in the file")
def torchvision_swin():
    model = models.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[1, 2], num_heads=[2, 4], window_size=[4, 4], num_classes=10
    )
    return image_case(model, 64, 64)


class LastFlow(nn.Module):
    """RAFT's last estimate: two pictures in, one flow out."""

    def __init__(self) -> None:
        super().__init__()
        self.raft = raft_small(weights=None)

    def forward(self, first, second):
        return self.raft(first, second, num_flow_updates=2)[-1]


@architecture("torchvision")
@wrong(TORCH_EXPORT, STATIC, "the two pictures are one batch, which `chunk` divides: its size is in the file")
def raft():
    pictures = {"first": 2 * noise(2, 3, 128, 160) - 1, "second": 1 - 2 * noise(2, 3, 128, 160)}
    return Case(LastFlow(), pictures, dynamic=dict.fromkeys(pictures, IMAGE))
