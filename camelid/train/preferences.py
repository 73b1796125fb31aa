"""Preference pairs: two answers to one request, one of them the better; read from files, made into rows.

    {prompt, chosen, rejected}                  prompt: a text or OpenAI's messages, also called messages
    {instruction, input, chosen, rejected}      the Alpaca form
    {chosen, rejected}                          two conversations with one beginning
    {prompt, chosen: "llama", replies: {…}}     the server's votes; a tie says nothing and is left out

An answer is a text, or messages whose last is the assistant's. The split is that of `text.corpus`: pairs that
ask the same are on one side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import DataError, RequestError
from camelid.text.batches import IGNORE, Batch
from camelid.text.chat import Rendered, render_records
from camelid.text.corpus import place_key
from camelid.text.forms import make_key
from camelid.text.readers import Reading, Row, read_rows
from camelid.text.records import Message, Record
from camelid.text.sources import Source
from camelid.text.template import RowError, as_text
from camelid.text.tokenizer import Tokenizer
from camelid.text.turns import as_messages

_EXPECTED = "prompt (or messages, or instruction), chosen and rejected; or prompt, chosen and replies"
_ROUND = 32  # contexts are multiples of it


@dataclass(frozen=True)
class Preference:
    """Two answers to one request."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str

    @property
    def key(self) -> str:
        """Return what the split goes by: the request."""
        return make_key("\n".join(turn.content for turn in self.prompt if turn.role != "system"))


@dataclass
class Preferences:
    """The pairs of all sources, on the two sides of the split, and what was left out.

    ties: without a better answer; same: with two alike; twice: met before; bad: not readable.
    """

    train: list[Preference]
    held_out: list[Preference]
    ties: int = 0
    same: int = 0
    twice: int = 0
    bad: int = 0


def read_preferences(sources: Sequence[Source], *, data_root: Path | str = ".") -> Preferences:
    """Return the preference pairs of some sources.

    Raises DataError for data that cannot be used, or when there is nothing to learn from.
    """
    found = Preferences([], [])
    seen: set[Preference] = set()
    for source in sources:
        reading = Reading(source.name, source.skip_bad)
        for number, row in read_rows(source, data_root, reading):
            reading.rows += 1
            try:
                pair = _read_pair(row)
            except (RowError, RequestError) as error:
                reading.complain(number, str(error))
                continue
            _sort_in(found, pair, seen, source.held_out)
        found.bad += reading.bad
    if not found.train:
        raise DataError(
            f"There is no preference pair to learn from: {len(found.held_out)} are held out, {found.ties} "
            f"are ties, {found.same} have two answers alike, {found.bad} could not be read. Add some."
        )
    return found


def _sort_in(found: Preferences, pair: Preference | None, seen: set[Preference], held_out: float) -> None:
    if pair is None:
        found.ties += 1
    elif pair.chosen == pair.rejected:
        found.same += 1
    elif pair in seen:
        found.twice += 1
    else:
        seen.add(pair)
        (found.held_out if place_key(pair.key) < held_out else found.train).append(pair)


def _read_pair(row: Row) -> Preference | None:
    """Return what a row says; None for a tie.

    Raises RowError or RequestError when it is no preference.
    """
    if isinstance(row.get("replies"), Mapping):
        return _read_vote(row)
    missing = [name for name in ("chosen", "rejected") if not row.get(name)]
    if missing:
        raise RowError(f"{missing[0]} is missing or empty; expected {_EXPECTED}; found {', '.join(row)}.")
    prompt = _read_prompt(row)
    return _checked(prompt, _read_answer(row["chosen"]), _read_answer(row["rejected"]))


def _read_vote(row: Row) -> Preference | None:
    replies, name = row["replies"], as_text(row.get("chosen"))
    if name == "tie":
        return None
    others = [other for other in replies if other != name]
    if name not in replies or len(others) != 1:
        raise RowError(f"chosen must be one of two replies, or tie; found {name!r} of {', '.join(replies)}.")
    return _checked(_as_prompt(row.get("prompt")), as_text(replies[name]), as_text(replies[others[0]]))


def _read_prompt(row: Row) -> tuple[Message, ...]:
    if "prompt" in row or "messages" in row:
        return _as_prompt(row.get("prompt") or row.get("messages"))
    if "instruction" in row:
        extra = as_text(row.get("input")).strip()
        return _as_prompt(f"{as_text(row['instruction']).strip()}\n\n{extra}".strip())
    chosen, rejected = row["chosen"], row["rejected"]
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise RowError(f"there is no prompt; expected {_EXPECTED}; found {', '.join(row)}.")
    shared = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), 0)
    return _as_prompt(chosen[:shared])


