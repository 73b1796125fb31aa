"""The models that the native engine is measured with: four shapes, random weights, written once.

A shape lies in a folder of its own: hf/ as Hugging Face has it, in bfloat16; what the peers read is made of
that (native_formats.py).
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camelid.files import write_folder, write_json
from camelid.model.config import DecoderConfig
from camelid.model.folder import CONFIG, WEIGHTS
from camelid.model.tensors import EMBEDDING, tensor_shapes

CONTEXT = 2048
SEED = 0


@dataclass(frozen=True)
class Plan:
    """What one process measures.

    prompt, short: tokens of the long and the short prompt. new: tokens that follow, the first included.
    rounds: how often each is done. streams, stream_prompt: requests at once, and the tokens of each one's
    prompt. steps: tokens of each that are timed, once all have begun.
    """

    new: int
    rounds: int
    steps: int
    prompt: int = 512
    short: int = 8
    streams: int = 16
    stream_prompt: int = 64
    threads: int = 2


def _shape(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=CONTEXT,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


SHAPES = {
    "15m": _shape(288, 768, 6, 6, 6, 8192),
    "30m": _shape(512, 1408, 8, 8, 4, 8192),
    "110m": _shape(768, 2048, 12, 12, 12, 32000),
    "1b": _shape(2048, 8192, 16, 32, 8, 32000),
}
PLANS = {
    "15m": Plan(new=129, rounds=7, steps=64),
    "30m": Plan(new=129, rounds=7, steps=64),
    "110m": Plan(new=65, rounds=3, steps=32),
    "1b": Plan(new=33, rounds=1, steps=12),
}


def make_model(folder: Path, config: DecoderConfig) -> Path:
    """Return the folder of a random model, written unless it is there."""
    target = folder / "hf"
    if not (target / CONFIG).is_file():
        write_folder(target, lambda fresh: write_model(fresh, config))
    return target


def write_model(folder: Path, config: DecoderConfig) -> None:
    """Write a random model: config.json and model.safetensors in bfloat16."""
    write_json(folder / CONFIG, {**config.to_dict(), "dtype": "bfloat16", "torch_dtype": "bfloat16"})
    header, end = {}, 0
    for name, shape in tensor_shapes(config).items():
        begin, end = end, end + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / WEIGHTS, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for numbers in draw_weights(config):
            file.write(to_bfloat16(numbers).tobytes())


def draw_weights(config: DecoderConfig) -> Iterator[NDArray[np.float32]]:
    """Yield the tensors of a random model in the order of `tensor_shapes`.

    Queries and keys are large enough that attention prefers some tokens to others: else a peer that
    turns positions in another way would go unnoticed.
    """
    random = np.random.default_rng(SEED)
    for name, shape in tensor_shapes(config).items():
        if len(shape) == 1:
            yield np.ones(shape, np.float32)
            continue
        scale = shape[1] ** -0.5
        if name == EMBEDDING:
            scale = 0.3
        elif "q_proj" in name or "k_proj" in name:
            scale *= 1.5**0.5
        yield random.standard_normal(shape, np.float32) * np.float32(scale)


def to_bfloat16(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16s, ties to even."""
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
