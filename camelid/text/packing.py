"""Records into rows: what of each record fits the context, and which pieces share a row.

A piece of n positions has n inputs and n targets, hence n + 1 tokens of its record: the last is a target
only. So pieces of a long document overlap by one token and every token but the first is predicted once.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelid.text.shards import TokenShard

Mode = Literal["pretrain", "finetune"]


@dataclass(frozen=True)
class Pieces:
    """What of a shard's records is learnt from, P pieces.

    records: int64 (P,), the record that a piece is from.
    starts: int64 (P,), where it begins among the shard's tokens.
    lengths: int64 (P,), its positions, 1 to the context.
    num_cut: conversations that were longer than the context and kept their leading turns.
    num_left_out: conversations left out because not even one answer fits.
    """

    records: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    num_cut: int = 0
    num_left_out: int = 0


def cut_pieces(shard: TokenShard, context: int, mode: Mode) -> Pieces:
    """Return the pieces of a shard's records.

    Documents longer than the context are cut into pieces, and conversations too when pre-training. When
    fine-tuning, a conversation keeps the leading turns that fit, up to the end of an answer, or is left out:
    an answer is never cut.
    """
    offsets = np.asarray(shard.offsets)
    sizes = offsets[1:] - offsets[:-1] - 1
    records = np.arange(shard.num_records, dtype=np.int64)
    num_cut = num_left_out = 0
    if mode == "finetune":
        long_chats = records[shard.is_chat & (sizes > context)]
        fitting = np.array([_fitting_turns(shard, int(record), context) for record in long_chats], np.int64)
        sizes[long_chats] = fitting
        num_left_out = int((fitting == 0).sum())
        num_cut = len(fitting) - num_left_out
    parts = -(-sizes // context)
    records = np.repeat(records, parts)
    within = np.arange(len(records)) - np.repeat(np.cumsum(parts) - parts, parts)
    lengths = np.minimum(context, sizes[records] - within * context)
    return Pieces(records, shard.offsets[records] + within * context, lengths, num_cut, num_left_out)


def _fitting_turns(shard: TokenShard, record: int, context: int) -> int:
    """Return how many positions reach to the last end of an answer within the context; 0 for none."""
    start, stop = int(shard.offsets[record]), int(shard.offsets[record + 1])
    marks = np.append(shard.supervised[start:stop], False)[: context + 2]
    ends = np.flatnonzero(marks[:-1] & ~marks[1:])
    return int(ends[-1]) if len(ends) else 0


def pack_rows(lengths: NDArray[np.int64], context: int) -> tuple[NDArray[np.int64], int]:
    """Return the row of each piece (P,) and how many rows there are: best fit, longest pieces first.

    Each piece goes into the row with the least room that holds it. Pieces of one length, and rows with one
    room, are alike, so they are placed together: the time goes with the number of distinct lengths.
    """
    row_of = np.zeros(len(lengths), np.int64)
    order = np.argsort(-lengths, kind="stable")
    rows = _OpenRows(context)
    for same in _runs_of_equal(order, lengths):
        length, placed = int(lengths[same[0]]), 0
        while placed < len(same):
            room = rows.tightest(length)
            per_row = room // length
            chosen = rows.take(room, -(-(len(same) - placed) // per_row))
            count = min(len(chosen) * per_row, len(same) - placed)
            row_of[same[placed : placed + count]] = np.repeat(chosen, per_row)[:count]
            num_full = count // per_row
            rows.give(room - per_row * length, chosen[:num_full])
            rows.give(room - (count - num_full * per_row) * length, chosen[num_full:])
            placed += count
    return row_of, rows.num_rows


class _OpenRows:
    """Rows by the room that is left in them."""

    def __init__(self, context: int) -> None:
        self.num_rows = 0
        self._context = context
        self._by_room: dict[int, list[NDArray[np.int64]]] = {}
        self._rooms = 0  # bit r is set when there are rows with room r

    def tightest(self, length: int) -> int:
        """Return the least room of `length` or more; that of an empty row when there is none."""
        fitting = self._rooms >> length
        return length + (fitting & -fitting).bit_length() - 1 if fitting else self._context

    def take(self, room: int, count: int) -> NDArray[np.int64]:
        """Return at most `count` rows with this room, at least one; empty ones are made."""
        if room not in self._by_room:
            first, self.num_rows = self.num_rows, self.num_rows + count
            return np.arange(first, self.num_rows, dtype=np.int64)
        rows = self._by_room[room].pop()
        self.give(room, rows[count:])
        if not self._by_room[room]:
            del self._by_room[room]
            self._rooms &= ~(1 << room)
        return rows[:count]

    def give(self, room: int, rows: NDArray[np.int64]) -> None:
        """Keep rows that have this room left."""
        if room and len(rows):
            self._by_room.setdefault(room, []).append(rows)
            self._rooms |= 1 << room


def _runs_of_equal(order: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Split pieces, ordered by length, where the length changes."""
    if not len(order):
        return []
    return np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1)
