"""A model folder made of numbers that come one tensor at a time, as `transformers` reads it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from camelid.errors import CheckpointError
from camelid.export.numbers import DTYPES, Kind, write_safetensors
from camelid.files import write_folder, write_json
from camelid.model.config import DecoderConfig
from camelid.model.folder import CONFIG, PAIR, WEIGHTS
from camelid.model.tensors import EMBEDDING
from camelid.text.tokenizer import Tokenizer


def save_folder(
    folder: Path | str,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    plan: Mapping[str, tuple[Kind, tuple[int, ...]]],
    tensors: Iterable[NDArray[Any]],
) -> None:
    """Write a model folder, whole or not at all.

    plan: what kind and shape the tensors have, by name and in their order.

    Raises CheckpointError when a model or something else is in that place already, RunError when it cannot be
    written.
    """
    folder = Path(folder)
    refuse_replacing(folder, CONFIG, "a model")
    if (folder / CONFIG).is_file():
        raise CheckpointError(
            f"{folder} holds a model already, which would be deleted. Choose another --out, or delete it."
        )
    config = replace(config, eos_token_id=list(tokenizer.stop_ids))
    special = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    dtype = next(name for name, kind in DTYPES.items() if kind == plan[EMBEDDING][0])

    def fill(fresh: Path) -> None:
        write_json(fresh / CONFIG, {**config.to_dict(), "dtype": dtype})
        write_json(
            fresh / "generation_config.json", {key: ids for key, ids in special.items() if ids is not None}
        )
        tokenizer.save(fresh, model_max_length=config.max_position_embeddings)
        write_safetensors(fresh / WEIGHTS, plan, tensors)

    write_folder(folder, fill)


def refuse_replacing(folder: Path, mark: str, what: str) -> None:
    """Check that a folder is empty, is not there, or holds an older one of what is to be written.

    mark: the file by which such a folder is known.

    Raises CheckpointError when writing would delete something else.
    """
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; {what} is saved as a folder. Choose another name.")
    if not folder.is_dir() or (folder / mark).is_file():
        return
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        other = "a pair" if (folder / PAIR).is_file() else f"something else than {what}"
        raise CheckpointError(f"{folder} holds {other}, which would be deleted. Choose another folder.")
