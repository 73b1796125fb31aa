"""Metrics: answers into numbers, each a sum of one row per item, so that items can be drawn anew.

`statistics` gives a row of numbers per item; `pool` turns rows that were summed over items into the figure
of a whole set. A mean is the sum of values over the number of items; BLEU and chrF are sacrebleu's own, of
the summed counts; so every figure of a set, and every bootstrap of it, is `pool` of some sum.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from camelid.compare.intervals import total
from camelid.compare.score import Score
from camelid.compare.task import Item
from camelid.errors import MissingExtraError, RecipeError, suggest

Floats = NDArray[np.float64]
Needs = Literal["reply", "label", "reading"]


@dataclass(frozen=True)
class Metric:
    """A named way to judge answers.

    higher: more is better. unit: "%" of a share, "points" from 0 to 100, "" of a plain share, "bits".
    needs: a generated reply, a label chosen among choices, or a text that was read.
    statistics: items and scores into a row of numbers each, (N, K). pool: summed rows, (R, K), into (R,).
    quality: one answer's worth from 0 to 1. signature: what exactly was computed, by which version.
    """

    name: str
    title: str
    higher: bool
    unit: str
    needs: Needs
    statistics: Callable[[Sequence[Item], Sequence[Score]], Floats]
    pool: Callable[[Floats], Floats]
    quality: Callable[[Item, Score], float]
    signature: Callable[[], str]

    def of(self, items: Sequence[Item], scores: Sequence[Score]) -> float:
        """Return the figure of a whole set; NaN where there is nothing to judge."""
        return float(self.pool(total(self.statistics(items, scores)))[0])

    def say(self, value: float, signed: bool = False) -> str:
        """Return a value with its unit; of shares in percent a difference, which is signed, is in points."""
        if math.isnan(value):
            return "–"
        unit = "" if self.unit != "%" else " points" if signed else " %"
        return f"{self.say_number(value, signed)}{unit}"

    def say_number(self, value: float, signed: bool = False) -> str:
        """Return a value without its unit; what rounds to nothing has no sign."""
        digits = 1 if self.unit in ("%", "points") else 3
        shown = round(100 * value if self.unit == "%" else value, digits)
        if shown == 0:
            return f"{0:.{digits}f}"
        return f"{shown:{'+' if signed else ''}.{digits}f}".replace("-", "−")

    @property
    def measure(self) -> str:
        """Return what a difference is counted in, such as "points of accuracy" or "chrF"."""
        return f"points of {self.title}" if self.unit == "%" else self.title


def find_metric(name: str) -> Metric:
    """Return the metric of that name.

    Raises RecipeError, naming the nearest known one, for any other.
    """
    if name not in METRICS:
        raise RecipeError(f"There is no metric {name!r}.{suggest(name, METRICS)}")
    return METRICS[name]


def same_words(reply: str, target: str) -> bool:
    """Tell whether two texts are the same, blanks aside."""
    return reply.split() == target.split()


def repetition(text: str, order: int = 4) -> float | None:
    """Return the share of a text's n-grams of words that it had before; None when it is too short for one.

    Source: Welleck et al. 2019, arXiv:1908.04319, section 6 (seq-rep-n).
    """
    grams = _grams(text, order)
    return 1 - len(set(grams)) / len(grams) if grams else None


def distinct(text: str, order: int = 2) -> float | None:
    """Return the share of a text's n-grams of words that differ; None when it is too short for one.

    Source: Li et al. 2016, arXiv:1510.03055, section 5.2 (distinct-n). Differs: within one reply, so that
    replies can be drawn anew; theirs is over all replies together.
    """
    grams = _grams(text, order)
    return len(set(grams)) / len(grams) if grams else None


def bits_per_byte(score: Score) -> float:
    """Return the bits that each byte of what was read took; NaN when nothing was."""
    return score.nats / (math.log(2) * score.num_bytes) if score.num_bytes else math.nan


def _grams(text: str, order: int) -> list[tuple[str, ...]]:
    words = text.split()
    return [tuple(words[first : first + order]) for first in range(len(words) - order + 1)]


def _ratio(sums: Floats) -> Floats:
    """Pool rows of two: a sum and what it is of."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Floats = sums[:, 0] / sums[:, 1]
    return shares


def _mean(
    name: str,
    title: str,
    unit: str,
    judge: Callable[[Item, Score], float | None],
    *,
    higher: bool = True,
    needs: Needs = "reply",
    signature: Callable[[], str] = str,
) -> Metric:
    """Return a metric that is the mean of a share per item; items that have none are left out."""

    def statistics(items: Sequence[Item], scores: Sequence[Score]) -> Floats:
        values = [judge(item, score) for item, score in zip(items, scores, strict=True)]
        return np.array([(value or 0.0, value is not None) for value in values], float).reshape(-1, 2)

    def quality(item: Item, score: Score) -> float:
        value = judge(item, score)
        return 0.0 if value is None else value if higher else 1 - value

    return Metric(name, title, higher, unit, needs, statistics, _ratio, quality, signature)


