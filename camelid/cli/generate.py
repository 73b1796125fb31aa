"""camelid generate: one prompt, one answer."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from camelid.pair import Reply


def generate(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="PAIR|MODEL|ADAPTER",
            help="A pair's folder, one model's or an adapter's; left out, the pair that came with camelid "
            "answers.",
        ),
    ],
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT", help="What to answer; - reads it from standard input.", show_default=False
        ),
    ] = None,
    model: Model = "",
    continue_: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on from the prompt as running text.")
    ] = False,
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
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer and its figures as JSON, when it is whole.")
    ] = False,
) -> None:
    """Answer one prompt.

    Of a pair the Alpaca answers, and the Llama goes on with a text, unless --model says otherwise; with
    --model auto the router chooses who answers, and says why. A model without a chat template can only
    --continue. An adapter is asked with --adapter, or by its folder in the model's place.
    """
    options = sampling_options(max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, seed)
    place, prompt = _tell_apart(folder, prompt)
    from camelid.cli.screen import open_console, printable, write
    from camelid.cli.voices import Chooser, choose_voice, open_voices
    from camelid.errors import RequestError
    from camelid.pair import read_all

    text = sys.stdin.read().rstrip("\n") if prompt == "-" else prompt
    voice = choose_voice(
        open_voices(place, adapter=adapter, base=base, weights=weights and weights.value),
        model,
        "llama" if continue_ else "alpaca",
    )
    continue_ = continue_ or voice.tokenizer.template is None
    if not continue_:
        stream = voice.stream(text, **options)
    elif isinstance(voice, Chooser):
        raise RequestError("Nobody chooses who goes on with a text. Use --model llama or --model alpaca.")
    else:
        stream = voice.continue_text(text, **options)
    if as_json:
        reply = read_all(stream)
        told = {**dataclasses.asdict(reply), "decision": reply.decision and reply.decision.to_dict()}
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    if continue_ and sys.stdout.isatty():
        open_console().print(printable(text), style="dim", end="", soft_wrap=True, markup=False)
    for piece in stream:
        write(piece)
    write("\n")
    _tell_cut(stream.reply, max_tokens)
    if isinstance(voice, Chooser) and stream.decision:
        who = stream.decision.model.capitalize()
        print(f"camelid: the {who} answered: {stream.decision.reason}.", file=sys.stderr)


def _tell_apart(first: str, second: str | None) -> tuple[Path, str]:
    """Return the folder and the prompt of a command, which may have named only a prompt.

    Raises RequestError for only a folder, CheckpointError when no folder is named and no pair came with
    camelid.
    """
    from camelid.errors import RequestError

    if second is not None:
        return Path(first), second
    if any((Path(first) / name).is_file() for name in ("pair.json", "config.json", "adapter_config.json")):
        raise RequestError(f"Say what {first} is to answer, in quotes: camelid generate {first} 'Hello!'")
    return choose_folder(None), first


def _tell_cut(reply: "Reply", max_tokens: int) -> None:
    """Say on standard error that a reply did not come to its own end."""
    if reply.finish_reason != "length":
        return
    why = f"--max-tokens {max_tokens}" if reply.completion_tokens == max_tokens else "the end of the context"
    print(f"camelid: the answer was cut at {why}.", file=sys.stderr)
