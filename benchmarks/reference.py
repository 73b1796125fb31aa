"""Read a finished run of recipes/reference.toml, and let both models answer, for docs/reference.md.

    python benchmarks/reference.py pairs/reference
    python benchmarks/reference.py pairs/demo --preview FOLDER      the page of any pair; nothing is stored

What is asked stands in reference_questions.py; no record of the data is quoted.
"""

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import reference_page
import reference_questions
import stored

import camelid
from camelid.errors import CamelidError
from camelid.files import write_text
from camelid.model.pairfile import ROLES, PairFile, read_pair_file
from camelid.pair import Pair, Speaker, Stream, read_all
from camelid.route.folder import hash_pair
from camelid.train.evaluate import TOKENS_PER_LANGUAGE
from camelid.train.journal import read_journal
from camelid.train.upbringing import read_upbringing

PACKAGES = ("torch",)
POINTS = 160  # of a stage's loss; a longer journal is averaged over neighbours
MAX_TOKENS = 120  # of an answer
DRAWN = {"temperature": 0.8, "seed": 0}  # besides the greedy answer, how a document goes on
STAGES = {
    "llama-pretrain": ("llama", "pre-training"),
    "llama-finetune": ("llama", "fine-tuning"),
    "alpaca-distill": ("alpaca", "distillation"),
    "alpaca-finetune": ("alpaca", "fine-tuning"),
}


# --- what was run -----------------------------------------------------------------------------------------


def describe_run(folder: Path) -> dict[str, Any]:
    """Return what the files of a finished pair folder tell of its upbringing."""
    file = read_pair_file(folder)
    recipe = file.provenance["recipe"]
    return {
        "name": file.name,
        "models": hash_pair(folder),
        "recipe": find_recipe(recipe),
        "seed": recipe["seed"],
        "made_by": file.made_by,
        **{name: file.provenance[name] for name in ("machine", "torch", "python")},
        "evaluation_tokens": TOKENS_PER_LANGUAGE,
        "roles": {role: _describe_role(folder, file, role) for role in ROLES},
        "stages": [_describe_stage(folder, file, stage) for stage in STAGES],
        "sources": _describe_sources(folder, recipe),
    }


def find_recipe(recipe: dict[str, Any]) -> str:
    """Return the recipe of the house that a pair was raised by, wherever its data lay; "" for another one."""
    elsewhere = {name: recipe[name] for name in ("out", "data_root")}
    for path in sorted((stored.HOUSE / "recipes").glob("*.toml")):
        now = json.loads(json.dumps(dataclasses.asdict(read_upbringing(path, **elsewhere))))
        if _agrees(recipe, now):
            return f"recipes/{path.name}"
    return ""


def thin(points: Sequence[Sequence[float]], most: int) -> list[list[float]]:
    """Return at most so many points, each the mean of its neighbours in equal shares."""
    size = -(-len(points) // most) if points else 1
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [[round(statistics.fmean(part), 4) for part in zip(*group, strict=True)] for group in groups]


def _agrees(then: Any, now: Any) -> bool:
    """Tell whether all that was written down of a recipe is so still; keys may have been added."""
    if isinstance(then, dict) and isinstance(now, dict):
        return all(name in now and _agrees(value, now[name]) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(then) == len(now) and all(map(_agrees, then, now))
    return bool(then == now)


def _describe_role(folder: Path, file: PairFile, role: str) -> dict[str, Any]:
    entry = dataclasses.asdict(file.roles[role])
    config = json.loads((folder / entry["folder"] / "config.json").read_text(encoding="utf-8"))
    shape = ("hidden_size", "intermediate_size", "vocab_size", "max_position_embeddings")
    return {**entry, **{name: config[name] for name in shape}}


def _describe_stage(folder: Path, file: PairFile, stage: str) -> dict[str, Any]:
    role, name = STAGES[stage]
    done = file.provenance["stages"][stage]
    lines = read_journal(folder / "stages" / stage)
    learning = [line for line in lines if "loss" in line]
    steps = [0, *(line["step"] for line in learning), done["steps"]]
    seconds = [0, *(line["seconds"] for line in learning), done["seconds"]]
    measured = [
        [round(float(np.interp(line["step"], steps, seconds)), 1), line["bits_per_byte"]]
        for line in lines
        if "bits_per_byte" in line
    ]
    kept = ("steps", "seconds", "tokens", "targets", "bits_per_byte")
    return {
        "stage": stage,
        "role": role,
        "name": name,
        **{key: done[key] for key in kept},
        "plan": {key: done["plan"][key] for key in ("dtype", "compile")},
        "losses": thin([(line["seconds"], line["loss"]) for line in learning], POINTS),
        "measured": measured,
    }


def _describe_sources(folder: Path, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each source with its records and its share of each stage's tokens."""
    report = json.loads((folder / "stages" / "corpus" / "report.json").read_text(encoding="utf-8"))
    counts = {entry["name"]: entry for entry in report["sources"]}
    found = []
    for source in recipe["source"]:
        shares = {}
        for stage, (role, _) in STAGES.items():
            every = {each["name"]: each["weight"] for each in recipe["source"]}
            mix = recipe[role][stage.split("-")[1]]["mix"] or every
            shares[stage] = round(mix.get(source["name"], 0) / sum(mix.values()), 4)
        numbers = {side: counts[source["name"]][side] for side in ("train", "held_out")}
        found.append({"name": source["name"], **numbers, "shares": shares})
    return found


# --- samples ----------------------------------------------------------------------------------------------


def answer(pair: Pair, question: dict[str, Any]) -> dict[str, Any]:
    """Return both models' answers: greedy, and for a document drawn as well."""
    found: dict[str, Any] = {"greedy": {role: _ask(pair[role], question) for role in ROLES}}
    if "begins" in question:
        found["drawn"] = {role: _ask(pair[role], question, **DRAWN) for role in ROLES}
    return found


def _ask(speaker: Speaker, question: dict[str, Any], **options: Any) -> dict[str, Any]:
    stream: Stream = (
        speaker.continue_text(question["begins"], max_tokens=MAX_TOKENS, **options)
        if "begins" in question
        else speaker.stream(question["turns"], max_tokens=MAX_TOKENS, **options)
    )
    reply = read_all(stream)
    return {"text": reply.text, "tokens": reply.completion_tokens, "finish_reason": reply.finish_reason}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("--preview", type=Path, help="write the page and its curve there; store nothing")
    options = parser.parse_args()
    try:
        data = describe_run(options.pair)
        pair = camelid.load(options.pair)
        data["samples"] = [
            {**question, "answers": answer(pair, question)} for question in reference_questions.QUESTIONS
        ]
    except CamelidError as error:
        sys.exit(str(error))
    print(reference_page.render_bits_per_byte(data))
    if options.preview:
        for name, text in reference_page.render(stored.describe(data, packages=PACKAGES)).items():
            write_text(options.preview / name, text)
            print(f"wrote {options.preview / name}")
    else:
        print(f"stored {stored.store('reference', data, packages=PACKAGES)}; now: make docs", file=sys.stderr)


if __name__ == "__main__":
    main()
