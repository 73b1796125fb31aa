"""camelid chat: a conversation with either model of a pair, or with one model."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from camelid.cli.options import (
    AdapterFolder,
    Base,
    MaxTokens,
    MinP,
    Model,
    Penalty,
    Seed,
    Temperature,
    TopK,
    TopP,
    Weights,
    choose_folder,
    sampling_options,
)


def chat(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="PAIR|MODEL|ADAPTER",
            help="A pair's folder, one model's or an adapter's; without one the pair that came with camelid.",
            show_default=False,
        ),
    ] = None,
    model: Model = "",
    system: Annotated[
        str, typer.Option("--system", "-s", help="What the model is told before the conversation.")
    ] = "",
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    min_p: MinP = 0.0,
    repetition_penalty: Penalty = 1.0,
    seed: Seed = None,
    adapter: AdapterFolder = None,
    base: Base = None,
    weights: Weights = None,
) -> None:
    """Talk with a pair, with one model, or with an adapter.

    Without a folder the pair that came with camelid answers. Answers appear as they come, and what was said
    before is remembered. Ctrl-C stops an answer, Ctrl-D leaves, /help lists the commands. Lines from a pipe
    are turns too. With --model auto the pair's router chooses who answers, and says why.

    The folder may be an adapter's, ours or peft's: the model that it names, or --base, answers with it, and
    /model asks that model without it.
    """
    options = sampling_options(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed)
    from camelid.cli.conversation import Conversation
    from camelid.cli.turns import read_turns
    from camelid.cli.voices import choose_voice, open_voices

    place = choose_folder(folder)
    voices = open_voices(place, adapter=adapter, base=base, weights=weights and weights.value)
    voice = choose_voice(voices, model, "alpaca")
    conversation = Conversation(voices, voice, options, system=system, interactive=sys.stdin.isatty())
    conversation.greet(str(folder or "camelid's own pair"))
    for line in read_turns():
        if not conversation.take(line):
            break
