"""Weights in a model folder: read into a `Decoder`, and written as `transformers` reads them.

What is read: one model.safetensors or shards with an index, in float32, float16 or bfloat16, from ours or
any Hugging Face Llama. Names, shapes and types are checked from the files' headers before a weight is read;
weights then arrive one by one, so that little more memory is needed than the decoder itself takes.
"""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from camelid.errors import CheckpointError
from camelid.files import write_folder, write_json
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder, rope_frequencies
from camelid.model.folder import CONFIG, PAIR, WEIGHTS, WEIGHTS_INDEX, read_config, read_json_object
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

__all__ = ["load_decoder", "read_config", "save_model_folder"]

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_READABLE = ("F32", "F16", "BF16")
_DERIVED = ("rotary_emb.inv_freq", "rotary_emb.cos_cached", "rotary_emb.sin_cached")  # in old checkpoints
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def load_decoder(folder: Path | str, *, dtype: torch.dtype = torch.float32) -> Decoder:
    """Return the decoder of a model folder, its weights and its arithmetic in `dtype`.

    Raises CheckpointError when the folder is not a Llama's, a file is missing, truncated or corrupt, or a
    tensor is missing, unexpected or of another shape or type than config.json says.
    """
    folder = Path(folder)
    config = read_config(folder)
    with torch.device("meta"):
        decoder = Decoder(config)
    with _open_shards(folder) as shards:
        _check_tensors(folder, decoder, shards)
        state = {name: shards[name].get_tensor(name).to(dtype, copy=True) for name in decoder.state_dict()}
    decoder.load_state_dict(state, assign=True)
    decoder.rope_frequencies = rope_frequencies(config)
    decoder.compute_dtype = dtype
    return decoder


def save_model_folder(
    folder: Path | str, decoder: Decoder, tokenizer: Tokenizer, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write a model folder, whole or not at all; an older model folder of that name gives way.

    dtype: what the weights are stored in.

    Raises CheckpointError when something else is there, TokenizerError when the tokenizer does not belong to
    the model, RunError when the disk is full.
    """
    folder = Path(folder)
    check_tokenizer_fits(tokenizer, decoder.config.vocab_size)
    _refuse_replacing(folder)
    special = {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": list(tokenizer.stop_ids),
        "pad_token_id": tokenizer.pad_id if tokenizer.pad_id != tokenizer.eos_id else None,
    }  # a pad that is also the end would make transformers' training pass over the end

    def fill(fresh: Path) -> None:
        name = str(dtype).removeprefix("torch.")
        write_json(fresh / CONFIG, {**decoder.config.to_dict(), **special, "dtype": name})
        write_json(fresh / "generation_config.json", special)
        tokenizer.save(fresh, model_max_length=decoder.config.max_position_embeddings)
        weights = {name: _stored(weight, dtype) for name, weight in decoder.state_dict().items()}
        _write_weights(fresh / WEIGHTS, weights)

    write_folder(folder, fill)


def _write_weights(path: Path, weights: dict[str, Tensor]) -> None:
    """Write a safetensors file; a failure of the system is an OSError, as from any other write."""
    try:
        save_file(weights, path, metadata={"format": "pt"})
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    path.chmod(0o644)  # safetensors leaves it to the owner alone


def _stored(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.detach().to("cpu", dtype).contiguous()


def _refuse_replacing(folder: Path) -> None:
    """Raise CheckpointError when a folder holds something that saving a model there would delete."""
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; a model is saved as a folder. Choose another name.")
    if not folder.is_dir() or (folder / CONFIG).is_file():
        return
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        what = "a pair" if (folder / PAIR).is_file() else "something else than a model"
        raise CheckpointError(f"{folder} holds {what}, which saving would delete. Choose another folder.")


@contextmanager
def _open_shards(folder: Path) -> Iterator[dict[str, Any]]:
    """Open the safetensors files of a model folder; yield the open file of each tensor by its name.

    Raises CheckpointError when a file is missing, truncated or corrupt, or a shard lacks what the index says.
    """
    if (folder / WEIGHTS).is_file():
        index, files = None, [WEIGHTS]
    else:
        index = _read_index(folder)
        files = sorted(set(index.values()))
    with ExitStack() as stack:
        shards: dict[str, Any] = {}
        for file in files:
            opened = stack.enter_context(_open(folder / file, has_index=index is not None))
            shards.update(dict.fromkeys(opened.keys(), opened))
        lost = sorted(set(index or ()) - set(shards))
        if index and lost:
            raise CheckpointError(
                f"{folder / WEIGHTS_INDEX} says that {index[lost[0]]} holds {_listed(lost)}; it does not. "
                "The shards are of different models: copy them all anew."
            )
        yield shards


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
        return f"It has {_listed(others)}: copy {WEIGHTS_INDEX} there too, or rename a single file."
    return "Copy its weights there; config.json alone is no model."


def _open(path: Path, *, has_index: bool) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise CheckpointError(
            f"The shard {path} is missing{', though the index names it' * has_index}. Copy it there."
        ) from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is truncated or corrupt ({error}). Copy or download it anew."
        ) from None


def _check_tensors(folder: Path, decoder: Decoder, shards: dict[str, Any]) -> None:
    """Raise CheckpointError unless the files hold exactly the decoder's tensors, from their headers alone."""
    expected = {name: list(weight.shape) for name, weight in decoder.state_dict().items()}
    missing = [name for name in expected if name not in shards]
    if missing:
        hint = " If the head is the embedding, set tie_word_embeddings to true." * (missing == [HEAD])
        raise CheckpointError(f"{folder} lacks {_listed(missing)}, which config.json asks for.{hint}")
    for name, shape in expected.items():
        _check_header(folder, name, shape, shards[name].get_slice(name))
    unexpected = [name for name in shards if name not in expected and not name.endswith(_DERIVED)]
    if HEAD in unexpected and decoder.config.tie_word_embeddings:
        _check_tied(folder, decoder.config, shards)
        unexpected.remove(HEAD)
    if unexpected:
        raise CheckpointError(
            f"{folder} holds {_listed(sorted(unexpected))}, which a Llama of its config.json has not. "
            "It is another architecture, or the config of another model."
        )


def _check_header(folder: Path, name: str, shape: list[int], header: Any) -> None:
    found, kind = header.get_shape(), header.get_dtype()
    if found != shape:
        raise CheckpointError(
            f"{folder}: {name} must have the shape {shape}, as config.json says; found {found}. "
            "Config and weights are of different models."
        )
    if kind not in _READABLE:
        raise CheckpointError(
            f"{folder}: {name} is stored as {kind}; camelid reads {', '.join(_READABLE)}. "
            "Use the weights from before they were quantized."
        )


def _check_tied(folder: Path, config: DecoderConfig, shards: dict[str, Any]) -> None:
    """Raise CheckpointError when a head is stored that is not the embedding it is said to be tied to."""
    head, embedding = (shards[name].get_tensor(name) for name in (HEAD, EMBEDDING))
    if head.shape != embedding.shape or not torch.equal(head, embedding):
        raise CheckpointError(
            f"{folder}: config.json says that the head is tied to the embedding (tie_word_embeddings), but "
            f"{HEAD} differs from {EMBEDDING}. Set tie_word_embeddings to false to use both."
        )


def _listed(names: list[str]) -> str:
    """Return up to three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
