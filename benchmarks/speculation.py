"""What guessing ahead gains: the Llama alone, the same with guesses, and the dial between the two.

    python benchmarks/speculation.py                             the demo's pair
    python benchmarks/speculation.py pairs/demo pairs/reference  several, each a row of the tables

Held-out prompts of conversations, translations and summaries, one request at a time, each asked of the Llama
alone and with guesses in turn; nothing is asked twice of one engine, so that no prefix is reused. Every reply
must be the Llama's own, to the letter, or the benchmark fails.
"""

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import stored
from sacrebleu.metrics import CHRF

import camelid
from camelid.errors import ContextTooLongError
from camelid.text.heldout import HELD_OUT, read_held_out

KINDS = {
    "conversation": ("assistant", "service", "smalltalk", "camelids", "conversation", "chat"),
    "translation": ("translation",),
    "summary": ("summary", "summarization"),
}
SETTINGS: dict[str, dict[str, Any]] = {"greedy": {}, "drawn": {"temperature": 0.8, "seed": 7}}
DIALS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.05, 0.0)
MAX_TOKENS = 120
WARM_UP = 4  # prompts that are not counted
ROUNDS = 5  # parts that the prompts are divided into, for the spread


def load_prompts(folder: Path, limit: int) -> dict[str, list[tuple[Any, str]]]:
    """Return conversations to be answered, and what the data answers, of each kind that the pair has."""
    found: dict[str, list[tuple[Any, str]]] = defaultdict(list)
    for record in read_held_out(folder / HELD_OUT):
        if record.is_chat and record.messages[-1].role == "assistant":
            for kind, tasks in KINDS.items():
                if record.task in tasks:
                    found[kind].append((record.messages[:-1], record.messages[-1].content))
    return {
        kind: random.Random(0).sample(found[kind], min(limit, len(found[kind])))
        for kind in KINDS
        if found[kind]
    }


def compare(folder: Path, prompts: list[tuple[Any, str]], options: dict[str, Any]) -> dict[str, Any]:
    """Return how long both take, and what became of the guesses."""
    alone = camelid.load(folder, backend="native", speculate=False)
    guessed = camelid.load(folder, backend="native", speculate=True)
    times: list[tuple[float, float]] = []
    tokens = 0
    for number, (messages, _) in enumerate(prompts):
        asked = {"model": "llama", "max_tokens": MAX_TOKENS, **options}
        try:
            pairs = [(alone, guessed), (guessed, alone)][number % 2]
            replies = {id(pair): pair.reply(messages, **asked) for pair in pairs}
        except ContextTooLongError:
            continue
        mine, theirs = replies[id(guessed)], replies[id(alone)]
        if mine.text != theirs.text:
            sys.exit(f"{folder}: a guessed reply differs:\n{theirs.text}\n{mine.text}")
        if number >= WARM_UP:
            times.append((theirs.total_s, mine.total_s))
            tokens += mine.completion_tokens
    engine = guessed["llama"].model.engine
    counters, economy = engine.load.counters, engine.drafter.economy
    ratios = [_ratio(times[part::ROUNDS]) for part in range(ROUNDS)]
    return {
        "prompts": len(times),
        "alone_tokens_per_s": tokens / sum(first for first, _ in times),
        "guessed_tokens_per_s": tokens / sum(second for _, second in times),
        "ratio": _ratio(times),
        "ratios": ratios,
        "guesses": counters.drafted,
        "right": counters.accepted / max(1, counters.drafted),
        "tokens_per_step": counters.tokens / max(1, counters.steps),
        "guess_ms": 1000 * economy.guess_s,
        "step_ms": {guesses: 1000 * seconds for guesses, seconds in sorted(economy.step_s.items())},
    }


def turn_dial(folder: Path, prompts: list[tuple[Any, str]]) -> list[dict[str, Any]]:
    """Return what each setting of the dial costs and says."""
    own: list[str] = []
    found = []
    for dial in DIALS:
        pair = camelid.load(folder, backend="native", speculate=True)
        texts, golds, seconds, tokens = [], [], 0.0, 0
        for number, (messages, gold) in enumerate(prompts):
            try:
                reply = pair.reply(messages, model="llama", dial=dial, max_tokens=MAX_TOKENS)
            except ContextTooLongError:
                continue
            texts.append(reply.text)
            golds.append(gold)
            if number >= WARM_UP:
                seconds += reply.total_s
                tokens += reply.completion_tokens
        own = own or texts
        found.append(
            {
                "dial": dial,
                "tokens_per_s": tokens / seconds,
                "seconds": seconds,
                "same": sum(text == other for text, other in zip(texts, own, strict=True)) / len(texts),
                "chrf": float(CHRF().corpus_score(texts, [golds]).score),
            }
        )
    return found


