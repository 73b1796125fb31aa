"""A model of llama2.c, its .bin and its tokenizer's .bin, into a model folder.

The layout is that of Karpathy's run.c: seven numbers, then the weights in float32; queries and keys turn
neighbours, as in Meta's code. Of the layouts the first is read (export.py's version 0), which all published
files have. Source: github.com/karpathy/llama2.c, run.c (memory_map_weights, build_tokenizer) and export.py.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RecipeError, TokenizerError
from camelid.export.names import as_halves, turned_heads
from camelid.export.numbers import Kind
from camelid.export.saving import save_folder
from camelid.model.config import DecoderConfig
from camelid.model.tensors import EMBEDDING, FINAL_NORM, HEAD
from camelid.text.pieces import BLANK, Piece, Pieces, build_core, read_sentencepiece
from camelid.text.pieces import Kind as PieceKind
from camelid.text.tokenizer import Tokenizer

NEWER = b"24ka"  # how export.py's later versions begin
_SPECIAL = {0: ("<unk>", PieceKind.unknown), 1: ("<s>", PieceKind.control), 2: ("</s>", PieceKind.control)}
_LAYERS = (
    "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj",
)  # fmt: skip


def import_llama2c(model: Path | str, tokenizer: Path | str, out: Path | str) -> DecoderConfig:
    """Write the model folder of a model of llama2.c, whole or not at all; return its config.

    tokenizer: the .bin that belongs to it, such as tok512.bin, or the SentencePiece model it was made of.

    Raises CheckpointError when the files are something else, are cut off, or do not belong together, or when
    the folder holds something else.
    """
    config, weights = read_weights(model)
    words = read_tokenizer(tokenizer, config.vocab_size)
    plan: dict[str, tuple[Kind, tuple[int, ...]]] = {
        name: ("F32", weight.shape) for name, weight in weights.items()
    }
    save_folder(out, config, words, plan, weights.values())
    return config


def read_weights(path: Path | str) -> tuple[DecoderConfig, dict[str, NDArray[np.float32]]]:
    """Return the config and the tensors of a llama2.c model, in Hugging Face's names and order of rows.

    Raises CheckpointError when the file is something else, or cut off.
    """
    path = Path(path)
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    if raw[:4].tobytes() == NEWER:
        raise CheckpointError(
            f"{path} has a later layout of llama2.c's export.py. Export it again with --version 0, or with "
            "--version -1 as a Hugging Face folder."
        )
    config = _read_config(path, raw)
    sizes = _shapes(config)
    end = 28 + 4 * sum(int(np.prod(shape)) for _, shape in sizes)
    if len(raw) < end:
        raise CheckpointError(
            f"{path} must have {end:,} bytes, as its header says; found {len(raw):,}. "
            "Copy or download it anew."
        )
    floats, place, tensors = raw[28:end].view(np.float32), 0, {}
    for name, shape in sizes:
        size = int(np.prod(shape))
        values = floats[place : place + size].reshape(shape)
        place += size
        tensors.update(_split(name, values, config))
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise CheckpointError(f"{path} holds numbers that are infinite or none at all: it is damaged.")
    return config, {name: tensors[name] for name in sorted(tensors)}


def read_tokenizer(path: Path | str, vocab_size: int) -> Tokenizer:
    """Return the tokenizer that a llama2.c model goes with.

    Raises TokenizerError when the file is something else, or has not that many tokens.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read ({error.strerror}).") from None
    pieces = read_sentencepiece(path) if path.suffix == ".model" else Pieces(tuple(_read_pieces(path, raw)))
    if len(pieces.pieces) != vocab_size:
        raise TokenizerError(
            f"{path} holds {len(pieces.pieces)} tokens, the model knows {vocab_size}. Name the tokenizer "
            "that the model was trained with, such as tok512.bin for stories260K."
        )
    ends = [pieces.bos_id]  # in its training data a story's end is the beginning of the next
    return Tokenizer(build_core(pieces), {**_named(pieces)}, stop_ids=ends)


def _named(pieces: Pieces) -> dict[str, Any]:
    return {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False,
            **pieces.special_tokens()}  # fmt: skip


def _read_pieces(path: Path, raw: bytes) -> Iterator[Piece]:
    """Yield the pieces of a tokenizer.bin: the longest's length, then score, length and bytes of each."""
    place = 4
    try:
        for index in range(len(raw)):
            if place == len(raw):
                return
            score, length = struct.unpack_from("<fi", raw, place)
            text = raw[place + 8 : place + 8 + length]
            place += 8 + length
            if length < 0 or place > len(raw):
                raise ValueError("it is cut off")
            name, kind = _SPECIAL.get(index, (text.decode().replace(" ", BLANK), PieceKind.normal))
            if len(name) == 6 and name.startswith("<0x"):
                kind = PieceKind.byte
            yield Piece(name, score, kind)
    except (struct.error, ValueError) as error:
        raise TokenizerError(f"{path} is no tokenizer of llama2.c ({error}). Copy it anew.") from None


def _read_config(path: Path, raw: NDArray[np.uint8]) -> DecoderConfig:
    if len(raw) < 28:
        raise CheckpointError(f"{path} is no model of llama2.c: it has {len(raw)} bytes.")
    width, inner, layers, heads, groups, vocabulary, context = struct.unpack("<7i", raw[:28].tobytes())
    try:
        return DecoderConfig(
            vocab_size=abs(vocabulary), hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=context,
            tie_word_embeddings=vocabulary > 0, bos_token_id=1, eos_token_id=[2, 1],
        )  # fmt: skip
    except (RecipeError, ZeroDivisionError) as error:
        raise CheckpointError(f"{path} is no model of llama2.c: {error}") from None


def _shapes(config: DecoderConfig) -> list[tuple[str, tuple[int, ...]]]:
    """Return what lies in the file, in its order; a layer's tensors lie side by side for all layers."""
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    keys = config.num_key_value_heads * config.head_dim
    inside: dict[str, tuple[int, ...]] = {
        "input_layernorm": (width,), "self_attn.q_proj": (width, width), "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width), "self_attn.o_proj": (width, width),
        "post_attention_layernorm": (width,), "mlp.gate_proj": (inner, width),
        "mlp.down_proj": (width, inner), "mlp.up_proj": (inner, width),
    }  # fmt: skip
    found: list[tuple[str, tuple[int, ...]]] = [(EMBEDDING, (config.vocab_size, width))]
    found += [(name, (layers, *inside[name])) for name in _LAYERS]
    found.append((FINAL_NORM, (width,)))
    if not config.tie_word_embeddings:  # two tables of sines and cosines that run.c passes over, too
        found.append(("", (2, config.max_position_embeddings, config.head_dim // 2)))
        found.append((HEAD, (config.vocab_size, width)))
    return found


def _split(name: str, values: NDArray[np.float32], config: DecoderConfig) -> dict[str, NDArray[np.float32]]:
    if name not in _LAYERS:
        return {name: values} if name else {}
    named = {f"model.layers.{index}.{name}.weight": each for index, each in enumerate(values)}
    heads = turned_heads(f"{name}.weight", config.num_attention_heads, config.num_key_value_heads)
    return {key: as_halves(each, heads) if heads else each for key, each in named.items()}
