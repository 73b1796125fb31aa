"""Replay of RouteLLM's MMLU rows, under its own procedure, and what a decision costs a pair.

    python benchmarks/router.py --data-root DATA                      the replay; DATA holds router_mmlu
    python benchmarks/router.py --data-root DATA --pair pairs/demo    and the deferral curve of a pair
    python benchmarks/router.py --overhead pairs/demo                 the time of a decision

Stored is a run with --data-root, with all that it measured besides.

RouteLLM (Ong et al. 2024, arXiv:2406.18665, table 2) learns from about 1,500 labels of MMLU's validation
rows; here 1,500 labels are drawn from the rows themselves and the rest is the test, ten times over; its
decontamination (5 of 14,042 rows) is not done. APGR as its code computes it; CPT as the first crossing. The
learner's settings were chosen on other splits (seeds 100 to 107) than those that are reported (seeds 0 to 9).
It learns from prompt texts and labels alone, and sees no test prompt before it is asked; in a row of its own,
it learns topics from the test's prompts, too: a server has seen such prompts as well, but has no labels of
them.
"""

import argparse
import csv
import re
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import stored
from numpy.typing import NDArray

import camelid
from camelid.compare.tasks import find_tasks
from camelid.route.curve import apgr, draw_curve
from camelid.route.evidence import Evidence, collect
from camelid.route.learning import contest, learn, make_router
from camelid.route.prompts import learn_prompts

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

LABELS, SPLITS = 1500, 10
WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
PUBLISHED = (
    ("RouteLLM, best of four (similarity ranking)", 0.603, 0.354),
    ("RouteLLM, random", 0.500, 0.5007),
)


@dataclass(frozen=True)
class Rows:
    """Questions, which of the two answered them right (0 or 1), and the subject, which no prompt names."""

    prompts: list[str]
    weak: Floats
    strong: Floats
    subjects: NDArray[np.str_]


def read_mmlu(root: Path) -> Rows:
    """Return the rows of router_mmlu, all subjects after one another."""
    files = sorted((root / "router_mmlu").glob("mmlu_*.csv"))
    if not files:
        sys.exit(
            f"There are no mmlu_*.csv in {root / 'router_mmlu'}. Give the folder above it as --data-root."
        )
    prompts, right, subjects = [], [], []
    for file in files:
        subject = re.sub(r"^mmlu_", "", file.stem)
        with file.open(encoding="utf-8", newline="") as opened:
            for row in csv.DictReader(opened):
                prompts.append(row["prompt"])
                right.append((row[WEAK] == "True", row[STRONG] == "True"))
                subjects.append(subject)
    weak, strong = np.array(right, float).T
    return Rows(prompts, weak, strong, np.array(subjects))


def split(num: int, labels: int, seed: int) -> tuple[Places, Places]:
    """Return the places of the labelled rows and of the others."""
    order = np.random.default_rng(seed).permutation(num)
    return order[:labels], order[labels:]


def gain_of_prompts(data: Rows, train: Places, test: Places) -> Floats:
    """Return the gain that camelid's learner expects, from prompt texts alone."""
    learnt = learn_prompts([data.prompts[row] for row in train], data.weak[train], data.strong[train])
    return learnt.predict([data.prompts[row] for row in test])


def gain_of_traffic(data: Rows, train: Places, test: Places) -> Floats:
    """Return the same by a learner that has seen the test's prompts, too, without labels."""
    asked = [data.prompts[row] for row in test]
    known = [data.prompts[row] for row in train]
    return learn_prompts(known, data.weak[train], data.strong[train], unlabelled=asked).predict(asked)


def gain_of_subjects(data: Rows, train: Places, test: Places) -> Floats:
    """Return the mean gain of each row's subject, which is told, shrunken a little to the mean of all."""
    gains = data.strong[train] - data.weak[train]
    means = {
        subject: (gains[own].sum() + 10 * gains.mean()) / (own.sum() + 10)
        for subject in set(data.subjects)
        if (own := data.subjects[train] == subject) is not None
    }
    return np.array([means[subject] for subject in data.subjects[test]])


