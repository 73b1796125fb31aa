"""The model folder and the pair folder, told apart without torch.

`read_config` is all that `camelid info` needs of a model; weights are `checkpoint`'s. A folder that is
something else (a pair, an adapter, a GGUF file, pickled weights) is called by its name.
"""

import json
from pathlib import Path
from typing import Any

from camelid.errors import CheckpointError
from camelid.model.config import DecoderConfig

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
PAIR = "pair.json"
ADAPTER_CONFIG = "adapter_config.json"


def read_config(folder: Path | str) -> DecoderConfig:
    """Return the config of a model folder.

    Raises CheckpointError when the folder is missing, is something else, is half-written, or holds another
    architecture.
    """
    folder = Path(folder)
    require_folder(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} is no model folder: {_name_other_content(folder)}")
    return DecoderConfig.from_dict(read_json_object(path), where=str(path))


def read_dtype(folder: Path | str) -> str:
    """Return what the weights of a model folder are stored in, such as "bfloat16"; "" where it does not say.

    Raises CheckpointError when its config.json cannot be read.
    """
    table = read_json_object(Path(folder) / CONFIG)
    return str(table.get("dtype") or table.get("torch_dtype") or "")


def require_folder(folder: Path) -> None:
    """Check that there is a folder.

    Raises CheckpointError when there is none, or a file in its place.
    """
    if folder.is_file():
        raise CheckpointError(f"{folder} is a file; a folder is expected, the one that holds config.json.")
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no folder {folder}. If that is a model's name on a hub, download it first "
            "and give the folder it is in."
        )


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises CheckpointError when the file is missing, half-written or no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not whole JSON ({error}): it may be half-written. Copy it anew, or make it again."
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object; found {type(value).__name__}. Copy it anew.")
    return value


def _name_other_content(folder: Path) -> str:
    """Return what a folder without config.json holds, and what to do about it."""
    if (folder / PAIR).is_file():
        return f"it is a pair. Name one of its two models: {folder / 'llama'} or {folder / 'alpaca'}."
    if (folder / ADAPTER_CONFIG).is_file():
        return (
            f"it is an adapter ({ADAPTER_CONFIG}), a change to another model. Talk with it: camelid chat "
            f"{folder}; or merge the two: camelid merge {folder} --out MERGED."
        )
    if any(folder.glob("*.gguf")):
        return "it holds a GGUF file. Make a model folder of it: camelid import FILE.gguf --out FOLDER."
    if not any(folder.iterdir()):
        return "it is empty."
    return "it has no config.json. Name the folder that has one, or copy the missing file there."
