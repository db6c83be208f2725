"""Text models of transformers."""

import numpy as np
import transformers as hf
from torch import nn

from onnxproof import Case
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT
from zoo.architecture import ENCODER_DECODER, STATIC, TEXT, architecture, tokens, wrong

VOCABULARY = 200
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}


def encoder_case(model, *, token_types=False) -> Case:
    """A case of an encoder: ids, a mask of ones as everybody passes it, and token types if it has them."""
    ids = tokens(2, 12, vocabulary=VOCABULARY)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    inputs |= {"token_type_ids": np.zeros_like(ids)} if token_types else {}
    return Case(model, inputs, dynamic=dict.fromkeys(inputs, TEXT))


@architecture("transformers", quick=True)
@wrong(
    TORCHSCRIPT,
    "exports",
    "the exporter passes all defaults by position, transformers adds use_cache again",
)
def bert():
    return encoder_case(hf.BertModel(hf.BertConfig(**SMALL)), token_types=True)


@architecture("transformers", quick=True)
def distilbert():
    config = hf.DistilBertConfig(vocab_size=VOCABULARY, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    return encoder_case(hf.DistilBertForSequenceClassification(config))


@architecture("transformers")
def roberta():
    return encoder_case(hf.RobertaForTokenClassification(hf.RobertaConfig(**SMALL)))


@architecture("transformers")
def deberta_v2():
    config = hf.DebertaV2Config(
        **SMALL, relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16, norm_rel_ebd="layer_norm"
    )
    return encoder_case(hf.DebertaV2ForTokenClassification(config))


@architecture("transformers")
def modernbert():
    config = hf.ModernBertConfig(**SMALL | {"num_hidden_layers": 3}, pad_token_id=0, local_attention=8)
    return encoder_case(hf.ModernBertForMaskedLM(config))


class Logits(nn.Module):
    """A language model without its cache: ids and a mask in, logits of every position out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits


@architecture("transformers", quick=True)
def gpt2():
    config = hf.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128)
    return encoder_case(Logits(hf.GPT2LMHeadModel(config)))


DECODER = SMALL | {"num_key_value_heads": 2, "head_dim": 8}


@architecture("transformers")
def llama():
    return encoder_case(Logits(hf.LlamaForCausalLM(hf.LlamaConfig(**DECODER))))


@architecture("transformers")
@wrong(TORCHSCRIPT, "exports", "the exporter does not have `histc`, which counts the tokens of each expert")
@wrong(TORCH_EXPORT, "exports", "the exporter does not have `grouped_mm_fallback`, which runs the experts")
def mixtral():
    config = hf.MixtralConfig(**DECODER, num_local_experts=4, num_experts_per_tok=2)
    return encoder_case(Logits(hf.MixtralForCausalLM(config)))


UNROLLED = "the scan over the sequence is a Python loop, written out for the length of the example"


@architecture("transformers")
@wrong(TORCHSCRIPT, "inputs-live, same-values-unseen", UNROLLED)
@wrong(TORCH_EXPORT, STATIC, UNROLLED)
def mamba():
    config = hf.MambaConfig(vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=8)
    return encoder_case(Logits(hf.MambaForCausalLM(config)))


T5 = {"vocab_size": VOCABULARY, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}


class Translator(nn.Module):
    """An encoder and a decoder without its cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, decoder_input_ids):
        outputs = self.model(
            input_ids=input_ids, attention_mask=attention_mask, decoder_input_ids=decoder_input_ids, use_cache=False
        )
        return outputs.logits


def translator_case(model: nn.Module) -> Case:
    ids = tokens(2, 12, vocabulary=VOCABULARY)
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "decoder_input_ids": tokens(2, 7, vocabulary=VOCABULARY),
    }
    dynamic = {"input_ids": TEXT, "attention_mask": TEXT, "decoder_input_ids": {0: "batch", 1: "target"}}
    return Case(Translator(model), inputs, dynamic=dynamic)


@architecture("transformers")
@wrong(
    TORCH_EXPORT,
    "exports",
    "the exporter cannot tell that the heads can be viewed as one dimension",
)
def t5():
    return translator_case(hf.T5ForConditionalGeneration(hf.T5Config(**T5)))


@architecture("transformers")
def bart():
    config = hf.BartConfig(
        vocab_size=VOCABULARY,
        **ENCODER_DECODER,
        max_position_embeddings=128,
    )
    return translator_case(hf.BartForConditionalGeneration(config))