def gain_of_tfidf(data: Rows, train: Places, test: Places) -> Floats:
    """Return the difference of two logistic regressions on words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    known = vectorizer.fit_transform([data.prompts[row] for row in train])
    asked = vectorizer.transform([data.prompts[row] for row in test])
    strong, weak = (
        LogisticRegression(max_iter=500).fit(known, right[train]).predict_proba(asked)[:, 1]
        for right in (data.strong, data.weak)
    )
    return np.asarray(strong - weak, float)


def gain_at_random(data: Rows, train: Places, test: Places) -> Floats:
    """Return numbers drawn at random."""
    return np.random.default_rng(len(test) + int(train[0])).random(len(test))


def gain_of_oracle(data: Rows, train: Places, test: Places) -> Floats:
    """Return the true gain."""
    return np.asarray(data.strong[test] - data.weak[test], float)


WAYS: dict[str, Callable[[Rows, Places, Places], Floats]] = {
    "camelid, prompt text alone": gain_of_prompts,
    "camelid, with the other prompts unlabelled": gain_of_traffic,
    "TF-IDF, two logistic regressions": gain_of_tfidf,
    "mean of the subject, which is told": gain_of_subjects,
    "random": gain_at_random,
    "oracle": gain_of_oracle,
}


def replay(data: Rows, splits: int, first_seed: int = 0) -> dict[str, Any]:
    """Return the figures of each way, over splits."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    for seed in range(first_seed, first_seed + splits):
        train, test = split(len(data.prompts), LABELS, seed)
        for name, way in WAYS.items():
            scores = way(data, train, test)
            weak, strong = data.weak[test], data.strong[test]
            curve = draw_curve(scores, weak, strong)
            found[name].append(
                {
                    "apgr": apgr(scores, weak, strong),
                    "whole": curve.recovered,
                    "cpt50": curve.share_for(0.5),
                    "cpt80": curve.share_for(0.8),
                }
            )
        print(f"split {seed}: " + ", ".join(f"{name} {rows[-1]['apgr']:.3f}" for name, rows in found.items()))
    return {
        "rows": len(data.prompts),
        "weak": float(data.weak.mean()),
        "strong": float(data.strong.mean()),
        "labels": LABELS,
        "splits": splits,
        "ways": found,
    }


def label(folder: Path) -> Evidence:
    """Return a pair's held-out items, answered by both."""
    pair = camelid.load(folder)
    models = {role: pair[role].model for role in ("alpaca", "llama")}
    tokenizers = {role: pair[role].tokenizer for role in models}
    return collect(models, tokenizers, list(find_tasks(folder).values()))


def follow_pair(folder: Path) -> dict[str, Any]:
    """Return the curves of a pair, and what share of the Llama's time keeps 98 % of its quality."""
    evidence = label(folder)
    judged = contest(evidence)
    alpaca, llama = evidence.qualities.T
    scores = {**judged.gains, "oracle": llama - alpaca}
    curves = {name: draw_curve(gains, alpaca, llama) for name, gains in scores.items()}
    return {
        "requests": len(evidence),
        "alpaca": float(alpaca.mean()),
        "llama": float(llama.mean()),
        "areas": {name: curve.area for name, curve in curves.items()}
        | {"random": float((alpaca.mean() + llama.mean()) / 2)},
        "ahead": judged.ahead,
        "surely": judged.surely,
        "kept": "learned" if judged.learned else "table",
        "points": _keep(evidence, judged.kept),
    }


def _keep(evidence: Evidence, gains: Floats) -> dict[str, float]:
    """Return the quickest way to keep 98 % of the Llama's mean quality, by share, quality and time."""
    alpaca, llama = evidence.qualities.T
    order = np.argsort(-gains, kind="stable")
    quality, seconds = alpaca.copy(), evidence.seconds[:, 0].copy()
    best: dict[str, float] = {}
    for number in range(len(order) + 1):
        part = float(quality.mean() / llama.mean())
        spent = float(seconds.mean() / evidence.seconds[:, 1].mean())
        if part >= 0.98 and (not best or spent < best["time"]):
            best = {"share": number / len(order), "quality": part, "time": spent}
        if number < len(order):
            row = order[number]
            quality[row] = llama[row]
            seconds[row] = evidence.first_s[row] + evidence.seconds[row, 1]
    return best


