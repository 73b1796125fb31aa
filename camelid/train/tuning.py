"""A model that somebody has, tuned to their data: answers and texts, or preferences; whole or by an adapter.

The work is kept in OUT.work beside the result: the data as tokens, checkpoints, metrics. What comes out is a
model folder, or an adapter's, with tuning.json: what was done, and held-out figures before and after.
"""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from camelid.errors import CheckpointError, RecipeError
from camelid.files import hash_json, lock_folder, open_atomic, sweep, write_json
from camelid.model.adapter import LoraSettings, read_adapter
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.decoder import Decoder
from camelid.model.folder import read_config
from camelid.text.sources import fingerprint_source
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits
from camelid.train.dpo import Preferring, measure_preferences, measure_reference
from camelid.train.lora import attach, attach_adapter, merge, save_adapter
from camelid.train.material import Material
from camelid.train.precision import Plan
from camelid.train.preferences import PairBatches, Preference, TokenPairs, read_preferences
from camelid.train.progress import Progress
from camelid.train.settings import StageSettings
from camelid.train.study import (
    Budget,
    Lesson,
    held_out_reader,
    identify_model,
    made_by,
    open_sources,
    run_stage,
    stored_dtype,
    train_stage,
    width_lr,
)

STAGES = ("data", "tune", "save")
REPORT = "tuning.json"
FORMAT = 1  # raise it when a change of the code makes old work worthless

_MAX_BATCH_PAIRS, _STEPS_PER_EPOCH = 16, 20
# Learning rates at a width of 4,096: Touvron et al. 2023 (Llama 2), arXiv:2307.09288, section 3.1, and
# Rafailov et al. 2023, arXiv:2305.18290, appendix B; for adapters ten times that: Schulman et al. 2025, "LoRA
# Without Regret" (thinkingmachines.ai/blog/lora).
_LR, _PREFERENCE_LR, _LORA_FACTOR = 2e-5, 1e-6, 10.0


@dataclass(frozen=True)
class Tuning:
    """What is to be done.

    base: a model folder; tokenizer and chat template are its own. data: files, folders, or one recipe.
    lora: changes the model by an adapter only; keep_adapter: writes that instead of a whole model.
    preferences: learns which of two answers is better (see `dpo` for beta); else answers and texts.
    context: positions of a row, at most the model's own.
    held_out: the share of requests that nothing is learnt from.
    """

    base: Path
    data: tuple[Path, ...]
    out: Path
    budget: Budget
    lora: LoraSettings | None = None
    keep_adapter: bool = False
    preferences: bool = False
    beta: float = 0.1
    context: int = 512
    held_out: float = 0.1
    lang: str = ""
    skip_bad: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.keep_adapter and self.lora is None:
            raise RecipeError("Only an adapter can be kept as one; found none. Add lora settings.")
        if self.preferences:
            Preferring(self.beta)
        if self.out.resolve() == self.base.resolve():
            raise RecipeError(f"The tuned model cannot take the place of its base {self.base}. Choose --out.")

    @property
    def work(self) -> Path:
        """Return the folder of the work."""
        return self.out.with_name(f"{self.out.name}.work")


def tune(tuning: Tuning, *, progress: Progress) -> dict[str, Any]:
    """Do it, and return what tuning.json says; what is done already is skipped.

    Raises CamelidError when it cannot be done; KeyboardInterrupt after a checkpoint.
    """
    tuner = _Tuner(tuning, progress)
    with lock_folder(tuning.work):
        sweep(tuning.work)
        return tuner.run()


