"""From a recipe to a pair: the stages in their order, each one skipped when its inputs have not changed.

A stage's folder holds done.json with the hash of its inputs, the stages before it included. A folder of other
inputs is put aside as `<stage>.old`, so that hours of training are not lost to an edited recipe.
"""

import dataclasses
import json
import platform
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from camelid.errors import RecipeError, suggest
from camelid.files import hash_json, lock_folder, sweep, write_json
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.text.packing import Mode
from camelid.text.tokenizer import Tokenizer, train_tokenizer
from camelid.train.birth import bear
from camelid.train.evaluate import measure_bits_per_byte
from camelid.train.loop import Loop
from camelid.train.material import Material
from camelid.train.precision import Plan, measure_plan, why_not_compile
from camelid.train.progress import Progress
from camelid.train.stepper import Teacher
from camelid.train.upbringing import Upbringing

STAGES = (
    "tokenizer",
    "corpus",
    "llama-pretrain",
    "llama-finetune",
    "alpaca-distill",
    "alpaca-finetune",
    "pair",
)
FORMAT = 1  # raise it when a change of the code makes old stages worthless

_LONG_TOKENS = 1_000_000  # of a stage that will be compiled on most machines

_MODES: dict[str, Mode] = {
    "llama-pretrain": "pretrain",
    "llama-finetune": "finetune",
    "alpaca-distill": "pretrain",
    "alpaca-finetune": "finetune",
}
_FOCUS = {
    "llama": "accuracy: varied text, then named tasks",
    "alpaca": "speed: distilled, then conversations",
}


def raise_pair(upbringing: Upbringing, *, progress: Progress, until: str = "") -> Path:
    """Run the stages of a recipe and return the pair folder.

    until: the last stage to run, one of STAGES; "" runs all.

    Raises CamelidError when the recipe cannot be followed; KeyboardInterrupt after a checkpoint.
    """
    last = until or STAGES[-1]
    if last not in STAGES:
        raise RecipeError(f"There is no stage {last!r}.{suggest(last, STAGES)}")
    folder = upbringing.folder
    with lock_folder(folder):
        sweep(folder)
        (folder / "stages").mkdir(exist_ok=True)
        sweep(folder / "stages")
        nursery = Nursery(upbringing, progress)
        nursery.wake_compiler()
        for stage in STAGES[: STAGES.index(last) + 1]:
            nursery.run(stage)
    return folder


