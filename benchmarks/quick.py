"""Score a pair on held-out records of the built-in corpus, against their gold answers.

    python benchmarks/quick.py                           the demo's pair
    python benchmarks/quick.py pairs/demo --limit 20     a quick look, not stored

Both models answer greedily, one request at a time, the same records. Intervals are bootstrapped over records.
Then all is asked again with the weights packed in each way, to see what packing loses.
"""

import argparse
import json
import random
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import stored
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

import camelid
from camelid.compare.reading import find_text, measure_reading, read_text
from camelid.errors import ContextTooLongError

LIMIT = 150  # records of a task; of a direction of translation a third of it
ROLES = ("llama", "alpaca")
RESAMPLES = 1000
WEIGHTS = ("f32", "bf16", "int8", "int4")
PACKAGES = ("torch", "sacrebleu", "rouge-score")

# What each task is scored by: the first stands in the comparison of the two.
METRICS = {
    "sentiment": ("accuracy",),
    "translation": ("chrF", "BLEU"),
    "summary": ("ROUGE-L", "chrF"),
    "assistant": ("exact", "chrF"),
    "service": ("exact", "chrF"),
    "smalltalk": ("exact", "chrF"),
    "camelids": ("exact", "chrF"),
}


class Words:
    """A tokenizer for ROUGE that knows letters beyond a to z."""

    def tokenize(self, text: str) -> list[str]:
        """Return the words of a text in lower case."""
        return re.findall(r"\w+", text.lower())


ROUGE = RougeScorer(["rougeL"], tokenizer=Words())


def load_questions(path: Path, limit: int, seed: int) -> list[dict[str, Any]]:
    """Return the held-out conversations to ask, at most `limit` of each task, chosen by the seed."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        turns = record.get("messages") or []
        if record["task"] not in METRICS or not turns or turns[-1]["role"] != "assistant":
            continue
        group = record["task"]
        if group == "translation":
            group += f" {record.get('source_lang', '?')}→{record['lang']}"
        groups[group].append(
            {"prompt": turns[:-1], "gold": turns[-1]["content"], "group": group}
            | {key: record[key] for key in ("task", "lang")}
        )
    chosen = []
    for group, found in sorted(groups.items()):
        size = -(-limit // 3) if group.startswith("translation") else limit
        chosen += random.Random(seed).sample(found, min(size, len(found)))
    return chosen


def ask_both(pair: Any, questions: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return both models' answers by role, in turn, so that what else the machine does meets both alike."""
    answers: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}
    for number, question in enumerate(questions, 1):
        for role in ROLES:
            answers[role].append(ask(pair, role, question))
        if number % 100 == 0:
            print(f"{number} of {len(questions)}", file=sys.stderr, flush=True)
    return answers


