"""camelid pair: two models that are there already, made a pair."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelid.cli.training import SkipBad

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
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="What the pair will be asked, in any form that camelid show reads: kept with the pair, for "
            "compare, calibrate and choose; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What the pair is called; by default as its folder.", show_default=False)
    ] = "",
    skip_bad: SkipBad = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Make a pair of any two Llamas: a large one and a quick one.

    Weights are linked where the disk allows it, else copied; the tokenizer may be tokenizer.json or
    SentencePiece's tokenizer.model. Of two with one tokenizer and one chat template the Alpaca guesses ahead,
    which makes the Llama faster; two of different ones still share the work, and this says which it is.

    With --data, of which neither model should have learnt, the two can be compared and the router be made.
    """
    from camelid.export.pairing import make_pair

    made = make_pair(
        llama, alpaca, out, chat_template=chat_template, name=name, data=tuple(data or ()), skip_bad=skip_bad
    )
    if as_json:
        print(json.dumps(made.to_dict(), ensure_ascii=False, indent=2))
        return
    for line in _say(made):
        print(line)
    print(f"\nThe pair is in {out}. Next:")
    for line in _say_next(made, shlex.quote(str(out))):
        print(f"  {line}")


def _say(made: "Paired") -> list[str]:
    """Return what was done, line by line."""
    from camelid.cli.screen import say_bytes
    from camelid.export.templates import find_fitting

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
            "tokenizer: two different ones, so there is no guessing ahead; the router can choose who answers"
        )
    for role, each, other in (("Llama", one, "Alpaca"), ("Alpaca", two, "Llama")):
        if each.borrowed:
            lines.append(f"chat template: the {role} had none and takes the {other}'s")
        elif each.tokenizer.template is None:
            fitting = ", ".join(find_fitting(each.tokenizer))
            lines.append(
                f"chat template: the {role} has none and can only continue texts; if it was trained on "
                f"conversations, say how they were written: --chat-template {fitting}, or a file"
            )
    if one.config.num_parameters < two.config.num_parameters:
        lines.append("note: the Llama is the smaller of the two; --llama and --alpaca may be swapped")
    if made.records:
        lines.append(f"data: {made.records:,} records kept, to compare the two and to make the router by")
    return lines


def _say_next(made: "Paired", out: str) -> list[str]:
    """Return the commands that the pair is ready for."""
    talks = [role for role in ("alpaca", "llama") if getattr(made, role).tokenizer.template is not None]
    chat = f"camelid chat {out}" + ("" if "alpaca" in talks else " --model llama")
    lines = [chat if talks else f"camelid generate {out} 'Once upon a time' --continue"]
    lines.append(f"camelid compare {out}" + ("" if made.records else " --data FILE"))
    if made.records and len(talks) == 2:
        lines.append(f"camelid calibrate {out} --llama-share 0.3")
    if talks:
        lines.append(f"camelid serve {out}")
    if not made.records:
        lines.append(
            "and for a router, so that --model auto can choose: this command again, with --data FILE"
        )
    return lines
