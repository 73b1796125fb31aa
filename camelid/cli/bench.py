"""camelid bench: how fast the native engine runs a model here, and how near the machine's limit that is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import OptionalFolder, WeightTypes, choose_folder, find_model
from camelid.errors import RequestError

if TYPE_CHECKING:
    from rich.table import Table

    from camelid.compare.trial import Trial

PROMPT_TOKENS, NEW_TOKENS = 512, 128


def bench(
    folder: OptionalFolder = None,
    weights: Annotated[
        list[WeightTypes] | None,
        typer.Option("--weights", "-w", help="What the weights are packed in; may be given several times."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="How many; by default one per core.")] = None,
    prompt_tokens: Annotated[
        int | None, typer.Option(min=1, help=f"Read prompts of so many tokens; by default {PROMPT_TOKENS}.")
    ] = None,
    new_tokens: Annotated[
        int | None, typer.Option(min=2, help=f"Answer with so many; by default {NEW_TOKENS}.")
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option(
            help="A data file to read, so that what packed weights lose is seen; by default the held-out "
            "records of a pair.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure how fast the native engine runs a model; of a pair, both.

    Reading prompts and writing answers, in tokens per second; time to the first token; memory; how much of
    the speed at which this machine reads its memory is used; and how well held-out text is read. Each in a
    process of its own, in what the weights are stored in, int8 and int4, unless --weights says otherwise.
    """
    from rich.console import Console

    from camelid.cli.screen import open_console
    from camelid.compare.reading import find_text
    from camelid.compare.trial import try_apart
    from camelid.generate.bandwidth import measure_bandwidth
    from camelid.native import choose_isa
    from camelid.native.loading import choose_threads

    folder = choose_folder(folder)
    choose_isa()  # complains at once if the engine is not there
    lengths = {name: choose_lengths(path, prompt_tokens, new_tokens) for name, path in _models(folder)}
    threads, status = choose_threads(threads), Console(stderr=True).status("measuring …")
    found: dict[str, list[Trial]] = {name: [] for name in lengths}
    with status:
        bandwidth = measure_bandwidth(threads)
        for name, path in _models(folder):
            prompt, new = lengths[name]
            for kind in weights or [_stored_in(path), WeightTypes.int8, WeightTypes.int4]:
                status.update(f"measuring the {name} in {kind} …")
                trial = try_apart(
                    path,
                    kind.value,
                    threads=threads,
                    prompt_tokens=prompt,
                    new_tokens=new,
                    text=text or find_text(path),
                )
                found[name].append(trial)
        bandwidth = max(bandwidth, measure_bandwidth(threads))
    if as_json:
        print(json.dumps(to_dict(folder, found, bandwidth), ensure_ascii=False, indent=2))
        return
    console = open_console()
    console.print(draw(folder, found, bandwidth))
    console.print(say(found, bandwidth), style="dim", markup=False)


def choose_lengths(folder: Path, prompt_tokens: int | None, new_tokens: int | None) -> tuple[int, int]:
    """Return how many tokens prompts and replies have: what is wished for, or what the context holds.

    Raises RequestError for a wish that the context has no room for.
    """
    from camelid.model.folder import read_config

    context = read_config(folder).max_position_embeddings
    prompt = prompt_tokens or min(PROMPT_TOKENS, max(1, context // 2))
    new = new_tokens or min(NEW_TOKENS, max(2, context - prompt))
    if prompt > max(1, context // 2) or prompt + new > context:
        raise RequestError(
            f"{folder} has a context of {context}, of which a prompt may take half; found --prompt-tokens "
            f"{prompt} and --new-tokens {new}. Use less."
        )
    return prompt, new


def to_dict(folder: Path, found: "dict[str, list[Trial]]", bandwidth: float) -> dict[str, Any]:
    """Return all figures as plain values."""
    return {
        "folder": str(folder),
        "bandwidth_bytes_per_s": bandwidth,
        "models": {name: [trial.to_dict(bandwidth) for trial in trials] for name, trials in found.items()},
    }


def draw(folder: Path, found: "dict[str, list[Trial]]", bandwidth: float) -> "Table":
    """Return the figures as a table."""
    from rich import box
    from rich.table import Table

    table = Table(title=str(folder), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in ("reading\ntokens/s", "first\ntoken", "writing\ntokens/s", "memory for\nweights",
                   "whole\nprocess", "of the\nbandwidth", "bits per\nbyte"):  # fmt: skip
        table.add_column(column, justify="right", no_wrap=True)
    for name, trials in found.items():
        for trial in trials:
            table.add_row(f"{name} · {trial.weights}", *_cells(trial, bandwidth))
    return table


def say(found: "dict[str, list[Trial]]", bandwidth: float) -> str:
    """Return how the figures were measured, and what the share of the bandwidth means."""
    trial = next(iter(found.values()))[0]
    speed = trial.speed
    shares = [each.read_bytes_per_s / bandwidth for trials in found.values() for each in trials]
    cached = " More than 100% comes from the caches." if max(shares) > 1 else ""
    read = (
        "Bits per byte are of held-out text: less is better, and more than in the first line is what packing "
        "lost."
        if trial.bits_per_byte is not None
        else "What packing loses is seen with --text FILE."
    )
    return (
        f"{trial.threads} thread{'s' * (trial.threads > 1)}, {trial.isa}; medians of {speed.runs} prompts of "
        f"{speed.prompt_tokens} tokens, each answered by {speed.new_tokens}. Memory is read here at "
        f"{bandwidth / 1e9:.1f} GB/s, and every token needs all weights.{cached} {read}"
    )


def _cells(trial: "Trial", bandwidth: float) -> list[str]:
    from camelid.cli.screen import say_bytes

    first_ms = 1000 * trial.speed.first_token_s
    return [
        f"{trial.prefill_tokens_per_s:,.0f}",
        f"{first_ms:.{1 if first_ms < 10 else 0}f} ms",
        f"{trial.speed.tokens_per_s:,.{0 if trial.speed.tokens_per_s >= 100 else 1}f}",
        say_bytes(trial.weight_bytes),
        say_bytes(trial.peak_bytes),
        f"{trial.read_bytes_per_s / bandwidth:.0%}",
        f"{trial.bits_per_byte:.4f}" if trial.bits_per_byte is not None else "–",
    ]


def _stored_in(folder: Path) -> WeightTypes:
    """Return the type that loses nothing of a model's weights."""
    from camelid.model.folder import read_dtype

    return WeightTypes.bf16 if read_dtype(folder) == "bfloat16" else WeightTypes.f32


def _models(folder: Path) -> list[tuple[str, Path]]:
    """Return the model of a model folder, or both of a pair, by name.

    Raises CheckpointError when the folder is neither.
    """
    from camelid.model.pairfile import ROLES, read_pair_file

    model = find_model(folder)
    if model is not None:
        return [(model.resolve().name, model)]
    pair_file = read_pair_file(folder)
    return [(role, folder / pair_file.roles[role].folder) for role in ROLES]
