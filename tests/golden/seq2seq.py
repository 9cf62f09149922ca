"""Writes the reference values that the summarizers' tests compare with.

    pip install -r requirements.txt
    python seq2seq.py

t5-tiny/, t5-gated-tiny/, bart-tiny/ (safetensors) and llama-tiny.gguf,
qwen2-tiny.gguf, llama-q8-tiny.gguf: random models, far from
the usual initial values, so that a swapped tensor or a lost bias shows. For each, cases.json holds

    logits    teacher-forced logits of some sequences, each computed alone, without padding
    searches  token sequences of Transformers' `generate` under several settings, each source alone, with the
              mean log-probability of their tokens under the unchanged model

Random models often come near a tie. `Gaps` watches every choice that a search makes, and a source with a choice
closer than MARGIN (BEAM_MARGIN between beams) is drawn anew, so that no rounding can change a sequence.
"""

import json
from pathlib import Path

import gguf
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.generation.utils import GenerationMixin

HERE = Path(__file__).resolve().parent
Q8 = gguf.GGMLQuantizationType.Q8_0
LENGTHS = [1, 2, 5, 9, 17, 31]
MARGIN = 1e-3
BEAM_MARGIN = 2e-4
SEARCHES = {
    "greedy": {},
    "greedy_ngram": {"no_repeat_ngram_size": 3, "min_length": 6},
    "greedy_penalty": {"repetition_penalty": 1.3, "min_new_tokens": 4},
    "beam2": {"num_beams": 2, "length_penalty": 1.0, "early_stopping": False},
    "beam4_true": {"num_beams": 4, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "early_stopping": True,
                   "min_length": 5},
    "beam4_false": {"num_beams": 4, "length_penalty": 0.6, "no_repeat_ngram_size": 3, "early_stopping": False},
    "beam4_never": {"num_beams": 4, "length_penalty": 1.5, "early_stopping": "never"},
    "beam3_short": {"num_beams": 3, "length_penalty": -0.5, "early_stopping": "never", "two_ends": True},
    "beam2_penalty": {"num_beams": 2, "repetition_penalty": 1.2, "length_penalty": 1.0, "early_stopping": True},
    "beam4_forced": {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True, "forced": True,
                     "max_length": 9},
}


class Gaps:
    """The narrowest choice that `generate` made."""

    def __init__(self):
        self.least = float("inf")
        self.original = GenerationMixin._get_top_k_continuations

    def __enter__(self):
        gaps = self

        def watched(model, accumulated_log_probs, *args, beams_to_keep, **kwargs):
            best = torch.topk(accumulated_log_probs, min(beams_to_keep + 1, accumulated_log_probs.shape[-1]))[0]
            best = best[best > -1e8]
            if len(best) > 1:
                gaps.least = min(gaps.least, (best[:-1] - best[1:]).min().item() * MARGIN / BEAM_MARGIN)
            return gaps.original(model, accumulated_log_probs, *args, beams_to_keep=beams_to_keep, **kwargs)

        GenerationMixin._get_top_k_continuations = watched
        return self

    def __exit__(self, *_):
        GenerationMixin._get_top_k_continuations = self.original

    def greedy(self, scores):
        for row in scores:
            best = row[0].topk(2)[0]
            if torch.isfinite(best).all():
                self.least = min(self.least, (best[0] - best[1]).item())


def rounded(tensor):
    return [float(f"{v:.7g}") for v in tensor.flatten().tolist()]


