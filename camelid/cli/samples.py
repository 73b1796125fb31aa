"""camelid samples: both models of a pair on prompts that neither has seen, beside the right answers."""

from collections import Counter
from typing import Annotated

import typer

from camelid.cli.options import MaxTokens, PairFolder


def samples(
    folder: PairFolder,
    task: Annotated[str, typer.Option("--task", help="This task only.", show_default=False)] = "",
    lang: Annotated[str, typer.Option("--lang", help="This language only.", show_default=False)] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="So many of each kind.")] = 1,
    max_tokens: MaxTokens = 120,
) -> None:
    """Let both models answer held-out prompts of each task and language.

    Gold is what the data says; a story or another text is gone on with from its first sentences. The prompts
    are the first of each kind in the pair's held_out.jsonl, not chosen by hand. A ✓ marks an answer that is
    gold, word for word.
    """
    from camelid.cli.screen import open_console
    from camelid.cli.tasting import choose_samples, read_samples, show_sample
    from camelid.pair import Pair

    pair = Pair(folder)
    chosen = choose_samples(read_samples(folder), task=task, lang=lang, count=count)
    console = open_console()
    met: Counter[str] = Counter()
    for sample in chosen:
        met.update(role for role, exact in show_sample(console, pair, sample, max_tokens).items() if exact)
    asked = sum(1 for sample in chosen if not sample.text)
    if asked:
        tally = ", ".join(f"{role} {met[role]}" for role in pair.speakers)
        console.print(f"\nWord for word as gold, of {asked} answers: {tally}.", style="dim", markup=False)
