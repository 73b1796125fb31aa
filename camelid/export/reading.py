"""A GGUF file of the Llama architecture into a model folder.

Read are whole numbers (F32, F16, BF16), which come out as they are, and whatever the package gguf can unpack
(Q8_0, Q4_0, Q4_K, Q6_K and so on). Other architectures, split files and the types that it cannot unpack are
refused by name. Needs the extra `export`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RecipeError, suggest
from camelid.export.gguf import Report, bring_gguf
from camelid.export.names import ROPE_FACTORS, as_halves, gguf_name, turned_heads
from camelid.export.numbers import DTYPES, Floats, Kind, narrow, widen
from camelid.export.saving import save_folder
from camelid.export.vocabulary import rebuild
from camelid.model.config import DecoderConfig
from camelid.model.rope import rope_frequencies
from camelid.model.tensors import HEAD, listed, tensor_shapes
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

_WHOLE: dict[str, Kind] = {"F32": "F32", "F16": "F16", "BF16": "BF16"}
_PACKED_AS: Kind = "F16"  # what packed matrices are unpacked to: finer than any of them


@dataclass(frozen=True)
class GGUFModel:
    """What a GGUF file holds: config, tokenizer, and tensors by llama.cpp's names."""

    path: Path
    config: DecoderConfig
    tokenizer: Tokenizer
    tensors: dict[str, Any]
    type: str


def import_gguf(
    path: Path | str, out: Path | str, *, dtype: str = "", report: Report | None = None
) -> GGUFModel:
    """Write the model folder of a GGUF file, whole or not at all; return what the file held.

    dtype: what weights are stored in, "float32", "float16" or "bfloat16"; by default as in the file, and
        float16 for what was packed.

    Raises MissingExtraError without the package gguf, CheckpointError for a file that is damaged, of another
    architecture or of a type that is not read, or a folder that holds something else.
    """
    if dtype and dtype not in DTYPES:
        raise CheckpointError(f"There is no dtype {dtype!r}.{suggest(dtype, DTYPES)}")
    library = bring_gguf()
    found = read_gguf(path)
    plan: dict[str, tuple[Kind, tuple[int, ...]]] = {}
    main = DTYPES.get(dtype) or _WHOLE.get(found.type, _PACKED_AS)
    for name, shape in tensor_shapes(found.config).items():
        stored = found.tensors[gguf_name(name)]
        kind: Kind = DTYPES.get(dtype) or _WHOLE.get(stored.tensor_type.name, _PACKED_AS)
        if len(shape) == 1 and kind != main and not dtype:  # norms are float32 in every file
            numbers = _unpack(library, stored)
            kind = main if np.array_equal(widen(narrow(numbers, main), main), numbers) else kind
        plan[name] = (kind, shape)

    def tensors() -> Iterator[NDArray[Any]]:
        for done, (name, (kind, shape)) in enumerate(plan.items()):
            if report:
                report(done, len(plan))
            yield _convert(library, found, name, kind, shape)
        if report:
            report(len(plan), len(plan))

    save_folder(out, found.config, found.tokenizer, plan, tensors())
    return found


