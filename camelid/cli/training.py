"""camelid train, and its stages alone: tokenizer, pretrain, distill; what finetune does with a recipe."""

import contextlib
import dataclasses
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from camelid.cli.options import DataRoot
from camelid.errors import MissingExtraError

if TYPE_CHECKING:
    from camelid.cli.progress import LiveProgress, PlainProgress
    from camelid.train.upbringing import Upbringing

Recipe = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/quick.toml.")]
Out = Annotated[
    Path | None, typer.Option(help="The pair's folder, in place of the recipe's.", show_default=False)
]
Seed = Annotated[int | None, typer.Option(min=0, help="In place of the recipe's.", show_default=False)]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Count rows that cannot be read, and go on.")]


class Roles(StrEnum):
    """Who is fine-tuned."""

    llama = "llama"
    alpaca = "alpaca"
    both = "both"


def train(
    recipe: Recipe, out: Out = None, data_root: DataRoot = None, seed: Seed = None, skip_bad: SkipBad = False
) -> None:
    """Raise a pair: tokenizer, corpus, and both models, from a recipe.

    A stage whose inputs have not changed is skipped. Ctrl-C or a crash loses nothing: the same command goes
    on from the last checkpoint.
    """
    from camelid.cli.screen import say_duration

    began_s = time.monotonic()
    folder = _raise(recipe, out, data_root, seed, skip_bad, until="")
    took = say_duration(time.monotonic() - began_s)
    print(f"\nDone in {took}; the pair is in {folder}. Talk with it: camelid chat {shlex.quote(str(folder))}")


def tokenizer(
    recipe: Recipe, out: Out = None, data_root: DataRoot = None, seed: Seed = None, skip_bad: SkipBad = False
) -> None:
    """Make a recipe's tokenizer."""
    _raise_stage(recipe, out, data_root, seed, skip_bad, until="tokenizer")


def pretrain(
    recipe: Recipe, out: Out = None, data_root: DataRoot = None, seed: Seed = None, skip_bad: SkipBad = False
) -> None:
    """Pre-train a recipe's Llama."""
    _raise_stage(recipe, out, data_root, seed, skip_bad, until="llama-pretrain")


def distill(
    recipe: Recipe, out: Out = None, data_root: DataRoot = None, seed: Seed = None, skip_bad: SkipBad = False
) -> None:
    """Let a recipe's Alpaca be born from its Llama, and distill it."""
    _raise_stage(recipe, out, data_root, seed, skip_bad, until="alpaca-distill")


def finetune_recipe(
    recipe: Path, role: Roles, out: Path | None, data_root: Path | None, seed: int | None, skip_bad: bool
) -> None:
    """Fine-tune a recipe's Llama, Alpaca or both."""
    until = "llama-finetune" if role is Roles.llama else "alpaca-finetune"
    _raise_stage(recipe, out, data_root, seed, skip_bad, until=until)


@contextlib.contextmanager
def watch(stages: Sequence[str], file: IO[str] | None = None) -> "Iterator[LiveProgress | PlainProgress]":
    """Show how far a run is; when the user stops it, say how it goes on.

    file: where to show it, by default standard output.
    """
    try:
        with _open_progress(stages, file) as progress:
            yield progress
    except KeyboardInterrupt:
        again = shlex.join(["camelid", *sys.argv[1:]])
        print(
            f"\nStopped. What is done is saved; the same command goes on from there: {again}", file=sys.stderr
        )
        raise typer.Exit(130) from None


def _raise_stage(
    recipe: Path, out: Path | None, data_root: Path | None, seed: int | None, skip_bad: bool, *, until: str
) -> None:
    folder = _raise(recipe, out, data_root, seed, skip_bad, until=until) / "stages" / until
    made = folder / "model" if (folder / "model").is_dir() else folder
    print(f"\nWhat was made is in {made}.")


def _raise(
    recipe: Path, out: Path | None, data_root: Path | None, seed: int | None, skip_bad: bool, *, until: str
) -> Path:
    """Follow a recipe while showing how far it is, and return the pair folder."""
    upbringing = _read(recipe, out, data_root, seed, skip_bad)
    try:
        from camelid.train.stages import STAGES, raise_pair
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("torch", "train") from None
    stages = STAGES[: STAGES.index(until) + 1] if until else STAGES
    with watch(stages) as progress:
        return raise_pair(upbringing, progress=progress, until=until)


def _read(
    recipe: Path, out: Path | None, data_root: Path | None, seed: int | None, skip_bad: bool
) -> "Upbringing":
    from camelid.train.upbringing import read_upbringing

    changes = {"out": out and str(out), "data_root": data_root and str(data_root), "seed": seed}
    upbringing = read_upbringing(recipe, **changes)
    if not skip_bad:
        return upbringing
    sources = tuple(
        source if source.builtin else dataclasses.replace(source, skip_bad=True)
        for source in upbringing.source
    )
    return dataclasses.replace(upbringing, source=sources)


def _open_progress(stages: Sequence[str], file: IO[str] | None) -> "LiveProgress | PlainProgress":
    from camelid.cli.progress import LiveProgress, PlainProgress
    from camelid.cli.screen import open_console

    console = open_console(file)
    return LiveProgress(console, stages) if console.is_terminal else PlainProgress(console)
