"""The benchmarks' own arithmetic: a wrong measure would make every figure in the docs wrong."""

import json
import math
from types import SimpleNamespace

import litgpt_quality
import pytest
import quick
import throughput
import torch

from camelid.text.tokenizer import train_tokenizer
from camelid.text.world import build_world


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(quick, "RESAMPLES", 50)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    path = tmp_path_factory.mktemp("pair") / "held_out.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for record in build_world(seed=9, num_records=1500):
            turns = [{"role": turn.role, "content": turn.content} for turn in record.messages]
            body = {"messages": turns} if turns else {"text": record.text}
            file.write(json.dumps({**body, "lang": record.lang, "task": record.task}) + "\n")
    return quick.load_questions(path, 30, 0)


def answered(questions, answer):
    return {role: [{"text": answer(role, question)} for question in questions] for role in quick.ROLES}


def test_gold_answers_score_100_and_equals_do_not_differ(questions):
    scores = quick.summarise(questions, answered(questions, lambda role, question: question["gold"]))
    assert set(quick.METRICS) < set(scores)
    for entry in scores.values():
        metrics = [name for name in entry if name not in ("records", "llama_ahead")]
        assert all(
            entry[name][role]["value"] == pytest.approx(100) for name in metrics for role in quick.ROLES
        )
        assert entry["llama_ahead"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_no_answers_score_nothing_and_the_page_says_so(questions):
    said = answered(questions, lambda role, question: question["gold"] if role == "llama" else "")
    scores = quick.summarise(questions, said)
    assert all(entry["llama_ahead"]["value"] == pytest.approx(100) for entry in scores.values())
    speeds = {"rate_tokens_per_s": 100.0, "first_token_ms": 2.0, "too_long": 0}
    page = quick.render({"scores": scores, "pace": {role: speeds for role in quick.ROLES}})
    assert "| sentiment · accuracy | 30 | 100.0 (100.0 to 100.0) | 0.0 (0.0 to 0.0) | 100.0" in page


def test_directions_of_translation_are_told_apart(questions):
    groups = {question["group"] for question in questions if question["task"] == "translation"}
    assert groups == {f"translation {a}→{b}" for a in quick_langs() for b in quick_langs() if a != b}


def quick_langs():
    return ("en", "es", "de", "fr")


def test_accents_are_letters_and_marks_are_not():
    assert quick.score_records("ROUGE-L", ["Das Mädchen füttert."], ["das mädchen füttert"]) == [100.0]
    assert quick.score_records("accuracy", [" positif. "], ["Positif"]) == [100.0]
    assert quick.score_records("exact", ["positif"], ["Positif"]) == [0.0]


def test_every_token_is_read_once_however_long_the_text():
    """A model that knows nothing needs log2 V bits for each token."""
    texts = ["short", "a longer text " * 400, "word " * 255]
    tokenizer = train_tokenizer(texts, vocab_size=280)
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    expected = tokens * math.log2(280) / sum(len(text.encode()) for text in texts)
    found = litgpt_quality.bits_per_byte(lambda ids: torch.zeros(1, ids.shape[1], 280), tokenizer, texts)
    assert found == pytest.approx(expected)


def test_a_window_never_exceeds_the_context_and_looks_back_half_of_it():
    seen = []

    def decoder(ids):
        seen.append(ids.shape[1])
        return torch.zeros(1, ids.shape[1], 280)

    tokenizer = SimpleNamespace(bos_id=0, encode=lambda text: [1] * 1000)
    litgpt_quality.bits_per_byte(decoder, tokenizer, ["x"])
    assert set(seen) == {litgpt_quality.CONTEXT}
    assert len(seen) == 1 + math.ceil((1000 - litgpt_quality.CONTEXT) / litgpt_quality.STRIDE)


def test_the_first_two_steps_do_not_count_as_steady():
    assert throughput.steady({"step_s": [30.0, 5.0, 1.0, 2.0, 1.5]}) == 1.5


def test_the_shapes_have_the_sizes_of_their_names():
    sizes = {name: config.num_parameters / 1e6 for name, config in throughput.SHAPES.items()}
    assert sizes == pytest.approx({"8m": 8, "15m": 15, "30m": 30}, rel=0.05)
