"""The checkpoint stories260K of llama2.c as a model folder, for tests that want weights which say something.

It lies beside the repository where there is shared data; without it, these tests skip.
"""

import json
import os
import struct
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

DATA = Path(os.environ.get("CAMELID_DATA", Path(__file__).parents[2] / "shared" / "data"))
STORIES = DATA / "llama_checkpoints" / "stories260K"


def write_stories(folder):
    """Write the model folder; the layout is that of llama2.c's run.c, version 0."""
    raw = (STORIES / "stories260K.bin").read_bytes()
    width, inner, layers, heads, groups, vocabulary, context = struct.unpack("<7i", raw[:28])
    numbers = iter_floats(np.frombuffer(raw, np.float32, offset=28))
    head_dim = width // heads
    keys = groups * head_dim
    shapes = {
        "embed_tokens": (vocabulary, width),
        "input_layernorm": (layers, width),
        "self_attn.q_proj": (layers, width, width),
        "self_attn.k_proj": (layers, keys, width),
        "self_attn.v_proj": (layers, keys, width),
        "self_attn.o_proj": (layers, width, width),
        "post_attention_layernorm": (layers, width),
        "mlp.gate_proj": (layers, inner, width),
        "mlp.down_proj": (layers, width, inner),
        "mlp.up_proj": (layers, inner, width),
        "norm": (width,),
    }
    tensors = {}
    for name, shape in shapes.items():
        values = numbers(shape)
        if name in ("self_attn.q_proj", "self_attn.k_proj"):  # pairs side by side become halves
            values = values.reshape(layers, -1, head_dim // 2, 2, width).swapaxes(2, 3).reshape(shape)
        if len(shape) > 1 and name != "embed_tokens":
            parts = {f"model.layers.{index}.{name}.weight": value for index, value in enumerate(values)}
        else:
            parts = {f"model.{name}.weight": values}
        tensors.update({key: np.ascontiguousarray(value) for key, value in parts.items()})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary,
        "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, "max_position_embeddings": context,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True, "bos_token_id": 1,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def iter_floats(numbers):
    """Return a function that hands out the next numbers in a shape."""
    place = 0

    def take(shape):
        nonlocal place
        size = int(np.prod(shape))
        place += size
        return numbers[place - size : place].reshape(shape)

    return take


def read_pieces():
    """Return the bytes of each token."""
    raw = (STORIES / "tok512.bin").read_bytes()
    place, pieces = 4, []
    while place < len(raw):
        (length,) = struct.unpack_from("<i", raw, place + 4)
        pieces.append(raw[place + 8 : place + 8 + length])
        place += 8 + length
    return pieces


def join_pieces(token_ids):
    """Return the text of tokens, as run.c prints it: a space that follows the beginning is left out."""
    pieces, text, before = read_pieces(), b"", 1
    for token_id in token_ids:
        piece = pieces[token_id]
        if before == 1:
            piece = piece.removeprefix(b" ")
        if len(piece) == 6 and piece.startswith(b"<0x"):
            piece = bytes([int(piece[3:5], 16)])
        text += piece
        before = token_id
    return text.decode()
