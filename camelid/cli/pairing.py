"""camelid pair: two models that are there already, made a pair."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from camelid.export.pairing import Paired

Brought = Annotated[
    Path, typer.Option(metavar="FOLDER", help="A model folder, as Hugging Face has it.", show_default=False)
]


def pair(
    llama: Brought,
    alpaca: Brought,
    out: Annotated[Path, typer.Option(metavar="PAIR", help="The pair's folder.", show_default=False)],
    chat_template: Annotated[
        str,
        typer.Option(
            help="How both write conversations, in place of their own: llama-2, llama-3, chatml, vicuna, "
            "alpaca, or a file with a Jinja template.",
            show_default=False,
        ),
    ] = "",
    name: Annotated[
        str, typer.Option(help="What the pair is called; by default as its folder.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Make a pair of any two Llamas: a large one and a quick one.

    Weights are linked where the disk allows it, else copied; the tokenizer may be tokenizer.json or
    SentencePiece's tokenizer.model. Of two with one tokenizer and one chat template the Alpaca guesses ahead,
    which makes the Llama faster; two of different ones still share the work, and this says which it is.
    """
    from camelid.export.pairing import make_pair

    made = make_pair(llama, alpaca, out, chat_template=chat_template, name=name)
    if as_json:
        print(json.dumps(made.to_dict(), ensure_ascii=False, indent=2))
        return
    for line in _say(made):
        print(line)
    print(f"\nThe pair is in {out}. Talk with it: camelid chat {shlex.quote(str(out))}")


def _say(made: "Paired") -> list[str]:
    """Return what was done, line by line."""
    from camelid.cli.screen import say_bytes

    one, two = made.llama, made.alpaca
    lines = [
        f"{role}: {each.config.num_parameters:,} parameters, {each.config.num_hidden_layers} layers, "
        f"{each.tokenizer.vocab_size:,} tokens, from {each.folder}"
        for role, each in (("llama", one), ("alpaca", two))
    ]
    sizes = [(made.linked_bytes, "linked"), (made.copied_bytes, "copied")]
    lines.append("weights: " + ", ".join(f"{say_bytes(size)} {done}" for size, done in sizes if size))
    if made.guesses:
        lines.append("tokenizer: the same for both, so the Alpaca guesses ahead for the Llama")
    elif made.same_vocabulary:
        lines.append(
            "tokenizer: the same tokens, but the chat templates or the tables of tokens differ, so there is "
            "no guessing ahead; with --chat-template both would write conversations alike"
        )
    else:
        lines.append(
            "tokenizer: two different ones, so there is no guessing ahead; who answers can be chosen"
        )
    for role, each, other in (("Llama", one, "Alpaca"), ("Alpaca", two, "Llama")):
        if each.borrowed:
            lines.append(f"chat template: the {role} had none and takes the {other}'s")
        elif each.tokenizer.template is None:
            lines.append(
                f"chat template: the {role} has none and can only continue texts; see --chat-template"
            )
    if one.config.num_parameters < two.config.num_parameters:
        lines.append("note: the Llama is the smaller of the two; --llama and --alpaca may be swapped")
    return lines
