"""camelid finetune, of a recipe's models or of any other; and camelid merge."""

import json
import shlex
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import DataRoot
from camelid.cli.training import Roles, SkipBad, finetune_recipe, watch
from camelid.errors import MissingExtraError, RecipeError

if TYPE_CHECKING:
    from camelid.model.adapter import LoraSettings

BUDGET = "How long"
_BASE, _LORA, _RECIPE = "With --base", "Adapters (LoRA), with --base", "With a recipe"


def option(said: str, panel: str | None, *names: str, **limits: Any) -> Any:
    """Return an option of a panel of the help whose default, none, is told in words."""
    return typer.Option(*names, help=said, rich_help_panel=panel, show_default=False, **limits)


_DATA = (
    "What to learn from: a file or folder in any form that camelid show reads, or a recipe for its sources; "
    "may be given more than once."
)
_OUT = (
    "The folder to make: the pair's, in place of the recipe's; with --base the model's or the adapter's, by "
    "default BASE-tuned here."
)
_PREFERENCES = (
    "Learn which of two answers is better (DPO): records with prompt, chosen and rejected, or the votes of "
    "camelid serve."
)
_BETA = "With --preferences: how dearly moving away from the base is paid; by default 0.1."
_EPOCHS = "See every record so many times; by default 3, with --preferences 1."
_HELD_OUT = "The share of the data that is only measured on; by default 0.1."
_JSON = "Print the figures as JSON; progress goes to stderr."


def finetune(
    context: typer.Context,
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A recipe, to fine-tune its models.")
    ] = None,
    base: Annotated[Path | None, option("A model's folder, to fine-tune that.", _BASE)] = None,
    data: Annotated[list[Path] | None, option(_DATA, _BASE)] = None,
    out: Annotated[Path | None, option(_OUT, None)] = None,
    preferences: Annotated[bool, option(_PREFERENCES, _BASE, "--preferences")] = False,
    beta: Annotated[float, option(_BETA, _BASE)] = 0.1,
    lora: Annotated[
        bool, option("Learn an adapter, not the weights; then merge it.", _LORA, "--lora")
    ] = False,
    keep_adapter: Annotated[
        bool, option("Write the adapter alone, as peft does.", _LORA, "--keep-adapter")
    ] = False,
    rank: Annotated[int, option("By default 8.", _LORA)] = 8,
    alpha: Annotated[float, option("The change counts alpha / rank times; by default 16.", _LORA)] = 16.0,
    targets: Annotated[
        str, option("Which products, such as q_proj,v_proj; by default all seven.", _LORA)
    ] = "",
    epochs: Annotated[float | None, option(_EPOCHS, BUDGET)] = None,
    steps: Annotated[int | None, option("Or take so many steps.", BUDGET)] = None,
    minutes: Annotated[float | None, option("Or learn so long.", BUDGET)] = None,
    lr: Annotated[float, option("The learning rate; by default by the model's width.", BUDGET)] = 0.0,
    batch_tokens: Annotated[int, option("Positions per step; by default by the amount of data.", BUDGET)] = 0,
    row_tokens: Annotated[
        int, option("Tokens in a row; by default 512, at most the model's own.", _BASE, "--context", min=8)
    ] = 512,
    held_out: Annotated[float, option(_HELD_OUT, _BASE, min=0, max=1)] = 0.1,
    lang: Annotated[str, option("The data's language, where it does not say.", _BASE)] = "",
    as_json: Annotated[bool, option(_JSON, _BASE, "--json")] = False,
    role: Annotated[
        Roles, option("Who; the Alpaca needs the Llama before it. By default both.", _RECIPE)
    ] = Roles.both,
    data_root: DataRoot = None,
    seed: Annotated[
        int | None, option("Of the order of the data, by default 0; in place of the recipe's.", None, min=0)
    ] = None,
    skip_bad: SkipBad = False,
) -> None:
    """Fine-tune any model on your data, or a recipe's Llama and Alpaca.

    With --base a model's folder is taken, of any Llama, and a new one is made: with all weights or by an
    adapter, from conversations and texts or from preferences. A part of the data is held out, and what the
    model makes of it before and after is said.

    With a recipe its stages up to fine-tuning are run, those that are done already skipped.

    Ctrl-C or a crash loses nothing: the same command goes on from the last checkpoint.
    """
    if (recipe is None) == (base is None):
        found = "neither" if base is None else "both"
        raise RecipeError(f"finetune takes a RECIPE, or --base FOLDER with --data FILE; found {found}.")
    _refuse_ignored(_given(context), recipe=recipe is not None, preferences=preferences, lora=lora)
    if recipe is not None:
        finetune_recipe(recipe, role, out, data_root, seed, skip_bad)
        return
    if base is None or not data:
        raise RecipeError("There is nothing to learn from. Name a file with --data.")
    if epochs is None and steps is None and minutes is None:
        epochs = 1.0 if preferences else 3.0
    budget = {"epochs": epochs or 0.0, "steps": steps or 0, "minutes": minutes or 0.0}
    report = _tune(
        base,
        tuple(data),
        out or Path(f"{base.resolve().name}-tuned"),
        budget={**budget, "lr": lr, "batch_tokens": batch_tokens},
        lora={"rank": rank, "alpha": alpha, "targets": targets} if lora else None,
        file=sys.stderr if as_json else None,
        keep_adapter=keep_adapter,
        preferences=preferences,
        beta=beta,
        context=row_tokens,
        held_out=held_out,
        lang=lang,
        seed=seed or 0,
        skip_bad=skip_bad,
    )
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        _show(report)


