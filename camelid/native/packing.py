"""A model folder into one block of memory that the kernels read: what lies where, and how it gets there.

Small models are packed when they are loaded. For large ones the block is kept beside the weights, in a folder
`.camelid`, and mapped the next time. It must not know how a step works.
"""

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError
from camelid.files import HIDDEN
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.model.tensors import EMBEDDING, FINAL_NORM, HEAD, StoredTensor, open_tensors, weight_files
from camelid.native import _native

Weights = Literal["f32", "bf16", "int8", "int4"]
TYPES: dict[Weights, int] = {"f32": 0, "bf16": 1, "int8": 2, "int4": 3}  # the numbers of kernels.h
ALIGNMENT = 64
KEPT_FROM_BYTES = 64 << 20  # below this, packing takes less time than anyone notices
KEPT_FOLDER = ".camelid"
_FORMAT = 2
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Piece:
    """Something of the model, and where it lies in the block.

    sources: the tensors that it is made of; in_turn: their panels alternate. type: of its weights, or
    "rows" for an embedding's and "numbers" for a norm's. group: inputs that share a scale, 0 for none.
    """

    sources: tuple[str, ...]
    type: Weights | Literal["rows", "numbers"]
    outputs: int
    inputs: int
    offset: int
    num_bytes: int
    group: int = 0
    in_turn: bool = False


