"""A score is the same however an item is asked: alone or among others, by any backend."""

import math
from dataclasses import replace

import numpy as np
import pytest
import tiny

from camelid.compare.metrics import find_metric
from camelid.compare.reading import measure_reading
from camelid.compare.scoring import choice_ids, fits, prompt_ids, score_items, weigh_choices
from camelid.compare.task import Task, make_item
from camelid.errors import RequestError
from camelid.generate.load import load_model
from camelid.native import is_built
from camelid.text.records import Message, Record

native_only = pytest.mark.skipif(not is_built(), reason="the native engine was not built")


@pytest.fixture(scope="module")
def native(pair):
    return load_model(pair / "llama", backend="native", weights="f32", threads=1)


def told(scores):
    return [(s.item, s.reply, s.finish, s.tokens, s.prompt_tokens) for s in scores]


def few(task, number=6, max_tokens=8):
    task = replace(task, max_tokens=max_tokens)
    return task, task.items(number)


@native_only
@pytest.mark.parametrize("name", ["translation", "sentiment", "conversation", "generation"])
def test_alone_or_among_others_and_with_any_backend(tasks, model, native, tokenizer, name):
    task, items = few(tasks[name])
    together = score_items(native, tokenizer, task, items)
    alone = score_items(native, tokenizer, task, items, alone=True)
    torch = score_items(model, tokenizer, task, items)
    assert [score.item for score in together] == [item.id for item in items]
    assert told(together) == told(alone) == told(torch)
    for key in ("quality", "nats", "num_bytes"):
        values = [[getattr(score, key) for score in scores] for scores in (together, alone, torch)]
        assert values[0] == values[1] and values[0] == pytest.approx(values[2], rel=1e-4)


@native_only
def test_times_and_readings_are_told_where_they_are_asked_for(tasks, native, model, tokenizer):
    task, items = few(tasks["translation"], 4)
    fitting = [item for item in items if fits(native.context, tokenizer, item)]
    plain = score_items(native, tokenizer, task, fitting)
    assert all(score.logprobs == () and score.reading is None for score in plain)
    assert all(0 < score.first_token_s <= score.seconds for score in plain)
    full = score_items(native, tokenizer, task, fitting, logprobs=True, readings=True)
    assert told(full) == told(plain)
    slow = score_items(model, tokenizer, task, fitting, logprobs=True)
    for one, other in zip(full, slow, strict=True):
        assert one.reading.hidden.shape == (32,) and 0 < one.reading.top <= 1
        assert len(one.logprobs) >= one.tokens and max(one.logprobs) <= 0
        assert one.logprobs[: one.tokens] == pytest.approx(other.logprobs, rel=1e-3, abs=1e-4)
        assert "reading" not in one.to_dict()


def test_reading_counts_what_training_counts(model, tokenizer):
    """Whole documents, and of conversations the answer, each with the token that ends it."""
    talk = (Message("user", "Hello!"), Message("assistant", "Good morning!"))
    document = "The llama sleeps. Das Lama schläft."
    items = [
        make_item("", text=document, document=document),
        make_item(talk[1].content, messages=talk[:1]),
    ]
    task = Task("reading", "Reading", ("bits_per_byte",), "read", tuple(items))
    scores = score_items(model, tokenizer, task, items)
    assert [score.num_bytes for score in scores] == [len(document.encode()), len(talk[1].content)]
    expected = measure_reading(model, tokenizer, [Record(text=document), Record(messages=talk)])
    assert find_metric("bits_per_byte").of(items, scores) == pytest.approx(expected, rel=1e-9)


def test_a_choice_is_weighed_by_all_its_tokens(model, tokenizer):
    choices = ("Positive", "Positiv", "Negative", "no")
    asked = replace(make_item("no", messages=(Message("user", "Good?"),)), choices=choices)
    before = prompt_ids(tokenizer, asked)
    task = Task("choice", "Choice", ("accuracy",), "choose", (asked,))
    (score,) = score_items(model, tokenizer, task, [asked])
    for choice, weight in zip(choices, score.logprobs, strict=True):
        own = tokenizer.encode(choice)
        rows = model.logits([*before, *own[:-1]])[len(before) - 1 :].astype(np.float64)
        expected = sum(row[token] - np.logaddexp.reduce(row) for row, token in zip(rows, own, strict=True))
        assert weight == pytest.approx(expected, rel=1e-6)
    assert score.reply == choices[int(np.argmax(score.logprobs))] and score.finish == "chosen"


def test_prompt_and_choice_of_plain_text_are_one_text(tokenizer):
    item = replace(make_item("wool", text="The llama has"), choices=("wool", "hay"))
    for choice, (before, own) in zip(item.choices, choice_ids(tokenizer, item), strict=True):
        assert tokenizer.decode([*before, *own]) == f"The llama has {choice}"
        assert before == prompt_ids(tokenizer, item)


def test_a_likeliest_continuation_is_told(model):
    first = int(model.logits([5, 6])[-1].argmax())
    (likely, unlikely) = weigh_choices(model, [([5, 6], [first]), ([5, 6], [(first + 1) % tiny.VOCABULARY])])
    assert likely[1] and not unlikely[1] and likely[0] > unlikely[0]


@pytest.mark.parametrize("kind", ["generate", "choose", "read"])
def test_what_does_not_fit_is_said_not_to(model, tokenizer, kind):
    item = make_item("hay", messages=(Message("user", "wool " * 200),))
    item = replace(item, choices=("hay", "wool") if kind == "choose" else ())
    metric = {"generate": "chrf", "choose": "accuracy", "read": "bits_per_byte"}[kind]
    task = Task("long", "Long", (metric,), kind, (item,))
    (score,) = score_items(model, tokenizer, task, [item])
    assert (score.finish, score.quality, score.reply) == ("too long", 0, "")
    assert not fits(model.context, tokenizer, item)


def test_a_document_too_short_to_go_on_with_is_only_read(model, tokenizer):
    item = make_item("", text="Short.", document="Short.")
    task = Task("generation", "Generation", ("bits_per_byte", "repetition"), "read", (item,))
    (score,) = score_items(model, tokenizer, task, [item])
    assert score.finish == "read" and score.num_bytes == 6 and 0 < score.quality < 1
    assert score.quality == pytest.approx(2 ** (-score.nats / math.log(2) / 6))


def test_a_model_without_template_takes_no_conversations(model, tokenizer, tasks):
    bare = tiny.make_tokenizer()
    bare.template = None
    task, items = few(tasks["translation"], 1)
    with pytest.raises(RequestError, match="no chat template"):
        score_items(model, bare, task, items)
    plain = task.in_plain_text()
    assert len(score_items(model, bare, plain, plain.items(1))) == 1
