"""An Alpaca for a Llama that somebody has: born of some of its layers, distilled from it, and fine-tuned.

What comes out is a pair folder: the Llama's files copied, the Alpaca, pair.json, and the held-out records by
which the two are compared and the router is calibrated. The work is kept in its stages/, as with a recipe's.
"""

import dataclasses
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from camelid.errors import CheckpointError
from camelid.files import hash_json, lock_folder, sweep, write_folder
from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.decoder import Decoder
from camelid.model.folder import read_config
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.text.packing import Mode
from camelid.text.sources import fingerprint_source
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits
from camelid.train.birth import bear, choose_layers
from camelid.train.material import Material
from camelid.train.precision import Plan
from camelid.train.progress import Progress
from camelid.train.settings import StageSettings
from camelid.train.stepper import Teacher
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

STAGES = ("data", "distill", "finetune", "pair")
FORMAT = 1  # raise it when a change of the code makes old work worthless

# Rates at a width of 4,096 that at 192 are those of recipes/quick.toml, which is where they were found good.
_LR: dict[str, float] = {"distill": 1.9e-4, "finetune": 1.4e-4}
_MODES: dict[str, Mode] = {"distill": "pretrain", "finetune": "finetune"}
_COPIED = (".json", ".safetensors", ".model", ".jinja", ".txt")  # of the Llama's folder


@dataclass(frozen=True)
class Making:
    """What is to be done.

    llama: a model folder; tokenizer and chat template are its own. layers: how many of its layers are kept.
    data: files, folders, or one recipe, whose sources are taken. out: the pair folder.
    distill, finetune: how long each of the two stages learns.
    alpha, temperature: see `losses.distillation`; alpha 0 learns from the text alone.
    context: positions of a row, at most the Llama's own.
    """

    llama: Path
    data: tuple[Path, ...]
    layers: int
    out: Path
    distill: Budget
    finetune: Budget
    alpha: float = 0.5
    temperature: float = 1.0
    context: int = 512
    held_out: float = 0.05
    lang: str = ""
    skip_bad: bool = False
    seed: int = 0


def make_alpaca(making: Making, *, progress: Progress) -> PairFile:
    """Do it, and return what pair.json says; what is done already is skipped.

    Raises CamelidError when it cannot be done; KeyboardInterrupt after a checkpoint.
    """
    config = read_config(making.llama)
    choose_layers(config.num_hidden_layers, making.layers)
    out = making.out
    if out.is_dir() and not (out / "stages" / "data").is_dir() and any(out.iterdir()):
        raise CheckpointError(f"{out} is there already. Choose another --out, or delete it.")
    maker = _Maker(making, progress)
    with lock_folder(out):
        sweep(out)
        (out / "stages").mkdir(exist_ok=True)
        sweep(out / "stages")
        return maker.run()


