"""The task table: how good both models' answers are, by task, language and length, shrunken to the whole.

A cell with few items leans on the row above it: length on language, language on task, task on all. It is
the first router, and the one that a learned router has to beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.route.features import LENGTHS, Kind

Floats = NDArray[np.float64]

_LEAST, _MOST = 2.0, 200.0  # items that the row above counts as


@dataclass(frozen=True)
class TaskTable:
    """Mean qualities by kind of request and length, (K, L, 2): the Alpaca's and the Llama's, from 0 to 1.

    counts: the items behind each, (K, L).
    """

    kinds: tuple[Kind, ...]
    means: Floats
    counts: Floats

    def row(self, kind: int, length: int) -> tuple[float, float]:
        """Return the qualities to be expected of the Alpaca's answer and of the Llama's."""
        alpaca, llama = self.means[kind, length]
        return float(alpaca), float(llama)

    def look_up(self, kinds: NDArray[np.int64], lengths: NDArray[np.int64]) -> Floats:
        """Return the rows of many requests, (N, 2)."""
        found: Floats = self.means[kinds, lengths]
        return found


def fit_table(
    known: Sequence[Kind], kinds: NDArray[np.int64], lengths: NDArray[np.int64], qualities: Floats
) -> TaskTable:
    """Return the table of labelled requests.

    known: all kinds that may come; kinds, lengths: (N,) places in `known` and in LENGTHS. qualities: (N, 2).
        A cell without any request is the row above it; without any request at all everything is 0.5.
    """
    whole = qualities.mean(axis=0) if len(qualities) else np.full(2, 0.5)
    tasks = sorted({kind.task for kind in known})
    task_of = np.array([tasks.index(kind.task) for kind in known], np.int64)
    by_task = _shrink(task_of[kinds], len(tasks), qualities, np.broadcast_to(whole, (len(tasks), 2)))
    by_kind = _shrink(kinds, len(known), qualities, by_task[task_of])
    cells = kinds * len(LENGTHS) + lengths
    by_cell = _shrink(cells, len(known) * len(LENGTHS), qualities, np.repeat(by_kind, len(LENGTHS), axis=0))
    counts = np.bincount(cells, minlength=len(known) * len(LENGTHS)).astype(np.float64)
    shape = (len(known), len(LENGTHS))
    return TaskTable(tuple(known), by_cell.reshape(*shape, 2), counts.reshape(shape))


def _shrink(groups: NDArray[np.int64], num: int, values: Floats, above: Floats) -> Floats:
    """Return the mean of each group, (num, 2), leaning on `above`, (num, 2), as much as the data say.

    The weight of what is above, in items, is the variance within groups over that between them (empirical
    Bayes by moments; Morris 1983, "Parametric empirical Bayes inference", section 4).
    """
    counts = np.bincount(groups, minlength=num).astype(np.float64)
    sums = np.stack([np.bincount(groups, column, num) for column in values.T], axis=1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], above)
    weight = _weigh_above(groups, counts, values, means, above)
    shrunken: Floats = (sums + weight * above) / (counts[:, None] + weight)
    return shrunken


def _weigh_above(
    groups: NDArray[np.int64], counts: Floats, values: Floats, means: Floats, above: Floats
) -> float:
    """Return how many items the row above counts as, judged by the gain, which is what decides."""
    several = counts > 1
    if several.sum() < 2:
        return 8.0
    gains = values[:, 1] - values[:, 0]
    apart = (means - above)[:, 1] - (means - above)[:, 0]
    centre = means[:, 1] - means[:, 0]
    within = float(((gains - centre[groups]) ** 2).sum() / max(1.0, (counts[counts > 0] - 1).sum()))
    between = float((apart[several] ** 2).mean() - (within / counts[several]).mean())
    return float(np.clip(within / between if between > 0 else _MOST, _LEAST, _MOST))
