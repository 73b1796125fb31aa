"""What tuning a model and making an Alpaca for one share: the data, the stages, and the one loop around them.

A stage is done once: its folder holds done.json with the hash of what it was made from, and a stage that was
cut off goes on from its last checkpoint. Other inputs need another folder, so that no hours are lost.
"""

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import Any

from camelid.errors import DataError, RecipeError
from camelid.files import hash_json, write_json
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder
from camelid.model.folder import CONFIG, read_dtype
from camelid.model.tensors import weight_files
from camelid.text.sources import Source, file_kind
from camelid.train.best import Best
from camelid.train.evaluate import measure_bits_per_byte
from camelid.train.loop import Evaluate, Loop, Supply
from camelid.train.material import Material
from camelid.train.precision import Plan, measure_plan
from camelid.train.progress import Progress
from camelid.train.settings import StageSettings
from camelid.train.stepper import Objective, Teacher
from camelid.train.upbringing import read_upbringing

CUT_CHARS = 2000  # of a .txt: else it would be one record, and on one side of the split
_STEPS_PER_EPOCH = 40  # at least so many where batches can be so small
_MAX_BATCH_TOKENS = 8192
_EVALUATIONS = 4
_WARMUP_STEPS = 10  # of a budget in minutes, whose steps are not known yet


@dataclass(frozen=True)
class Lesson:
    """What is learnt from: a `material.Syllabus`."""

    folder: Path
    source: tuple[Source, ...]
    context: int
    data_root: str = "."
    seed: int = 0


