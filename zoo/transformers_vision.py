"""Vision models of transformers, alone and beside text."""

import numpy as np
import transformers as hf

from onnxproof import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import ENCODER_DECODER, IMAGE, ONE_NAME, STATIC, TEXT, architecture, noise, tokens, wrong

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def image_case(model, size: int) -> Case:
    """A case of a model of images of one size."""
    return Case(model, {"pixel_values": noise(2, 3, size, size)}, dynamic={"pixel_values": {0: "batch"}})


def any_size_case(model, height: int, width: int) -> Case:
    """A case of a model of images of any size."""
    return Case(model, {"pixel_values": noise(2, 3, height, width)}, dynamic={"pixel_values": IMAGE})


@architecture("transformers", quick=True)
def vit():
    return image_case(hf.ViTForImageClassification(hf.ViTConfig(**SMALL, image_size=32, patch_size=8)), 32)


@architecture("transformers")
def swinv2():
    config = hf.Swinv2Config(image_size=64, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 4], window_size=4)
    return image_case(hf.Swinv2ForImageClassification(config), 64)


@architecture("transformers")
def convnextv2():
    config = hf.ConvNextV2Config(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1])
    return any_size_case(hf.ConvNextV2ForImageClassification(config), 64, 96)


@architecture("transformers")
def segformer():
    config = hf.SegformerConfig(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1], decoder_hidden_size=32)
    return any_size_case(hf.SegformerForSemanticSegmentation(config), 64, 96)


@architecture("transformers")
@wrong(TORCHSCRIPT, "shapes-honest", ONE_NAME)
@wrong(TORCHSCRIPT, "same-values-unseen", "the size that the depth is scaled to is a number in the file")
@wrong(TORCH_EXPORT, STATIC, "the size of the example is in the file")
def depth_anything():
    backbone = hf.Dinov2Config(
        **SMALL | {"num_hidden_layers": 4},
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = hf.DepthAnythingConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 16, 24, 32],
        fusion_hidden_size=16,
        reassemble_hidden_size=32,
        depth_estimation_type="metric",
        max_depth=20,
    )
    return any_size_case(hf.DepthAnythingForDepthEstimation(config), 56, 70)


RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}


@architecture("transformers")
def detr():
    backbone = hf.ResNetConfig(**RESNET, out_features=["stage4"])
    config = hf.DetrConfig(
        backbone_config=backbone,
        use_timm_backbone=False,
        **ENCODER_DECODER,
        num_queries=10,
    )
    return any_size_case(hf.DetrForObjectDetection(config), 64, 96)


@architecture("transformers")
@wrong(TORCHSCRIPT, "shapes-honest", ONE_NAME)
@wrong(TORCH_EXPORT, STATIC, "the batch of the example is in the file")
def rt_detr():
    backbone = hf.RTDetrResNetConfig(**RESNET, layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    config = hf.RTDetrConfig(
        backbone_config=backbone,
        encoder_hidden_dim=32,
        encoder_in_channels=[16, 24, 32],
        encoder_ffn_dim=64,
        encoder_attention_heads=4,
        d_model=32,
        num_queries=10,
        decoder_in_channels=[32, 32, 32],
        decoder_ffn_dim=64,
        decoder_layers=2,
        decoder_attention_heads=4,
        eval_size=None,
    )
    return image_case(hf.RTDetrForObjectDetection(config), 64)


@architecture("transformers")
def clip():
    text = SMALL | {"vocab_size": 200, "max_position_embeddings": 32, "eos_token_id": 199}
    config = hf.CLIPConfig(
        text_config=text, vision_config=SMALL | {"image_size": 32, "patch_size": 8}, projection_dim=16
    )
    ids = tokens(3, 9, vocabulary=199)
    ids[:, -1] = 199
    inputs = {"input_ids": ids, "pixel_values": noise(2, 3, 32, 32), "attention_mask": np.ones_like(ids)}
    texts = {0: "texts", 1: "sequence"}
    dynamic = {"input_ids": texts, "attention_mask": texts, "pixel_values": {0: "images"}}
    return Case(hf.CLIPModel(config), inputs, dynamic=dynamic)


@architecture("transformers")
@wrong(
    TORCHSCRIPT,
    "inputs-kept, outputs-kept, same-values, same-values-unseen",
    "the default 0 of `logits_to_keep` becomes an input, and the file gives one position",
)
def vision_text_captions():
    """BLIP: an image and the start of its caption in, logits out."""
    text = SMALL | {"vocab_size": 200, "max_position_embeddings": 32, "encoder_hidden_size": 32}
    config = hf.BlipConfig(text_config=text, vision_config=SMALL | {"image_size": 32, "patch_size": 8})
    ids = tokens(2, 9, vocabulary=200)
    inputs = {"pixel_values": noise(2, 3, 32, 32), "input_ids": ids, "attention_mask": np.ones_like(ids)}
    dynamic = {"pixel_values": {0: "batch"}, "input_ids": TEXT, "attention_mask": TEXT}
    return Case(hf.BlipForConditionalGeneration(config), inputs, dynamic=dynamic)
