"""camelid calibrate: a router for a pair, its threshold in the user's own units."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camelid.cli.options import PairFolder

if TYPE_CHECKING:
    from rich.console import Console

    from camelid.compare.task import Task
    from camelid.pair import Pair
    from camelid.route.calibration import Calibration, Target
    from camelid.route.doubt import Deferral
    from camelid.route.evidence import Evidence
    from camelid.route.features import Recognizer

_LABELS, _WISH = "Labels", "What is wished (one of these)"


def calibrate(
    folder: PairFolder,
    llama_share: Annotated[
        float | None,
        typer.Option(
            help="The Llama answers this share of the requests; 0.3 unless another wish is given.",
            show_default=False,
            rich_help_panel=_WISH,
        ),
    ] = None,
    p95_latency_ms: Annotated[
        float | None,
        typer.Option(help="95 of 100 answers take at most so long.", rich_help_panel=_WISH),
    ] = None,
    max_quality_loss: Annotated[
        float | None,
        typer.Option(
            help="At most so much mean quality (0 to 1) lost against always asking the Llama, guaranteed "
            "with --confidence.",
            rich_help_panel=_WISH,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="How surely; 0.9 by default.", show_default=False, rich_help_panel=_WISH),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            help="Take people's votes as labels, a JSONL such as camelid serve gives out, in place of the "
            "held-out items.",
            rich_help_panel=_LABELS,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Ask at most so many items of each task.", rich_help_panel=_LABELS),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the items.", rich_help_panel=_LABELS)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Make a pair's router, so that --model auto can choose.

    Both models answer the pair's held-out items; the router learns the gain, what the Llama's answer is
    better by. Shown on items that it had not seen, beside both constants, a random mix, the task table and
    the oracle; if what was learnt does not surely beat the task table, the table is the router. A wish that
    cannot be met is said, nothing is written, and the exit status is 1.
    """
    from camelid.cli.screen import open_console
    from camelid.errors import RequestError
    from camelid.files import write_text
    from camelid.pair import Pair
    from camelid.route.calibration import Target
    from camelid.route.calibration import calibrate as find_threshold
    from camelid.route.picture import draw_page

    if confidence is not None and max_quality_loss is None:
        raise RequestError("--confidence belongs to --max-quality-loss. Give both, or neither.")
    share = llama_share
    if llama_share is None and p95_latency_ms is None and max_quality_loss is None:
        share = 0.3
    target = Target(
        share,
        None if p95_latency_ms is None else p95_latency_ms / 1000,
        max_quality_loss,
        0.9 if confidence is None else confidence,
    )
    pair = Pair(folder)
    evidence, known = _label(pair, votes, limit, seed)
    found = find_threshold(evidence, target, known)
    found, deferral = _weigh_deferral(pair, found, target)
    summary = {**found.summary(), "deferral": str(deferral) if deferral else None}
    if found.router is not None:
        _save(pair, found, summary)
    write_text(folder / "router.html", draw_page(pair.file.name, summary))
    if as_json:
        print(json.dumps({**summary, "page": str(folder / "router.html")}, ensure_ascii=False, indent=2))
    else:
        _show(open_console(), folder, summary)
    if found.router is None:
        raise typer.Exit(1)


def _label(
    pair: "Pair", votes: Path | None, limit: int | None, seed: int
) -> "tuple[Evidence, Recognizer | None]":
    """Return labelled requests, and who tells their kinds where the labels do not."""
    from camelid.cli.contest import show_progress
    from camelid.compare.machine import hash_model
    from camelid.compare.store import ScoreFile, identify
    from camelid.compare.tasks import find_tasks
    from camelid.files import lock_folder
    from camelid.route.evidence import collect, weigh_votes
    from camelid.route.features import Kind, Recognizer
    from camelid.route.trial import ITEMS, SHEET
    from camelid.route.votes import read_votes

    alpaca = pair["alpaca"]
    tasks = list(find_tasks(pair.folder).values())
    if votes is None:
        with show_progress() as bars:
            began: set[str] = set()

            def advance(what: str, _: int, total: int) -> None:
                if what not in began:
                    began.add(what)
                    bars.begin(what, total)
                bars.advance()

            models = {role: pair[role].model for role in ("alpaca", "llama")}
            tokenizers = {role: pair[role].tokenizer for role in models}
            hashes = {role: hash_model(pair[role].folder) for role in models}

            def keep(role: str, task: "Task") -> ScoreFile:
                return ScoreFile(pair.folder / SHEET / ITEMS, role, identify(hashes[role], {}), task)

            with lock_folder(pair.folder / SHEET):
                found = collect(
                    models, tokenizers, tasks, limit=limit, seed=seed, keep=keep, progress=advance
                )
            return found, None
    read = read_votes(votes)
    items = [item for task in tasks for item in task.pool if item.messages]
    known = None
    if items:
        kinds = [Kind(item.task or "conversation", item.lang) for item in items]
        known = Recognizer.learn([item.messages for item in items], kinds)

    def tell(messages: Any) -> Kind:
        return known.kinds[known.recognize(messages)] if known else Kind("conversation", "und")

    return weigh_votes(read, alpaca.model, alpaca.tokenizer, tell), known


