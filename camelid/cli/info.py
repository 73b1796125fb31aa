"""camelid info: what a model or a pair is, and what running it costs here."""

import json
from typing import Annotated

import typer

from camelid.cli.options import OptionalFolder, choose_folder, find_model


def info(
    folder: OptionalFolder = None,
    measure: Annotated[bool, typer.Option(help="Measure speed and memory, which takes some seconds.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what a model is; of a pair, the difference between the two.

    Everything comes from the models themselves: sizes from their files, how they were raised from pair.json,
    speed and memory measured now, each model in a process of its own.
    """
    from camelid.cli.difference import draw_difference, draw_model, say_difference, say_measured
    from camelid.cli.portrait import portray, portray_pair
    from camelid.cli.screen import open_console

    console = open_console()
    folder = choose_folder(folder)
    model = find_model(folder)
    if model is not None:
        portrait = portray(model, measure=measure)
        if as_json:
            print(json.dumps(portrait.to_dict(), ensure_ascii=False, indent=2))
            return
        console.print(draw_model(portrait))
        console.print(say_measured(portrait), style="dim", markup=False)
        return
    pair_file, portraits = portray_pair(folder, measure=measure)
    if as_json:
        roles = {role: portrait.to_dict() for role, portrait in portraits.items()}
        head = {"name": pair_file.name, "folder": str(folder), "made_by": pair_file.made_by}
        print(json.dumps({**head, "tokenizer": pair_file.tokenizer, "roles": roles}, indent=2))
        return
    llama, alpaca = portraits["llama"], portraits["alpaca"]
    console.print(draw_difference(pair_file.name, llama, alpaca))
    console.print(say_difference(llama, alpaca), markup=False)
    console.print(say_measured(llama), style="dim", markup=False)
