"""Options that several verbs share, and their way into the settings of sampling."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camelid.errors import RequestError

if TYPE_CHECKING:
    from camelid.generate.sampling import SamplingOptions
    from camelid.pair import Speaker


class WeightTypes(StrEnum):
    """What weights are packed in."""

    f32 = "f32"
    bf16 = "bf16"
    int8 = "int8"
    int4 = "int4"


Folder = Annotated[Path, typer.Argument(metavar="PAIR|MODEL", help="A pair folder, or one model's.")]
OptionalFolder = Annotated[
    Path | None,
    typer.Argument(
        metavar="PAIR|MODEL",
        help="A pair folder, or one model's; without one the pair that came with camelid.",
        show_default=False,
    ),
]
PairFolder = Annotated[Path, typer.Argument(metavar="PAIR", help="A pair folder.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Who answers: llama, alpaca or auto.")]
AdapterFolder = Annotated[
    Path | None,
    typer.Option(
        "--adapter", help="A LoRA adapter's folder, ours or peft's: answer with it.", show_default=False
    ),
]
Base = Annotated[
    Path | None,
    typer.Option(help="Where the model of an adapter's folder is, if not where it says.", show_default=False),
]
Weights = Annotated[
    WeightTypes | None,
    typer.Option("--weights", "-w", help="What weights are packed in; int8 by default.", show_default=False),
]
DataRoot = Annotated[
    Path | None, typer.Option(help="Where the paths of a recipe's sources begin.", show_default=False)
]
MaxTokens = Annotated[int, typer.Option(min=1, help="Answer with at most so many tokens.")]
Temperature = Annotated[
    float, typer.Option(min=0, help="0 takes the likeliest token, 1 draws as the model would.")
]
TopK = Annotated[int, typer.Option(min=0, help="Draw from the k likeliest tokens only; 0 is all.")]
TopP = Annotated[float, typer.Option(min=0, max=1, help="Draw from the likeliest that make up this share.")]
MinP = Annotated[float, typer.Option(min=0, max=1, help="Draw what is this likely beside the likeliest.")]
Penalty = Annotated[
    float, typer.Option("--repetition-penalty", help="Above 1 makes words that were used less likely.")
]
Seed = Annotated[int | None, typer.Option(min=0, help="Draw the same again.")]


def sampling_options(
    max_tokens: int,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    repetition_penalty: float,
    seed: int | None,
) -> "SamplingOptions":
    """Return the options as the models take them.

    Raises RequestError for one that would be ignored: without a temperature nothing is drawn.
    """
    drawing = {
        "--top-k": top_k != 0,
        "--top-p": top_p != 1,
        "--min-p": min_p != 0,
        "--seed": seed is not None,
    }
    ignored = [name for name, given in drawing.items() if given]
    if ignored and temperature == 0:
        raise RequestError(
            f"{ignored[0]} works only where tokens are drawn, with a --temperature above 0, such as 0.8."
        )
    return {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "seed": seed,
    }


def open_speakers(folder: Path) -> "dict[str, Speaker]":
    """Return who can answer: both of a pair, by role, or the one model of a model folder, by its name.

    Raises CheckpointError when the folder is neither.
    """
    from camelid.pair import Pair, Speaker

    model = find_model(folder)
    if model is None:
        return Pair(folder).speakers
    speaker = Speaker(model, name=folder.resolve().name)
    return {speaker.name: speaker}


def choose_folder(folder: Path | None) -> Path:
    """Return the folder that was named; without one that of the pair that came with camelid.

    Raises CheckpointError when none came.
    """
    from camelid.model.pairfile import find_shipped

    return find_shipped() if folder is None else folder


def find_model(folder: Path) -> Path | None:
    """Return the model folder that a folder is, or that a training stage made in it; None without one."""
    places = (folder, folder / "model")
    return next((place for place in places if (place / "config.json").is_file()), None)


def choose_speaker(speakers: "dict[str, Speaker]", name: str, default: str) -> "Speaker":
    """Return the speaker of that name; without a name `default`, or the only one there is.

    Raises RequestError when there is no such speaker.
    """
    from camelid.errors import suggest

    if not name:
        return speakers.get(default) or next(iter(speakers.values()))
    if name not in speakers:
        raise RequestError(f"There is no model {name!r} here.{suggest(name, speakers)}")
    return speakers[name]
