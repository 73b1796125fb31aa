"""camelid show: data as a model sees it."""

from pathlib import Path
from typing import Annotated

import typer

from camelid.cli.options import DataRoot


def show(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A data file, a folder of them, or a recipe (.toml).")
    ],
    source: Annotated[
        str, typer.Option("--source", help="Of a recipe: this source only.", show_default=False)
    ] = "",
    data_root: DataRoot = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many records of each source.")] = 3,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a pair, a model or a tokenizer stage; by default the recipe's own if it was "
            "made already, else one learnt from the data on the spot.",
            show_default=False,
        ),
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave rows out that cannot be read.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Mark with ⟦brackets⟧ instead of a colour.")] = False,
) -> None:
    """Show records as a model sees them, with what it learns to say coloured.

    Special tokens are written out. How the data was read is said first: as documents, conversations, sentence
    pairs and so on.
    """
    from camelid.cli.display import find_tokenizer, open_data, show_data
    from camelid.cli.screen import open_console

    console = open_console()
    found = open_data(data, source, data_root, skip_bad=skip_bad)
    ids, origin = find_tokenizer(found, tokenizer)
    console.print(f"tokenizer: {origin}; {ids.vocab_size:,} tokens", style="dim", markup=False)
    show_data(console, found, ids, limit, plain=plain)
