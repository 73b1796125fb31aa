"""camelid export: a model, or both of a pair, for other programs."""

import contextlib
import json
import shlex
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import OptionalFolder, choose_folder, find_model
from camelid.errors import RequestError

if TYPE_CHECKING:
    from camelid.export.gguf import Report


class Types(StrEnum):
    """What matrices are stored in."""

    f16 = "f16"
    q8_0 = "q8_0"
    q4_0 = "q4_0"
    bf16 = "bf16"
    f32 = "f32"


class Roles(StrEnum):
    """Which of a pair."""

    llama = "llama"
    alpaca = "alpaca"


def export(
    folder: OptionalFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file; of a whole pair the folder for both. By default named after what is exported.",
            show_default=False,
        ),
    ] = None,
    gguf: Annotated[
        bool, typer.Option("--gguf", help="As GGUF, for llama.cpp and what is built on it.")
    ] = False,
    ollama: Annotated[bool, typer.Option("--ollama", help="As GGUF with a Modelfile for Ollama.")] = False,
    type: Annotated[
        Types, typer.Option(help="Of the matrices: 16 bits as they are, or packed in 8 or 4.")
    ] = Types.f16,
    model: Annotated[Roles | None, typer.Option(help="Of a pair: this one only.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a model for other programs, tokenizer and chat template included.

    A model folder itself needs no export: transformers and vLLM read it as it is.
    """
    if not (gguf or ollama):
        raise RequestError("Say as what: --gguf for llama.cpp, --ollama for Ollama.")
    from camelid.cli.screen import say_bytes

    written = []
    for source, target in _plan(choose_folder(folder), out, type, model):
        written.append(_write(source, target, type, ollama))
        if not as_json:
            told = written[-1]
            print(f"{told['file']}: {say_bytes(told['bytes'])}, {type.value}")
            if ollama:
                print(_say_modelfile(told))
    if as_json:
        print(json.dumps(written, ensure_ascii=False, indent=2))
    elif not ollama:
        print(f"Talk with it in llama.cpp: llama-cli -m {shlex.quote(written[0]['file'])}")


def _plan(folder: Path, out: Path | None, type_: Types, role: Roles | None) -> list[tuple[Path, Path]]:
    """Return which model folders become which files."""
    from camelid.model.pairfile import ROLES, read_pair_file

    found, name = find_model(folder), folder.resolve().name
    if found is not None:
        if role is not None:
            raise RequestError(f"{folder} is one model; --model is for a pair. Leave it out.")
        return [(found, out or Path(f"{name}-{type_.value}.gguf"))]
    pair_file = read_pair_file(folder)
    if role is not None:
        entry = folder / pair_file.roles[role.value].folder
        return [(entry, out or Path(f"{name}-{role.value}-{type_.value}.gguf"))]
    if out is not None and out.suffix == ".gguf":
        raise RequestError(
            f"A pair becomes two files, so --out must be a folder; found {out}. Or add --model llama."
        )
    target = out or Path(f"{name}-gguf")
    return [(folder / pair_file.roles[each].folder, target / f"{each}-{type_.value}.gguf") for each in ROLES]


def _write(source: Path, target: Path, type_: Types, ollama: bool) -> dict[str, Any]:
    from camelid.export.gguf import write_gguf
    from camelid.export.ollama import write_modelfile

    with progress(f"{target.name}") as report:
        write_gguf(source, target, type=type_.value, name=target.stem, report=report)
    told: dict[str, Any] = {"file": str(target), "bytes": target.stat().st_size, "type": type_.value}
    if ollama:
        modelfile = target.with_suffix(".Modelfile")
        told["template"] = write_modelfile(source, target, modelfile)
        told["modelfile"] = str(modelfile)
    return told


def _say_modelfile(told: dict[str, Any]) -> str:
    name = Path(told["file"]).stem
    line = f"{told['modelfile']}: ollama create {shlex.quote(name)} -f {shlex.quote(told['modelfile'])}"
    if not told["template"]:
        line += "\n  its chat template has no translation, so Ollama uses the one in the GGUF file if it can"
    return line


@contextlib.contextmanager
def progress(name: str) -> Iterator["Report"]:
    """Yield what draws a bar of tensors done, on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