def time_decisions(folder: Path, repeats: int = 20) -> dict[str, Any]:
    """Return what a decision takes, beside the Alpaca's own time to its first token, in microseconds."""
    evidence = label(folder)
    router = make_router(learn(evidence), evidence, learned=True, threshold=0.0)
    readings = [evidence.reading(row) for row in range(len(evidence))]
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        for messages, reading in zip(evidence.requests, readings, strict=True):
            router.decide(messages, reading)
        spent.append((time.perf_counter() - began) / len(evidence))
    pair = camelid.load(folder)
    pair["alpaca"].load()
    firsts = []
    for messages in evidence.requests[:200]:
        model = pair["alpaca"].model
        if hasattr(model, "engine"):
            model.engine.clear_cache()
        firsts.append(pair["alpaca"].reply(messages, max_tokens=1).first_token_s)
    first_us = 1e6 * statistics.median(firsts)
    decision_us = 1e6 * statistics.median(spent)
    return {"decision_us": decision_us, "first_token_us": first_us, "share": decision_us / first_us}


def render(data: dict[str, Any]) -> str:
    """Return the section of docs/numbers.md."""
    parts = []
    if mmlu := data.get("mmlu"):
        rows = [
            [f"{name} (published)", f"{value:.3f}", "", f"{cpt:.1%}", ""] for name, value, cpt in PUBLISHED
        ]
        for name, found in mmlu["ways"].items():
            columns = [[each[key] for each in found] for key in ("apgr", "cpt50", "cpt80")]
            spread = statistics.stdev(columns[0]) if len(found) > 1 else 0.0
            rows.append(
                [
                    name,
                    f"{statistics.fmean(columns[0]):.3f}",
                    f"{spread:.3f}",
                    *(f"{statistics.fmean(column):.1%}" for column in columns[1:]),
                ]
            )
        parts.append(
            f"RouteLLM's MMLU rows ({mmlu['rows']:,}; weak {mmlu['weak']:.1%}, strong {mmlu['strong']:.1%} "
            f"right), {mmlu['labels']:,} labels to learn from, the rest the test, over {mmlu['splits']} "
            "splits. CPT: the least share of strong answers that recovers so much of the gap.\n\n"
            + stored.table(("", "APGR", "± sd", "CPT 50 %", "CPT 80 %"), rows)
        )
    if pairs := data.get("pairs"):
        rows = [
            [
                name,
                f"{pair['requests']:,}",
                f"{pair['alpaca']:.3f}",
                f"{pair['llama']:.3f}",
                *(f"{pair['areas'][way]:.4f}" for way in ("random", "table", "learned", "oracle")),
                pair["kept"],
                _say_point(pair["points"]),
            ]
            for name, pair in pairs.items()
        ]
        columns = ("pair", "requests", "Alpaca", "Llama", "random", "table", "learned", "oracle", "kept")
        parts.append(
            "Pairs of our own: mean quality of both on held-out items, and the area under the deferral "
            "curve.\n\n" + stored.table((*columns, "98 % of the Llama's quality"), rows)
        )
    if overhead := data.get("overhead"):
        rows = [
            [
                name,
                f"{each['decision_us']:.1f} µs",
                f"{each['first_token_us']:.0f} µs",
                f"{each['share']:.1%}",
            ]
            for name, each in overhead.items()
        ]
        parts.append(
            "What a decision takes beside the Alpaca's own time to its first token (medians).\n\n"
            + stored.table(("pair", "decision", "first token", "share"), rows)
        )
    return "\n\n".join(parts)


def _say_point(point: dict[str, float]) -> str:
    if not point:
        return "never"
    return f"{point['quality']:.1%} at {point['time']:.0%} of its time"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data-root", type=Path, help="where router_mmlu is")
    parser.add_argument("--pair", type=Path, action="append", default=[], help="a pair folder, too")
    parser.add_argument("--overhead", type=Path, action="append", default=[], help="time a pair's decisions")
    parser.add_argument("--splits", type=int, default=SPLITS)
    arguments = parser.parse_args()
    data: dict[str, Any] = {}
    if arguments.data_root:
        data["mmlu"] = replay(read_mmlu(arguments.data_root), arguments.splits)
    for folder in arguments.pair:
        data.setdefault("pairs", {})[folder.name] = follow_pair(folder)
    for folder in arguments.overhead:
        data.setdefault("overhead", {})[folder.name] = time_decisions(folder)
    if not data:
        parser.error("nothing to measure: give --data-root, --pair or --overhead")
    print(render(data))
    if arguments.data_root:  # so that what is stored is always of one run, and whole
        print(f"stored {stored.store('router', data, packages=('numpy', 'scikit-learn'))}; now: make docs")


if __name__ == "__main__":
    main()
