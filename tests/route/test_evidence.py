"""Labels are collected from both models; a deferral is weighed on what they said."""

import numpy as np
import pytest
import tiny

import camelid
from camelid.compare.store import ScoreFile
from camelid.compare.tasks import find_tasks
from camelid.errors import DataError
from camelid.native import is_built
from camelid.route import evidence as module
from camelid.route.doubt import weigh_deferral
from camelid.route.evidence import _fit_line, collect, weigh_votes
from camelid.route.features import Kind, read_prompt
from camelid.text.chat import render_chat
from camelid.text.records import Message


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return camelid.load(tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny"))


@pytest.fixture(scope="module")
def asked(pair):
    models = {role: pair[role].model for role in ("alpaca", "llama")}
    tokenizers = {role: pair[role].tokenizer for role in models}
    tasks = list(find_tasks(pair.folder).values())
    return collect(models, tokenizers, tasks, limit=10), tasks, models


def test_each_request_has_what_the_alpaca_read_and_both_qualities(pair, asked):
    evidence, tasks, _ = asked
    tokenizer, model = pair["alpaca"].tokenizer, pair["alpaca"].model
    assert len(evidence) == len(evidence.kinds) == len(evidence.items) > 15
    assert (evidence.qualities >= 0).all() and (evidence.qualities <= 1).all()
    assert {name for name, _ in evidence.items} <= {task.name for task in tasks}
    for row in (0, 5, 11):
        prompt = render_chat(tokenizer, evidence.requests[row], add_generation_prompt=True)
        reading, own = evidence.reading(row), read_prompt(model, prompt)
        assert np.allclose(reading.hidden, own.hidden, atol=1e-4)
        assert (reading.entropy, reading.top) == (
            pytest.approx(own.entropy, abs=1e-4),
            pytest.approx(own.top, abs=1e-4),
        )


def test_a_second_time_gives_the_same_labels(pair, asked):
    evidence, tasks, models = asked
    tokenizers = {role: pair[role].tokenizer for role in models}
    again = collect(models, tokenizers, tasks, limit=10)
    assert again.requests == evidence.requests and (again.qualities == evidence.qualities).all()


def test_answers_that_are_kept_are_not_asked_for_again(pair, asked, tmp_path, monkeypatch):
    evidence, tasks, models = asked
    tokenizers = {role: pair[role].tokenizer for role in models}

    def keep(role, task):
        return ScoreFile(tmp_path, role, ["x"], task)

    first = collect(models, tokenizers, tasks, limit=10, keep=keep)

    def refuse(model, tokenizer, task, items, *, alone=False, readings=False):
        assert alone or not items  # only times are taken anew
        return iter(real(model, tokenizer, task, items, alone=alone, readings=readings))

    real = module.stream_scores
    monkeypatch.setattr(module, "stream_scores", refuse)
    again = collect(models, tokenizers, tasks, limit=10, keep=keep)
    for found in (first, again):
        assert found.requests == evidence.requests and (found.qualities == evidence.qualities).all()
        assert np.allclose(found.features, evidence.features, atol=1e-4)


def test_without_conversations_there_is_nothing_to_learn_from(pair, asked):
    _, _, models = asked
    tokenizers = {role: pair[role].tokenizer for role in models}
    with pytest.raises(DataError, match="no held-out conversations to ask"):
        collect(models, tokenizers, [])


def test_votes_that_do_not_fit_are_left_out(pair):
    votes = [((Message("user", text),), 1.0, 0.0) for text in ("Hi", "wool " * 300)]
    alpaca = pair["alpaca"]
    found = weigh_votes(votes, alpaca.model, alpaca.tokenizer, lambda _: Kind("chat", "en"))
    assert len(found) == 1 and found.source == "votes" and found.qualities.tolist() == [[1.0, 0.0]]
    with pytest.raises(DataError, match="None of the votes' prompts fits"):
        weigh_votes(votes[1:], alpaca.model, alpaca.tokenizer, lambda _: Kind("chat", "en"))


def test_a_line_through_times_does_not_mind_a_few_slow_ones():
    generator = np.random.default_rng(0)
    rows = np.column_stack([np.ones(60), generator.integers(5, 90, 60), generator.integers(1, 40, 60)])
    seconds = rows @ [0.002, 0.0001, 0.003]
    seconds[::10] += 5
    assert np.allclose(_fit_line(rows, seconds), [0.002, 0.0001, 0.003], atol=1e-4)
    assert (_fit_line(rows, np.ones(60)) >= 0).all()


@pytest.mark.skipif(not is_built(), reason="deferral reads log-probabilities from the native engine")
def test_a_deferral_keeps_to_the_share(pair):
    models = {role: pair[role].model for role in ("alpaca", "llama")}
    tokenizers = {role: pair[role].tokenizer for role in models}
    tasks = list(find_tasks(pair.folder).values())
    evidence = collect(models, tokenizers, tasks)
    few = evidence.take(np.arange(20))
    assert weigh_deferral(models, tokenizers["alpaca"], tasks, few, np.zeros(20), 0.3) is None
    evidence = evidence.take(np.arange(260) % len(evidence))
    gains = np.random.default_rng(1).normal(size=len(evidence))
    found = weigh_deferral(models, tokenizers["alpaca"], tasks, evidence, gains, 0.3)
    assert found is not None and found.share <= 0.3 + 1e-9
    assert all(0 <= quality <= 1 for quality in found.quality) and found.doubt_below < 0
    more = found.quality[0] - found.quality[1]
    assert found.pays == (more > 0 and more >= 1.28 * found.se) and "pay" in str(found)
