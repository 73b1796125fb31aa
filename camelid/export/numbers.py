"""Weights as numbers in the types that files have them in, and a safetensors file written tensor by tensor.

Only one tensor is in memory at a time, so that a model need not fit there.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelid.model.tensors import NUMPY_TYPES, StoredTensor

Floats = NDArray[np.float32]
Kind = Literal["F32", "F16", "BF16"]
DTYPES: dict[str, Kind] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
MOST_F16 = 65504.0  # the largest number that float16 has


def as_floats(stored: StoredTensor) -> Floats:
    """Return a stored tensor's numbers as float32."""
    return widen(stored.read(), stored.kind)


def widen(numbers: NDArray[Any], kind: str) -> Floats:
    """Return numbers as float32, of those of a kind; bfloat16s come as uint16."""
    if kind == "BF16":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32, copy=False)


def narrow(numbers: Floats, kind: str) -> NDArray[Any]:
    """Return the nearest numbers of a kind, ties to even; bfloat16s as uint16."""
    if kind != "BF16":
        with np.errstate(over="ignore"):
            return numbers.astype(NUMPY_TYPES[kind])
    bits = np.ascontiguousarray(numbers).view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(numbers), np.uint16(0x7FC0), rounded)


def write_safetensors(
    path: Path, plan: Mapping[str, tuple[Kind, tuple[int, ...]]], tensors: Iterable[NDArray[Any]]
) -> None:
    """Write tensors into a safetensors file, in the order of the plan: name to kind and shape.

    Source: safetensors' documentation, "Format".
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (kind, shape) in plan.items():
        begin = end
        end += int(np.prod(shape)) * np.dtype(NUMPY_TYPES[kind]).itemsize
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for (_, (kind, shape)), numbers in zip(plan.items(), tensors, strict=True):
            assert numbers.dtype == NUMPY_TYPES[kind] and numbers.shape == shape
            file.write(np.ascontiguousarray(numbers).data)
