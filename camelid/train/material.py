"""What the stages learn from: the recipe's records, read once when first needed, and their token shards."""

import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from camelid.errors import DataError
from camelid.files import hash_json, write_json
from camelid.text.batches import Batches, MixPart
from camelid.text.corpus import Corpus, SourceReport, build_corpus, hash_content
from camelid.text.heldout import write_held_out
from camelid.text.packing import Mode
from camelid.text.records import Record
from camelid.text.shards import TokenShard, ensure_shard
from camelid.text.sources import Source, fingerprint_source
from camelid.text.tokenizer import Tokenizer
from camelid.train.progress import Progress
from camelid.train.settings import StageSettings

HELD_OUT_KEPT = 200  # records of each task and language that the pair folder keeps, see `choose_held_out`


class Syllabus(Protocol):
    """What there is to learn: a recipe, or a part of one."""

    @property
    def source(self) -> tuple[Source, ...]:
        """Return where records come from."""

    @property
    def data_root(self) -> str:
        """Return where the sources' paths begin."""

    @property
    def folder(self) -> Path:
        """Return where held-out records are kept as text."""

    @property
    def context(self) -> int:
        """Return how many positions a row has."""

    @property
    def seed(self) -> int:
        """Return what the built-in corpus and the order of records are drawn from."""


class Material:
    """The recipe's text."""

    def __init__(self, upbringing: Syllabus, folder: Path, progress: Progress) -> None:
        """Say what text there is; nothing is read yet. folder: where the shards go."""
        self._upbringing, self._folder, self._progress = upbringing, folder, progress
        self._sources = upbringing.source
        self.identity = hash_json(
            [upbringing.seed, *(fingerprint_source(source, upbringing.data_root) for source in self._sources)]
        )

    @cached_property
    def corpus(self) -> Corpus:
        """The records; reading them takes a while."""
        up = self._upbringing
        found = build_corpus(self._sources, data_root=up.data_root, seed=up.seed, notify=self._tell)
        empty = [name for name, records in found.train.items() if not records]
        for name in empty:
            self._progress.note(f"{name}: every record is held out")
        return found

    def sample_texts(self, sample_bytes: int, mix: Mapping[str, float]) -> Iterator[str]:
        """Yield training texts for a tokenizer: of each source its share of sample_bytes in the mix.

        mix: shares by source; empty takes every source with its own weight.
        """
        mix = mix or {source.name: source.weight for source in self._sources}
        total = sum(mix.values())
        for number, (name, weight) in enumerate(sorted(mix.items())):
            records = self.corpus.train[name]
            order = np.random.default_rng([self._upbringing.seed, number]).permutation(len(records))
            left = sample_bytes * weight / total
            for index in order:
                if left <= 0:
                    break
                for text in _texts(records[index]):
                    left -= len(text.encode("utf-8", "surrogatepass"))
                    yield text

    def write_shards(self, tokenizer: Tokenizer) -> dict[str, Any]:
        """Tokenise both sides of every source, keep some held-out records as text, and return what there is.

        Shards of other settings are deleted.
        """
        shards = [shard for side in ("train", "held_out") for shard in self._open(tokenizer, side).values()]
        kept = {shard.folder.name for shard in shards}
        for old in self._folder.iterdir():
            if old.is_dir() and old.name not in kept:
                shutil.rmtree(old, ignore_errors=True)
        self._keep_held_out()
        write_json(self._folder / "report.json", self.corpus.to_dict())
        return {shard.folder.name: shard.num_tokens for shard in shards}

    def batches(
        self, tokenizer: Tokenizer, stage: StageSettings, mode: Mode, seed: int, *, endless: bool = False
    ) -> Batches:
        """Return the batches of a stage.

        endless: whether records are seen as often as the budget asks, whatever the sources' max_epochs.
        """
        shards = self._open(tokenizer, "train")
        sources = {source.name: source for source in self._sources}
        mix = stage.mix or {name: sources[name].weight for name in shards}
        missing = [name for name, weight in mix.items() if weight and name not in shards]
        if missing:
            raise DataError(f"The source {missing[0]!r} has no record to train on: all are held out.")
        rows, context = stage.batch_rows(self._upbringing.context), self._upbringing.context
        return Batches(
            [
                MixPart(shards[name], weight, 0.0 if endless else sources[name].max_epochs)
                for name, weight in mix.items()
                if weight
            ],
            batch_size=rows,
            context=context,
            seed=seed,
            mode=mode,
            languages=stage.languages,
            budget_tokens=stage.tokens or stage.steps * rows * context,
        )

    def held_out(self, tokenizer: Tokenizer) -> list[TokenShard]:
        """Return the shards that nothing is trained on."""
        return list(self._open(tokenizer, "held_out").values())

    def _open(self, tokenizer: Tokenizer, side: str) -> dict[str, TokenShard]:
        """Return the shards of a side by source; sources without a record there are left out."""
        index = self._folder / f"{side}.json"
        identity = hash_json([self.identity, tokenizer.fingerprint])
        try:
            listed = json.loads(index.read_text(encoding="utf-8"))
            names = listed["sources"] if listed["identity"] == identity else None
        except (FileNotFoundError, ValueError, KeyError):
            names = None
        if names is None:
            names = [name for name, records in getattr(self.corpus, side).items() if records]
        found = {name: self._ensure_shard(tokenizer, side, name) for name in names}
        write_json(index, {"identity": identity, "sources": names})
        return found

    def _ensure_shard(self, tokenizer: Tokenizer, side: str, name: str) -> TokenShard:
        def records() -> list[Record]:
            return getattr(self.corpus, side)[name]  # type: ignore[no-any-return]

        return ensure_shard(self._folder, f"{name}.{side}", records, tokenizer, inputs=self.identity)

    def _keep_held_out(self) -> None:
        """Write the pair folder's held_out.jsonl."""
        write_held_out(self._upbringing.folder, choose_held_out(self.corpus.held_out, HELD_OUT_KEPT))

    def _tell(self, report: SourceReport) -> None:
        languages = ", ".join(f"{lang} {count:,}" for lang, count in sorted(report.languages.items()))
        line = f"{report.name}: {report.records - report.duplicates:,} records ({languages})"
        if report.form:
            line += f", read as {report.form}"
        if report.bad:
            line += f", {report.bad:,} could not be read"
        self._progress.note(line)


def choose_held_out(held_out: Mapping[str, Sequence[Record]], most: int) -> list[tuple[str, Record]]:
    """Return records to look at and to score, each with its source's name: `most` of a task and language.

    The sources, and of translations the languages they are from, give one each in turn until they have no
    more. Which of its records a source gives goes by a hash: a file may lie in order of length.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str], list[Record]]] = defaultdict(dict)
    for name, records in held_out.items():
        for record in records:
            kinds = groups[record.task, record.lang]
            kinds.setdefault((name, record.source_lang), []).append(record)
    chosen = []
    for kinds in groups.values():
        queues = [
            [(name, record) for record in sorted(found, key=hash_content)]
            for (name, _), found in kinds.items()
        ]
        turns = itertools.chain.from_iterable(itertools.zip_longest(*queues))
        chosen += [each for each in turns if each][:most]
    return chosen


def _texts(record: Record) -> Iterator[str]:
    return itertools.chain((turn.content for turn in record.messages), [record.text] if record.text else [])