def lay_out(config: DecoderConfig, weights: Weights) -> tuple[Piece, ...]:
    """Return the pieces of a packed model: per layer qkv, out, gate and up, down, two norms; then the head,
    the last norm, and the embedding if it is not the head.
    """
    pieces: list[Piece] = []
    width, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim

    def place(piece: dict[str, Any], num_bytes: int) -> None:
        offset = pieces[-1].offset + pieces[-1].num_bytes if pieces else 0
        pieces.append(Piece(**piece, offset=-(-offset // ALIGNMENT) * ALIGNMENT, num_bytes=num_bytes))

    def matrix(type_: Weights, outputs: int, inputs: int, *sources: str, in_turn: bool = False) -> None:
        group = _group(type_, inputs)
        num_bytes = _native.packed_bytes(TYPES[type_], outputs, inputs, group)
        place(
            {"sources": sources, "type": type_, "outputs": outputs, "inputs": inputs, "group": group,
             "in_turn": in_turn}, num_bytes,
        )  # fmt: skip

    def norm(name: str) -> None:
        place({"sources": (name,), "type": "numbers", "outputs": 1, "inputs": width}, 4 * width)

    for index in range(config.num_hidden_layers):
        layer = f"model.layers.{index}."
        attention, feed = layer + "self_attn.", layer + "mlp."
        names = (f"{attention}{name}_proj.weight" for name in "qkv")
        matrix(weights, queries + 2 * keys, width, *names)
        matrix(weights, width, queries, f"{attention}o_proj.weight")
        both = 2 * (-(-inner // _native.LANES) * _native.LANES)
        matrix(weights, both, width, f"{feed}gate_proj.weight", f"{feed}up_proj.weight", in_turn=True)
        matrix(weights, width, inner, f"{feed}down_proj.weight")
        norm(f"{layer}input_layernorm.weight")
        norm(f"{layer}post_attention_layernorm.weight")
    tied = config.tie_word_embeddings
    matrix(weights, config.vocab_size, width, EMBEDDING if tied else HEAD)
    norm(FINAL_NORM)
    if not tied:
        rows = {"sources": (EMBEDDING,), "type": "rows", "outputs": config.vocab_size, "inputs": width}
        place(rows, config.vocab_size * width * (4 if weights == "f32" else 2))
    return tuple(pieces)


def packed_bytes(config: DecoderConfig, weights: Weights) -> int:
    """Return the memory that a packed model takes, in bytes."""
    last = lay_out(config, weights)[-1]
    return last.offset + last.num_bytes


def cache_token_bytes(config: DecoderConfig, weights: Weights) -> int:
    """Return what one position costs in the native cache, in bytes.

    Beside f32 weights keys and values are float32, else integers of 16 bits and a scale for each head; values
    are as wide as whole vectors.
    """
    width = config.head_dim + -(-config.head_dim // _native.LANES) * _native.LANES
    head = 4 * width if weights == "f32" else 2 * width + 2 * 4
    return config.num_hidden_layers * config.num_key_value_heads * head


def load_packed(folder: Path, weights: Weights, *, threads: int) -> NDArray[np.uint8]:
    """Return the block of a model folder: mapped from where it was kept, or packed now.

    Raises CheckpointError when the folder cannot be read or a weight is no number.
    """
    config = read_config(folder)
    size = packed_bytes(config, weights)
    if size < KEPT_FROM_BYTES:
        block = _anonymous(size)
        fill(block, folder, config, weights, threads=threads)
        return block
    kept = folder / KEPT_FOLDER / f"{weights}.packed"
    stamp = _stamp(folder, config, weights)
    found = _map_kept(kept, stamp, size)
    return found if found is not None else _pack_and_keep(kept, stamp, size, folder, config, weights, threads)


def fill(
    block: NDArray[np.uint8], folder: Path, config: DecoderConfig, weights: Weights, *, threads: int
) -> None:
    """Pack a model folder's weights into a block.

    Raises CheckpointError when the folder cannot be read or a weight is no number.
    """
    tensors = open_tensors(folder, config)
    for piece in lay_out(config, weights):
        out = block[piece.offset : piece.offset + piece.num_bytes]
        sources = [tensors[name] for name in piece.sources]
        if not _fill_piece(out, piece, sources, threads):
            raise CheckpointError(
                f"{folder}: {piece.sources[0]} holds numbers that are infinite or none at all, or too large "
                f"for {weights}. The weights are damaged: copy or train them anew."
            )


def _fill_piece(out: NDArray[np.uint8], piece: Piece, sources: list[StoredTensor], threads: int) -> bool:
    if piece.type in ("numbers", "rows"):
        numbers = sources[0].floats()
        narrow = piece.num_bytes < 4 * numbers.size
        out[:] = (_as_bfloat16(numbers) if narrow else numbers).reshape(-1).view(np.uint8)
        return bool(np.isfinite(numbers).all())
    kinds = {source.kind for source in sources}
    if len(kinds) > 1 or kinds == {"F32"}:
        grids, half = [source.floats() for source in sources], False
    else:
        grids, half = [source.read().view(np.uint16) for source in sources], kinds == {"F16"}
    type_ = TYPES[piece.type]  # type: ignore[index]
    return bool(_native.pack(grids, half, piece.in_turn, type_, piece.group, out, threads))


def _group(type_: Weights, inputs: int) -> int:
    if type_ == "int8":
        return 64 if inputs % 64 == 0 else 32
    return 32 if type_ == "int4" else 0


def _as_bfloat16(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the bits of the nearest bfloat16s, ties to even."""
    bits = numbers.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


# --- the block, in memory or in a file --------------------------------------------------------------------


def _anonymous(size: int) -> NDArray[np.uint8]:
    """Return zeros that begin at a page, in large pages where the system has them."""
    memory = mmap.mmap(-1, size)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def _stamp(folder: Path, config: DecoderConfig, weights: Weights) -> str:
    """Return what tells whether a kept block still belongs to the folder."""
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in weight_files(folder)]
    told = json.dumps([_FORMAT, weights, config.to_dict(), files], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


def _map_kept(kept: Path, stamp: str, size: int) -> NDArray[np.uint8] | None:
    try:
        with open(kept, "rb") as file:
            if (
                file.read(len(stamp)) != stamp.encode()
                or os.fstat(file.fileno()).st_size != _HEAD_BYTES + size
            ):
                return None
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:
        return None
    return np.frombuffer(mapped, np.uint8)[_HEAD_BYTES:]


def _pack_and_keep(
    kept: Path, stamp: str, size: int, folder: Path, config: DecoderConfig, weights: Weights, threads: int
) -> NDArray[np.uint8]:
    """Pack into a file that takes its name when it is whole; into memory where no file can be written."""
    try:
        with _new_file(kept, _HEAD_BYTES + size) as mapped:
            mapped[: len(stamp)] = stamp.encode()
            whole = np.frombuffer(mapped, np.uint8)
            fill(whole[_HEAD_BYTES:], folder, config, weights, threads=threads)
            mapped.flush()
    except OSError:  # a full disk, a folder that is not ours
        block = _anonymous(size)
        fill(block, folder, config, weights, threads=threads)
        return block
    return whole[_HEAD_BYTES:]


@contextlib.contextmanager
def _new_file(path: Path, size: int) -> Iterator[mmap.mmap]:
    """Yield a file of that size, mapped; it gets its name when the block ends well."""
    path.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=HIDDEN, dir=path.parent)
    try:
        try:
            os.posix_fallocate(handle, 0, size)  # a full disk is found here, not at a page fault
            mapped = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        yield mapped
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