def _as_prompt(value: Any) -> tuple[Message, ...]:
    """Return a request as messages, OpenAI's newer name of the system role as the older one."""
    if not value:
        raise RowError(f"the prompt is missing or empty; expected {_EXPECTED}.")
    if isinstance(value, list):
        value = [
            {**turn, "role": "system"} if isinstance(turn, dict) and turn.get("role") == "developer" else turn
            for turn in value
        ]
    return as_messages(value)


def _read_answer(value: Any) -> str:
    if isinstance(value, str):
        return value
    last = as_messages(value)[-1]
    if last.role != "assistant":
        raise RowError(f"an answer must end with the assistant's turn; found the role {last.role}.")
    return last.content


def _checked(prompt: tuple[Message, ...], chosen: str, rejected: str) -> Preference:
    if not chosen.strip() or not rejected.strip():
        raise RowError("an answer is empty.")
    return Preference(prompt, chosen, rejected)


@dataclass(frozen=True)
class PairBatch(Batch):
    """B rows of T positions, two and two the chosen and the rejected answer of a pair; none behind the last.

    reference: float32 (B,), the log-probability of each row's answer before anything was learnt.
    """

    reference: NDArray[np.float32]

    @property
    def num_targets(self) -> int:
        """How many pairs there are."""
        return int(np.count_nonzero((self.targets[::2] != IGNORE).any(axis=1)))


class TokenPairs:
    """Preference pairs as token ids: those that fit a context."""

    def __init__(self, tokenizer: Tokenizer, pairs: Sequence[Preference], *, max_context: int) -> None:
        """Render the pairs; those that max_context is too short for are counted in num_left_out."""
        self._pad_id = tokenizer.pad_id
        self._rows: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []  # two for each pair
        self.num_left_out = 0
        records = [
            Record(messages=(*pair.prompt, Message("assistant", answer)))
            for pair in pairs
            for answer in (pair.chosen, pair.rejected)
        ]
        rendered = render_records(tokenizer, records)
        for two in zip(rendered[::2], rendered[1::2], strict=True):
            if max(len(each.token_ids) for each in two) - 1 > max_context:
                self.num_left_out += 1
            else:
                self._rows += [_cut_row(each) for each in two]
        self.reference = np.zeros((len(self), 2), np.float32)

    def __len__(self) -> int:
        """Return how many pairs there are."""
        return len(self._rows) // 2

    @property
    def context(self) -> int:
        """Return how many positions the longest row needs, rounded up."""
        longest = max((len(ids) for ids, _ in self._rows), default=1)
        return -(-longest // _ROUND) * _ROUND

    def batch(self, numbers: Sequence[int], *, batch_pairs: int, context: int) -> PairBatch:
        """Return some pairs as a batch, with empty rows behind them where they are too few."""
        shape = (2 * batch_pairs, context)
        token_ids = np.full(shape, self._pad_id, np.int32)
        targets = np.full(shape, IGNORE, np.int32)
        positions, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        reference = np.zeros(shape[0], np.float32)
        for place, number in enumerate(numbers):
            for side in (0, 1):
                row, (ids, aims) = 2 * place + side, self._rows[2 * number + side]
                token_ids[row, : len(ids)], targets[row, : len(ids)] = ids, aims
                positions[row, : len(ids)], segments[row, : len(ids)] = np.arange(len(ids)), 1
                reference[row] = self.reference[number, side]
        return PairBatch(token_ids, targets, positions, segments, reference)


class PairBatches:
    """The batches of a run over preference pairs: endless, every epoch in an order of its own."""

    total_steps_available: int | None = None

    def __init__(self, pairs: TokenPairs, *, batch_pairs: int, context: int, seed: int = 0) -> None:
        """Plan batches of `batch_pairs` pairs."""
        self.batch_size = 2 * batch_pairs
        self.context = context
        self._pairs, self._batch_pairs, self._seed = pairs, batch_pairs, seed
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def batch(self, step: int) -> PairBatch:
        """Return the batch of a step, counted from 0."""
        first = step * self._batch_pairs
        numbers = [self._at(place) for place in range(first, first + self._batch_pairs)]
        return self._pairs.batch(numbers, batch_pairs=self._batch_pairs, context=self.context)

    def _at(self, place: int) -> int:
        epoch, offset = divmod(place, len(self._pairs))
        return int(self._order(epoch)[offset])

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, epoch]).permutation(len(self._pairs))


def _cut_row(rendered: Rendered) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return a row's inputs and targets: only the last answer counts, not those in the request."""
    ids, marks = np.array(rendered.token_ids, np.int32), np.array(rendered.supervised, np.bool_)
    end = int(np.flatnonzero(marks)[-1])
    before = np.flatnonzero(~marks[:end])
    counted = np.zeros_like(marks)
    counted[int(before[-1]) + 1 if len(before) else 0 : end + 1] = True
    return ids[:-1], np.where(counted, ids, IGNORE)[1:].astype(np.int32)