def _rouge(kind: str, name: str, title: str) -> Metric:
    def judge(item: Item, score: Score) -> float:
        return float(_rouge_scorer(kind).score(item.target, score.reply)[kind].fmeasure)

    def signature() -> str:
        _rouge_scorer(kind)
        return f"{kind} f-measure, no stemming, mean of items, rouge-score {version('rouge-score')}"

    return _mean(name, title, "", judge, signature=signature)


@cache
def _rouge_scorer(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError:
        raise MissingExtraError("rouge-score", "eval") from None
    return RougeScorer([kind], use_stemmer=False)


def _sacrebleu(kind: Literal["BLEU", "CHRF"], name: str, title: str, **sentence: bool) -> Metric:
    def statistics(items: Sequence[Item], scores: Sequence[Score]) -> Floats:
        if not items:
            return np.zeros((0, len(_blank(kind))))
        replies, targets = [score.reply for score in scores], [item.target for item in items]
        rows = _sacrebleu_scorer(kind)._extract_corpus_statistics(replies, [targets])
        return np.array(rows, float)

    def pool(sums: Floats) -> Floats:
        scorer = _sacrebleu_scorer(kind)
        return np.array([scorer._compute_score_from_stats([int(x) for x in row]).score for row in sums])

    def quality(item: Item, score: Score) -> float:
        scorer = _sacrebleu_scorer(kind, **sentence)
        return min(1.0, float(scorer.sentence_score(score.reply, [item.target]).score) / 100)

    def signature() -> str:
        scorer = _sacrebleu_scorer(kind)
        scorer.corpus_score(["a"], [["a"]])
        return str(scorer.get_signature())

    return Metric(name, title, True, "points", "reply", statistics, pool, quality, signature)


def _blank(kind: Literal["BLEU", "CHRF"]) -> list[int]:
    return list(_sacrebleu_scorer(kind)._extract_corpus_statistics([""], [[""]])[0])


@cache
def _sacrebleu_scorer(kind: Literal["BLEU", "CHRF"], **settings: bool) -> Any:
    try:
        import sacrebleu.metrics
    except ModuleNotFoundError:
        raise MissingExtraError("sacrebleu", "eval") from None
    return getattr(sacrebleu.metrics, kind)(**settings)


def _reading() -> Metric:
    def statistics(items: Sequence[Item], scores: Sequence[Score]) -> Floats:
        rows = [(score.nats / math.log(2), score.num_bytes) for score in scores]
        return np.array(rows, float).reshape(-1, 2)

    def quality(_: Item, score: Score) -> float:
        return 2.0 ** -bits_per_byte(score) if score.num_bytes else 0.0

    return Metric(
        "bits_per_byte", "bits per byte", False, "bits", "reading", statistics, _ratio, quality, lambda: ""
    )


def _macro_f1() -> Metric:
    """Return the mean of the labels' F1, as scikit-learn's macro average over the labels that are targets."""

    def statistics(items: Sequence[Item], scores: Sequence[Score]) -> Floats:
        labels = sorted({item.target for item in items})
        place = {label: 3 * index for index, label in enumerate(labels)}
        rows = np.zeros((len(items), 3 * len(labels)))
        for row, item, score in zip(rows, items, scores, strict=True):
            if score.reply == item.target:
                row[place[item.target]] = 1  # found
                continue
            row[place[item.target] + 1] = 1  # missed
            if score.reply in place:
                row[place[score.reply] + 2] = 1  # taken for it
        return rows

    def pool(sums: Floats) -> Floats:
        found, missed, wrong = (sums[:, first::3] for first in range(3))
        total = 2 * found + missed + wrong
        shares: Floats = np.divide(2 * found, total, out=np.zeros_like(total), where=total > 0)
        asked = found + missed > 0  # a draw may lack labels: these say nothing
        return np.asarray((shares * asked).sum(axis=1) / np.maximum(asked.sum(axis=1), 1), float)

    def quality(item: Item, score: Score) -> float:
        return float(score.reply == item.target)

    return Metric("macro_f1", "macro-F1", True, "", "label", statistics, pool, quality, lambda: "")


_ALL = (
    _mean("exact_match", "exact match", "%", lambda item, score: same_words(score.reply, item.target)),
    _mean("accuracy", "accuracy", "%", lambda item, score: score.reply == item.target, needs="label"),
    _macro_f1(),
    _sacrebleu("CHRF", "chrf", "chrF"),
    _sacrebleu("BLEU", "bleu", "BLEU", effective_order=True),
    _rouge("rougeL", "rouge_l", "ROUGE-L"),
    _rouge("rouge1", "rouge_1", "ROUGE-1"),
    _rouge("rouge2", "rouge_2", "ROUGE-2"),
    _reading(),
    _mean("repetition", "repeated 4-grams", "%", lambda _, score: repetition(score.reply), higher=False),
    _mean("distinct_2", "distinct 2-grams", "%", lambda _, score: distinct(score.reply)),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
