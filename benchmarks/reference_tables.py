"""The tables of what the reference pair can do, from the stored result of reference_tasks.py."""

from collections.abc import Mapping, Sequence
from typing import Any

import stored
from reference_asked import COPY, DICTIONARY, DRAWN, GOLD, LABELS, LEAD, MULTILINGUAL, STORY_TOKENS

from camelid.compare.metrics import find_metric
from camelid.text.languages import LANGUAGE_NAMES

ROLES = ("llama", "alpaca")
NAMES = {"llama": "Llama", "alpaca": "Alpaca"}
_MANNERS = ("friendly", "professional")
_SINGLE = ("tatoeba.", "pivot.", "multi30k.", "smalltalk.", "village.")
_CALLED = {LEAD: "the text's first sentence", DICTIONARY: "a word dictionary"}

# A row of the mission: what it is called, the part that it is judged on (the first that there is), its metric
# and the baseline that stands beside it.
MISSION: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("generation", ("stories",), "bits_per_byte", ""),
    ("summarization", ("summaries", "abstracts"), "rouge_l", LEAD),
    ("translation", ("translation",), "chrf", DICTIONARY),
    ("sentiment", ("film-sentences",), "accuracy", LABELS),
    ("chat", ("smalltalk", "smalltalk.en"), "chrf", DRAWN),
    ("assistant", ("assistant",), "chrf", DRAWN),
    ("customer service", ("banking",), "accuracy", LABELS),
    ("multilingual", ("multilingual",), "chrf", DRAWN),
)
_READ = {
    "generation": "stories, bits per byte (less is better)",
    "summarization": "abstracts and stories, ROUGE-L",
    "translation": "six directions, chrF",
    "sentiment": "sentences on films, accuracy",
    "chat": "small talk, chrF",
    "assistant": "an assistant's turns, chrF",
    "customer service": "which of the intents, accuracy",
    "multilingual": "talk in German, Spanish and French, chrF",
}


def render_mission(data: Mapping[str, Any]) -> str:
    """Return one row for each thing that the two are for: both figures, and a simple thing beside them."""
    rows = []
    for name, parts, metric, baseline in MISSION:
        part = next((data["parts"][each] for each in parts if each in data["parts"]), None)
        if part is not None and metric in part["metrics"]:
            told = part["metrics"][metric]
            beside = f"{_figure(told, metric, baseline)}, {baseline}" if baseline in told["figures"] else ""
            cells = [_figure(told, metric, role) for role in ROLES]
            ahead = NAMES.get(told["better"], "no difference found")
            rows.append([f"{name}: {_READ[name]}", *cells, ahead, beside])
    speed = data["speed"]
    cells = [_span(speed["tokens_per_s"][role], "{:,.0f}") for role in ROLES]
    rows.append(["speed: tokens per second", *cells, _faster(speed["times_faster"]), ""])
    return stored.table(["", "Llama", "Alpaca", "ahead", "beside it"], rows)


def _faster(times: Mapping[str, float]) -> str:
    if times["low"] <= 1 <= times["high"]:
        return "no difference found"
    ahead = "Alpaca" if times["value"] > 1 else "Llama"
    value, low, high = (
        times[end] if ahead == "Alpaca" else 1 / times[end] for end in ("value", "low", "high")
    )
    return f"{ahead}, {value:.1f}× ({min(low, high):.1f} to {max(low, high):.1f})"


def render(data: Mapping[str, Any]) -> str:
    """Return everything: the mission's table, and each task with its metrics, directions and languages."""
    parts = data["parts"]
    sections = [
        render_mission(data),
        _legend(data),
        _table("Stories", parts, ("stories",)),
        _say_ends(parts),
        _table("Summaries", parts, ("summaries", "abstracts", "titles")),
        _directions("Translation, Tatoeba", parts, "tatoeba.", "translation"),
        _directions("Translation without English, of which nothing was trained", parts, "pivot.", "pivot"),
        _directions("Translation of picture captions, the hard case", parts, "multi30k.", "multi30k"),
        _table("Sentiment", parts, ("film-sentences", "pros-cons", "world-reviews")),
        _table("An assistant and a shop", parts, ("assistant", "banking", "coffee")),
        _table("Small talk", parts, ("smalltalk", *_by_language("smalltalk"), *_MANNERS)),
        _table("In four languages", parts, ("multilingual", *_by_language("village"))),
    ]
    return "\n\n".join(section for section in sections if section)


def _say_ends(parts: Mapping[str, Any]) -> str:
    """Return how many stories were brought to an end, beside what a greedy continuation repeats."""
    if "stories" not in parts:
        return ""
    num = parts["stories"]["metrics"]["bits_per_byte"]["n"]
    ended = " and ".join(f"the {NAMES[role]} {num - parts['stories']['cut'][role]}" for role in ROLES)
    return (
        f"Of {num} stories gone on with for at most {STORY_TOKENS} tokens, {ended} came to their end by "
        "themselves. Repetition and diversity are of those words, the story itself cut at as many."
    )