def read_gguf(path: Path | str) -> GGUFModel:
    """Return what a GGUF file holds; its weights are mapped, not read.

    Raises the errors of `import_gguf`.
    """
    library, path = bring_gguf(), Path(path)
    reader = _open(library, path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    _refuse_strangers(keys, path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    config = _read_config(keys, tensors, path)
    tokenizer = rebuild(keys, str(path))
    check_tokenizer_fits(tokenizer, config.vocab_size)
    _check_tensors(tensors, config, path)
    matrices = Counter(each.tensor_type.name for each in tensors.values() if len(each.shape) > 1)
    return GGUFModel(path, config, tokenizer, tensors, matrices.most_common(1)[0][0])


def _open(library: ModuleType, path: Path) -> Any:
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    if magic != b"GGUF":
        raise CheckpointError(
            f"{path} is no GGUF file: it begins with {magic!r}. Name a file made for llama.cpp."
        )
    try:
        return library.GGUFReader(str(path))
    except (ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise CheckpointError(
            f"{path} is truncated, damaged, or has a type that the package gguf does not know ({error}). "
            "Copy it anew, or upgrade gguf."
        ) from None


def _refuse_strangers(keys: Mapping[str, Any], path: Path) -> None:
    architecture = keys.get("general.architecture")
    if architecture != "llama":
        raise CheckpointError(
            f"{path} holds a model of the architecture {architecture!r}; camelid reads 'llama' only."
        )
    if keys.get("llama.expert_count"):
        raise CheckpointError(f"{path} holds a mixture of experts; camelid reads plain Llamas only.")
    if keys.get("split.count", 1) > 1:
        raise CheckpointError(
            f"{path} is one of {keys['split.count']} parts. Join them: llama-gguf-split --merge FIRST WHOLE."
        )


def _read_config(keys: Mapping[str, Any], tensors: Mapping[str, Any], path: Path) -> DecoderConfig:
    """Return the config that the keys describe."""

    def need(name: str) -> Any:
        if f"llama.{name}" not in keys:
            raise CheckpointError(f"{path} lacks the key llama.{name}; it is not a whole model.")
        if isinstance(keys[f"llama.{name}"], list):
            raise CheckpointError(f"{path} has llama.{name} layer by layer; a Llama's layers are all alike.")
        return keys[f"llama.{name}"]

    if "token_embd.weight" not in tensors:
        raise CheckpointError(f"{path} lacks token_embd.weight; it holds no whole model.")
    heads, own = need("attention.head_count"), "tokenizer.ggml."
    values = {
        "vocab_size": int(tensors["token_embd.weight"].shape[1]),
        "hidden_size": need("embedding_length"),
        "intermediate_size": need("feed_forward_length"),
        "num_hidden_layers": need("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": keys.get("llama.attention.head_count_kv", heads),
        "head_dim": keys.get("llama.attention.key_length", need("embedding_length") // heads),
        "max_position_embeddings": need("context_length"),
        "rms_norm_eps": need("attention.layer_norm_rms_epsilon"),
        "rope_theta": float(keys.get("llama.rope.freq_base", 10_000.0)),
        "tie_word_embeddings": gguf_name(HEAD) not in tensors,
        "bos_token_id": keys.get(own + "bos_token_id"),
        "eos_token_id": keys.get(own + "eos_token_id"),
        "pad_token_id": keys.get(own + "padding_token_id"),
    }
    # Both numbers were float32 in the file; as written here they are what people mean: 1e-05.
    values |= {
        name: float(np.format_float_positional(np.float32(values[name])))
        for name in ("rms_norm_eps", "rope_theta")
    }
    try:
        plain = DecoderConfig(**values)
        scaling = _read_scaling(keys, tensors, plain, path)
        return DecoderConfig(**values, rope_scaling=scaling) if scaling else plain
    except (RecipeError, TypeError) as error:
        raise CheckpointError(f"{path}: {error}") from None


def _read_scaling(
    keys: Mapping[str, Any], tensors: Mapping[str, Any], config: DecoderConfig, path: Path
) -> dict[str, Any] | None:
    """Return the rope scaling of a file; that of Llama 3.1 stands there as factors, and is recognised."""
    kind = keys.get("llama.rope.scaling.type", "none")
    if kind == "linear":
        return {"rope_type": "linear", "factor": float(keys["llama.rope.scaling.factor"])}
    if kind != "none":
        raise CheckpointError(f"{path} scales its positions as {kind!r}; camelid knows linear and Llama 3's.")
    if ROPE_FACTORS not in tensors:
        return None
    factors = np.asarray(tensors[ROPE_FACTORS].data, np.float32)
    fields = {spec: getattr(config, spec) for spec in config.__dataclass_fields__}
    for original in (8192, config.max_position_embeddings, 4096, 2048):
        scaling = {"rope_type": "llama3", "factor": round(float(factors.max()), 4), "low_freq_factor": 1.0,
                   "high_freq_factor": 4.0, "original_max_position_embeddings": original}  # fmt: skip
        scaled = rope_frequencies(DecoderConfig(**{**fields, "rope_scaling": scaling}))
        if np.allclose(rope_frequencies(config) / scaled, factors, rtol=1e-3):
            return scaling
    raise CheckpointError(
        f"{path} has rope factors ({ROPE_FACTORS}) that no Llama has. Use the model's Hugging Face folder."
    )


def _check_tensors(tensors: Mapping[str, Any], config: DecoderConfig, path: Path) -> None:
    """Raise CheckpointError unless there are exactly the tensors of the config."""
    shapes = {gguf_name(name): shape for name, shape in tensor_shapes(config).items()}
    missing = [name for name in shapes if name not in tensors]
    if missing:
        raise CheckpointError(f"{path} lacks {listed(missing)}; it is not a whole Llama.")
    strange = sorted(set(tensors) - set(shapes) - {ROPE_FACTORS})
    if strange:
        raise CheckpointError(f"{path} holds {listed(strange)}, which a Llama has not: it is another model.")
    for name, shape in shapes.items():
        found = tuple(reversed(tensors[name].shape.tolist()))
        if found != shape:
            raise CheckpointError(
                f"{path}: {name} must have the shape {shape}, as its keys say; found {found}."
            )


def _convert(
    library: ModuleType, found: GGUFModel, name: str, kind: Kind, shape: tuple[int, ...]
) -> NDArray[Any]:
    """Return a tensor in Hugging Face's order of rows."""
    numbers = _unpack(library, found.tensors[gguf_name(name)]).reshape(shape)
    config = found.config
    if heads := turned_heads(name, config.num_attention_heads, config.num_key_value_heads):
        numbers = as_halves(numbers, heads)
    return narrow(numbers, kind)


def _unpack(library: ModuleType, stored: Any) -> Floats:
    """Return a tensor's numbers.

    Raises CheckpointError for a type that cannot be unpacked.
    """
    try:
        numbers: Floats = library.quants.dequantize(stored.data, stored.tensor_type)
    except NotImplementedError:
        raise CheckpointError(
            f"{stored.name} is stored as {stored.tensor_type.name}, which the package gguf cannot unpack. "
            "Use a file in F16, BF16, Q8_0 or Q4_0."
        ) from None
    return numbers
