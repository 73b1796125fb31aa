"""How often a promise is broken: over random splits, a router's threshold is tested on labels drawn from what
it did not learn from, and judged on all of that.

    python benchmarks/guarantee.py --data-root DATA                     router_mmlu
    python benchmarks/guarantee.py --data-root DATA --pair pairs/demo   and a pair's held-out items

A promise of confidence c may be broken in a share of 1 - c of all splits; what is more by chance alone is
told by the binomial distribution. What was not learnt from is the population: labels to test on are drawn
from it with replacement, so the theorem's assumptions hold, and the true loss of every threshold is known.
"""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import router as replay
import stored
from numpy.typing import NDArray

from camelid.errors import DataError
from camelid.route.curve import threshold_for
from camelid.route.evidence import Evidence
from camelid.route.guarantee import keep_promise, lose
from camelid.route.learning import contest, decide_all, learn, make_router

Floats = NDArray[np.float64]
Split = Callable[[np.random.Generator], tuple[Floats, Floats, Floats, Floats]]

SPLITS = 200
LABELS, TESTED = 1500, 1500  # of router_mmlu: to learn from, and to test thresholds on
WISHES = ((0.02, 0.9), (0.05, 0.9), (0.08, 0.8), (0.05, 0.95))  # largest loss, confidence
SHARES = np.linspace(1, 0, 41)


def count_broken(draw: Split, *, net: bool, splits: int = SPLITS) -> list[dict[str, Any]]:
    """Return for each wish in how many splits it was met, and in how many what was promised did not hold.

    draw: gives gains and qualities (2 columns) of the tested requests, then those of the whole population.
    """
    found = [
        {"max_loss": loss, "confidence": sure, "met": 0, "broken": 0, "shares": [], "losses": []}
        for loss, sure in WISHES
    ]
    for split in range(splits):
        gains, qualities, others, truth = draw(np.random.default_rng(1000 + split))
        cuts = [threshold_for(gains, float(share)) for share in SHARES]
        tested, judged = _losses(gains, qualities, cuts, net), _losses(others, truth, cuts, net)
        for wish in found:
            try:
                place = keep_promise(tested, max_loss=wish["max_loss"], confidence=wish["confidence"]).place
            except DataError as error:
                sys.exit(str(error))
            wish["met"] += bool(place)  # the first candidate is always the Llama, and loses nothing
            loss = float(judged[:, place or 0].mean())
            wish["broken"] += loss > wish["max_loss"]
            wish["shares"].append(float((others > cuts[place or 0]).mean()))
            wish["losses"].append(loss)
    for wish in found:
        wish["splits"] = splits
        wish["share"] = float(np.mean(wish.pop("shares")))
        wish["loss"] = float(np.mean(wish.pop("losses")))
        wish["allowed"] = _allowed(splits, 1 - wish["confidence"])
        wish["kept"] = wish["broken"] <= wish["allowed"]
    return found


def _losses(gains: Floats, qualities: Floats, cuts: list[float], net: bool) -> Floats:
    routed = np.where(gains[:, None] > np.array(cuts), qualities[:, 1:], qualities[:, :1])
    return lose(qualities[:, 1], routed, net=net)


def _allowed(splits: int, rate: float) -> int:
    """Return the most splits that may break a promise: the 97.5 % quantile of chance at the promised rate."""
    total, count = 0.0, -1
    while total < 0.975:
        count += 1
        total += math.comb(splits, count) * rate**count * (1 - rate) ** (splits - count)
    return count


def split_mmlu(root: Path, routers: int = 10) -> Split:
    """Return how router_mmlu is split; learning takes long, so there are `routers` routers in turn."""
    data = replay.read_mmlu(root)
    qualities = np.column_stack([data.weak, data.strong])
    fitted: dict[int, tuple[NDArray[np.int64], Floats]] = {}

    def draw(generator: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
        which = int(generator.integers(routers))
        if which not in fitted:
            train, rest = replay.split(len(data.prompts), LABELS, 500 + which)
            fitted[which] = rest, replay.gain_of_prompts(data, train, rest)
        rest, gains = fitted[which]
        tested = generator.integers(0, len(rest), TESTED)
        return gains[tested], qualities[rest[tested]], gains, qualities[rest]

    return draw


def split_pair(evidence: Evidence) -> Split:
    """Return how a pair's held-out items are split: half to learn from, half the population."""

    def draw(generator: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
        order = generator.permutation(len(evidence))
        learnt, rest = (evidence.take(part) for part in np.array_split(order, 2))
        router = make_router(learn(learnt), learnt, learned=contest(learnt).learned, threshold=0.0)
        gains = decide_all(router, rest)
        tested = generator.integers(0, len(rest), len(rest))
        return gains[tested], rest.qualities[tested], gains, rest.qualities

    return draw


def render(data: dict[str, Any]) -> str:
    """Return the section of docs/numbers.md."""
    said = (
        "A threshold is chosen so that against always asking the strong model at most so much quality is "
        "lost, with this confidence (fixed sequence testing; the theorem: `camelid/route/guarantee.py`), "
        "and judged on all requests that nothing was learnt from: the population that labels are drawn from. "
        "*Net*: what the weak one does better counts; *worse only*: it does not. *Broken* is the number of "
        "splits in which the true loss exceeded the promise; *allowed* the most that chance leaves at the "
        "promised rate (97.5 %).\n\n"
    )
    rows = [
        [
            name,
            kind,
            f"{wish['max_loss']:g}",
            f"{wish['confidence']:.0%}",
            f"{wish['met']} of {wish['splits']}",
            f"{wish['share']:.1%}",
            f"{wish['loss']:.4f}",
            wish["broken"],
            wish["allowed"],
        ]
        for name, kinds in data["sources"].items()
        for kind, wishes in kinds.items()
        for wish in wishes
    ]
    columns = ("", "loss", "at most", "confidence", "met", "strong asked", "mean loss", "broken", "allowed")
    return said + stored.table(columns, rows)


def measure(draw: Split, splits: int) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of both kinds of loss."""
    return {
        "net": count_broken(draw, net=True, splits=splits),
        "worse only": count_broken(draw, net=False, splits=splits),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True, help="where router_mmlu is")
    parser.add_argument("--pair", type=Path, action="append", default=[], help="a pair folder, too")
    parser.add_argument("--splits", type=int, default=SPLITS)
    arguments = parser.parse_args()
    sources = {"router_mmlu": measure(split_mmlu(arguments.data_root), arguments.splits)}
    for pair in arguments.pair:
        sources[pair.name] = measure(split_pair(replay.label(pair)), arguments.splits)
    data = {"sources": sources, "splits": arguments.splits}
    print(render(data))
    print(f"stored {stored.store('guarantee', data, packages=('numpy',))}; now: make docs")
    if not all(wish["kept"] for kinds in sources.values() for wishes in kinds.values() for wish in wishes):
        sys.exit("A promise was broken more often than it says.")


if __name__ == "__main__":
    main()
