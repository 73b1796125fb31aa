"""The router in its pair folder: router.json for what one may read, router.safetensors for the numbers.

It belongs to the weights that it was calibrated on: beside others it is refused.
"""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from camelid.compare.machine import hash_model
from camelid.errors import CheckpointError
from camelid.files import open_atomic, write_json
from camelid.model.folder import read_json_object
from camelid.model.pairfile import read_pair_file
from camelid.route.features import Kind, Recognizer
from camelid.route.heads import Heads
from camelid.route.router import Router
from camelid.route.table import TaskTable

ROUTER, ARRAYS = "router.json", "router.safetensors"
FORMAT = 1


def hash_pair(folder: Path) -> dict[str, str]:
    """Return what stands for both models' weights, by role.

    Raises CheckpointError when the folder is no pair.
    """
    roles = read_pair_file(folder).roles
    return {role: hash_model(folder / entry.folder) for role, entry in roles.items()}


def save_router(folder: Path, router: Router) -> None:
    """Write a router into a pair folder, in place of the one that was there."""
    arrays: dict[str, Any] = {
        "words": router.recognizer.weights,
        "priors": router.recognizer.priors,
        "means": router.table.means,
        "counts": router.table.counts,
    }
    if router.heads is not None:
        arrays |= {
            "head_weights": router.heads.weights,
            "head_offsets": router.heads.offsets,
            "head_factors": router.heads.factors,
        }
    packed = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    with open_atomic(folder / ARRAYS, "wb") as file:
        file.write(packed)
    write_json(
        folder / ROUTER,
        {
            "format": FORMAT,
            "kind": "learned" if router.heads is not None else "table",
            "models": router.models,
            "arrays": _hash(packed),
            "threshold": _finite(router.threshold),
            "doubt_below": _finite(router.doubt_below),
            "strength": router.heads.strength if router.heads is not None else None,
            "kinds": [[kind.task, kind.lang] for kind in router.kinds],
            "costs": list(router.costs),
            "words": list(router.recognizer.words),
            "evidence": router.evidence,
        },
    )


def load_router(folder: Path | str) -> Router | None:
    """Return the router of a pair folder; None where there is none.

    Raises CheckpointError when it is damaged, of a newer camelid, or belongs to other weights.
    """
    folder = Path(folder)
    if not (folder / ROUTER).is_file():
        return None
    told = read_json_object(folder / ROUTER)
    again = f"Run: camelid calibrate {folder}"
    if told.get("format") != FORMAT:
        raise CheckpointError(
            f"{folder / ROUTER} has format {told.get('format')!r}; this camelid reads format {FORMAT}. "
            f"{again}"
        )
    if told.get("models") != hash_pair(folder):
        raise CheckpointError(
            f"{folder / ROUTER} belongs to other weights than those of {folder}, so what it learnt does not "
            f"hold. {again}"
        )
    try:
        packed = (folder / ARRAYS).read_bytes()
        if _hash(packed) != told["arrays"]:
            raise CheckpointError(f"{folder / ARRAYS} does not belong to the router.json beside it. {again}")
        return _assemble(told, load(packed))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"The router in {folder} is damaged ({error}). {again}") from None


def _assemble(told: dict[str, Any], arrays: dict[str, Any]) -> Router:
    kinds = tuple(Kind(str(task), str(lang)) for task, lang in told["kinds"])
    heads = None
    if told["kind"] == "learned":
        heads = Heads(
            arrays["head_weights"], arrays["head_offsets"], float(told["strength"]), arrays["head_factors"]
        )
    return Router(
        Recognizer(kinds, told["words"], arrays["words"], arrays["priors"]),
        TaskTable(kinds, arrays["means"], arrays["counts"]),
        heads,
        threshold=_number(told["threshold"]),
        doubt_below=_number(told["doubt_below"]),
        costs=tuple(float(cost) for cost in told["costs"]),
        models=dict(told["models"]),
        evidence=dict(told["evidence"]),
    )


def _finite(number: float) -> float | str:
    """Return a number as JSON knows it: infinities are words."""
    return number if math.isfinite(number) else "-inf" if number < 0 else "inf"


def _number(told: float | str) -> float:
    return float(told)


def _hash(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()[:16]
