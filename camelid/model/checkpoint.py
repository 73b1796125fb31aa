"""Weights in a model folder: read into a `Decoder`, and written as `transformers` reads them.

What is read: one model.safetensors or shards with an index, in float32, float16 or bfloat16, from ours or
any Hugging Face Llama. Weights arrive one by one from the mapped files, so that little more memory is needed
than the decoder itself takes.
"""

import os
import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from camelid.errors import CheckpointError
from camelid.files import write_folder, write_json
from camelid.model.decoder import Decoder
from camelid.model.folder import CONFIG, PAIR, WEIGHTS, read_config
from camelid.model.rope import rope_frequencies
from camelid.model.tensors import StoredTensor, open_tensors
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits

__all__ = ["load_decoder", "read_config", "save_model_folder"]


def load_decoder(folder: Path | str, *, dtype: torch.dtype = torch.float32) -> Decoder:
    """Return the decoder of a model folder, its weights and its arithmetic in `dtype`.

    Raises CheckpointError when the folder is not a Llama's, a file is missing, truncated or corrupt, or a
    tensor is missing, unexpected or of another shape or type than config.json says.
    """
    folder = Path(folder)
    config = read_config(folder)
    tensors = open_tensors(folder, config)
    with torch.device("meta"):
        decoder = Decoder(config)
    state = {name: _loaded(tensors[name], dtype) for name in decoder.state_dict()}
    decoder.load_state_dict(state, assign=True)
    decoder.rope_frequencies = torch.from_numpy(rope_frequencies(config))
    decoder.compute_dtype = dtype
    return decoder


def _loaded(stored: StoredTensor, dtype: torch.dtype) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # it is copied
        tensor = torch.from_numpy(stored.read())
    return (tensor.view(torch.bfloat16) if stored.kind == "BF16" else tensor).to(dtype, copy=True)


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