def write(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")


def randomise(model, generator, spreads):
    for name, p in sorted(model.named_parameters()):
        spread = next(s for key, s in spreads if key in name)
        p.copy_(torch.randn(p.shape, generator=generator) * spread)
        if "norm" in name and name.endswith("weight"):
            p.add_(1.0)


def settings(name, ids, limit):
    given = {"max_length": limit, **SEARCHES[name]}
    if given.pop("forced", False):
        given |= {"forced_bos_token_id": ids["bos"], "forced_eos_token_id": ids["eos"]}
    given["eos_token_id"] = [ids["eos"], ids["eos"] + 2] if given.pop("two_ends", False) else ids["eos"]
    return given


def search(model, name, source, ids, limit, gaps):
    """The tokens that `generate` adds, and their mean log-probability; forced tokens do not count."""
    given = settings(name, ids, limit)
    start = {"decoder_start_token_id": ids["start"]} if model.config.is_encoder_decoder else {}
    config = GenerationConfig(pad_token_id=ids["pad"], return_dict_in_generate=True, output_scores=True,
                              do_sample=False, **start, **given)
    model.generation_config = config
    out = model.generate(torch.tensor([source]), attention_mask=torch.ones(1, len(source), dtype=torch.long))
    if given.get("num_beams", 1) == 1:
        gaps.greedy(out.scores)
    prompt = 1 if model.config.is_encoder_decoder else len(source)
    ends = given["eos_token_id"] if isinstance(given["eos_token_id"], list) else [given["eos_token_id"]]
    tokens = out.sequences[0].tolist()
    made = []
    for token in tokens[prompt:]:
        made.append(token)
        if token in ends and not (len(made) == 1 and given.get("forced_bos_token_id") == token):
            break
    whole = torch.tensor([tokens[:prompt] + made])
    logits = teach(model, source, whole)[prompt - 1:-1]
    taken = logits.log_softmax(-1).gather(1, torch.tensor(made)[:, None])[:, 0]
    counted = list(taken)
    if "forced_bos_token_id" in given and prompt == 1:
        counted[0] = None
    if "forced_eos_token_id" in given and prompt + len(made) == given["max_length"]:
        counted[-1] = None
    counted = [v.item() for v in counted if v is not None]
    return {"tokens": made, "mean_log_probability": sum(counted) / max(len(counted), 1)}


def teach(model, source, decoder_ids):
    if model.config.is_encoder_decoder:
        return model(input_ids=torch.tensor([source]), decoder_input_ids=decoder_ids).logits[0]
    return model(input_ids=decoder_ids).logits[0]


def draw(generator, length, vocab, first):
    return torch.randint(first, vocab, (length,), generator=generator).tolist()


def clear(model, length, vocab, ids, generator, limit, first):
    """A source of this length for which no search has a narrow choice, and what each search makes of it."""
    for _ in range(40):
        source = draw(generator, length, vocab, first)
        results = []
        for name in searches(model):
            with Gaps() as gaps:
                at_most = limit if model.config.is_encoder_decoder else limit + length
                results.append(search(model, name, source, ids, at_most, gaps))
            if gaps.least < MARGIN:
                break
        else:
            return source, results
    return None


def searches(model):
    return [n for n in SEARCHES if n != "beam4_forced" or model.config.is_encoder_decoder]


@torch.inference_mode()
def made(folder, build, vocab, ids, spreads, limit=20, first=3):
    """The first seed of which sequences end at many lengths, with what the tests compare."""
    for seed in range(1, 300):
        generator = torch.Generator().manual_seed(seed)
        model = build().eval()
        randomise(model, generator, spreads)
        found = [clear(model, length, vocab, ids, generator, limit, first) for length in LENGTHS]
        lengths = {len(r["tokens"]) for f in found if f for r in f[1]}
        print(folder, "seed", seed, [f is not None for f in found], sorted(lengths), flush=True)
        if None not in found and len(lengths) >= 6:
            break
    else:
        raise SystemExit(f"{folder}: no seed will do")
    logits = []
    for n, (source, _) in enumerate(found[2:5]):
        whole = model.config.is_encoder_decoder
        taught = [ids["start"]] + draw(generator, 4 + 7 * n, vocab, first) if whole else source
        logits.append({"source": source, "decoder": taught,
                       "logits": rounded(teach(model, source, torch.tensor([taught])))})
    named = [{"name": name, "settings": settings(name, ids, limit), "results": [f[1][n] for f in found]}
             for n, name in enumerate(searches(model))]
    return model, {"sources": [f[0] for f in found], "logits": logits, "searches": named}


def save(folder, model, found, config):
    out = HERE / folder
    out.mkdir(exist_ok=True)
    tensors = {k: v.contiguous() for k, v in model.state_dict().items()}
    for tied in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "model.encoder.embed_tokens.weight",
                 "model.decoder.embed_tokens.weight"]:
        tensors.pop(tied, None)
    if "lm_head.weight" in tensors and config.get("tie_word_embeddings", True):
        tensors.pop("lm_head.weight")
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write(out / "cases.json", found)


