"""pair.json: which two models make a pair, how they were raised, and what was measured on the way.

It must not know torch, nor what a router is: provenance is kept as it is given.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camelid.errors import CheckpointError, RecipeError
from camelid.files import write_json
from camelid.model.folder import ADAPTER_CONFIG, CONFIG, PAIR, read_json_object, require_folder
from camelid.recipe import fill

PAIR_FORMAT = 1
ROLES = ("llama", "alpaca")
SHIPPED = Path(__file__).parents[1] / "shipped"  # the pair that comes with camelid, where one does


@dataclass(frozen=True)
class RoleFile:
    """One of the two models.

    folder: its model folder, relative to the pair's.
    focus: what its training optimised, in a few words.
    unsupervised_tokens, supervised_tokens: tokens its loss was taken on, in running text and in answers.
    bits_per_byte: of held-out text, by language.
    training_s: wall-clock seconds of all its stages.
    """

    folder: str
    parameters: int
    layers: int
    focus: str
    unsupervised_tokens: int
    supervised_tokens: int
    bits_per_byte: dict[str, float]
    training_s: float

    @property
    def is_told(self) -> bool:
        """Tell whether it is known how it was raised; of a model that was brought along it is not."""
        return bool(
            self.unsupervised_tokens or self.supervised_tokens or self.bits_per_byte or self.training_s
        )


@dataclass(frozen=True)
class PairFile:
    """Two models that share a tokenizer.

    roles: by "llama" and "alpaca". tokenizer: its fingerprint. made_by: the camelid version.
    provenance: recipe, seed, machine, commands: whatever tells how it came to be.
    """

    name: str
    roles: dict[str, RoleFile]
    tokenizer: str
    made_by: str
    provenance: dict[str, Any] = field(default_factory=dict)


def write_pair_file(folder: Path | str, pair_file: PairFile) -> None:
    """Write pair.json into a pair folder, atomically.

    Raises CheckpointError when a role is missing or its model folder is not there yet.
    """
    _check_roles(Path(folder), pair_file)
    write_json(Path(folder) / PAIR, {"format": PAIR_FORMAT, **dataclasses.asdict(pair_file)})


def find_shipped() -> Path:
    """Return the folder of the pair that came with camelid.

    Raises CheckpointError when none did.
    """
    if not (SHIPPED / PAIR).is_file():
        raise CheckpointError(
            "No pair is named, and none came with this camelid. Make one, with make demo or camelid train "
            "RECIPE, and name its folder, such as pairs/demo."
        )
    return SHIPPED


def read_pair_file(folder: Path | str) -> PairFile:
    """Return what pair.json says.

    Raises CheckpointError when there is none (naming what is there instead), it is half-written, it was
    made by a newer camelid, it has an unknown field, or a role or its model folder is missing.
    """
    folder = Path(folder)
    require_folder(folder)
    path = folder / PAIR
    if not path.is_file():
        raise CheckpointError(f"{folder} is no pair folder: {_name_other_content(folder)}")
    table = read_json_object(path)
    _check_format(path, table)
    try:
        pair_file = fill(PairFile, table)
    except RecipeError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    _check_roles(folder, pair_file)
    return pair_file


def _check_format(path: Path, table: dict[str, Any]) -> None:
    """Take the format number out of the table, or raise when it is not one we know."""
    number = table.pop("format", None)
    if type(number) is not int or number < 1:
        raise CheckpointError(f"{path} must say its format, a number from 1 on; found {number!r}.")
    if number > PAIR_FORMAT:
        raise CheckpointError(
            f"{path} has format {number}, made by a newer camelid ({table.get('made_by', 'unknown')}); "
            f"this one reads formats up to {PAIR_FORMAT}. Upgrade it: pip install -U camelid"
        )


def _check_roles(folder: Path, pair_file: PairFile) -> None:
    if set(pair_file.roles) != set(ROLES):
        found = ", ".join(sorted(pair_file.roles)) or "none"
        raise CheckpointError(f"{folder / PAIR} must have the roles llama and alpaca; found {found}.")
    for role, entry in pair_file.roles.items():
        if not (folder / entry.folder / CONFIG).is_file():
            raise CheckpointError(
                f"{folder / PAIR} says that the {role} is in {folder / entry.folder}; no model is there. "
                "Copy the whole pair folder, or make it again with camelid train."
            )


def _name_other_content(folder: Path) -> str:
    """Return what a folder without pair.json holds, and what to do about it."""
    if (folder / CONFIG).is_file():
        return "it is one model. Name the folder that holds the pair, often the one above."
    if (folder / ADAPTER_CONFIG).is_file():
        return f"it is an adapter. Talk with it: camelid chat {folder}; or give its model and --adapter."
    if (folder / "stages").is_dir():
        return "the run that makes it has not come to its end. Run the same camelid train command again."
    if not any(folder.iterdir()):
        return "it is empty. camelid train RECIPE makes a pair."
    return "it has no pair.json. camelid train RECIPE makes a pair."