@dataclass(frozen=True)
class Budget:
    """How long a stage learns, one of the three, and how.

    epochs: times that every record is seen. lr: the learning rate; 0 follows the model's width.
    batch_tokens: positions per optimizer step; 0 follows the amount of data, at most 8,192.
    """

    epochs: float = 0.0
    steps: int = 0
    minutes: float = 0.0
    lr: float = 0.0
    batch_tokens: int = 0
    checkpoint_minutes: float = 3.0

    def __post_init__(self) -> None:
        given = [name for name in ("epochs", "steps", "minutes") if getattr(self, name)]
        if len(given) != 1 or getattr(self, given[0]) < 0:
            found = " and ".join(f"{name}={getattr(self, name)}" for name in given) or "none of them"
            raise RecipeError(f"A budget is one of epochs, steps and minutes, above 0; found {found}.")
        for name in ("lr", "batch_tokens"):
            if getattr(self, name) < 0:
                raise RecipeError(f"{name} must be above 0; found {getattr(self, name)}.")

    def settings(self, epoch_tokens: int, unit_tokens: int, lr: float, **changes: Any) -> StageSettings:
        """Return a stage's settings for so much data.

        unit_tokens: the smallest batch. lr: the learning rate where none is given.

        Raises RecipeError when batch_tokens is less than that.
        """
        if 0 < self.batch_tokens < unit_tokens:
            raise RecipeError(
                f"batch_tokens must be at least {unit_tokens} with this data and context; "
                f"found {self.batch_tokens}. Raise it, or lower the context."
            )
        share = self.batch_tokens or min(_MAX_BATCH_TOKENS, epoch_tokens / _STEPS_PER_EPOCH)
        batch_tokens = max(1, int(share / unit_tokens)) * unit_tokens
        steps = self.steps or math.ceil(self.epochs * epoch_tokens / batch_tokens)
        values: dict[str, Any] = {
            "steps": steps,
            "minutes": self.minutes,
            "batch_tokens": batch_tokens,
            "optimizer": "adamw",
            "weight_decay": 0.0,
            "lr": self.lr or lr,
            "warmup_steps": min(40, steps // 10) if steps else _WARMUP_STEPS,
            "evaluations": _EVALUATIONS,
            "checkpoint_minutes": self.checkpoint_minutes,
        }
        return StageSettings(**{**values, **changes})


def open_sources(
    data: Sequence[Path], *, held_out: float = 0.1, lang: str = "", skip_bad: bool = False
) -> tuple[tuple[Source, ...], str]:
    """Return the sources that files, folders or one recipe stand for, and where their paths begin.

    held_out, lang, skip_bad: as for `Source`; a recipe's sources say the first two themselves.

    Raises RecipeError when a recipe stands beside other data, or is told a language.
    """
    recipes = [path for path in data if path.suffix == ".toml"]
    if not recipes:
        return tuple(_name_sources(data, held_out=held_out, lang=lang, skip_bad=skip_bad)), "."
    if len(data) > 1 or lang:
        raise RecipeError(f"The sources of the recipe {recipes[0]} stand alone, each with its own language.")
    upbringing = read_upbringing(recipes[0])
    return upbringing.source, upbringing.data_root


def _name_sources(data: Sequence[Path], *, held_out: float, lang: str, skip_bad: bool) -> list[Source]:
    if not data:
        raise DataError("There is no data to learn from. Name a file with --data.")
    stems = [path.name.split(".")[0] or "data" for path in data]
    return [
        Source(
            name=stem if stems.count(stem) == 1 else f"{stem}-{number}",
            path=str(path),
            cut_chars=CUT_CHARS if file_kind(path) == ".txt" else 0,
            held_out=held_out,
            lang=lang,
            skip_bad=skip_bad,
        )
        for number, (path, stem) in enumerate(zip(data, stems, strict=True), 1)
    ]


def identify_model(folder: Path) -> str:
    """Return 16 hexadecimal digits that change with a model folder's config, or its weights' sizes or times.

    Raises CheckpointError when it holds no weights.
    """
    stats = [path.stat() for path in weight_files(folder)]
    config = (folder / CONFIG).read_text(encoding="utf-8")
    return hash_json([config, [[stat.st_size, stat.st_mtime_ns] for stat in stats]])


def stored_dtype(folder: Path) -> str:
    """Return what a model that comes from a folder is stored in: the same, or float32."""
    found = read_dtype(folder)
    return found if found in ("bfloat16", "float16", "float32") else "float32"


def run_stage(
    folder: Path, identity: str, work: Callable[[Path], dict[str, Any]], progress: Progress
) -> dict[str, Any]:
    """Do a stage, or skip it when it is done; return what it found.

    Raises RecipeError when the folder holds work of other inputs.
    """
    done = read_json(folder / "done.json")
    if done.get("identity") == identity:
        progress.skip(folder.name)
        return done
    if read_json(folder / "inputs.json").get("identity", identity) != identity:
        raise RecipeError(
            f"{folder} holds work with other settings or other data. Choose another --out, "
            "or delete that folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "inputs.json", {"identity": identity})
    progress.begin(folder.name)
    began_s = time.perf_counter()
    found = {"identity": identity, **work(folder)}
    write_json(folder / "done.json", found)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # not earlier: a kill would cost the training
    progress.end(folder.name, time.perf_counter() - began_s)
    return found


def train_stage(
    decoder: Decoder,
    batches: Supply,
    settings: StageSettings,
    folder: Path,
    progress: Progress,
    *,
    evaluate: Evaluate,
    prepare: Callable[[Plan], None] = lambda plan: None,
    measure: Callable[[Plan], dict[str, float]],
    teacher: Teacher | None = None,
    objective: Objective | None = None,
    or_before: bool = False,
) -> dict[str, Any]:
    """Train a decoder in the one loop; return figures, held-out ones before and after among them.

    The decoder ends with the weights that read held-out text best of all that were measured.

    prepare: called once the plan is known, before anything is learnt from the batches.
    measure: gives the figures of before and after.
    or_before: those from before it learnt may be the best, too.
    """

    def make_plan() -> Plan:
        plan = _measure_plan(decoder.config, batches, settings, progress)
        return plan if objective is None else _keep_pairs(plan)

    best = Best(folder / "checkpoints" / "best", evaluate)
    loop = Loop(
        decoder, batches, settings, stage=folder.name, folder=folder, make_plan=make_plan,
        evaluate=best, progress=progress, teacher=teacher, objective=objective,
    )  # fmt: skip
    prepare(loop.plan)
    before = read_json(folder / "before.json")  # a resumed run has learnt already
    if not before:
        before = {"figures": measure(loop.plan)}
        write_json(folder / "before.json", before)
        if or_before:
            best.offer(decoder, before["figures"])
    state = loop.run()
    after = measure(loop.plan)
    if kept := objective is None and best.restore(decoder, after):
        after = _say_kept(measure(loop.plan), after, before["figures"], progress)
    return {
        "before": before["figures"],
        "after": after,
        "kept": "best" if kept else "last",
        "steps": state.step,
        "seconds": round(state.seconds, 1),
        "tokens": state.tokens,
        "targets": state.targets,
        "loss": state.loss,
        "lr": settings.lr,
        "batch_tokens": settings.batch_tokens,
        "dtype": loop.plan.dtype,
    }


def _say_kept(
    kept: dict[str, float], last: dict[str, float], before: dict[str, float], progress: Progress
) -> dict[str, float]:
    """Say which weights are kept, and return their figures."""
    one, other = fmean(kept.values()), fmean(last.values())
    which = "from before it" if kept == before else "that read held-out text best"
    progress.note(
        f"kept are the weights {which}, with {one:.3f} bits per byte; the last ones have {other:.3f}"
    )
    return kept


def held_out_reader(material: Material, tokenizer: Any, context: int, progress: Progress) -> Evaluate:
    """Return what measures bits per byte of the material's held-out side; nothing when there is none."""
    shards = material.held_out(tokenizer)
    if not shards:
        progress.note("no record is held out, so nothing is measured; a larger --held-out would")

    def evaluate(decoder: Decoder, plan: Plan) -> dict[str, float]:
        return measure_bits_per_byte(decoder, shards, plan, context=context) if shards else {}

    return evaluate


def width_lr(config: DecoderConfig, scale: float) -> float:
    """Return a learning rate for a model's width: `scale` at 4,096, and in inverse proportion to it.

    Source: Yang et al. 2022 (muP), arXiv:2203.03466, for the proportion.
    """
    return scale * 4096 / config.hidden_size


def made_by() -> str:
    """Return which camelid this is."""
    try:
        return f"camelid {version('camelid')}"
    except PackageNotFoundError:
        return "camelid from a checkout"


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object of ours, {} where there is none or half of one."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep_pairs(plan: Plan) -> Plan:
    """Return the plan with an even number of rows at a time: the two answers of a pair stay together."""
    return dataclasses.replace(plan, micro_rows=max(2, plan.micro_rows // 2 * 2))


def _measure_plan(
    config: DecoderConfig, batches: Supply, settings: StageSettings, progress: Progress
) -> Plan:
    plan = measure_plan(
        config,
        batch_rows=batches.batch_size,
        context=batches.context,
        tokens=settings.steps * batches.batch_size * batches.context,
        seconds=60 * settings.minutes,
        compile=settings.compile,
    )
    how = "compiled" if plan.compile else "not compiled" + (f" ({plan.reason})" if plan.reason else "")
    progress.note(f"{config.num_parameters:,} parameters, {plan.dtype} on {plan.device}, {how}")
    return plan
