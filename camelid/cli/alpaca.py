"""camelid alpaca: a pair for whoever has a Llama."""

import json
import shlex
import sys
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer

from camelid.cli.training import SkipBad, watch
from camelid.cli.tuning import BUDGET, need_torch, option, show_languages
from camelid.errors import RecipeError

_DATA = (
    "What to learn from: a file or folder in any form that camelid show reads, or a recipe for its sources; "
    "may be given more than once."
)


def alpaca(
    llama: Annotated[Path, typer.Option("--from", help="The Llama: a model's folder.", show_default=False)],
    layers: Annotated[
        int, typer.Option(min=1, help="How many of its layers the Alpaca keeps.", show_default=False)
    ],
    data: Annotated[list[Path], option(_DATA, None)],
    out: Annotated[
        Path | None, option("The pair's folder, by default pairs/NAME of the Llama.", None)
    ] = None,
    epochs: Annotated[
        float | None, option("See every record so many times in each stage; by default 3.", BUDGET)
    ] = None,
    minutes: Annotated[float | None, option("Or learn so long in all.", BUDGET)] = None,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="The Llama's share in what is learnt; the text has the rest.")
    ] = 0.5,
    context: Annotated[int, typer.Option(min=8, help="Tokens in a row; at most the Llama's own.")] = 512,
    held_out: Annotated[
        float, typer.Option(min=0, max=1, help="The share of the data that is only measured on.")
    ] = 0.05,
    lang: Annotated[str, option("The data's language, where it does not say.", None)] = "",
    seed: Annotated[int, option("Of the order of the data; by default 0.", None, min=0)] = 0,
    skip_bad: SkipBad = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON; progress goes to stderr.")
    ] = False,
) -> None:
    """Make an Alpaca for a Llama that you have: a pair, to compare, calibrate and serve.

    The Alpaca is born of evenly spaced layers of the Llama, distilled from it on your data, and fine-tuned.
    The data best holds what the pair will be asked: conversations, in any form that camelid show reads.

    Ctrl-C or a crash loses nothing: the same command goes on from the last checkpoint.
    """
    need_torch()
    from camelid.train.sibling import STAGES, Making, make_alpaca
    from camelid.train.study import Budget

    if epochs is not None and minutes is not None:
        raise RecipeError("A budget is one of --epochs and --minutes; found both.")
    if minutes is not None:
        budgets = (Budget(minutes=0.4 * minutes), Budget(minutes=0.6 * minutes))
    else:
        budgets = (Budget(epochs=3.0 if epochs is None else epochs),) * 2
    folder = out or Path("pairs") / llama.resolve().name
    making = Making(
        llama, tuple(data), layers, folder, *budgets, alpha=alpha, context=context, held_out=held_out,
        lang=lang, seed=seed, skip_bad=skip_bad,
    )  # fmt: skip
    with watch(STAGES, sys.stderr if as_json else None) as progress:
        pair_file = make_alpaca(making, progress=progress)
    roles = pair_file.roles
    if as_json:
        figures = {role: {"bits_per_byte": each.bits_per_byte, "parameters": each.parameters}
                   for role, each in roles.items()}  # fmt: skip
        print(json.dumps({"pair": str(folder), **figures}, indent=2, ensure_ascii=False))
        return
    show_languages("Llama", roles["llama"].bits_per_byte, "Alpaca", roles["alpaca"].bits_per_byte)
    read = [fmean(roles[role].bits_per_byte.values() or [0.0]) for role in ("llama", "alpaca")]
    if read[0] > read[1]:
        print(
            "\nThe Alpaca reads held-out data better than the Llama. If the Llama has not learnt from this "
            "data yet, fine-tune it\nfirst, and make the pair from what comes out:\n"
            f"  camelid finetune --base {shlex.quote(str(llama))} --data {shlex.quote(str(data[0]))}"
        )
    smaller = roles["llama"].parameters / roles["alpaca"].parameters
    name = shlex.quote(str(folder))
    print(
        f"\nThe pair is in {folder}; the Alpaca has {roles['alpaca'].parameters:,} parameters, "
        f"{smaller:.1f} times fewer than the Llama. Next:\n"
        f"  camelid chat {name} --model alpaca\n"
        f"  camelid compare {name}\n"
        f"  camelid calibrate {name} --llama-share 0.3\n"
        f"  camelid serve {name}"
    )
