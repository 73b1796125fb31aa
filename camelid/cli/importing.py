"""camelid import: a model of another format made a model folder."""

import json
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from camelid.errors import RequestError


class DTypes(StrEnum):
    """What weights are stored in."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A GGUF file of a Llama, or a model of llama2.c (.bin).")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The model folder.", show_default=False)],
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Of a llama2.c model: its tokenizer (.bin), or the SentencePiece model.", show_default=False
        ),
    ] = None,
    dtype: Annotated[
        DTypes | None,
        typer.Option(
            help="What to store weights in; by default as the file has them, and float16 what was packed.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Make a model folder of a GGUF file or a model of llama2.c.

    The folder is what Hugging Face writes: config, weights, tokenizer and chat template.
    """
    told = _import(file, out, tokenizer, dtype)
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    print(
        f"{file}: {told['parameters']:,} parameters, {told['layers']} layers, {told['tokens']:,} tokens, "
        f"stored there as {told['type']}"
    )
    quoted = shlex.quote(str(out))
    talk = (
        f"camelid chat {quoted}" if told["chat_template"] else f"camelid generate {quoted} 'Once' --continue"
    )
    print(f"The model is in {out}. Try it: {talk}")


def _import(file: Path, out: Path, tokenizer: Path | None, dtype: DTypes | None) -> dict[str, Any]:
    from camelid.text.tokenizer import Tokenizer

    if (file / "config.json").is_file():
        raise RequestError(f"{file} is a model folder already and needs no import. Try: camelid chat {file}")
    if file.suffix == ".bin":
        from camelid.export.llama2c import import_llama2c

        if tokenizer is None:
            raise RequestError(
                "A model of llama2.c comes without its tokenizer. Name that too: --tokenizer tok512.bin"
            )
        if dtype not in (None, DTypes.float32):
            raise RequestError("A model of llama2.c is stored in float32. Leave --dtype out.")
        config, type_ = import_llama2c(file, tokenizer, out), "F32"
    else:
        from camelid.cli.export import progress
        from camelid.export.reading import import_gguf

        if tokenizer is not None:
            raise RequestError("A GGUF file has its tokenizer inside. Leave --tokenizer out.")
        with progress(file.name) as report:
            found = import_gguf(file, out, dtype=dtype.value if dtype else "", report=report)
        config, type_ = found.config, found.type
    words = Tokenizer.load(out)
    return {
        "folder": str(out), "parameters": config.num_parameters, "layers": config.num_hidden_layers,
        "tokens": words.vocab_size, "type": type_, "chat_template": words.template is not None,
    }  # fmt: skip
