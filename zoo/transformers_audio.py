"""Audio models of transformers."""

import numpy as np
import transformers as hf
from torch import nn

from onnxproof import Case, Dim
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import ENCODER_DECODER, ONE_NAME, SEED, architecture, tokens, wrong


def sound(*shape: int):
    """Seeded noise, as loud as a normalised recording."""
    return np.random.default_rng(SEED).standard_normal(shape).astype(np.float32)


WAVES = {
    "vocab_size": 32,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def wave_case(model) -> Case:
    return Case(model, {"input_values": sound(2, 1600)}, dynamic={"input_values": {0: "batch", 1: "samples"}})


@architecture("transformers")
def wav2vec2():
    return wave_case(hf.Wav2Vec2ForCTC(hf.Wav2Vec2Config(**WAVES)))


WHISPER = {
    "vocab_size": 200,
    **ENCODER_DECODER,
    "num_mel_bins": 16,
    "max_source_positions": 50,
    "max_target_positions": 32,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "decoder_start_token_id": 1,
}


class Transcriber(nn.Module):
    """Whisper without its cache: a spectrogram and the start of its text in, logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_features, decoder_input_ids):
        return self.model(input_features=input_features, decoder_input_ids=decoder_input_ids, use_cache=False).logits


@architecture("transformers")
@wrong(TORCHSCRIPT, "exports", "the exporter does not have `diff`, with which transformers looks for packed sequences")
def whisper():
    model = Transcriber(hf.WhisperForConditionalGeneration(hf.WhisperConfig(**WHISPER)))
    inputs = {"input_features": sound(2, 16, 100), "decoder_input_ids": tokens(2, 7, vocabulary=200)}
    dynamic = {"input_features": {0: "batch"}, "decoder_input_ids": {0: "batch", 1: "target"}}
    return Case(model, inputs, dynamic=dynamic)


@architecture("transformers", quick=True)
@wrong(TORCHSCRIPT, "shapes-honest", ONE_NAME)
@wrong(TORCH_EXPORT, "exports", "the padding is calculated with a tensor, whose values torch.export does not have")
def encodec():
    """The decoder of a neural codec: codes in, sound out."""
    config = hf.EncodecConfig(
        num_filters=8, hidden_size=16, codebook_size=32, codebook_dim=16, upsampling_ratios=[4, 2]
    )
    model = hf.EncodecModel(config)
    frames = sound(2, 16, 25)
    return Case(
        model.decoder, {"hidden_states": frames}, dynamic={"hidden_states": {0: "batch", 2: Dim("frames", min=8)}}
    )


@architecture("transformers", quick=True)
def vocoder():
    """HiFi-GAN: a spectrogram in, sound out."""
    config = hf.SpeechT5HifiGanConfig(
        model_in_dim=16,
        upsample_initial_channel=32,
        upsample_rates=[4, 2],
        upsample_kernel_sizes=[8, 4],
        resblock_kernel_sizes=[3, 5],
        resblock_dilation_sizes=[[1, 3], [1, 3]],
    )
    frames = {0: "batch", 1: "frames"}
    return Case(hf.SpeechT5HifiGan(config), {"spectrogram": sound(2, 20, 16)}, dynamic={"spectrogram": frames})
