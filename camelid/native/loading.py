"""A model folder into a native model."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RequestError
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.model.rope import rope_frequencies
from camelid.native import _native, choose_isa
from camelid.native.packing import TYPES, Piece, Weights, lay_out, load_packed


def load_native(folder: Path | str, *, weights: Weights, threads: int) -> "_native.Model":
    """Return the model of a folder, its weights packed.

    Raises NativeMissingError when the native engine was not built, CheckpointError when the folder cannot be
    read or its heads are too wide, RequestError for an instruction set that this processor lacks.
    """
    isa = choose_isa()
    folder = Path(folder)
    config = read_config(folder)
    if config.head_dim > _native.MOST_HEAD_DIM:
        raise CheckpointError(
            f"{folder} has heads {config.head_dim} wide; the native engine takes up to "
            f"{_native.MOST_HEAD_DIM}. Load it with backend='torch'."
        )
    return bind(config, weights, load_packed(folder, weights, threads=threads), isa=isa, threads=threads)


def bind(
    config: DecoderConfig, weights: Weights, block: NDArray[np.uint8], *, isa: str, threads: int
) -> "_native.Model":
    """Return a model over a packed block, which it keeps."""
    matrices, norms, embedding = [], [], None
    for piece in lay_out(config, weights):
        part = block[piece.offset : piece.offset + piece.num_bytes]
        if piece.type == "numbers":
            norms.append(part.view(np.float32))
        elif piece.type == "rows":
            embedding = _rows(part, piece)
        else:
            matrix = _native.Matrix(TYPES[piece.type], piece.outputs, piece.inputs, piece.group, part)
            matrices.append(matrix)
    return _native.Model(config.to_dict(), rope_frequencies(config), matrices, norms, embedding, isa, threads)


def _rows(part: NDArray[np.uint8], piece: Piece) -> NDArray[np.generic]:
    wide = len(part) == 4 * piece.outputs * piece.inputs
    return part.view(np.float32 if wide else np.uint16).reshape(piece.outputs, piece.inputs)


def choose_threads(threads: int | None) -> int:
    """Return how many threads to use: as many as there are cores, or as many as are wished for.

    Raises RequestError for fewer than one.
    """
    if threads is None:
        return num_cores()
    if threads < 1:
        raise RequestError(f"threads must be 1 or more; found {threads}.")
    return threads


def num_cores() -> int:
    """Return how many cores this process may use; two hardware threads of one core count once."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    cores = set()
    for number in usable:
        siblings = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:
            cores.add(str(number))
    return max(1, len(cores))
