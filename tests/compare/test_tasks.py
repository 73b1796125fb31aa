"""Built-in tasks are fed from held-out records, each record to one; a user's own from a file, checked."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.compare.tasks import NAMED, load_task, make_tasks, split_by_language
from camelid.compare.tasks.generation import cut_beginning
from camelid.errors import CamelidError, DataError
from camelid.text.heldout import read_held_out
from camelid.text.records import Message, Record

WORDS = st.lists(st.sampled_from(["llama", "sleeps", "Herd.", "Why?", "«Yes!»", "\n\n", "Once"]), max_size=40)
NAMES = {"generation", "summarization", "translation", "sentiment", "service", "conversation"}


def write(path, *rows):
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_every_record_feeds_exactly_one_task(pair, tasks):
    records = read_held_out(pair / "held_out.jsonl")
    assert set(tasks) == NAMES
    items = [item for task in tasks.values() for item in task.pool]
    assert len({item.id for item in items}) == len(items)
    asked = {(item.document or item.prompt, item.document or item.target) for item in items}
    told = {(_prompt(record), record.text or record.answer) for record in records}
    assert asked == told


def _prompt(record):
    if record.text:
        return record.text
    turns = record.messages[:-1]
    return turns[0].content if len(turns) == 1 else "\n".join(f"{t.role}: {t.content}" for t in turns)


def test_what_is_said_before_the_last_answer_is_the_prompt():
    turns = tuple(Message(role, word) for role, word in zip(["user", "assistant"] * 2, "abcd", strict=True))
    (item,) = make_tasks([Record(messages=turns, lang="en", task="smalltalk")])["conversation"].pool
    assert (item.messages, item.target, item.meta["turns"]) == (turns[:3], "d", "several turns")


def test_an_answer_without_a_question_and_an_unanswered_question_are_no_items():
    alone = Record(messages=(Message("assistant", "Hello."),), task="service")
    unanswered = Record(messages=(Message("system", "Be kind."), Message("user", "Hello?")), task="service")
    assert make_tasks([alone, unanswered]) == {}


def test_translations_tell_their_direction_and_labels_are_choices_of_their_language(tasks):
    assert all(item.choices == () for item in tasks["translation"].pool)
    for item in tasks["sentiment"].pool:
        assert item.target in item.choices and len(item.choices) >= 2
    labels = {item.lang: item.choices for item in tasks["sentiment"].pool}
    assert labels["en"] == ("Negative", "Positive") and labels["de"] == ("Negativ", "Positiv")
    turns = (Message("user", "Hallo"), Message("assistant", "Hello"))
    (item,) = make_tasks([Record(messages=turns, lang="en", source_lang="de", task="translation")])[
        "translation"
    ].pool
    assert item.meta["direction"] == "de→en"


def test_labels_of_which_there_is_one_are_no_choice():
    def labelled(label, lang):
        return Record(
            messages=(Message("user", f"{label} {lang}?"), Message("assistant", label)),
            lang=lang,
            task="sentiment",
        )

    assert "sentiment" not in make_tasks([labelled("good", "en"), labelled("good", "de")])
    task = make_tasks([labelled("good", "en"), labelled("bad", "en"), labelled("gut", "de")])["sentiment"]
    assert {item.lang: item.choices for item in task.pool} == {
        "en": ("bad", "good"),
        "de": ("bad", "good", "gut"),
    }


def test_the_tasks_named_by_records_are_distinct():
    names = [name for module in NAMED for name in module.RECORDS]
    assert len(names) == len(set(names))


def test_of_a_smaller_limit_are_the_first_of_a_larger_and_a_seed_draws_others(tasks):
    task = tasks["conversation"]
    assert task.items(3) == task.items(10)[:3] == task.items()[:3]
    assert task.items(3, seed=1) != task.items(3)
    assert sorted(item.id for item in task.items()) == sorted(item.id for item in task.pool)


def test_examples_stand_before_each_prompt_and_are_not_asked(tasks):
    task = replace(tasks["service"], num_fewshot=2)
    shown = tasks["service"].items()[:2]
    items = task.items()
    assert len(items) == len(task.pool) - 2 and not {item.id for item in shown} & {item.id for item in items}
    for item in items:
        said = [turn.content for turn in item.messages]
        assert all(example.target in said for example in shown)
        plain = next(each for each in task.pool if each.id == item.id)
        assert item.messages[-1] == plain.messages[-1] and item.fingerprint != plain.fingerprint


def test_a_system_turn_stays_first_when_examples_are_shown():
    talks = [
        Record(messages=(Message("system", f"s{n}"), Message("user", f"u{n}"), Message("assistant", f"a{n}")))
        for n in range(2)
    ]
    task = replace(make_tasks(talks)["conversation"], num_fewshot=1)
    (item,) = task.items()
    assert [turn.role for turn in item.messages] == ["system", "user", "assistant", "user"]


def test_examples_in_plain_text_are_joined_as_the_harness_does(tmp_path):
    path = write(tmp_path / "t.jsonl", *({"input": f"Q{n}:", "target": f"{n}"} for n in range(3)))
    task = replace(load_task(path, chat=False), num_fewshot=2)
    (item,) = task.items()
    shown = task.items.__self__.pool
    assert item.text.endswith(f"\n\nQ{item.target}:") and item.text.count("\n\n") == 2
    assert all(f"{each.text} {each.target}" in item.text for each in shown if each.id != item.id)


def test_examples_may_not_be_all_there_is(tasks):
    task = tasks["service"]
    with pytest.raises(DataError, match=r"none is left to ask\. Use a smaller --fewshot"):
        replace(task, num_fewshot=len(task.pool)).items()


def test_plain_text_is_the_contents_of_the_turns(tasks):
    plain = tasks["conversation"].in_plain_text()
    for item, asked in zip(plain.pool, tasks["conversation"].pool, strict=True):
        assert item.messages == () and item.text == "\n".join(t.content for t in asked.messages).rstrip()
    assert tasks["generation"].in_plain_text() is tasks["generation"]


def test_languages_are_parts_of_every_task(tasks):
    views = split_by_language(tasks)
    assert set(views) == {"de", "en", "es", "fr"}
    for name, task in tasks.items():
        parts = [view[name].pool for view in views.values() if name in view]
        assert sorted(item.id for part in parts for item in part) == sorted(item.id for item in task.pool)
        assert all(len({item.lang for item in part}) == 1 for part in parts)


@given(WORDS)
def test_a_beginning_ends_with_a_sentence_and_loses_nothing(words):
    text = " ".join(words)
    beginning, rest = cut_beginning(text)
    assert text.startswith(beginning) and text.endswith(rest)
    between = text[len(beginning) : len(text) - len(rest)]
    assert between.strip("\n") == ""
    if rest:
        assert len(text) - len(rest) >= 60 and ("\n" in between or beginning[-1] in ".?!»")


def test_a_task_of_ones_own_needs_two_columns(tmp_path):
    path = write(tmp_path / "capital_cities.jsonl", {"input": "France?", "target": "Paris"}, "")
    task = load_task(path)
    (item,) = task.pool
    assert (task.name, task.title, task.kind) == ("capital_cities", "Capital cities", "generate")
    assert task.metrics == ("exact_match", "chrf") and task.chat and task.num_fewshot == 0
    assert (item.messages, item.target) == ((Message("user", "France?"),), "Paris")


def test_a_header_says_the_rest_and_numbers_are_texts(tmp_path):
    header = {"name": "sums", "metric": "accuracy", "chat": False, "fewshot": 1, "choices": ["1", "2"]}
    rows = [{"input": "1+1=", "target": 2, "id": "a", "lang": "en"}, {"input": "1*1=", "target": "1"}]
    task = load_task(write(tmp_path / "t.jsonl", header, *rows))
    assert (task.name, task.metrics, task.kind, task.chat, task.num_fewshot) == (
        *("sums", ("accuracy",), "choose", False, 1),
    )
    assert [item.choices for item in task.pool] == [("1", "2")] * 2
    assert (task.pool[0].id, task.pool[0].lang, task.pool[0].target) == ("a", "en", "2")


def test_messages_may_be_what_is_asked(tmp_path):
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    task = load_task(
        write(tmp_path / "t.jsonl", {"input": asked, "target": "Hi."}), metrics=["bits_per_byte"]
    )
    assert [turn.role for turn in task.pool[0].messages] == ["system", "user"] and task.kind == "read"


GOOD = {"input": "a", "target": "b"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "has no items. Write one line"),
        ([{"metric": "chrf"}], "has no items"),
        (["{"], "line 1 is no JSON"),
        (["[1]"], "line 1 must be an object"),
        ([GOOD, {"input": "x"}], "line 2 has no 'target'. Each line needs both"),
        ([{"input": "x", "target": ""}], "line 1 has no 'target'"),
        ([{"target": "x", "lang": "en"}], "line 1 has no 'input'"),
        ([{"question": "x", "target": "y"}], "the column 'question', which a task does not have"),
        ([{"inptu": "x", "target": "y"}], "Did you mean 'input'?"),
        (
            [GOOD, {"input": "c", "target": "d", "id": "7"}, {"input": "e", "target": "f", "id": 7}],
            "lines 2 and 3",
        ),
        ([GOOD, GOOD], "lines 1 and 2 have the same id or the same content"),
        ([{**GOOD, "choices": ["x", "y"]}], "the target 'b' is none of the choices"),
        ([{**GOOD, "choices": ["b"]}], "choices must be a list of two or more"),
        ([{**GOOD, "choices": ["b", "c"]}, {"input": "c", "target": "d"}], "only 1 of 2 items have choices"),
        ([{**GOOD, "target": ["b"]}], "target must be text; found list"),
        ([{**GOOD, "lang": "xx"}], "line 1: Unknown language 'xx'"),
        ([{"input": [{"role": "usr", "content": "a"}], "target": "b"}], "unknown role 'usr'"),
        ([{"metric": "chfr"}, GOOD], "There is no metric 'chfr'. Did you mean 'chrf'?"),
        ([{"metric": "accuracy"}, GOOD], "'accuracy' is of items with choices; these have none"),
        ([{"fewshot": "two"}, GOOD], "fewshot in the header must be a whole number; found 'two'"),
        ([{"chat": False}, {"input": [{"role": "user", "content": "a"}], "target": "b"}], "takes texts"),
    ],
)
def test_a_file_that_is_no_task_says_what_is_wrong(tmp_path, rows, message):
    with pytest.raises(CamelidError) as caught:
        load_task(write(tmp_path / "t.jsonl", *rows))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_not_utf8(tmp_path):
    with pytest.raises(DataError, match="There is no task file"):
        load_task(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_bytes(b'{"input": "\xff"}')
    with pytest.raises(DataError, match="must be UTF-8"):
        load_task(tmp_path / "t.jsonl")
