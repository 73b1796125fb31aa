"""A verdict names the better model only where there is one, by the task's own metric, in words."""

from dataclasses import replace

import pytest

from camelid.compare.intervals import holm
from camelid.compare.score import Score
from camelid.compare.task import Task, make_item
from camelid.compare.verdict import judge_task, say_verdict, settle


def make(name="mine", metrics=("exact_match",), langs=("en", "de")):
    items = [
        replace(make_item("yes", text=f"{name} {n}?", lang=langs[n % len(langs)]), meta={"size": f"{n % 3}"})
        for n in range(60)
    ]
    return Task(name, name.capitalize(), metrics, "generate", tuple(items), group_by="size")


def answer(task, right, nats=8.0):
    return [
        Score(
            item.id,
            quality=float(n < right),
            reply="yes" if n < right else "no",
            nats=nats + n % 3,
            num_bytes=8,
        )
        for n, item in enumerate(task.pool)
    ]


def judge(task, **right):
    return judge_task(task, task.pool, {name: answer(task, number) for name, number in right.items()})


@pytest.mark.parametrize(
    ("llama", "alpaca", "words"),
    [
        (50, 20, "Llama, by 50.0 points of exact match (95 % interval 35.2 to 61.6, n = 60)"),
        (20, 50, "Alpaca, by 50.0 points of exact match (95 % interval 35.2 to 61.6, n = 60)"),
        (
            30,
            31,
            "No detectable difference (Llama −1.7 points of exact match, 95 % interval −7.1 to +3.8, n = 60)",
        ),
    ],
)
def test_a_verdict_in_words(llama, alpaca, words):
    told = settle({"mine": judge(make(), llama=llama, alpaca=alpaca)})
    assert say_verdict(told["mine"].headline) == words


def test_less_is_better_where_the_metric_says_so():
    task = make(metrics=("bits_per_byte",))
    scores = {"llama": answer(task, 1, nats=7.0), "alpaca": answer(task, 1, nats=9.0)}
    head = settle({"mine": judge_task(task, task.pool, scores)})["mine"].headline
    assert head.better == "llama" and head.difference.value < 0
    assert say_verdict(head).startswith("Llama, by 0.361 bits per byte (")


def test_who_is_named_first_makes_no_difference_to_who_is_better():
    for right in ({"a": 50, "b": 20}, {"b": 20, "a": 50}):
        told = settle({"mine": judge(make(), **right)})["mine"]
        assert told.headline.better == "a" and all(group.judged.better == "a" for group in told.groups)


def test_many_tasks_are_judged_together():
    """A difference that one task alone would show is none among many that show nothing."""
    barely = make("barely")
    alone = settle({"barely": judge(barely, llama=31, alpaca=25)})
    assert alone["barely"].headline.better == "llama"
    others = {f"t{n}": judge(make(f"t{n}"), llama=30, alpaca=30) for n in range(5)}
    among = settle({"barely": judge(barely, llama=31, alpaca=25), **others})
    assert among["barely"].headline.better == ""
    p_values = [each.headline.difference.p for each in among.values()]
    assert [each.headline.p_adjusted for each in among.values()] == holm(p_values)


def test_parts_are_the_languages_and_what_the_task_says():
    told = settle({"mine": judge(make(), llama=50, alpaca=20)})["mine"]
    assert [(group.by, group.name, group.judged.n) for group in told.groups] == [
        *(("language", "English", 30), ("language", "German", 30)),
        *(("size", "0", 20), ("size", "1", 20), ("size", "2", 20)),
    ]
    assert judge(make(langs=("und",)), llama=5, alpaca=5).groups[0].by == "size"
    assert all(group.by == "size" for group in judge(make(langs=("en",)), llama=5, alpaca=5).groups)


def test_examples_are_those_farthest_apart_each_ahead_in_turn():
    task = make()
    one, two = answer(task, 30), answer(task, 30)
    two[0] = replace(two[0], reply="no", quality=0.0)
    two[1] = replace(two[1], reply="hm", quality=0.6)
    two[40] = replace(two[40], reply="yes", quality=0.7)
    told = judge_task(task, task.pool, {"llama": one, "alpaca": two}).examples
    assert [example.item for example in told] == [task.pool[place].id for place in (0, 40, 1)]
    assert told[0].replies == {"llama": "yes", "alpaca": "no"}
    assert judge_task(task, task.pool, {"llama": one, "alpaca": one}).examples == ()


def test_of_one_item_nobody_can_tell():
    task = make(metrics=("chrf",))
    scores = {"llama": answer(task, 1)[:1], "alpaca": answer(task, 0)[:1]}
    told = settle({"mine": judge_task(task, task.pool[:1], scores)})["mine"]
    assert say_verdict(told.headline) == "Too few items to tell (n = 1)"
