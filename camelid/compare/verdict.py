"""Two models' scores of a task into evidence: figures with their error bars, and who is better, in words.

The verdict is by the task's first metric. Questions are many, so p-values are adjusted (Holm): those of all
tasks' first metrics together, those of the further metrics, and those of each division of a task in parts.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from camelid.compare.intervals import CONFIDENCE, Difference, Figure, holm, pair_shares, pair_sums
from camelid.compare.metrics import Metric, find_metric
from camelid.compare.score import Score
from camelid.compare.task import Item, Task, group_items
from camelid.compare.words import call
from camelid.text.languages import LANGUAGE_NAMES, UNKNOWN

ALPHA = 1 - CONFIDENCE
EXAMPLES = 5  # of the most different answers of a task

_SHARES = ("exact_match", "accuracy")  # right or wrong


@dataclass(frozen=True)
class Judged:
    """One metric of one set of items.

    n: how many items it is of. figures: by model's name. difference: the first model's less the second's.
    p_adjusted: the difference's p, adjusted for how many such questions were asked. better: the name of the
        better model; "" where no difference can be detected.
    """

    metric: str
    n: int
    figures: dict[str, Figure]
    difference: Difference
    test: str
    p_adjusted: float = 1.0
    better: str = ""


@dataclass(frozen=True)
class Group:
    """A part of a task's items: `by` "language" or another property, `name` which."""

    by: str
    name: str
    judged: Judged


@dataclass(frozen=True)
class Example:
    """An item that the two answered differently well."""

    item: str
    lang: str
    prompt: str
    target: str
    replies: dict[str, str]
    qualities: dict[str, float]


@dataclass(frozen=True)
class Evidence:
    """What there is to say of one task; `judged` holds the metrics in the task's order, the first decides."""

    judged: tuple[Judged, ...]
    groups: tuple[Group, ...]
    examples: tuple[Example, ...]

    @property
    def headline(self) -> Judged:
        """Return what decides."""
        return self.judged[0]


def judge_task(task: Task, items: Sequence[Item], scores: Mapping[str, Sequence[Score]]) -> Evidence:
    """Return the evidence of two models' scores, in the items' order; p-values are not adjusted yet."""
    judged = tuple(_judge(find_metric(name), items, scores) for name in task.metrics)
    return Evidence(judged, tuple(_judge_groups(task, items, scores)), tuple(_most_different(items, scores)))


def settle(evidence: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """Return the evidence of all tasks with adjusted p-values and verdicts."""
    heads = _decide([each.headline for each in evidence.values()])
    others = iter(_decide([judged for each in evidence.values() for judged in each.judged[1:]]))
    return {
        name: replace(
            each,
            judged=(head, *(next(others) for _ in each.judged[1:])),
            groups=_settle_groups(each.groups),
        )
        for (name, each), head in zip(evidence.items(), heads, strict=True)
    }


def _settle_groups(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return a task's groups with verdicts; those of one division, such as its languages, hold together."""
    settled = []
    for by in dict.fromkeys(group.by for group in groups):
        division = [group for group in groups if group.by == by]
        decided = _decide([group.judged for group in division])
        settled += [replace(group, judged=judged) for group, judged in zip(division, decided, strict=True)]
    return tuple(settled)


def say_verdict(judged: Judged) -> str:
    """Return a verdict in words, such as "Llama, by 6.1 chrF (95 % interval 4.8 to 7.5, n = 200)"."""
    metric, found = find_metric(judged.metric), judged.difference
    if math.isnan(found.low):
        return f"Too few items to tell (n = {judged.n})"
    confidence = f"{CONFIDENCE:.0%}".replace("%", " %")
    if judged.better:
        sign = math.copysign(1.0, found.value)
        low, high = sorted((sign * found.low, sign * found.high))
        span = f"{confidence} interval {metric.say_number(low)} to {metric.say_number(high)}"
        said = f"{metric.say_number(abs(found.value))} {metric.measure}"
        return f"{call(judged.better)}, by {said} ({span}, n = {judged.n})"
    ends = " to ".join(metric.say_number(end, signed=True) for end in (found.low, found.high))
    said = (
        f"{call(next(iter(judged.figures)))} {metric.say_number(found.value, signed=True)} {metric.measure}"
    )
    return f"No detectable difference ({said}, {confidence} interval {ends}, n = {judged.n})"


def _judge(metric: Metric, items: Sequence[Item], scores: Mapping[str, Sequence[Score]]) -> Judged:
    first, second = scores
    rows = [metric.statistics(items, scores[name]) for name in (first, second)]
    if metric.name in _SHARES:
        pairing = pair_shares(rows[0][:, 0] > 0, rows[1][:, 0] > 0)
        n = len(items)
    else:
        counted = rows[0].any(axis=1) | rows[1].any(axis=1)
        pairing = pair_sums(rows[0], rows[1], metric.pool)
        n = int(counted.sum())
    figures = {first: pairing.first, second: pairing.second}
    return Judged(metric.name, n, figures, pairing.difference, pairing.test)


def _judge_groups(task: Task, items: Sequence[Item], scores: Mapping[str, Sequence[Score]]) -> list[Group]:
    metric = find_metric(task.metric)
    found = []
    keys = {"language": lambda item: "" if item.lang == UNKNOWN else LANGUAGE_NAMES.get(item.lang, item.lang)}
    if task.group_by:
        keys[task.group_by] = lambda item: item.meta.get(task.group_by, "")
    for by, key in keys.items():
        groups = {name: places for name, places in group_items(items, key).items() if name}
        for name, places in groups.items() if len(groups) > 1 else ():
            part = {model: [told[place] for place in places] for model, told in scores.items()}
            found.append(Group(by, name, _judge(metric, [items[place] for place in places], part)))
    return found


def _most_different(items: Sequence[Item], scores: Mapping[str, Sequence[Score]]) -> list[Example]:
    """Return the items whose answers differ most in quality, those where each is ahead in turns."""
    first, second = scores
    gaps = [
        (one.quality - two.quality, item, one, two)
        for item, one, two in zip(items, scores[first], scores[second], strict=True)
        if one.reply != two.reply
    ]
    ahead = sorted((gap for gap in gaps if gap[0] > 0), key=lambda gap: (-gap[0], gap[1].id))
    behind = sorted((gap for gap in gaps if gap[0] < 0), key=lambda gap: (gap[0], gap[1].id))
    turns = [gap for pair in zip(ahead, behind, strict=False) for gap in pair]
    shorter = min(len(ahead), len(behind))
    chosen = [*turns, *ahead[shorter:], *behind[shorter:]][:EXAMPLES]
    return [
        Example(
            item.id,
            item.lang,
            item.prompt,
            item.target,
            {first: one.reply, second: two.reply},
            {first: one.quality, second: two.quality},
        )
        for _, item, one, two in chosen
    ]


def _decide(judged: Sequence[Judged]) -> list[Judged]:
    """Return what was judged with adjusted p-values, and who is better where one is."""
    decided = []
    for each, p in zip(judged, holm([each.difference.p for each in judged]), strict=True):
        first, second = each.figures
        ahead = (each.difference.value > 0) == find_metric(each.metric).higher
        better = (first if ahead else second) if p < ALPHA and each.difference.value else ""
        decided.append(replace(each, p_adjusted=p, better=better))
    return decided
