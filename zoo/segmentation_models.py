"""Decoders of segmentation-models-pytorch on small encoders."""

import segmentation_models_pytorch as smp

from onnxproof import Case
from onnxproof.versions import TORCHSCRIPT
from zoo.architecture import IMAGE, ONE_NAME, architecture, noise, wrong

ENCODER = {"encoder_name": "mobilenet_v2", "encoder_weights": None, "classes": 3}
SHALLOW = ENCODER | {"encoder_depth": 4}
NARROW = {"decoder_channels": (32, 24, 16, 8)}


def image_case(model, height: int = 64, width: int = 96) -> Case:
    return Case(model, {"image": noise(2, 3, height, width)}, dynamic={"image": IMAGE})


@architecture("segmentation-models-pytorch")
@wrong(TORCHSCRIPT, "shapes-honest", ONE_NAME)
def unet():
    return image_case(smp.Unet(**SHALLOW, **NARROW))


@architecture("segmentation-models-pytorch")
def fpn():
    return image_case(smp.FPN(**ENCODER, decoder_pyramid_channels=32, decoder_segmentation_channels=32))


@architecture("segmentation-models-pytorch")
def deeplabv3_plus():
    return image_case(smp.DeepLabV3Plus(**ENCODER, decoder_channels=32))