class Nursery:
    """One recipe being followed."""

    def __init__(self, upbringing: Upbringing, progress: Progress) -> None:
        """Prepare; call `run` stage by stage."""
        self._up, self._progress = upbringing, progress
        self._folder = upbringing.folder
        self._material = Material(upbringing, self._stage_folder("corpus"), progress)
        self._identities = self._identify()

    def wake_compiler(self) -> None:
        """Let the compiler build its headers while text is read, if there is text and much to train."""
        long = any(
            settings.compile != "no" and (settings.minutes >= 1 or settings.tokens >= _LONG_TOKENS)
            for settings in self._up.stages().values()
        )
        if long and not torch.cuda.is_available() and not self._done("corpus"):
            threading.Thread(target=why_not_compile, args=("cpu",), daemon=True).start()

    def run(self, stage: str) -> None:
        """Run a stage, or skip it when it is done already."""
        folder = self._stage_folder(stage)
        if self._done(stage):
            self._progress.skip(stage)
            return
        self._put_aside(stage)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "inputs.json", {"identity": self._identities[stage]})
        self._progress.begin(stage)
        begin = time.perf_counter()
        outcome = self._work(stage)(folder)
        write_json(folder / "done.json", {"identity": self._identities[stage], **outcome})
        self._progress.end(stage, time.perf_counter() - begin)

    def _work(self, stage: str) -> Callable[[Path], dict[str, Any]]:
        special = {"tokenizer": self._make_tokenizer, "corpus": self._make_corpus, "pair": self._make_pair}
        return special.get(stage) or (lambda folder: self._train(stage, folder))

    def _identify(self) -> dict[str, str]:
        """Return, for each stage, the hash of everything that its result depends on."""
        up = self._up
        shape = [asdict(up.llama_config(max(8, up.tokenizer.vocab_size))), up.alpaca.depth, up.alpaca.born]
        mix = [up.llama.pretrain.mix, up.seed, FORMAT]
        found = {"tokenizer": hash_json([self._material.identity, asdict(up.tokenizer), mix])}
        found["corpus"] = hash_json([found["tokenizer"], self._material.identity])
        before = hash_json([found["corpus"], shape])
        for stage, settings in up.stages().items():
            before = found[stage] = hash_json([before, stage, _what_counts(asdict(settings))])
        found["pair"] = hash_json([before, up.name, up.dtype])
        return found

    def _stage_folder(self, stage: str) -> Path:
        return self._folder / "stages" / stage

    def _read_done(self, stage: str) -> dict[str, Any]:
        return _read(self._stage_folder(stage) / "done.json")

    def _done(self, stage: str) -> bool:
        same = self._read_done(stage).get("identity") == self._identities[stage]
        return same and (stage != "pair" or (self._folder / "pair.json").exists())

    def _put_aside(self, stage: str) -> None:
        """Move a folder that was made from other inputs out of the way; an unfinished one of ours is kept."""
        folder = self._stage_folder(stage)
        began = _read(folder / "inputs.json").get("identity")
        if began is None or began == self._identities[stage]:
            return
        if stage in _MODES:
            old = folder.with_name(f"{stage}.old")
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
            self._progress.note(f"{stage}: its inputs have changed; the earlier one is kept in {old}")
        else:
            (folder / "done.json").unlink(missing_ok=True)

    def _make_tokenizer(self, folder: Path) -> dict[str, Any]:
        settings = self._up.tokenizer
        if settings.folder:
            tokenizer = Tokenizer.load(settings.folder)
        else:
            mix = self._up.llama.pretrain.mix
            texts = self._material.sample_texts(settings.sample_bytes, mix)
            tokenizer = train_tokenizer(texts, vocab_size=settings.vocab_size)
        tokenizer.save(folder, model_max_length=self._up.context)
        self._progress.note(f"{tokenizer.vocab_size:,} tokens")
        return {"vocab_size": tokenizer.vocab_size, "fingerprint": tokenizer.fingerprint}

    def _make_corpus(self, folder: Path) -> dict[str, Any]:
        return {"tokens": self._material.write_shards(self._load_tokenizer())}

    def _load_tokenizer(self) -> Tokenizer:
        return Tokenizer.load(self._stage_folder("tokenizer"))

    def _train(self, stage: str, folder: Path) -> dict[str, Any]:
        settings = self._up.stages()[stage]
        tokenizer = self._load_tokenizer()
        decoder = self._parent(stage, tokenizer)
        number = list(_MODES).index(stage)
        batches = self._material.batches(tokenizer, settings, _MODES[stage], self._up.seed * 10 + number)
        for part in batches.report():
            if part["left_out"]:
                self._progress.note(
                    f"{part['name']}: {part['left_out']:,} of {part['records']:,} conversations are longer "
                    f"than the context of {self._up.context} and are left out"
                )
        held_out = self._material.held_out(tokenizer)

        def evaluate(decoder: Decoder, plan: Plan) -> dict[str, float]:
            return measure_bits_per_byte(decoder, held_out, plan, context=self._up.context)

        loop = Loop(
            decoder,
            batches,
            settings,
            stage=stage,
            folder=folder,
            make_plan=lambda: self._plan(decoder.config, stage),
            evaluate=evaluate,
            progress=self._progress,
            teacher=self._teacher(stage),
        )
        state = loop.run()
        save_model_folder(folder / "model", decoder.to("cpu"), tokenizer)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return {
            "steps": state.step,
            "seconds": round(state.seconds, 1),
            "tokens": state.tokens,
            "targets": state.targets,
            "loss": state.loss,
            "bits_per_byte": state.bits_per_byte,
            "plan": asdict(loop.plan),
        }

    def _plan(self, config: DecoderConfig, stage: str) -> Plan:
        settings = self._up.stages()[stage]
        rows = settings.batch_rows(self._up.context)
        plan = measure_plan(
            config,
            batch_rows=rows,
            context=self._up.context,
            tokens=settings.tokens or settings.steps * rows * self._up.context,
            seconds=60 * settings.minutes,
            compile=settings.compile,
        )
        how = "compiled" if plan.compile else "not compiled"
        how += f" ({plan.reason})" if plan.reason else ""
        self._progress.note(
            f"{config.num_parameters:,} parameters, {plan.dtype} on {plan.device}, {how}; "
            f"matrix products at {plan.rate_flops / 1e9:,.0f} GFLOP/s"
        )
        return plan

    def _parent(self, stage: str, tokenizer: Tokenizer) -> Decoder:
        """Return the decoder that a stage starts from."""
        if stage == "llama-pretrain" or (stage == "alpaca-distill" and self._up.alpaca.born == "alone"):
            decoder = Decoder(self._config(stage, tokenizer))
            decoder.initialise(torch.Generator().manual_seed(self._up.seed))
            return decoder
        before = {"llama-finetune": "llama-pretrain", "alpaca-finetune": "alpaca-distill"}
        parent = load_decoder(self._stage_folder(before.get(stage, "llama-finetune")) / "model")
        return bear(parent, self._up.alpaca.depth) if stage == "alpaca-distill" else parent

    def _config(self, stage: str, tokenizer: Tokenizer) -> DecoderConfig:
        config = self._up.llama_config(
            tokenizer.vocab_size,
            bos_token_id=tokenizer.bos_id,
            eos_token_id=tokenizer.end_id,
            pad_token_id=tokenizer.pad_id,
        )
        if stage.startswith("alpaca"):
            return dataclasses.replace(config, num_hidden_layers=self._up.alpaca.depth)
        return config

    def _teacher(self, stage: str) -> Teacher | None:
        settings = self._up.stages()[stage]
        if stage != "alpaca-distill" or not settings.alpha:
            return None
        decoder = load_decoder(self._stage_folder("llama-finetune") / "model")
        return Teacher(decoder, settings.alpha, settings.temperature)

    def _make_pair(self, folder: Path) -> dict[str, Any]:
        tokenizer = self._load_tokenizer()
        done = {stage: self._read_done(stage) for stage in _MODES}
        for role in ("llama", "alpaca"):
            computed = done[f"{role}-finetune"]["plan"]["dtype"]
            dtype = computed if self._up.dtype == "auto" else self._up.dtype
            decoder = load_decoder(self._stage_folder(f"{role}-finetune") / "model")
            save_model_folder(self._folder / role, decoder, tokenizer, dtype=getattr(torch, dtype))
        write_pair_file(self._folder, self._describe(tokenizer, done))
        return {}

    def _describe(self, tokenizer: Tokenizer, done: dict[str, dict[str, Any]]) -> PairFile:
        config = self._config("llama", tokenizer)
        return PairFile(
            name=self._up.name,
            roles={
                "llama": _role("llama", config, done, ("llama-pretrain",), ("llama-finetune",)),
                "alpaca": _role(
                    "alpaca",
                    self._config("alpaca", tokenizer),
                    done,
                    ("alpaca-distill",),
                    ("alpaca-finetune",),
                ),
            },
            tokenizer=tokenizer.fingerprint,
            made_by=f"camelid {_version()}",
            provenance={
                "recipe": asdict(self._up),
                "stages": done,
                "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
                "torch": torch.__version__,
                "python": platform.python_version(),
            },
        )


def _role(
    role: str,
    config: DecoderConfig,
    done: dict[str, dict[str, Any]],
    unsupervised: tuple[str, ...],
    supervised: tuple[str, ...],
) -> RoleFile:
    stages = [*unsupervised, *supervised]
    return RoleFile(
        folder=role,
        parameters=config.num_parameters,
        layers=config.num_hidden_layers,
        focus=_FOCUS[role],
        unsupervised_tokens=sum(done[stage]["targets"] for stage in unsupervised),
        supervised_tokens=sum(done[stage]["targets"] for stage in supervised),
        bits_per_byte=done[stages[-1]]["bits_per_byte"],
        training_s=sum(done[stage]["seconds"] for stage in stages),
    )


def _what_counts(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that change the result, not those of how often it is looked at or saved."""
    ignored = ("evaluations", "checkpoint_minutes", "compile")
    return {name: value for name, value in settings.items() if name not in ignored}


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _version() -> str:
    try:
        return version("camelid")
    except PackageNotFoundError:
        return "from a checkout"