def say_against(data: Mapping[str, Any]) -> list[str]:
    """Return in words where a model does no better than what needs no model: limits that have to be told."""
    found = []
    for name, part in data["parts"].items():
        if name.startswith(_SINGLE):
            continue  # told by all directions and languages together
        for baseline, by_role in next(iter(part["metrics"].values())).get("against", {}).items():
            for verdict, words in (("behind", "worse than"), ("", "not shown to be better than")):
                who = " and ".join(f"the {NAMES[role]}" for role in ROLES if by_role[role] == verdict)
                if who:
                    verb = "are" if " and " in who else "is"
                    found.append(f"{part['title']}: {who} {verb} {words} {_CALLED.get(baseline, baseline)}.")
    return found


def _by_language(kind: str) -> list[str]:
    return [f"{kind}.{lang}" for lang in ("en", *MULTILINGUAL)]


def _table(title: str, parts: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return a table with a row for each metric of each part, and a column for all baselines."""
    rows = []
    for name in names:
        for place, (metric, told) in enumerate(parts.get(name, {"metrics": {}})["metrics"].items()):
            cells = [_figure(told, metric, role) + _mark(told, role) for role in ROLES]
            beside = [
                f"{_figure(told, metric, each)} {each}" for each in told["figures"] if each not in ROLES
            ]
            first = f"{parts[name]['title']} ({told['n']})" if place == 0 else ""
            rows.append(
                [first, find_metric(metric).title, *cells, NAMES.get(told["better"], "–"), ", ".join(beside)]
            )
    if not rows:
        return ""
    told = [place for name in names if name in parts for place in parts[name]["where"].split("; ")]
    where = "; ".join(dict.fromkeys(told))
    columns = ["", "metric", "Llama", "Alpaca", "ahead", "beside it"]
    return f"**{title}.** {where[:1].upper()}{where[1:]}.\n\n{stored.table(columns, rows)}"


def _directions(title: str, parts: Mapping[str, Any], beginning: str, whole: str) -> str:
    """Return a table with a row for each direction, and a column for each baseline."""
    names = [whole, *(name for name in parts if name.startswith(beginning))]
    rows = []
    for name in names:
        if name in parts:
            told, bleu = parts[name]["metrics"]["chrf"], parts[name]["metrics"]["bleu"]
            cells = [_figure(told, "chrf", role) + _mark(told, role) for role in ROLES]
            blue = [_figure(bleu, "bleu", role) for role in ROLES]
            beside = [_figure(told, "chrf", each) for each in (COPY, DICTIONARY)]
            label = (
                "all with English" if name == "multi30k" else "all" if name == whole else _say_direction(name)
            )
            rows.append([f"{label} ({told['n']})", *cells, *beside, *blue, _figure(bleu, "bleu", DICTIONARY)])
    if not rows:
        return ""
    where = parts[names[-1]]["where"]
    columns = ["", "Llama, chrF", "Alpaca, chrF", f"{COPY}, chrF", f"{DICTIONARY}, chrF"]
    columns += ["Llama, BLEU", "Alpaca, BLEU", f"{DICTIONARY}, BLEU"]
    return f"**{title}.** {where}.\n\n{stored.table(columns, rows)}"


def _say_direction(name: str) -> str:
    source, target = name.partition(".")[2].split("-")
    return f"{LANGUAGE_NAMES[source]} to {LANGUAGE_NAMES[target]}"


def _legend(data: Mapping[str, Any]) -> str:
    return (
        f"Greedy answers with weights in int8, at most {data['limit']} items of a task, drawn with seed "
        f"{data['seed']}; in parentheses 95 % intervals, after a task's name how many items. “Ahead” allows "
        "for how many tasks there are (Holm). All that is asked was held out by the pair's own split, which "
        "goes by the sentence, the dialogue, the answer, the paper or the story, or is a validation or test "
        "file that was never trained on. The published SGD dev and Tatoeba valid files are partly trained "
        "on, so the pair's own split of all their records stands in their place. Baselines learn from the "
        "very records that the pair was trained on. ↑ and ↓ stand where a model is better or worse than "
        "every baseline in its row."
    )


def _mark(told: Mapping[str, Any], role: str) -> str:
    places = {each[role] for name, each in told.get("against", {}).items() if name != GOLD}
    return {"ahead": " ↑", "behind": " ↓"}.get(places.pop(), "") if len(places) == 1 else ""


def _figure(told: Mapping[str, Any], metric: str, name: str) -> str:
    figure = told["figures"].get(name)
    if figure is None or figure["value"] is None:
        return "–"
    kind = find_metric(metric)
    value = kind.say(figure["value"])
    if figure.get("low") is None:
        return value
    return f"{value} ({kind.say_number(figure['low'])} to {kind.say_number(figure['high'])})"


def _span(figure: Mapping[str, float], form: str) -> str:
    value, low, high = (form.format(figure[end]) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