def _ratio(times: Iterable[tuple[float, float]]) -> float:
    alone, guessed = (sum(column) for column in zip(*times, strict=True))
    return alone / guessed


def measure(folder: Path, limit: int) -> dict[str, Any]:
    """Return all figures of one pair."""
    prompts = load_prompts(folder, limit)
    file = camelid.load(folder).file
    return {
        "pair": file.name,
        "parameters": {role: file.roles[role].parameters for role in file.roles},
        "layers": {role: file.roles[role].layers for role in file.roles},
        "kinds": {
            kind: {name: compare(folder, asked, options) for name, options in SETTINGS.items()}
            for kind, asked in prompts.items()
        },
        "dial": {kind: turn_dial(folder, asked) for kind, asked in prompts.items()},
    }


# --- the page ---------------------------------------------------------------------------------------------


def render(data: dict[str, Any]) -> str:
    """Return the tables of docs/numbers.md."""
    return "\n\n".join([_INTRO, *(_render_pair(pair) for pair in data["pairs"])])


_INTRO = (
    "The Llama's replies to held-out prompts, one request at a time in int8, prompt and all: alone, and with "
    "the Alpaca's guesses and those from earlier text, which change no letter of it. The gain is the ratio "
    "of the times, with the lowest and highest of five parts of the prompts. What a step that verifies them "
    "costs is in the last columns; guessing switches itself off where it does not pay."
)


def _render_pair(pair: dict[str, Any]) -> str:
    rows, dials = [], []
    for kind, settings in pair["kinds"].items():
        for name, found in settings.items():
            steps = {int(guesses): cost for guesses, cost in found["step_ms"].items()}
            most = max(steps)
            rows.append(
                [
                    f"{kind}, {name}",
                    f"{found['alone_tokens_per_s']:,.0f}",
                    f"{found['guessed_tokens_per_s']:,.0f}",
                    f"{found['ratio']:.2f}× ({min(found['ratios']):.2f}–{max(found['ratios']):.2f})",
                    f"{found['right']:.0%}",
                    f"{found['tokens_per_step']:.2f}",
                    f"{found['guess_ms']:.3f}",
                    f"{steps[0]:.3f}" if 0 in steps else "–",
                    f"{steps[most]:.3f} ({most})",
                ]
            )
    for kind, found in pair["dial"].items():
        for each in found:
            dials.append(
                [
                    f"{kind}, {each['dial']:g}",
                    f"{each['tokens_per_s']:,.0f}",
                    f"{each['same']:.0%}",
                    f"{each['chrf']:.1f}",
                ]
            )
    sizes = " and ".join(
        f"{count / 1e6:.1f}M parameters in {pair['layers'][role]} layers"
        for role, count in pair["parameters"].items()
    )
    columns = ["", "alone, tokens/s", "guessed, tokens/s", "gain", "guesses right", "tokens per step"]
    costs = ["a guess, ms", "a plain step, ms", "with most guesses, ms"]
    return (
        f"**{pair['pair']}** ({sizes}):\n\n{stored.table([*columns, *costs], rows)}\n\n"
        "The dial, greedy, from the exact Llama at 1 to the Alpaca alone at 0:\n\n"
        + stored.table(["", "tokens/s", "replies the same as the Llama's", "chrF"], dials)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path, nargs="*", default=[Path("pairs/demo")])
    parser.add_argument("--limit", type=int, help="prompts of each kind, instead of 150; not stored")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    data = {"pairs": [measure(folder, options.limit or 150) for folder in options.pair]}
    print(json.dumps(data, indent=1) if options.json else render(data))
    if not options.limit:
        print(f"stored {stored.store('speculation', data)}; now: make docs", file=sys.stderr)


if __name__ == "__main__":
    main()
