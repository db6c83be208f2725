"""Image classifiers of timm, made small by their own options."""

import timm

from onnxproof import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import IMAGE, architecture, noise, wrong


def image_case(name: str, height: int, width: int, dynamic=IMAGE, **options) -> Case:
    """A case of an image model of timm; `options` are those of its class."""
    model = timm.create_model(name, num_classes=10, **options)
    return Case(model, {"image": noise(2, 3, height, width)}, dynamic={"image": dynamic})


@architecture("timm", quick=True)
def resnet():
    return image_case("resnet10t", 48, 64)


@architecture("timm")
def densenet():
    return image_case("densenet121", 48, 64, block_config=(2, 2, 2, 2), growth_rate=8)


@architecture("timm", quick=True)
def convnext():
    return image_case("convnext_atto", 64, 96, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))


@architecture("timm")
def efficientnet():
    return image_case("tinynet_e", 64, 96)


@architecture("timm")
@wrong(TORCHSCRIPT, "exports", "the exporter does not have the antialiased bicubic resizing of position embeddings")
def vit_any_size():
    size = {"dynamic_img_size": True, "img_size": 64, "patch_size": 16}
    return image_case("vit_tiny_patch16_224", 64, 96, depth=2, embed_dim=32, num_heads=4, **size)


@architecture("timm")
@wrong(
    TORCHSCRIPT,
    "exports",
    "`is_causal`, calculated from the sequence's length, is a tensor there",
)
def eva02():
    options = {"img_size": 56, "depth": 2, "embed_dim": 32, "num_heads": 4}
    return image_case("eva02_tiny_patch14_224", 56, 56, {0: "batch"}, **options)


@architecture("timm")
@wrong(
    TORCHSCRIPT,
    "inputs-live, same-values-unseen",
    "its resizing, under an `if`, is not in the file",
)
@wrong(
    TORCH_EXPORT,
    "inputs-live, same-values-unseen",
    "its resizing, under an `if`, is not in the file",
)
def mobilevit():
    return image_case("mobilevit_xxs", 64, 96)


@architecture("timm")
def fastvit():
    return image_case("fastvit_t8", 64, 96, layers=(1, 1, 1, 1))