def t5(folder, projection, tied):
    config = {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "vocab_size": 96, "d_model": 32,
              "d_kv": 6, "d_ff": 40, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
              "relative_attention_num_buckets": 8, "relative_attention_max_distance": 20,
              "layer_norm_epsilon": 1e-6, "feed_forward_proj": projection, "tie_word_embeddings": tied,
              "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "is_encoder_decoder": True}

    def build():
        model = T5ForConditionalGeneration(T5Config(**config))
        if not tied:
            model.lm_head.weight = torch.nn.Parameter(torch.empty(96, 32))
        return model

    spreads = [("relative", 1.0), ("shared", 1.0 if tied else 0.8), ("lm_head", 0.5), ("norm", 0.2), ("", 0.3)]
    model, found = made(folder, build, 96, {"start": 0, "pad": 0, "eos": 1, "bos": 5}, spreads)
    save(folder, model, found, config)


def bart():
    config = {"model_type": "bart", "architectures": ["BartForConditionalGeneration"], "vocab_size": 96,
              "d_model": 32, "max_position_embeddings": 40, "encoder_layers": 3, "encoder_ffn_dim": 48,
              "encoder_attention_heads": 4, "decoder_layers": 2, "decoder_ffn_dim": 40,
              "decoder_attention_heads": 4, "activation_function": "gelu", "scale_embedding": True,
              "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
              "is_encoder_decoder": True, "tie_word_embeddings": True}

    def build():
        model = BartForConditionalGeneration(BartConfig(**config))
        model.final_logits_bias.copy_(torch.linspace(-1.5, 1.5, 96).roll(3)[None])
        return model

    spreads = [("shared", 0.5), ("embed_positions", 0.7), ("norm", 0.2), ("bias", 0.2), ("", 0.3)]
    model, found = made("bart-tiny", build, 96, {"start": 2, "pad": 1, "eos": 2, "bos": 0}, spreads, first=4)
    save("bart-tiny", model, found, config)


def byte_tokens():
    """The 256 byte tokens of a byte-level BPE, and the marks after them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return alphabet + ["<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "Ġt", "he", "Ġthe", "in"]


def llama(kind):
    vocab = len(byte_tokens())
    config = dict(vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                  num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, bos_token_id=256,
                  eos_token_id=257, pad_token_id=257, tie_word_embeddings=kind == "qwen2",
                  rope_parameters={"rope_type": "default", "rope_theta": 5000.0})
    family = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM)}[kind]
    build = lambda: family[1](family[0](**config))
    spreads = [("embed_tokens", 0.6), ("lm_head", 0.5), ("norm", 0.2), ("", 0.35)]
    ids = {"start": 256, "pad": 257, "eos": 257, "bos": 256}
    model, found = made(kind, build, vocab, ids, spreads, limit=16, first=0)
    write(HERE / f"{kind}-tiny.json", found)
    write_gguf(HERE / f"{kind}-tiny.gguf", kind, config, model)


@torch.inference_mode()
def quantised():
    """llama-tiny again with matrices in Q8_0, and the logits of those same rounded matrices."""
    vocab = len(byte_tokens())
    config = dict(vocab_size=vocab, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                  num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, tie_word_embeddings=False,
                  rope_parameters={"rope_type": "default", "rope_theta": 5000.0})
    generator = torch.Generator().manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig(**config)).eval()
    randomise(model, generator, [("embed_tokens", 0.6), ("lm_head", 0.5), ("norm", 0.2), ("", 0.35)])
    for p in model.parameters():
        if p.dim() == 2:
            p.copy_(torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(p.numpy(), Q8), Q8)))
    source = draw(generator, 9, vocab, 0)
    write(HERE / "llama-q8-tiny.json", {"source": source, "logits": rounded(model(torch.tensor([source])).logits[0])})
    write_gguf(HERE / "llama-q8-tiny.gguf", "llama", config, model, Q8)


def write_gguf(path, kind, config, model, form=None):
    def add(name, tensor):
        values = tensor.contiguous().numpy()
        if form and values.ndim == 2:
            out.add_tensor(name, gguf.quants.quantize(values, form), raw_dtype=form)
        else:
            out.add_tensor(name, values)

    out = gguf.GGUFWriter(str(path), kind)
    out.add_name(f"{kind}-tiny")
    out.add_context_length(config["max_position_embeddings"])
    out.add_embedding_length(config["hidden_size"])
    out.add_block_count(config["num_hidden_layers"])
    out.add_feed_forward_length(config["intermediate_size"])
    out.add_head_count(config["num_attention_heads"])
    out.add_head_count_kv(config["num_key_value_heads"])
    out.add_layer_norm_rms_eps(config["rms_norm_eps"])
    out.add_rope_freq_base(5000.0)
    out.add_rope_dimension_count(8)
    out.add_vocab_size(config["vocab_size"])
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(byte_tokens())
    out.add_token_types([1] * 256 + [3] * 4 + [1] * 4)
    out.add_token_merges(["Ġ t", "h e", "Ġt he", "i n"])
    out.add_bos_token_id(256)
    out.add_eos_token_id(257)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        fixed = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                 "lm_head.weight": "output.weight"}
        if name in fixed:
            add(fixed[name], tensor)
            continue
        _, _, layer, rest = name.split(".", 3)
        part, end = rest.rsplit(".", 1)
        values = tensor
        if kind == "llama" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            # llama files hold rotary pairs side by side; Transformers holds them half a head apart.
            heads = config["num_attention_heads" if "q_proj" in part else "num_key_value_heads"]
            values = tensor.view(heads, 2, -1, tensor.shape[1]).transpose(1, 2).reshape(tensor.shape)
        add(f"blk.{layer}.{names[part]}.{end}", values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    import sys

    torch.set_num_threads(1)
    chosen = sys.argv[1:] or ["t5", "t5-gated", "bart", "llama", "qwen2", "q8"]
    if "t5" in chosen:
        t5("t5-tiny", "relu", True)
    if "t5-gated" in chosen:
        t5("t5-gated-tiny", "gated-gelu", False)
    if "bart" in chosen:
        bart()
    if "q8" in chosen:
        quantised()
    for kind in ["llama", "qwen2"]:
        if kind in chosen:
            llama(kind)
