"""A Hugging Face model folder as the peers read it: GGUF for llama.cpp, and CTranslate2's own folder.

    python benchmarks/native_formats.py gguf FOLDER OUT Q8_0
    python benchmarks/native_formats.py ctranslate2 FOLDER OUT

Runs in the virtual environment that has gguf or ctranslate2, so it must not import camelid.
"""

import json
import os
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NUM_BYTES = 256  # tokens that stand for one byte each, after the three special ones
NUM_SPECIAL = 3 + NUM_BYTES


class Folder:
    """A model folder: its config, and its bfloat16 tensors as float32, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._data = np.memmap(folder / "model.safetensors", np.uint8, "r")
        size = struct.unpack("<Q", self._data[:8].tobytes())[0]
        self._header = json.loads(self._data[8 : 8 + size].tobytes())
        self._begin = 8 + size

    def __getitem__(self, name: str) -> Floats:
        entry = self._header[name]
        assert entry["dtype"] == "BF16"
        begin, end = (self._begin + offset for offset in entry["data_offsets"])
        bits = np.frombuffer(self._data[begin:end].tobytes(), np.uint16)
        return (bits.astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])


def vocabulary(size: int) -> list[str]:
    """Return a made-up vocabulary: unknown, begin, end, a token for each byte, and words."""
    words = [f"▁w{number}" for number in range(NUM_SPECIAL, size)]
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(NUM_BYTES)), *words]


# --- GGUF -------------------------------------------------------------------------------------------------


def permute(weight: Floats, heads: int) -> Floats:
    """Return the rows of a q or k projection in llama.cpp's order.

    It turns neighbours in a head, (0, 1), (2, 3) and so on; Hugging Face a head's first half with its second.
    """
    rows, width = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, width)
    return halves.swapaxes(1, 2).reshape(rows, width)


def gguf_tensors(folder: Folder) -> Iterator[tuple[str, Floats]]:
    """Yield the tensors under llama.cpp's names, in its order of rows; a tied head is none."""
    config = folder.config
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    yield "token_embd.weight", folder["model.embed_tokens.weight"]
    for index in range(config["num_hidden_layers"]):
        layer, own = f"model.layers.{index}.", f"blk.{index}."
        yield own + "attn_norm.weight", folder[layer + "input_layernorm.weight"]
        yield own + "attn_q.weight", permute(folder[layer + "self_attn.q_proj.weight"], heads)
        yield own + "attn_k.weight", permute(folder[layer + "self_attn.k_proj.weight"], groups)
        yield own + "attn_v.weight", folder[layer + "self_attn.v_proj.weight"]
        yield own + "attn_output.weight", folder[layer + "self_attn.o_proj.weight"]
        yield own + "ffn_norm.weight", folder[layer + "post_attention_layernorm.weight"]
        yield own + "ffn_gate.weight", folder[layer + "mlp.gate_proj.weight"]
        yield own + "ffn_up.weight", folder[layer + "mlp.up_proj.weight"]
        yield own + "ffn_down.weight", folder[layer + "mlp.down_proj.weight"]
    yield "output_norm.weight", folder["model.norm.weight"]
    if not config["tie_word_embeddings"]:
        yield "output.weight", folder["lm_head.weight"]


def write_gguf(folder: Folder, out: Path, kind: str) -> None:
    """Write a GGUF file with all matrices, the embedding included, in `kind`: Q8_0, Q4_0 or BF16."""
    import gguf

    type_ = gguf.GGMLQuantizationType[kind]
    partial = out.with_suffix(".partial")
    writer = gguf.GGUFWriter(str(partial), "llama")
    describe_gguf(writer, folder.config, gguf.LlamaFileType[f"MOSTLY_{kind}"])
    for name, numbers in gguf_tensors(folder):
        if numbers.ndim == 1:
            writer.add_tensor(name, numbers)
        else:
            writer.add_tensor(name, gguf.quants.quantize(numbers, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, out)


def describe_gguf(writer: Any, config: dict[str, Any], file_type: int) -> None:
    """Write the keys of a llama, and a tokenizer section with as many made-up tokens as it has."""
    width, heads = config["hidden_size"], config["num_attention_heads"]
    writer.add_name("random")
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(width)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(width // heads)
    writer.add_rope_freq_base(config["rope_theta"])
    tokens = vocabulary(config["vocab_size"])
    normal, unknown, control, byte = 1, 2, 3, 6
    kinds = [unknown, control, control] + [byte] * NUM_BYTES
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds + [normal] * (len(tokens) - len(kinds)))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


# --- CTranslate2 ------------------------------------------------------------------------------------------


def write_ctranslate2(folder: Folder, out: Path) -> None:
    """Write a CTranslate2 folder in int8, by its own specification and quantization."""
    spec = build_spec(folder)
    spec.validate()
    spec.optimize(quantization="int8")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    spec.save(str(partial))
    os.replace(partial, out)


def build_spec(folder: Folder) -> Any:
    """Return CTranslate2's specification of the decoder with its weights."""
    from ctranslate2.specs import common_spec, transformer_spec

    config = folder.config
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config["num_hidden_layers"], heads, activation=common_spec.Activation.SWISH, pre_norm=True,
        ffn_glu=True, rms_norm=True, rotary_dim=0, rotary_interleave=False,
        rotary_base=config["rope_theta"], num_heads_kv=None if heads == groups else groups,
    )  # fmt: skip
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = folder["model.embed_tokens.weight"]
    tied = config["tie_word_embeddings"]
    decoder.projection.weight = folder["model.embed_tokens.weight" if tied else "lm_head.weight"]
    decoder.layer_norm.gamma = folder["model.norm.weight"]
    for index, layer in enumerate(decoder.layer):
        name = f"model.layers.{index}."
        attention, feed = layer.self_attention, layer.ffn
        attention.layer_norm.gamma = folder[name + "input_layernorm.weight"]
        attention.linear[0].weight = np.concatenate(
            [folder[f"{name}self_attn.{each}_proj.weight"] for each in "qkv"]
        )
        attention.linear[1].weight = folder[name + "self_attn.o_proj.weight"]
        feed.layer_norm.gamma = folder[name + "post_attention_layernorm.weight"]
        feed.linear_0.weight = folder[name + "mlp.gate_proj.weight"]
        feed.linear_0_noact.weight = folder[name + "mlp.up_proj.weight"]
        feed.linear_1.weight = folder[name + "mlp.down_proj.weight"]
    spec.register_vocabulary(vocabulary(config["vocab_size"]))
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = "<unk>", "<s>", "</s>"
    spec.config.layer_norm_epsilon = config["rms_norm_eps"]
    return spec


def main() -> None:
    what, source, out, *kind = sys.argv[1:]
    folder = Folder(Path(source))
    if what == "gguf":
        write_gguf(folder, Path(out), *kind)
    else:
        write_ctranslate2(folder, Path(out))


if __name__ == "__main__":
    main()
