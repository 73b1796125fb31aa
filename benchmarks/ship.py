"""Put a finished pair into the package, as the one that `camelid chat` takes when none is named.

    python benchmarks/ship.py pairs/reference                into camelid/shipped
    python benchmarks/ship.py pairs/reference --out FOLDER   somewhere else, to look at it

What goes: both models in bfloat16, the tokenizer, the router, the sheet without its examples, which quote
data, pair.json without this machine's paths, and the model card. What was measured must be of this very pair.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import model_card
import stored

from camelid.compare.sheet import write_sheet
from camelid.errors import CamelidError, CheckpointError, DataError
from camelid.export.saving import refuse_replacing
from camelid.files import write_folder, write_text
from camelid.model.folder import PAIR, read_dtype, read_json_object
from camelid.model.pairfile import ROLES, SHIPPED, PairFile, read_pair_file, write_pair_file
from camelid.route.folder import ARRAYS, ROUTER, hash_pair, load_router

MOST_BYTES = 40_000_000  # of the whole folder: the repository and every wheel carry it
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


def ship(folder: Path, out: Path) -> int:
    """Write what is shipped of a pair, whole or not at all; return its bytes.

    Raises CamelidError for a pair that is not finished, not measured, or too large.
    """
    file = read_pair_file(folder)
    _check_weights(folder, file)
    if load_router(folder) is None:
        raise CheckpointError(f"{folder} has no router. Run: camelid calibrate {folder}")
    sheet = _read_sheet(folder)
    run, tasks = (_read_result(name, folder) for name in ("reference", "reference_tasks"))
    refuse_replacing(out, PAIR, "a pair")
    sizes: list[int] = []

    def fill(fresh: Path) -> None:
        for role in ROLES:
            (fresh / role).mkdir()
            for name in MODEL_FILES:
                shutil.copyfile(folder / file.roles[role].folder / name, fresh / role / name)
        for name in (ROUTER, ARRAYS):
            shutil.copyfile(folder / name, fresh / name)
        write_sheet(fresh / "sheet", sheet)
        write_pair_file(fresh, _without_paths(file))
        write_text(fresh / "README.md", model_card.render(file, run, tasks))
        sizes.append(sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file()))
        if sizes[0] > MOST_BYTES:
            raise DataError(
                f"The pair takes {sizes[0]:,} bytes; at most {MOST_BYTES:,} are shipped. Raise a smaller one."
            )
        load_router(fresh)  # complains if it does not belong to what was copied

    write_folder(out, fill)
    return sizes[0]


def _check_weights(folder: Path, file: PairFile) -> None:
    for role in ROLES:
        place = folder / file.roles[role].folder
        if read_dtype(place) != "bfloat16":
            raise CheckpointError(
                f"{place} is in {read_dtype(place) or 'an unknown type'}; what is shipped is in bfloat16. "
                'Put dtype = "bfloat16" into the recipe and run camelid train again: only its last stage '
                "runs."
            )
        missing = [name for name in MODEL_FILES if not (place / name).is_file()]
        if missing:
            raise CheckpointError(f"{place} has no {missing[0]}. Take a pair that camelid train made.")


def _read_sheet(folder: Path) -> dict[str, Any]:
    """Return the sheet without the examples, which quote held-out records."""
    path = folder / "sheet" / "sheet.json"
    if not path.is_file():
        raise DataError(f"{folder} has no sheet. Run: camelid compare {folder}")
    sheet = read_json_object(path)
    hashes = {model["name"]: model["hash"] for model in sheet["models"]}
    if hashes != hash_pair(folder):
        raise DataError(f"{path} is of other weights. Run: camelid compare {folder}")
    for task in sheet["tasks"]:
        task["examples"] = []
    words = sheet["command"].split(" ")
    sheet["command"] = " ".join(Path(word).name if word.startswith("/") else word for word in words)
    for model in sheet["models"]:
        model["folder"] = Path(model["folder"]).name
    return sheet


def _read_result(name: str, folder: Path) -> dict[str, Any]:
    """Return a stored result.

    Raises DataError when there is none, or it is of another pair.
    """
    result = stored.read(name)
    data = " --data-root DATA" if name == "reference_tasks" else ""
    again = f"Run: python benchmarks/{name}.py {folder}{data}"
    if result is None:
        raise DataError(f"There is no stored result of {name}. {again}")
    if not stored.same_pair(result["data"], {"models": hash_pair(folder)}):
        raise DataError(f"The stored result of {name} is of another pair. {again}")
    return result


def _without_paths(file: PairFile) -> PairFile:
    """Return what pair.json says, every path of this machine left out."""
    told = json.loads(json.dumps(file.provenance))
    told.get("recipe", {}).update(out="", data_root="data")
    return PairFile(file.name, file.roles, file.tokenizer, file.made_by, _cut_paths(told))


def _cut_paths(value: Any) -> Any:
    """Return plain values in which every absolute path is its last part alone."""
    if isinstance(value, dict):
        return {key: _cut_paths(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cut_paths(each) for each in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    options = parser.parse_args()
    try:
        size = ship(options.pair, options.out)
    except CamelidError as error:
        sys.exit(str(error))
    print(f"{options.out}: {size / 1e6:.1f} MB of at most {MOST_BYTES / 1e6:.0f}. Try it: camelid chat")


if __name__ == "__main__":
    main()