def ask(pair: Any, role: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return a model's answer, with how long it took."""
    try:
        reply = pair.reply(question["prompt"], model=role, temperature=0.0)
    except ContextTooLongError:  # no answer is a wrong answer
        return {"text": "", "finish_reason": "too long", "first_token_s": None, "rate": None}
    after_first = max(reply.completion_tokens - 1, 0)
    return {
        "text": reply.text,
        "finish_reason": reply.finish_reason,
        "first_token_s": reply.first_token_s,
        "rate": after_first / (reply.total_s - reply.first_token_s) if after_first > 4 else None,
    }


# --- scores -----------------------------------------------------------------------------------------------


def score_records(metric: str, answers: Sequence[str], golds: Sequence[str]) -> list[float]:
    """Return each record's score, 0 to 100."""
    if metric == "accuracy":
        return [100.0 * (_bare(answer) == _bare(gold)) for answer, gold in zip(answers, golds, strict=True)]
    if metric == "exact":
        return [100.0 * (answer.strip() == gold) for answer, gold in zip(answers, golds, strict=True)]
    if metric == "ROUGE-L":
        return [
            100.0 * ROUGE.score(gold, answer)["rougeL"].fmeasure
            for answer, gold in zip(answers, golds, strict=True)
        ]
    scorer = CHRF() if metric == "chrF" else BLEU(effective_order=True)
    return [scorer.sentence_score(answer, [gold]).score for answer, gold in zip(answers, golds, strict=True)]


def score(metric: str, answers: Sequence[str], golds: Sequence[str]) -> dict[str, Any]:
    """Return a score over all records, 0 to 100, with its 95 % interval; chrF and BLEU are the corpus's."""
    if metric in ("chrF", "BLEU"):
        scorer = CHRF() if metric == "chrF" else BLEU()
        value = scorer.corpus_score(answers, [list(golds)]).score
        counts = np.asarray(scorer._extract_corpus_statistics(answers, [list(golds)]))
        draws = np.random.default_rng(0).integers(0, len(counts), (RESAMPLES, len(counts)))
        sums = (counts[drawn].sum(axis=0).tolist() for drawn in draws)
        resampled = [float(scorer._compute_score_from_stats(each).score) for each in sums]
        low, high = np.percentile(resampled, [2.5, 97.5])
        found = {"value": float(value), "low": float(low), "high": float(high)}
        return {**found, "signature": str(scorer.get_signature())}
    scores = score_records(metric, answers, golds)
    low, high = interval(scores)
    return {"value": statistics.fmean(scores), "low": low, "high": high}


def interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a mean, by resampling."""
    values = np.asarray(scores)
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _bare(text: str) -> str:
    return " ".join(Words().tokenize(text))


def summarise(questions: list[dict[str, Any]], answers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return all scores: by task, by task and language, by direction of translation; and the two compared."""
    golds = [question["gold"] for question in questions]
    texts = {role: [answer["text"] for answer in answers[role]] for role in ROLES}
    found: dict[str, Any] = {}
    for name, chosen in _groupings(questions):
        metrics = METRICS[questions[chosen[0]]["task"]]
        gold = [golds[index] for index in chosen]
        said = {role: [texts[role][index] for index in chosen] for role in ROLES}
        entry: dict[str, Any] = {"records": len(chosen)}
        for metric in metrics:
            entry[metric] = {role: score(metric, said[role], gold) for role in ROLES}
        pairs = [score_records(metrics[0], said[role], gold) for role in ROLES]
        low, high = interval(np.subtract(*pairs))
        entry["llama_ahead"] = {"value": float(np.mean(np.subtract(*pairs))), "low": low, "high": high}
        found[name] = entry
    return found


def _groupings(questions: list[dict[str, Any]]) -> Iterator[tuple[str, list[int]]]:
    naming: list[Callable[[dict[str, Any]], str]] = [
        lambda question: question["task"],
        lambda question: f"{question['task']} {question['lang']}",
        lambda question: question["group"],
    ]
    seen = set()
    for name_of in naming:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, question in enumerate(questions):
            groups[name_of(question)].append(index)
        for name, chosen in sorted(groups.items()):
            if name not in seen:
                seen.add(name)
                yield name, chosen


def pace(answers: list[dict[str, Any]]) -> dict[str, float]:
    """Return the median rate and time to the first token."""
    return {
        "rate_tokens_per_s": statistics.median(answer["rate"] for answer in answers if answer["rate"]),
        "first_token_ms": 1000 * statistics.median(a["first_token_s"] for a in answers if a["first_token_s"]),
        "too_long": sum(answer["finish_reason"] == "too long" for answer in answers),
    }


def compare_rates(answers: dict[str, list[dict[str, Any]]]) -> float:
    """Return how many times faster the Alpaca is after its first token: the median over questions."""
    both = zip(answers["alpaca"], answers["llama"], strict=True)
    return statistics.median(
        alpaca["rate"] / llama["rate"] for alpaca, llama in both if alpaca["rate"] and llama["rate"]
    )


def weigh(folder: Path, questions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what each packing of the weights makes of both models: bits per byte, and the tasks' scores."""
    text = find_text(folder)
    records = read_text(text) if text else []
    found = {}
    for weights in WEIGHTS:
        pair = camelid.load(folder, weights=weights, speculate=False)
        answers = ask_both(pair, questions)
        scores = summarise(questions, answers)
        found[weights] = {
            "bits_per_byte": {
                role: measure_reading(speaker.model, speaker.tokenizer, records)
                for role, speaker in pair.speakers.items()
            },
            "scores": {task: scores[task][METRICS[task][0]] for task in METRICS if task in scores},
            "pace": {role: pace(answers[role]) for role in ROLES},
        }
    return found


# --- the page ---------------------------------------------------------------------------------------------


def render(data: dict[str, Any]) -> str:
    """Return the tables of docs/numbers.md."""
    scores = data["scores"]
    tasks = [
        [
            f"{task} · {metric}",
            scores[task]["records"],
            *(_cell(scores[task][metric][role]) for role in ROLES),
            _cell(scores[task]["llama_ahead"]) if metric == METRICS[task][0] else "",
        ]
        for task in METRICS
        if task in scores
        for metric in METRICS[task]
    ]
    speed = [
        [name, *(f"{data['pace'][role][key]:,.{digits}f}" for role in ROLES)]
        for name, key, digits in (
            ("tokens/s", "rate_tokens_per_s", 0),
            ("first token, ms", "first_token_ms", 1),
        )
    ]
    ratio = data["ratio"]
    signatures = {scores["translation"][metric]["llama"]["signature"] for metric in ("chrF", "BLEU")}
    return (
        "Greedy answers to held-out records; 0 to 100, with 95 % intervals. `exact`: the gold answer to the "
        "letter. The last column is the mean difference record by record (of sentence scores, for chrF). "
        f"{data['pace']['llama']['too_long']} prompts did not fit in the context and count as wrong.\n\n"
        f"{stored.table(['', 'records', 'Llama', 'Alpaca', 'Llama ahead by'], tasks)}\n\n"
        f"{stored.table(['one request at a time', 'Llama', 'Alpaca'], speed)}\n\n"
        f"The Alpaca makes {ratio:.1f} times as many tokens per second.\n\n"
        f"What packed weights lose, Llama / Alpaca:\n\n{_by_weights(data['weights'])}\n\n"
        f"By language, Llama / Alpaca:\n\n{_by_language(scores)}\n\n"
        f"By direction of translation, Llama / Alpaca:\n\n{_by_direction(scores)}\n\n"
        + "\n".join(f"`{signature}`  " for signature in sorted(signatures))
    )


def _by_weights(found: dict[str, Any]) -> str:
    def row(label: str, digits: int, number: Callable[[dict[str, Any], str], float]) -> list[str]:
        cells = (" / ".join(f"{number(each, role):.{digits}f}" for role in ROLES) for each in found.values())
        return [label, *cells]

    tasks = next(iter(found.values()))["scores"]
    rows = [row("bits per byte", 4, lambda each, role: each["bits_per_byte"][role])]
    for task in tasks:
        label = f"{task} · {METRICS[task][0]}"
        rows.append(row(label, 1, lambda each, role, task=task: each["scores"][task][role]["value"]))  # type: ignore[misc]
    rows.append(row("tokens/s", 0, lambda each, role: each["pace"][role]["rate_tokens_per_s"]))
    return stored.table(["", *found], rows)


def _by_language(scores: dict[str, Any]) -> str:
    langs = sorted({name.split()[1] for name in scores if " " in name and "→" not in name})
    rows = []
    for task, metrics in METRICS.items():
        cells = [_both(scores.get(f"{task} {lang}"), metrics[0]) for lang in langs]
        rows.append([f"{task} · {metrics[0]}", *cells])
    return stored.table(["", *langs], rows)


def _by_direction(scores: dict[str, Any]) -> str:
    names = [name for name in scores if "→" in name]
    rows = [[name.split()[1], _both(scores[name], "chrF"), _both(scores[name], "BLEU")] for name in names]
    return stored.table(["", "chrF", "BLEU"], rows)


def _both(entry: dict[str, Any] | None, metric: str) -> str:
    return " / ".join(f"{entry[metric][role]['value']:.0f}" for role in ROLES) if entry else ""


def _cell(found: dict[str, Any]) -> str:
    return f"{found['value']:.1f} ({found['low']:.1f} to {min(found['high'], 100):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path, nargs="?", default=Path("pairs/demo"))
    parser.add_argument("--limit", type=int, help=f"records of each task, instead of {LIMIT}; not stored")
    parser.add_argument("--seed", type=int, default=0, help="which records are chosen")
    parser.add_argument("--json", action="store_true", help="print the scores and all answers as JSON")
    options = parser.parse_args()
    questions = load_questions(options.pair / "held_out.jsonl", options.limit or LIMIT, options.seed)
    pair = camelid.load(options.pair, speculate=False)
    answers = ask_both(pair, questions)
    data = {
        "limit": options.limit or LIMIT,
        "seed": options.seed,
        "scores": summarise(questions, answers),
        "pace": {role: pace(answers[role]) for role in ROLES},
        "ratio": compare_rates(answers),
        "weights": weigh(options.pair, questions),
    }
    if options.json:
        said = [
            {**question, **{role: answers[role][index]["text"] for role in ROLES}}
            for index, question in enumerate(questions)
        ]
        print(json.dumps({**data, "answers": said}, ensure_ascii=False, indent=1))
    else:
        print(render(data))
    if not options.limit:
        print(f"stored {stored.store('quick', data, packages=PACKAGES)}; now: make docs", file=sys.stderr)


if __name__ == "__main__":
    main()