class _Maker:
    def __init__(self, making: Making, progress: Progress) -> None:
        self._do, self._progress = making, progress
        self._config = read_config(making.llama)
        self._tokenizer = Tokenizer.load(making.llama)
        check_tokenizer_fits(self._tokenizer, self._config.vocab_size)
        self._context = min(making.context, self._config.max_position_embeddings)
        sources, root = open_sources(
            making.data, held_out=making.held_out, lang=making.lang, skip_bad=making.skip_bad
        )
        self._lesson = Lesson(making.out, sources, self._context, root, making.seed)
        self._material = Material(self._lesson, self._folder("data"), progress)

    def run(self) -> PairFile:
        first = self._identify()
        run_stage(self._folder("data"), first, self._prepare_data, self._progress)
        found, identity = {}, first
        for stage, budget in (("distill", self._do.distill), ("finetune", self._do.finetune)):
            settings = dataclasses.asdict(budget)
            settings.pop("checkpoint_minutes")
            identity = hash_json([identity, stage, settings])
            found[stage] = run_stage(
                self._folder(stage), identity, self._train, self._progress
            )  # the folder's name says which
        pair_file = self._describe(found)
        run_stage(self._folder("pair"), identity, lambda _: self._save(pair_file), self._progress)
        return pair_file

    def _folder(self, stage: str) -> Path:
        return self._do.out / "stages" / stage

    def _identify(self) -> str:
        do = self._do
        sources = [fingerprint_source(source, self._lesson.data_root) for source in self._lesson.source]
        numbers = [do.layers, do.alpha, do.temperature, self._context, do.seed]
        return hash_json([FORMAT, numbers, sources, identify_model(do.llama)])

    def _prepare_data(self, folder: Path) -> dict[str, Any]:
        return {"tokens": self._material.write_shards(self._tokenizer)}

    def _train(self, folder: Path) -> dict[str, Any]:
        stage = folder.name
        evaluate = held_out_reader(self._material, self._tokenizer, self._context, self._progress)
        teacher = load_decoder(self._do.llama) if stage == "distill" else None
        if teacher is not None:
            decoder = bear(teacher, self._do.layers)
        else:
            decoder = load_decoder(self._folder("distill") / "model")
        settings = self._settings(stage)
        seed = 10 * self._do.seed + list(_MODES).index(stage)
        batches = self._material.batches(self._tokenizer, settings, _MODES[stage], seed, endless=True)
        learns = teacher is not None and self._do.alpha > 0
        llama: dict[str, float] = {}

        def prepare(plan: Plan) -> None:
            if teacher is not None:
                llama.update(evaluate(teacher, plan))

        found = train_stage(
            decoder, batches, settings, folder, self._progress,
            evaluate=evaluate, prepare=prepare, measure=lambda plan: evaluate(decoder, plan),
            teacher=Teacher(teacher, self._do.alpha, self._do.temperature) if teacher and learns else None,
            or_before=teacher is None,  # distilled is enough where the data is little
        )  # fmt: skip
        save_model_folder(folder / "model", decoder.to("cpu"), self._tokenizer)
        return {**found, **({"llama": llama} if teacher is not None else {})}

    def _settings(self, stage: str) -> StageSettings:
        smallest = StageSettings(steps=1, batch_tokens=self._context)
        parts = self._material.batches(self._tokenizer, smallest, _MODES[stage], 0, endless=True).report()
        budget = self._do.distill if stage == "distill" else self._do.finetune
        return budget.settings(
            sum(part["epoch_tokens"] for part in parts),
            self._context,
            width_lr(self._config, _LR[stage]),
            optimizer="muon",
            weight_decay=0.1,
            alpha=self._do.alpha,
            temperature=self._do.temperature,
        )

    def _save(self, pair_file: PairFile) -> dict[str, Any]:
        write_folder(self._do.out / "llama", lambda fresh: _copy_model(self._do.llama, fresh))
        decoder: Decoder = load_decoder(self._folder("finetune") / "model")
        dtype = getattr(torch, stored_dtype(self._do.llama))
        save_model_folder(self._do.out / "alpaca", decoder, self._tokenizer, dtype=dtype)
        write_pair_file(self._do.out, pair_file)
        return {}

    def _describe(self, found: dict[str, dict[str, Any]]) -> PairFile:
        do, config = self._do, self._config
        child = dataclasses.replace(config, num_hidden_layers=do.layers)
        llama = RoleFile(
            folder="llama",
            parameters=config.num_parameters,
            layers=config.num_hidden_layers,
            focus="as it was brought",
            unsupervised_tokens=0,
            supervised_tokens=0,
            bits_per_byte=found["distill"]["llama"],
            training_s=0.0,
        )
        alpaca = RoleFile(
            folder="alpaca",
            parameters=child.num_parameters,
            layers=do.layers,
            focus="speed: distilled, then fine-tuned",
            unsupervised_tokens=found["distill"]["targets"],
            supervised_tokens=found["finetune"]["targets"],
            bits_per_byte=found["finetune"]["after"],
            training_s=round(sum(each["seconds"] for each in found.values()), 1),
        )
        provenance = {
            "llama": str(do.llama.resolve()),
            "data": [str(path) for path in do.data],
            "kept_layers": choose_layers(config.num_hidden_layers, do.layers),
            "stages": {
                name: {key: value for key, value in each.items() if key != "identity"}
                for name, each in found.items()
            },
            "alpha": do.alpha,
            "temperature": do.temperature,
            "context": self._context,
            "seed": do.seed,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
            "torch": torch.__version__,
        }
        return PairFile(
            name=do.out.resolve().name,
            roles={"llama": llama, "alpaca": alpaca},
            tokenizer=self._tokenizer.fingerprint,
            made_by=made_by(),
            provenance=provenance,
        )


def _copy_model(folder: Path, fresh: Path) -> None:
    """Copy a model's files; links would let a change of the original pass into the pair unseen."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _COPIED and not path.name.startswith("."):
            shutil.copyfile(path, fresh / path.name)
