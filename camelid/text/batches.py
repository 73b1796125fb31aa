"""Token shards into batches: the mix of sources, their shuffling, rows packed full.

`Batches.batch(step)` depends on the settings, the seed and the step alone, so resuming needs no state but the
step. Every source, or every language of one, is an endless stream of reshuffled epochs. A pass takes each
stream's share of its tokens, packs them best-fit and shuffles the rows; batches are cut from the rows of all
passes in turn.
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelid.errors import RecipeError, RunError, TokenizerError
from camelid.text.mixing import unimax
from camelid.text.packing import Mode, Pieces, cut_pieces
from camelid.text.rows import IGNORE, Batch, Rows, fill_batch, pack_pieces
from camelid.text.shards import TokenShard

__all__ = ["IGNORE", "Batch", "Batches", "MixPart", "held_out_batches"]

PASS_TOKENS = 2**22  # how much is packed and shuffled together
MIN_PASS_ROWS = 64  # fewer would pack badly


@dataclass(frozen=True)
class MixPart:
    """One source in a mix.

    weight: its share of the tokens, relative to the other parts'.
    max_epochs: how often it may be repeated; 0 for endlessly.
    """

    shard: TokenShard
    weight: float = 1.0
    max_epochs: float = 0.0


@dataclass(frozen=True)
class _Pass:
    """Where a pass begins: in every stream, and in the count of rows."""

    cursors: tuple[int, ...]
    first_row: int


class _Stream:
    """The pieces of a part, or of one language in it, in endlessly reshuffled epochs."""

    def __init__(
        self, shard: int, pieces: Pieces, *, name: str, weight: float, max_epochs: float, seed: Sequence[int]
    ) -> None:
        self.name = name
        self.shard = shard
        self.pieces = pieces
        self.weight = weight
        self.epoch_tokens = int(pieces.lengths.sum())
        self.limit = int(max_epochs * self.epoch_tokens) if max_epochs else None
        self._seed = tuple(seed)
        self._epoch = lru_cache(maxsize=2)(self._shuffle)

    def between(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the pieces that begin at positions first to last of the stream."""
        found = [np.zeros(0, np.int64)]
        for epoch in range(first // self.epoch_tokens, -(-last // self.epoch_tokens)):
            order, begins = self._epoch(epoch)
            offset = epoch * self.epoch_tokens
            cut = np.searchsorted(begins, [first - offset, last - offset])
            found.append(order[cut[0] : cut[1]])
        return np.concatenate(found)

    def _shuffle(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        order = np.random.default_rng([*self._seed, epoch]).permutation(len(self.pieces.lengths))
        lengths = self.pieces.lengths[order]
        return order, np.cumsum(lengths) - lengths


class Batches:
    """The batches of a training run."""

    def __init__(
        self,
        parts: Sequence[MixPart],
        *,
        batch_size: int,
        context: int,
        seed: int = 0,
        mode: Mode = "pretrain",
        languages: Literal["natural", "unimax"] = "natural",
        budget_tokens: float = 0.0,
    ) -> None:
        """Plan batches of `batch_size` rows of `context` positions from weighted parts.

        mode: "pretrain" counts every token, "finetune" the supervised ones of whole records.
        languages: "natural" leaves a part's languages as they come; "unimax" gives all languages of the mix
            equal shares of budget_tokens, as far as the parts' max_epochs allow, and within a language
            divides by the parts' weights.

        Raises RecipeError for settings that cannot be followed, TokenizerError for shards of two tokenizers.
        """
        _check_settings(parts, batch_size, context, seed)
        if languages == "unimax" and not budget_tokens and any(part.max_epochs for part in parts):
            raise RecipeError('languages = "unimax" needs to know how many tokens the run takes. Set tokens.')
        self.batch_size = batch_size
        self.context = context
        self.mode: Mode = mode
        self._seed = seed
        self._parts = list(parts)
        self._shards = [part.shard for part in parts]
        self._pieces = [cut_pieces(part.shard, context, mode) for part in parts]
        for part, pieces in zip(parts, self._pieces, strict=True):
            if not len(pieces.lengths):
                raise RecipeError(_nothing_fits(part.shard, pieces, context))
        self._streams = self._divide(languages, budget_tokens)
        self._pass_tokens = self._choose_pass_tokens()
        self._passes = [_Pass(tuple(0 for _ in self._streams), 0)]
        self._rows = lru_cache(maxsize=2)(self._pack_pass)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step, counted from 0.

        Raises RunError when every part has had its max_epochs before that step.
        """
        first = step * self.batch_size
        chosen: list[tuple[Rows, int]] = []
        for row in range(first, first + self.batch_size):
            number = self._find_pass(row)
            if number is None:
                break
            rows = self._rows(number)
            chosen.append((rows, row - self._passes[number].first_row))
        if not chosen:
            raise RunError(
                f"The data is used up after {self.total_steps_available} steps: every source has had its "
                "max_epochs. Ask for fewer tokens, raise max_epochs, or add text."
            )
        return fill_batch(chosen, self._shards, self.batch_size, self.context, self.mode)

    @property
    def total_steps_available(self) -> int | None:
        """How many steps there are until every part has had its max_epochs; None for endlessly many."""
        if any(stream.limit is None for stream in self._streams):
            return None
        while self._extend():
            pass
        return -(-self._passes[-1].first_row // self.batch_size)

    def epochs(self, step: int) -> dict[str, float]:
        """Return how often each source will have been seen when `step` begins."""
        row = step * self.batch_size
        number = self._find_pass(row)
        begin = self._passes[-1 if number is None else number]
        after = self._next_cursors(begin.cursors)
        done = 0.0 if number is None else (row - begin.first_row) / self._rows(number).num_rows
        seen: dict[str, float] = {}
        size: dict[str, int] = {}
        for stream, first, last in zip(self._streams, begin.cursors, after, strict=True):
            name = self._shards[stream.shard].name
            seen[name] = seen.get(name, 0.0) + first + done * (last - first)
            size[name] = size.get(name, 0) + stream.epoch_tokens
        return {name: seen[name] / size[name] for name in seen}

    def report(self) -> list[dict[str, Any]]:
        """Return, for each part, what is learnt from and what is not: records, tokens of an epoch, share."""
        weights: dict[int, float] = {}
        for stream in self._streams:
            weights[stream.shard] = weights.get(stream.shard, 0.0) + stream.weight
        total = sum(weights.values())
        return [
            {
                "name": part.shard.name,
                "records": part.shard.num_records,
                "cut": pieces.num_cut,
                "left_out": pieces.num_left_out,
                "epoch_tokens": int(pieces.lengths.sum()),
                "share": weights[index] / total,
            }
            for index, (part, pieces) in enumerate(zip(self._parts, self._pieces, strict=True))
        ]

    def _divide(self, languages: str, budget_tokens: float) -> list[_Stream]:
        """Return the streams: one of each part, or one of each language of each part."""
        found: list[tuple[int, str, Pieces, float]] = []
        for index, (part, pieces) in enumerate(zip(self._parts, self._pieces, strict=True)):
            if languages == "natural":
                found.append((index, "", pieces, part.weight))
            else:
                found += [(index, lang, some, part.weight) for lang, some in _by_language(part.shard, pieces)]
        if languages == "unimax":
            found = self._share_languages(found, budget_tokens)
        return [
            _Stream(
                index,
                pieces,
                name=f"{self._shards[index].name} {lang}".strip(),
                weight=weight,
                max_epochs=self._parts[index].max_epochs,
                seed=(self._seed, 1 + number),
            )
            for number, (index, lang, pieces, weight) in enumerate(found)
            if weight > 0
        ]

    def _share_languages(
        self, found: list[tuple[int, str, Pieces, float]], budget_tokens: float
    ) -> list[tuple[int, str, Pieces, float]]:
        caps: dict[str, float] = {}
        weights: dict[str, float] = {}
        for index, lang, pieces, weight in found:
            epochs = self._parts[index].max_epochs or float("inf")
            caps[lang] = caps.get(lang, 0.0) + epochs * float(pieces.lengths.sum())
            weights[lang] = weights.get(lang, 0.0) + weight
        shares = unimax(caps, budget_tokens or 1.0, 1.0)
        return [
            (index, lang, pieces, shares[lang] * weight / weights[lang])
            for index, lang, pieces, weight in found
        ]

    def _choose_pass_tokens(self) -> int:
        """Return how many tokens a pass takes: at most one epoch of any stream, but enough to pack well."""
        total = sum(stream.weight for stream in self._streams)
        one_epoch = min(stream.epoch_tokens * total / stream.weight for stream in self._streams)
        least = max(self.batch_size, MIN_PASS_ROWS) * self.context
        return max(least, min(int(one_epoch), max(PASS_TOKENS, 16 * self.batch_size * self.context)))

    def _find_pass(self, row: int) -> int | None:
        """Return the pass that a row is in; None when the streams end before it."""
        while row >= self._passes[-1].first_row:
            if not self._extend():
                return None
        return bisect.bisect_right(self._passes, row, key=lambda begin: begin.first_row) - 1

    def _extend(self) -> bool:
        """Find where the pass after the last known one begins; False when there is none."""
        cursors = self._next_cursors(self._passes[-1].cursors)
        if cursors == self._passes[-1].cursors:
            return False
        number = len(self._passes) - 1
        first_row = self._passes[-1].first_row + self._rows(number).num_rows
        self._passes.append(_Pass(cursors, first_row))
        return True

    def _next_cursors(self, cursors: tuple[int, ...]) -> tuple[int, ...]:
        """Return where the streams stand after a pass; those that ended leave their share to others."""
        left = [
            stream.weight if stream.limit is None or cursor < stream.limit else 0.0
            for stream, cursor in zip(self._streams, cursors, strict=True)
        ]
        total = sum(left)
        moved = []
        for stream, cursor, weight in zip(self._streams, cursors, left, strict=True):
            target = cursor + (max(1, round(self._pass_tokens * weight / total)) if weight else 0)
            moved.append(target if stream.limit is None else min(target, stream.limit))
        return tuple(moved)

    def _pack_pass(self, number: int) -> Rows:
        """Return the rows of a pass, shuffled; the pass's beginning must be known."""
        cursors = self._passes[number].cursors
        taken = [
            (stream, stream.between(first, last))
            for stream, first, last in zip(self._streams, cursors, self._next_cursors(cursors), strict=True)
        ]
        return pack_pieces(
            np.concatenate([np.full(len(chosen), stream.shard) for stream, chosen in taken]),
            np.concatenate([stream.pieces.starts[chosen] for stream, chosen in taken]),
            np.concatenate([stream.pieces.lengths[chosen] for stream, chosen in taken]),
            self.context,
            np.random.default_rng([self._seed, 0, number]),
        )


def held_out_batches(
    shards: Sequence[TokenShard],
    *,
    context: int,
    batch_size: int,
    max_tokens_per_language: int,
    mode: Mode = "pretrain",
) -> Iterator[tuple[Batch, str, int]]:
    """Yield (batch, language, num_bytes) for validation, language by language; always the same ones.

    num_bytes: UTF-8 bytes of the text that the batch's counted targets spell, each byte counted once however
        a record is cut; the sum of losses over it, divided by log 2, is bits per byte.
    max_tokens_per_language: whole records are taken, from all shards alike, until so many tokens are reached.

    Raises TokenizerError for shards of two tokenizers.
    """
    _check_one_tokenizer(shards)
    pieces = [cut_pieces(shard, context, mode) for shard in shards]
    for lang in sorted({lang for shard in shards for lang in shard.languages}):
        chosen = _choose_records(shards, pieces, lang, max_tokens_per_language)
        if not len(chosen[0]):
            continue
        rows = pack_pieces(*chosen, context, None)
        token_bytes = np.asarray(shards[0].token_bytes, np.int64)
        for first in range(0, rows.num_rows, batch_size):
            numbers = range(first, min(first + batch_size, rows.num_rows))
            batch = fill_batch([(rows, number) for number in numbers], shards, batch_size, context, mode)
            counted = batch.targets[batch.targets != IGNORE]
            yield batch, lang, int(token_bytes[counted].sum())


def _choose_records(
    shards: Sequence[TokenShard], pieces: Sequence[Pieces], lang: str, max_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return shard, start and length of the pieces of some records of a language, the same every time."""
    columns: list[NDArray[np.int64]] = []
    for index, (shard, cut) in enumerate(zip(shards, pieces, strict=True)):
        if lang in shard.languages:
            mine = np.flatnonzero(shard.langs[cut.records] == shard.languages.index(lang))
            columns.append(
                np.stack([np.full(len(mine), index), cut.records[mine], cut.starts[mine], cut.lengths[mine]])
            )
    shard_of, record, start, length = np.concatenate(columns, axis=1)
    is_first = np.append(True, (np.diff(shard_of) != 0) | (np.diff(record) != 0))[: len(record)]
    record_of = np.cumsum(is_first) - 1
    sizes = np.bincount(record_of, weights=length)
    order = np.random.default_rng(0).permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    kept = np.isin(record_of, order[before < max_tokens])
    return shard_of[kept], start[kept], length[kept]


def _by_language(shard: TokenShard, pieces: Pieces) -> list[tuple[str, Pieces]]:
    langs = shard.langs[pieces.records]
    found = []
    for number, lang in enumerate(shard.languages):
        mine = np.flatnonzero(langs == number)
        if len(mine):
            found.append((lang, Pieces(pieces.records[mine], pieces.starts[mine], pieces.lengths[mine])))
    return found


def _check_settings(parts: Sequence[MixPart], batch_size: int, context: int, seed: int) -> None:
    if not parts:
        raise RecipeError("A mix needs at least one source; found none.")
    if batch_size < 1 or context < 1 or seed < 0:
        raise RecipeError(
            "batch_size and context must be at least 1 and seed at least 0; "
            f"found batch_size={batch_size}, context={context}, seed={seed}."
        )
    for part in parts:
        if part.weight <= 0 or part.max_epochs < 0:
            raise RecipeError(
                f"Source {part.shard.name!r}: weight must be above 0 and max_epochs at least 0 (endless); "
                f"found weight={part.weight}, max_epochs={part.max_epochs}. Leave out what is not to be used."
            )
    _check_one_tokenizer([part.shard for part in parts])


def _check_one_tokenizer(shards: Sequence[TokenShard]) -> None:
    if len({shard.meta["fingerprint"] for shard in shards}) > 1:
        names = ", ".join(shard.name for shard in shards)
        raise TokenizerError(f"The shards of {names} were made by different tokenizers. Write them anew.")


def _nothing_fits(shard: TokenShard, pieces: Pieces, context: int) -> str:
    if pieces.num_left_out:
        return (
            f"No conversation of source {shard.name!r} fits a context of {context} tokens up to its first "
            f"answer ({pieces.num_left_out} left out). Raise the context."
        )
    return f"Source {shard.name!r} has no records. Check its path and filters, or leave it out."
