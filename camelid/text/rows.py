"""Pieces of records in rows, and rows as the arrays that a model takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.text.packing import Mode, pack_rows
from camelid.text.shards import TokenShard

IGNORE = -100  # a target that is not counted; torch's cross-entropy has the same default


@dataclass(frozen=True)
class Batch:
    """B rows of T positions.

    token_ids: int32 (B, T); padded with the tokenizer's pad.
    targets: int32 (B, T), the next token of the same record, IGNORE where nothing is to be learnt.
    positions: int32 (B, T), from 0 in each piece of a record.
    segments: int32 (B, T), 0 for padding, 1.. for the records of a row.
    """

    token_ids: NDArray[np.int32]
    targets: NDArray[np.int32]
    positions: NDArray[np.int32]
    segments: NDArray[np.int32]

    @property
    def num_tokens(self) -> int:
        """How many positions are not padding."""
        return int(np.count_nonzero(self.segments))

    @property
    def num_targets(self) -> int:
        """How many targets are counted."""
        return int(np.count_nonzero(self.targets != IGNORE))


@dataclass(frozen=True)
class Rows:
    """Pieces in rows: row r holds the pieces firsts[r] to firsts[r + 1]."""

    shards: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    firsts: NDArray[np.int64]

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.firsts) - 1


def pack_pieces(
    shards: NDArray[np.int64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    context: int,
    shuffle: np.random.Generator | None,
) -> Rows:
    """Pack pieces into rows, in shuffled order of rows where asked."""
    row_of, num_rows = pack_rows(lengths, context)
    if shuffle is not None:
        row_of = shuffle.permutation(num_rows)[row_of]
    order = np.argsort(row_of, kind="stable")
    firsts = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=num_rows))])
    return Rows(shards[order], starts[order], lengths[order], firsts)


def fill_batch(
    chosen: Sequence[tuple[Rows, int]],
    shards: Sequence[TokenShard],
    batch_size: int,
    context: int,
    mode: Mode,
) -> Batch:
    """Return the chosen rows as a batch, with padded rows behind them where they are too few."""
    shape = (batch_size, context)
    token_ids = np.full(shape, shards[0].meta["pad_id"], np.int32)
    targets = np.full(shape, IGNORE, np.int32)
    positions, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    counting = np.arange(context, dtype=np.int32)
    for row, (rows, number) in enumerate(chosen):
        at = 0
        for segment, piece in enumerate(range(rows.firsts[number], rows.firsts[number + 1]), 1):
            shard, start, length = (
                shards[rows.shards[piece]],
                int(rows.starts[piece]),
                int(rows.lengths[piece]),
            )
            ids, place = shard.token_ids[start : start + length + 1], slice(at, at + length)
            token_ids[row, place] = ids[:-1]
            targets[row, place] = ids[1:]
            if mode == "finetune":
                targets[row, place][~shard.supervised[start + 1 : start + length + 1]] = IGNORE
            positions[row, place] = counting[:length]
            segments[row, place] = segment
            at += length
    return Batch(token_ids, targets, positions, segments)
