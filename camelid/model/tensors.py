"""The tensors of a model folder, without torch: which there must be, which there are, and their bytes.

Files are mapped into memory, so nothing is read until it is used. Names, shapes and types are checked from
the headers before any weight is. Source of the format: safetensors' documentation, "Format".
"""

import json
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from camelid.errors import CheckpointError
from camelid.model.config import DecoderConfig
from camelid.model.folder import WEIGHTS, WEIGHTS_INDEX, read_json_object

EMBEDDING, HEAD, FINAL_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
NUMPY_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}  # numpy has no bfloat16
_DERIVED = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached")  # in old checkpoints
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class StoredTensor:
    """One tensor as a file has it. kind: "F32", "F16" or "BF16"."""

    kind: str
    shape: tuple[int, ...]
    _raw: memoryview

    def read(self) -> NDArray[Any]:
        """Return its numbers, a view of the file: float32, float16, or uint16 that are bfloat16's bits."""
        return np.frombuffer(self._raw, dtype=NUMPY_TYPES[self.kind]).reshape(self.shape)

    def floats(self) -> NDArray[np.float32]:
        """Return its numbers as float32."""
        numbers = self.read()
        if self.kind == "BF16":
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers.astype(np.float32, copy=False)


def read_floats(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return all tensors of a safetensors file by name, as float32.

    Raises CheckpointError when it is truncated or corrupt, or holds other numbers than floats.
    """
    opened = _open(path)
    for name in opened.keys():  # noqa: SIM118 - no dictionary
        kind = opened.get_slice(name).get_dtype()
        if kind not in NUMPY_TYPES:
            raise CheckpointError(
                f"{path}: {name} is stored as {kind}; camelid reads {', '.join(NUMPY_TYPES)}. Convert it."
            )
    return {name: tensor.floats() for name, tensor in _map(path).items()}


def tensor_shapes(config: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor of a decoder by its name on disk; a tied head is none."""
    width, inner = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    layer = {
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
    }
    shapes: dict[str, tuple[int, ...]] = {EMBEDDING: (config.vocab_size, width)}
    for index in range(config.num_hidden_layers):
        shapes.update({f"model.layers.{index}.{name}.weight": shape for name, shape in layer.items()})
    shapes[FINAL_NORM] = (width,)
    if not config.tie_word_embeddings:
        shapes[HEAD] = (config.vocab_size, width)
    return shapes


def open_tensors(folder: Path, config: DecoderConfig) -> dict[str, StoredTensor]:
    """Return exactly the tensors that the config asks for, by name.

    Raises CheckpointError when a file is missing, truncated or corrupt, or a tensor is missing, unexpected
    or of another shape or type than config.json says.
    """
    headers: dict[str, tuple[Path, str, list[int]]] = {}
    for path, opened in _open_shards(folder).items():
        for name in opened.keys():  # noqa: SIM118 - no dictionary
            header = opened.get_slice(name)
            headers[name] = (path, header.get_dtype(), header.get_shape())
    shapes = tensor_shapes(config)
    _check_headers(folder, shapes, headers)
    views: dict[str, StoredTensor] = {}
    for path in {found[0] for found in headers.values()}:
        views.update(_map(path))
    _check_strangers(folder, config, set(headers) - set(shapes), views)
    return {name: views[name] for name in shapes}


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a model folder's weights, sorted.

    Raises CheckpointError when there are none, or the index is not whole.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in sorted(set(_read_index(folder).values()))]


def _open_shards(folder: Path) -> dict[Path, Any]:
    """Return the opened safetensors files of a model folder; opening checks the header."""
    shards = {path: _open(path) for path in weight_files(folder)}
    if not (folder / WEIGHTS).is_file():
        index = _read_index(folder)
        held = {name for opened in shards.values() for name in opened.keys()}  # noqa: SIM118
        lost = sorted(set(index) - held)
        if lost:
            raise CheckpointError(
                f"{folder / WEIGHTS_INDEX} says that {index[lost[0]]} holds {listed(lost)}; it does not. "
                "The shards are of different models: copy them all anew."
            )
    return shards


def _read_index(folder: Path) -> dict[str, str]:
    """Return the file of each tensor of a sharded checkpoint."""
    path = folder / WEIGHTS_INDEX
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {WEIGHTS}, nor shards with an index. {_name_weights(folder)}")
    files = read_json_object(path).get("weight_map")
    plain = isinstance(files, dict) and all(
        isinstance(name, str) and Path(name).name == name for name in files.values()
    )
    if not files or not plain:
        raise CheckpointError(
            f"{path} must have a weight_map that names, for each tensor, a file beside it. Copy it anew."
        )
    return dict(files)


def _name_weights(folder: Path) -> str:
    """Return what weights there are instead, and what to do."""
    if any((folder / name).is_file() for name in _PICKLED):
        return (
            "It has pickled weights (pytorch_model.bin), which can run code when read. Convert them with "
            "transformers: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(converted)."
        )
    others = sorted(path.name for path in folder.glob("*.safetensors"))
    if others:
        return f"It has {listed(others)}: copy {WEIGHTS_INDEX} there too, or rename a single file."
    return "Copy its weights there; config.json alone is no model."


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="np")
    except FileNotFoundError:
        raise CheckpointError(
            f"The shard {path} is missing, though the index names it. Copy it there."
        ) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or corrupt ({error}). Copy or download it anew."
        ) from None


def _map(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a file whose header has been checked, as views of the file."""
    with open(path, "rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack("<Q", mapped[:8])
    header = json.loads(bytes(mapped[8 : 8 + length]))
    data = mapped[8 + length :]
    return {
        name: StoredTensor(found["dtype"], tuple(found["shape"]), data[slice(*found["data_offsets"])])
        for name, found in header.items()
        if name != "__metadata__"
    }


def _check_headers(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    headers: Mapping[str, tuple[Path, str, list[int]]],
) -> None:
    missing = [name for name in shapes if name not in headers]
    if missing:
        hint = " If the head is the embedding, set tie_word_embeddings to true." * (missing == [HEAD])
        raise CheckpointError(f"{folder} lacks {listed(missing)}, which config.json asks for.{hint}")
    for name, shape in shapes.items():
        _, kind, found = headers[name]
        if found != list(shape):
            raise CheckpointError(
                f"{folder}: {name} must have the shape {list(shape)}, as config.json says; found {found}. "
                "Config and weights are of different models."
            )
        if kind not in NUMPY_TYPES:
            raise CheckpointError(
                f"{folder}: {name} is stored as {kind}; camelid reads {', '.join(NUMPY_TYPES)}. "
                "Use the weights from before they were quantized."
            )


def _check_strangers(
    folder: Path, config: DecoderConfig, names: set[str], views: Mapping[str, StoredTensor]
) -> None:
    """Raise CheckpointError for tensors that the config does not ask for, unless they say nothing new."""
    unexpected = {name for name in names if not name.endswith(_DERIVED)}
    if HEAD in unexpected and config.tie_word_embeddings:
        head, embedding = views[HEAD], views[EMBEDDING]
        if (head.kind, head.shape) != (embedding.kind, embedding.shape) or not np.array_equal(
            head.read(), embedding.read()
        ):
            raise CheckpointError(
                f"{folder}: config.json says that the head is tied to the embedding (tie_word_embeddings), "
                f"but {HEAD} differs from {EMBEDDING}. Set tie_word_embeddings to false to use both."
            )
        unexpected.remove(HEAD)
    if unexpected:
        raise CheckpointError(
            f"{folder} holds {listed(sorted(unexpected))}, which a Llama of its config.json has not. "
            "It is another architecture, or the config of another model."
        )


def listed(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