def merge_adapter(adapter: Path, out: Path, *, base: Path | None = None) -> None:
    """Write the model that an adapter makes of its base, in the base's number format.

    base: where the base is, if not where the adapter says.

    Raises CheckpointError when one of the two is missing or they do not belong together, or when there is
    something in that place.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise CheckpointError(f"{out} is there already. Choose another --out, or delete it.")
    found = read_adapter(adapter)
    place = base or Path(found.base)
    decoder = load_decoder(place)
    attach_adapter(decoder, found)
    merge(decoder)
    save_model_folder(out, decoder, Tokenizer.load(place), dtype=getattr(torch, stored_dtype(place)))


class _Tuner:
    def __init__(self, tuning: Tuning, progress: Progress) -> None:
        self._do, self._progress = tuning, progress
        self._config = read_config(tuning.base)
        self._tokenizer = Tokenizer.load(tuning.base)
        check_tokenizer_fits(self._tokenizer, self._config.vocab_size)
        self._context = min(tuning.context, self._config.max_position_embeddings)
        sources, root = open_sources(
            tuning.data, held_out=tuning.held_out, lang=tuning.lang, skip_bad=tuning.skip_bad
        )
        self._lesson = Lesson(tuning.work, sources, self._context, root, tuning.seed)
        self._material = Material(self._lesson, tuning.work / "data", progress)
        self._identity = self._identify()

    def run(self) -> dict[str, Any]:
        self._refuse_replacing()
        work = self._do.work
        if not self._do.out.exists() and (work / "save" / "done.json").is_file():
            for stage in ("tune", "save"):  # somebody deleted the result
                shutil.rmtree(work / stage)
        run_stage(work / "data", self._identity, self._prepare_data, self._progress)
        found = run_stage(work / "tune", self._identity, self._tune, self._progress)
        report = self._report(found)
        run_stage(work / "save", self._identity, lambda _: self._save(report), self._progress)
        return report

    def _identify(self) -> str:
        """Return the hash of everything that the result depends on."""
        settings = dataclasses.asdict(self._do)
        settings["budget"].pop("checkpoint_minutes")
        for name in ("base", "data", "out", "skip_bad"):
            settings.pop(name)
        sources = [fingerprint_source(source, self._lesson.data_root) for source in self._lesson.source]
        return hash_json([FORMAT, settings, sources, identify_model(self._do.base)])

    def _refuse_replacing(self) -> None:
        """Raise CheckpointError when the result's place is taken by something that is not ours."""
        out = self._do.out
        taken = out.is_file() or (out.is_dir() and any(out.iterdir()))
        saved = (self._do.work / "tune" / "done.json").is_file() and not self._made.exists()
        if taken and not saved:
            raise CheckpointError(f"{out} is there already. Choose another --out, or delete it.")

    @property
    def _made(self) -> Path:
        """Return where the result is until it is saved."""
        return self._do.work / "tune" / "made"

    def _prepare_data(self, folder: Path) -> dict[str, Any]:
        if self._do.preferences:
            return {}  # pairs are read when they are needed: there are few
        return {"tokens": self._material.write_shards(self._tokenizer)}

    def _tune(self, folder: Path) -> dict[str, Any]:
        decoder = load_decoder(self._do.base)
        if self._do.lora is not None:
            attach(decoder, self._do.lora, seed=self._do.seed)
        found = self._prefer(decoder, folder) if self._do.preferences else self._learn(decoder, folder)
        decoder.to("cpu")
        if self._do.lora is not None and self._do.keep_adapter:
            save_adapter(self._made, decoder, self._do.lora, base=str(self._do.base.resolve()))
        else:
            merge(decoder)
            dtype = getattr(torch, stored_dtype(self._do.base))
            save_model_folder(self._made, decoder, self._tokenizer, dtype=dtype)
        return found

    def _save(self, report: dict[str, Any]) -> dict[str, Any]:
        if self._made.exists():
            write_json(self._made / REPORT, report)
            self._made.rename(self._do.out)
        return {}

    def _learn(self, decoder: Decoder, folder: Path) -> dict[str, Any]:
        """Learn answers and texts."""
        material, context = self._material, self._context
        smallest = StageSettings(steps=1, batch_tokens=context)
        parts = material.batches(self._tokenizer, smallest, "finetune", 0, endless=True).report()
        for part in parts:
            if part["left_out"]:
                self._progress.note(
                    f"{part['name']}: {part['left_out']:,} of {part['records']:,} conversations are longer "
                    f"than the context of {context} and are left out"
                )
        epoch_tokens = sum(part["epoch_tokens"] for part in parts)
        settings = self._do.budget.settings(epoch_tokens, context, self._lr(_LR))
        batches = material.batches(self._tokenizer, settings, "finetune", self._do.seed, endless=True)
        evaluate = held_out_reader(material, self._tokenizer, context, self._progress)
        return train_stage(
            decoder, batches, settings, folder, self._progress,
            evaluate=evaluate, measure=lambda plan: evaluate(decoder, plan),
        )  # fmt: skip

    def _prefer(self, decoder: Decoder, folder: Path) -> dict[str, Any]:
        """Learn preferences."""
        found = read_preferences(self._lesson.source, data_root=self._lesson.data_root)
        train, held_out = self._tokenise(found.train), self._tokenise(found.held_out)
        self._progress.note(
            f"{len(train):,} pairs to learn from, {len(held_out):,} held out; left out: {found.ties:,} ties, "
            f"{found.same + found.twice:,} alike, {found.bad:,} not readable, "
            f"{train.num_left_out + held_out.num_left_out:,} longer than {self._context} positions"
        )
        if not len(train):
            raise RecipeError(f"No pair fits a context of {self._context} positions. Raise --context.")
        context = max(train.context, held_out.context)
        unit = 2 * context
        budget = self._do.budget
        limited = budget if budget.batch_tokens else dataclasses.replace(
            budget, batch_tokens=unit * max(1, min(_MAX_BATCH_PAIRS, len(train) // _STEPS_PER_EPOCH))
        )  # fmt: skip
        settings = limited.settings(len(train) * unit, unit, self._lr(_PREFERENCE_LR))
        batches = PairBatches(
            train, batch_pairs=settings.batch_tokens // unit, context=context, seed=self._do.seed
        )

        def prepare(plan: Plan) -> None:
            self._know_reference(decoder, (train, held_out), plan, context)

        def measure(plan: Plan) -> dict[str, float]:
            now = measure_preferences(decoder, held_out, plan, context=context, beta=self._do.beta)
            return dataclasses.asdict(now)

        def evaluate(_: Decoder, plan: Plan) -> dict[str, float]:
            now = measure(plan)
            self._progress.note(
                f"held-out pairs: accuracy {now['accuracy']:.3f}, margin {now['margin']:+.3f}"
            )
            return {}

        return train_stage(
            decoder, batches, settings, folder, self._progress,
            evaluate=evaluate, prepare=prepare, measure=measure, objective=Preferring(self._do.beta),
        )  # fmt: skip

    def _tokenise(self, pairs: list[Preference]) -> TokenPairs:
        return TokenPairs(self._tokenizer, pairs, max_context=self._context)

    def _know_reference(
        self, decoder: Decoder, sides: tuple[TokenPairs, ...], plan: Plan, context: int
    ) -> None:
        """Give the pairs what the base says of them: computed once, while the decoder still is the base."""
        path = self._do.work / "tune" / "reference.npz"
        if not path.is_file():
            said = [measure_reference(decoder, pairs, plan, context=context) for pairs in sides]
            with open_atomic(path, "wb") as file:
                np.savez(file, *said)
        with np.load(path) as kept:
            for number, pairs in enumerate(sides):
                pairs.reference = kept[f"arr_{number}"]

    def _lr(self, scale: float) -> float:
        return width_lr(self._config, scale * (_LORA_FACTOR if self._do.lora is not None else 1.0))

    def _report(self, found: dict[str, Any]) -> dict[str, Any]:
        do = self._do
        kept = {key: value for key, value in found.items() if key != "identity"}
        return {
            "base": str(do.base.resolve()),
            "data": [str(path) for path in do.data],
            "learnt": "preferences" if do.preferences else "text",
            "measured": "preference pairs" if do.preferences else "bits per byte",
            "lora": dataclasses.asdict(do.lora) if do.lora else None,
            "adapter": do.keep_adapter,
            "beta": do.beta if do.preferences else None,
            "context": self._context,
            "seed": do.seed,
            **kept,
            "made_by": made_by(),
            "torch": torch.__version__,
        }