def _weigh_deferral(
    pair: "Pair", found: "Calibration", target: "Target"
) -> "tuple[Calibration, Deferral | None]":
    """Return the calibration with deferral where it pays; only of a share, and on the native engine."""
    from dataclasses import replace

    from camelid.compare.tasks import find_tasks
    from camelid.generate.native_backend import NativeModel
    from camelid.route.doubt import weigh_deferral

    alpaca, llama = pair["alpaca"].model, pair["llama"].model
    natively = isinstance(alpaca, NativeModel) and isinstance(llama, NativeModel)
    natively = natively and bool(pair.file.tokenizer)  # else the Llama cannot go on from the Alpaca's tokens
    if target.share is None or found.router is None or not natively or not found.judged.items:
        return found, None
    assert isinstance(alpaca, NativeModel) and isinstance(llama, NativeModel)
    deferral = weigh_deferral(
        {"alpaca": alpaca, "llama": llama},
        pair["alpaca"].tokenizer,
        list(find_tasks(pair.folder).values()),
        found.judged,
        found.gains,
        target.share,
    )
    if deferral is None or not deferral.pays:
        return found, deferral
    router = found.router.at(deferral.threshold, deferral.doubt_below)
    return replace(found, router=router), deferral


def _save(pair: "Pair", found: "Calibration", summary: dict[str, Any]) -> None:
    from dataclasses import replace

    from camelid.route.folder import hash_pair, save_router

    assert found.router is not None
    kept = {key: value for key, value in summary.items() if key != "curves"}
    save_router(pair.folder, replace(found.router, models=hash_pair(pair.folder), evidence=kept))


def _show(console: "Console", folder: Path, summary: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    from camelid.route.picture import say_contest, say_ms

    console.print(f"Wished: {summary['target']}. {summary['answer']}", markup=False, soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(("who", "Llama answers", "mean quality", "mean time", "95 of 100 within")):
        table.add_column(column, justify="right" if place else "left")
    for label, key in (
        ("the router", "point"),
        ("always the Alpaca", "always_alpaca"),
        ("always the Llama", "always_llama"),
    ):
        point = summary[key]
        table.add_row(
            label,
            f"{point['share']:.1%}",
            f"{point['quality']:.3f}",
            say_ms(point["mean_s"]),
            say_ms(point["p95_s"]),
        )
    console.print(table)
    console.print(_curves(summary))
    console.print(say_contest(summary), markup=False, soft_wrap=True)
    if summary["deferral"]:
        console.print(summary["deferral"], markup=False, soft_wrap=True)
    if promise := summary["promise"]:
        from camelid.route.guarantee import ASSUMED, THEOREM

        console.print(
            f"Promised: a loss of at most {promise['max_loss']:g} with confidence {promise['confidence']:g}, "
            f"for requests like the held-out ones; tested on {promise['tested_on']} of them, by a "
            f"{promise['bound']} p-value.",
            markup=False,
            soft_wrap=True,
        )
        console.print(f"{THEOREM} {ASSUMED}", style="dim", markup=False, soft_wrap=True)
    page = folder / "router.html"
    end = f"The router is in {folder}. Try: camelid chat {folder} --model auto"
    end = end if summary["met"] else "No router was written."
    console.print(f"The curve: {page}. {end}", markup=False, soft_wrap=True)


def _curves(summary: dict[str, Any]) -> Any:
    """Return the deferral curves as a table: qualities by the Llama's share."""
    from rich import box
    from rich.table import Table

    table = Table(
        title="mean quality by the Llama's share", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("")
    shares = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    for share in shares:
        table.add_column(f"{share:.0%}", justify="right")
    table.add_column("area", justify="right")
    weak, strong = summary["always_alpaca"]["quality"], summary["always_llama"]["quality"]
    mixed = [[share, weak + share * (strong - weak)] for share in (0, 1)]
    for name, curve in {**summary["curves"], "random": mixed}.items():
        told = {round(share, 6): quality for share, quality in curve}
        cells = [told.get(share, weak + share * (strong - weak)) for share in shares]
        table.add_row(name, *(f"{cell:.3f}" for cell in cells), f"{summary['areas'][name]:.4f}")
    return table