def merge(
    adapter: Annotated[Path, typer.Argument(metavar="ADAPTER", help="An adapter's folder, ours or peft's.")],
    out: Annotated[Path, typer.Option(help="The model's folder to make.", show_default=False)],
    base: Annotated[
        Path | None, typer.Option(help="The model it changes, if not where it says.", show_default=False)
    ] = None,
) -> None:
    """Make a model of an adapter and the model that it changes."""
    need_torch()
    from camelid.train.tuning import merge_adapter

    merge_adapter(adapter, out, base=base)
    print(f"The model is in {out}. Talk with it: camelid chat {shlex.quote(str(out))}")


def _given(context: typer.Context) -> list[str]:
    """Return the options that stand on the command line, as they are written."""
    from_line = [
        parameter
        for parameter in context.command.params
        if parameter.name and str(context.get_parameter_source(parameter.name)).endswith("COMMANDLINE")
    ]
    return [parameter.opts[0] for parameter in from_line]


_ALWAYS = ("recipe", "RECIPE", "--base", "--out", "--seed", "--skip-bad")
_ONLY_RECIPE = ("--role", "--data-root")
_ONLY_LORA = ("--keep-adapter", "--rank", "--alpha", "--targets")


def _refuse_ignored(given: list[str], *, recipe: bool, preferences: bool, lora: bool) -> None:
    """Raise RecipeError for an option that would be ignored."""
    for name in given:
        needed = ""
        if name in _ONLY_RECIPE:
            needed = "" if recipe else "a RECIPE"
        elif recipe and name not in _ALWAYS:
            needed = "--base FOLDER"
        elif name in _ONLY_LORA:
            needed = "" if lora else "--lora"
        elif name == "--beta":
            needed = "" if preferences else "--preferences"
        if needed:
            raise RecipeError(f"{name} works only with {needed}, and would be ignored here. Leave it out.")


def _tune(
    base: Path,
    data: tuple[Path, ...],
    out: Path,
    *,
    budget: dict[str, Any],
    lora: dict[str, Any] | None,
    file: IO[str] | None,
    **settings: Any,
) -> dict[str, Any]:
    need_torch()
    from camelid.train.study import Budget
    from camelid.train.tuning import STAGES, Tuning, tune

    adapter = _read_lora(**lora) if lora is not None else None
    tuning = Tuning(base, data, out, Budget(**budget), lora=adapter, **settings)
    with watch(STAGES, file) as progress:
        return {**tune(tuning, progress=progress), "out": str(out)}


def _read_lora(rank: int, alpha: float, targets: str) -> "LoraSettings":
    from camelid.model.adapter import TARGETS, LoraSettings

    named = tuple(name.strip() for name in targets.split(",") if name.strip())
    return LoraSettings(rank, alpha, named or TARGETS)


def _show(report: dict[str, Any]) -> None:
    """Say what the model made of the held-out data before and after."""
    before, after = report["before"], report["after"]
    if report["learnt"] == "text":
        show_languages("before", before, "after", after)
    elif after["pairs"]:
        _show_preferences(before, after)
    else:
        print("\nNo pair was held out, so nothing is known of new ones.")
    out = shlex.quote(report["out"])
    if report["adapter"]:
        print(f"\nThe adapter is in {out}. Talk with it: camelid chat {out}")
        print(f"Make a model of it: camelid merge {out} --out FOLDER")
    else:
        print(f"\nThe model is in {out}. Talk with it: camelid chat {out}")


def _show_preferences(before: dict[str, Any], after: dict[str, Any]) -> None:
    said = f"{after['pairs']:,} held-out pairs"
    print(f"\n{said:<38}{'before':>9}{'after':>10}")
    for name, words in (
        ("accuracy", "chosen answer gained more"),
        ("likelier", "chosen answer the likelier, by token"),
    ):
        print(f"  {words:<36}{before[name]:>9.1%}{after[name]:>10.1%}")
    print(f"  {'margin, beta times nats':<36}{before['margin']:>+9.3f}{after['margin']:>+10.3f}")


def show_languages(
    first: str, first_bits: dict[str, float], second: str, second_bits: dict[str, float]
) -> None:
    """Print two columns of bits per byte by language; nothing where nothing was measured."""
    if not second_bits:
        return
    print(f"\nheld-out bits per byte{first:>10}{second:>10}")
    for lang, value in second_bits.items():
        earlier = first_bits.get(lang)
        print(f"  {lang:<20}{earlier:>10.3f}{value:>10.3f}" if earlier else f"  {lang:<30}{value:>10.3f}")


def need_torch() -> None:
    """Raise MissingExtraError where torch is not installed."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("torch", "train") from None
