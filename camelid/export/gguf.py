"""A model folder into a GGUF file, as llama.cpp loads it.

The file is read by whatever is built on llama.cpp. In F16 the same greedy tokens come out; Q8_0 and Q4_0
round the matrices, norms stay in float32. Needs the extra `export`.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, MissingExtraError, RequestError, RunError, suggest
from camelid.export.names import ROPE_FACTORS, as_neighbours, gguf_name, turned_heads
from camelid.export.numbers import MOST_F16, Floats, as_floats, narrow
from camelid.export.vocabulary import describe
from camelid.files import HIDDEN
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config
from camelid.model.rope import rope_frequencies
from camelid.model.tensors import EMBEDDING, HEAD, StoredTensor, open_tensors
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

GGUFType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
Report = Callable[[int, int], None]  # tensors done, and how many there are
_GROUP = 32  # numbers that share a scale
_FILE_TYPES = {"f32": "ALL_F32"}


def bring_gguf() -> ModuleType:
    """Return the package gguf.

    Raises MissingExtraError when it is not installed.
    """
    try:
        import gguf
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", "export") from None
    return gguf


def write_gguf(
    folder: Path | str,
    out: Path | str,
    *,
    type: GGUFType = "f16",
    name: str = "",
    report: Report | None = None,
) -> None:
    """Write a model folder as one GGUF file, whole or not at all.

    type: of the matrices; under q4_0 embedding and head are q8_0, and a matrix whose rows are no multiple of
        32 is f16. name: what the file calls the model, by default the folder's name.

    Raises MissingExtraError without the package gguf, RequestError for an unknown type, CheckpointError or
    TokenizerError when the folder is no whole model, its tokenizer has no place in GGUF, or a weight is too
    large for float16, RunError when the file cannot be written.
    """
    if type not in get_args(GGUFType):
        raise RequestError(f"There is no type {type!r} to export.{suggest(str(type), get_args(GGUFType))}")
    library = bring_gguf()
    folder, out = Path(folder), Path(out)
    config = read_config(folder)
    tokenizer = Tokenizer.load(folder)
    check_tokenizer_fits(tokenizer, config.vocab_size)
    tensors = open_tensors(folder, config)
    keys = describe(tokenizer, config.vocab_size)
    factors = _rope_factors(config)
    types = {each: _choose_type(library, each, stored, type) for each, stored in tensors.items()}
    writer = library.GGUFWriter(None, "llama")
    _add_shape(library, writer, config, name or folder.resolve().name)
    writer.add_file_type(library.LlamaFileType[_FILE_TYPES.get(type, f"MOSTLY_{type.upper()}")])
    _add_tokenizer(writer, keys, tokenizer)
    if factors is not None:
        writer.add_tensor_info(ROPE_FACTORS, factors.shape, factors.dtype, factors.nbytes)
    for each, stored in tensors.items():
        group, group_bytes = library.GGML_QUANT_SIZES[types[each]]
        num_bytes = int(np.prod(stored.shape)) // group * group_bytes
        writer.add_tensor_info(gguf_name(each), stored.shape, np.dtype(np.float32), num_bytes, types[each])
    with _replacing(out) as path, contextlib.closing(writer):
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, (each, stored) in enumerate(tensors.items()):
            if report:
                report(done, len(tensors))
            writer.write_tensor_data(_convert(library, folder, each, stored, types[each], config))
        if report:
            report(len(tensors), len(tensors))


def _convert(
    library: ModuleType, folder: Path, name: str, stored: StoredTensor, type_: Any, config: DecoderConfig
) -> NDArray[Any]:
    """Return a tensor in llama.cpp's order of rows, in the bytes of its type."""
    numbers: Floats = as_floats(stored)
    if heads := turned_heads(name, config.num_attention_heads, config.num_key_value_heads):
        numbers = as_neighbours(numbers, heads)
    numbers = np.ascontiguousarray(numbers)
    kinds = library.GGMLQuantizationType
    if type_ == kinds.F32:
        return numbers
    if type_ == kinds.BF16:
        return narrow(numbers, "BF16")
    if type_ == kinds.F16:
        if np.abs(numbers).max(initial=0) > MOST_F16:
            raise CheckpointError(
                f"{folder}: {name} holds a weight beyond {MOST_F16:.0f}, the largest that f16 has. "
                "Use --type bf16."
            )
        return numbers.astype(np.float16)
    packed: NDArray[Any] = library.quants.quantize(numbers, type_)
    return packed


def _choose_type(library: ModuleType, name: str, stored: StoredTensor, type_: GGUFType) -> Any:
    """Return what a tensor is stored in."""
    kinds = library.GGMLQuantizationType
    if len(stored.shape) == 1:
        return kinds.F32
    wished = kinds[type_.upper()]
    if type_ == "q4_0" and name in (EMBEDDING, HEAD):
        wished = kinds.Q8_0  # where 4 bits cost the most quality for the least room
    grouped = wished in (kinds.Q8_0, kinds.Q4_0)
    return kinds.F16 if grouped and stored.shape[-1] % _GROUP else wished


def _rope_factors(config: DecoderConfig) -> Floats | None:
    """Return by how much each pair of numbers turns more slowly than it would; None where none does.

    llama.cpp has no keys for the scaling of Llama 3.1, but reads these.
    """
    if (config.rope_scaling or {}).get("rope_type") != "llama3":
        return None
    fields = {spec: getattr(config, spec) for spec in config.__dataclass_fields__}
    plain = DecoderConfig(**{**fields, "rope_scaling": None})
    return (rope_frequencies(plain) / rope_frequencies(config)).astype(np.float32)


def _add_shape(library: ModuleType, writer: Any, config: DecoderConfig, name: str) -> None:
    writer.add_name(name)
    writer.add_quantization_version(library.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    if (scaling := config.rope_scaling) and scaling["rope_type"] == "linear":
        writer.add_rope_scaling_type(library.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(scaling["factor"]))


def _add_tokenizer(writer: Any, keys: dict[str, Any], tokenizer: Tokenizer) -> None:
    writer.add_tokenizer_model(keys["model"])
    writer.add_tokenizer_pre(keys["pre"])
    writer.add_token_list(keys["tokens"])
    writer.add_token_types(keys["token_type"])
    if "scores" in keys:
        writer.add_token_scores(keys["scores"])
    if "merges" in keys:
        writer.add_token_merges(keys["merges"])
    for name in ("bos", "eos", "unk", "pad", "eot"):
        key = {"unk": "unknown", "pad": "padding"}.get(name, name) + "_token_id"
        if key in keys:
            getattr(writer, f"add_{name}_token_id")(keys[key])
    writer.add_add_bos_token(keys["add_bos_token"])
    if "add_space_prefix" in keys:
        writer.add_add_space_prefix(keys["add_space_prefix"])
    if tokenizer.template is not None:
        writer.add_chat_template(tokenizer.template.source)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a neighbour's name, which takes the place of `path` when the block ends well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=HIDDEN, suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror}). Choose another place.") from None
    os.close(handle)
    try:
        yield Path(name)
        with open(name, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise RunError(
            f"{path} could not be written ({error.strerror}). Make room, or choose another place."
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)
