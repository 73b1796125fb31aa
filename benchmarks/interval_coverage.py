"""Do the intervals of camelid compare cover? Simulated, with a truth that is known.

A pair's own answers are taken for the whole world: the difference of all of them is the truth. Then sets of
items are drawn from it over and over, and it is counted how often the interval of a set holds the truth, and
how often two models that do not differ are told apart. Beside it made-up worlds whose truth is a formula.

    python benchmarks/interval_coverage.py pairs/demo
"""

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import stored

from camelid.compare.contest import Contestant, hold_contest
from camelid.compare.intervals import Pairing, pair_shares, pair_sums
from camelid.compare.metrics import find_metric
from camelid.compare.tasks import find_tasks
from camelid.model.pairfile import ROLES, read_pair_file

SIZES = (50, 100, 200)
RESAMPLES = 1000
MADE_UP = "made up"
FEWEST = 0.05  # of the items must differ: of a handful nobody can draw what the rest would be like


class Silence:
    """Progress that nobody watches."""

    def begin(self, name: str, total: int) -> None:
        """Say what begins."""
        print(f"{name} …", flush=True)

    def advance(self, count: int = 1) -> None:
        """Say nothing."""


def collect_worlds(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of both models for every metric of every task of a pair."""
    pair, tasks = read_pair_file(folder), find_tasks(folder)
    llama, alpaca = (Contestant(role, folder / pair.roles[role].folder) for role in ROLES)
    with tempfile.TemporaryDirectory() as keep:
        outcome = hold_contest(
            (llama, alpaca), tasks, limit=None, seed=0, keep=Path(keep), progress=Silence(), timed=False
        )
    worlds = []
    for played in outcome.played.values():
        for name in played.task.metrics:
            metric = find_metric(name)
            rows = [metric.statistics(played.items, scores) for scores in played.scores.values()]
            shares = name in ("exact_match", "accuracy")
            worlds.append(
                {
                    "task": played.task.title,
                    "metric": metric.title,
                    "world": len(played.items),
                    "pair": pair_of_shares if shares else pair_of(metric.pool),
                    "rows": rows,
                    "truth": truth_of(rows, metric.pool),
                }
            )
    return [world for world in worlds if math.isfinite(world["truth"]) and share_of_differing(world) > 0]


def share_of_differing(world: dict[str, Any]) -> float:
    """Return the share of a world's items on which the two differ."""
    one, two = world["rows"]
    return float((one != two).any(axis=1).mean())


def make_up_worlds() -> list[dict[str, Any]]:
    """Return worlds of very many items whose answers differ in known ways."""
    generator = np.random.default_rng(11)
    size = 200_000
    ability = generator.beta(2, 1, size)
    right = [(generator.random(size) < ability + shift).astype(float) for shift in (0.0, -0.05)]
    base = generator.normal(70, 25, size)
    graded = [np.clip(base + generator.normal(shift, 12, size), 0, 100) for shift in (0, -2)]
    rare = np.where(generator.random(size) < 0.15, generator.exponential(30, size), 0.0)
    rarely = [rare, np.zeros(size)]
    told = (
        ("right or wrong", right, True),
        ("graded 0 to 100", graded, False),
        ("rarely different", rarely, False),
    )
    return [
        {
            "task": MADE_UP,
            "metric": name,
            "world": size,
            "pair": pair_of_shares if shares else pair_of(mean),
            "rows": [np.column_stack([values, np.ones(size)]) for values in both],
            "truth": float(both[0].mean() - both[1].mean()),
        }
        for name, both, shares in told
    ]


def mean(sums: Any) -> Any:
    return sums[:, 0] / sums[:, 1]


def pair_of(pool: Any) -> Callable[[list[Any], int], Pairing]:
    def pair(rows: list[Any], seed: int) -> Pairing:
        return pair_sums(rows[0], rows[1], pool, resamples=RESAMPLES, seed=seed)

    return pair


def pair_of_shares(rows: list[Any], seed: int) -> Pairing:
    return pair_shares(rows[0][:, 0] > 0, rows[1][:, 0] > 0)


def truth_of(rows: list[Any], pool: Any) -> float:
    one, two = (float(pool(each.sum(axis=0, keepdims=True))[0]) for each in rows)
    return one - two


def simulate(world: dict[str, Any], size: int, draws: int, seed: int) -> dict[str, Any]:
    """Return how often intervals hold the truth, and how often a difference is seen where there is none.

    Where there is none: each item's two answers change places by the toss of a coin.
    """
    generator = np.random.default_rng(seed)
    held = alarms = 0
    for draw in range(draws):
        places = generator.integers(world["world"], size=size)
        rows = [each[places] for each in world["rows"]]
        difference = world["pair"](rows, draw).difference
        held += bool(difference.low <= world["truth"] <= difference.high)
        tossed = generator.random(size)[:, None] < 0.5
        turned = [np.where(tossed, rows[0], rows[1]), np.where(tossed, rows[1], rows[0])]
        alarms += world["pair"](turned, draw).difference.p < 0.05
    return {
        "task": world["task"],
        "metric": world["metric"],
        "n": size,
        "differing": share_of_differing(world),
        "covered": held / draws,
        "false_alarms": alarms / draws,
    }


def render(data: dict[str, Any]) -> str:
    """Return the section of docs/numbers.md."""
    sizes = sorted({row["n"] for row in data["rows"]})
    cells = {(row["task"], row["metric"], row["n"]): row for row in data["rows"]}
    names = dict.fromkeys((row["task"], row["metric"]) for row in data["rows"])
    rows = [
        [
            f"{task}, {metric}",
            *(f"{100 * cells[task, metric, size]['covered']:.1f} %" for size in sizes),
            f"{100 * cells[task, metric, sizes[-1]]['false_alarms']:.1f} %",
        ]
        for task, metric in names
    ]
    columns = ["difference of the two", *(f"covered, n = {size}" for size in sizes), "false alarms"]
    counted = [row for row in data["rows"] if row["differing"] >= FEWEST]
    means = []
    for size in sizes:
        covered = [row["covered"] for row in counted if row["n"] == size]
        means.append(f"{100 * sum(covered) / len(covered):.1f} % (n = {size})")
    few = [
        f"{task}, {metric}" for task, metric in names if cells[task, metric, sizes[0]]["differing"] < FEWEST
    ]
    left_out = f" without {'; '.join(few)}, where fewer than {FEWEST:.0%} of the items differ" if few else ""
    said = (
        f"How often the 95 % interval of a paired difference holds the truth, over {data['draws']} sets of "
        f"items drawn from all answers of {data['pair']} and from made-up ones. The last column is how often "
        "two that do not differ are told apart at 5 %, before the adjustment for many tasks "
        f"(n = {sizes[-1]}). Chance moves a cell by ±{data['noise']:.1f} points. The mean over the rows"
        f"{left_out}: {', '.join(means)}."
    )
    return f"{said}\n\n{stored.table(columns, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("--draws", type=int, default=1000, help="sets drawn for each cell")
    arguments = parser.parse_args()
    worlds = [*collect_worlds(arguments.pair), *make_up_worlds()]
    rows = []
    for place, world in enumerate(worlds):
        for size in SIZES:
            rows.append(simulate(world, size, arguments.draws, 1000 * place + size))
            print(rows[-1], flush=True)
    noise = 196 * math.sqrt(0.95 * 0.05 / arguments.draws)
    data = {"pair": str(arguments.pair), "draws": arguments.draws, "noise": noise, "rows": rows}
    print(stored.store("interval_coverage", data, packages=("numpy", "sacrebleu", "rouge-score")))


if __name__ == "__main__":
    main()
