"""Labelled requests into a router: the task table first, the heads on top, and which of the two is kept.

What is told of either is told of requests that it was not fitted to.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from camelid.route.curve import compare_areas
from camelid.route.evidence import Evidence
from camelid.route.features import Kind, Recognizer
from camelid.route.heads import Heads, fit_heads
from camelid.route.router import Router, hair
from camelid.route.table import TaskTable, fit_table

Floats = NDArray[np.float64]

FOLDS = 5
SURE = 0.9  # the learned router must beat the table in this share of bootstrap draws
_LEAST = 60  # labelled requests that heads are fitted to


@dataclass(frozen=True)
class Learnt:
    """What was fitted: a recogniser of kinds, the table, and heads where there were enough requests."""

    recognizer: Recognizer
    table: TaskTable
    heads: Heads | None

    def predict(self, evidence: Evidence) -> dict[str, Floats]:
        """Return the qualities expected of both answers, (N, 2), by "table" and by "learned"."""
        kinds = recognize(self.recognizer, evidence)
        table = self.table.look_up(kinds, evidence.lengths)
        added = self.heads.predict(evidence.features) if self.heads is not None else 0.0
        return {"table": table, "learned": table + added}


@dataclass(frozen=True)
class Contest:
    """How the learned router did against the table, on requests that neither was fitted to.

    ahead: by how much area. surely: in which share of bootstrap draws. learned: whether it is kept.
    predicted: the qualities that each expected, (N, 2), by its name; gains the difference, (N,).
    """

    ahead: float
    surely: float
    learned: bool
    predicted: dict[str, Floats]

    @property
    def gains(self) -> dict[str, Floats]:
        """Return what each router expected the Llama to be better by."""
        return {name: found[:, 1] - found[:, 0] for name, found in self.predicted.items()}

    @property
    def kept(self) -> Floats:
        """Return the gains by the router that is kept."""
        return self.gains["learned" if self.learned else "table"]


def learn(evidence: Evidence, known: Recognizer | None = None, *, inner_folds: int = FOLDS) -> Learnt:
    """Return what labelled requests teach. known: a recogniser to use; without one it is learnt too."""
    recognizer = known or Recognizer.learn(evidence.requests, evidence.kinds)
    kinds = recognize(recognizer, evidence)
    table = fit_table(recognizer.kinds, kinds, evidence.lengths, evidence.qualities)
    if len(evidence) < _LEAST:
        return Learnt(recognizer, table, None)
    told = np.zeros_like(evidence.qualities)  # by tables that had not seen the request
    for rest, held in fold(len(evidence), inner_folds):
        partial = fit_table(recognizer.kinds, kinds[rest], evidence.lengths[rest], evidence.qualities[rest])
        told[held] = partial.look_up(kinds[held], evidence.lengths[held])
    heads, _ = fit_heads(evidence.features, evidence.qualities - told)
    return Learnt(recognizer, table, heads)


def contest(evidence: Evidence, known: Recognizer | None = None, *, folds: int = FOLDS) -> Contest:
    """Return how the learned router does against the table, each request judged by a fit to other ones."""
    predicted = {name: np.zeros_like(evidence.qualities) for name in ("table", "learned")}
    for rest, held in fold(len(evidence), folds):
        found = learn(evidence.take(rest), known).predict(evidence.take(held))
        for name, values in found.items():
            predicted[name][held] = values
    predicted = {name: _part(values, evidence) for name, values in predicted.items()}
    gains = {name: values[:, 1] - values[:, 0] for name, values in predicted.items()}
    alpaca, llama = evidence.qualities.T
    ahead, surely = compare_areas(gains["learned"], gains["table"], alpaca, llama)
    return Contest(ahead, surely, ahead > 0 and surely >= SURE, predicted)


def make_router(learnt: Learnt, evidence: Evidence, *, learned: bool, threshold: float) -> Router:
    """Return a router of what was learnt. learned: with the heads; else the table alone."""
    return Router(
        learnt.recognizer,
        learnt.table,
        learnt.heads if learned else None,
        threshold,
        costs=_costs(learnt.recognizer.kinds, evidence),
    )


def decide_all(router: Router, evidence: Evidence) -> Floats:
    """Return the gains that a router finds in labelled requests, as it would in a running pair, (N,)."""
    return np.array(
        [
            router.decide(messages, evidence.reading(row)).gain or 0.0
            for row, messages in enumerate(evidence.requests)
        ]
    )


def recognize(recognizer: Recognizer, evidence: Evidence) -> NDArray[np.int64]:
    """Return the place of each request's kind, as its words tell it, (N,)."""
    return np.array([recognizer.recognize(messages) for messages in evidence.requests], np.int64)


def fold(num: int, folds: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return for each fold the places of the others and its own; requests are in random order already."""
    places = np.arange(num)
    return [(places[places % folds != part], places[places % folds == part]) for part in range(folds)]


def _part(predicted: Floats, evidence: Evidence) -> Floats:
    """Return predictions with the hair's breadth that parts requests of one cell, as a router has it."""
    parted: Floats = predicted + np.array([[0.0, hair(messages)] for messages in evidence.requests])
    return parted


def _costs(kinds: tuple[Kind, ...], evidence: Evidence) -> tuple[float, ...]:
    """Return the seconds that the Llama's answer takes more, by kind; the mean of all for a new one."""
    more = evidence.seconds[:, 1] - evidence.seconds[:, 0]
    own = np.array([kinds.index(kind) if kind in kinds else -1 for kind in evidence.kinds])
    costs = [
        float(more[own == place].mean() if (own == place).any() else more.mean())
        for place in range(len(kinds))
    ]
    return tuple(costs)
