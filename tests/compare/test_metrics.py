"""Metrics are those of sacrebleu, rouge-score and scikit-learn, to the last digit; and add up over items."""

import math
import random
from statistics import fmean

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import f1_score

from camelid.compare.metrics import METRICS, distinct, find_metric, repetition
from camelid.compare.score import Score
from camelid.compare.task import make_item
from camelid.errors import RecipeError

WORDS = [
    *("the", "llama", "schläft", "in", "der", "Sonne,", "l'alpaga", "¿dónde", "está?", "sleeps"),
    *(".", "12", "€", "—", "羊驼", "Ende"),
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
PAIRS = st.lists(st.tuples(TEXT, TEXT | st.just("")), min_size=1, max_size=12)


def make(pairs):
    items = [make_item(target, text=str(place)) for place, (target, _) in enumerate(pairs)]
    return items, [Score(item.id, reply=reply) for item, (_, reply) in zip(items, pairs, strict=True)]


@settings(deadline=None)
@given(PAIRS)
def test_bleu_and_chrf_are_sacrebleus(pairs):
    items, scores = make(pairs)
    targets, replies = zip(*pairs, strict=True)
    assert find_metric("bleu").of(items, scores) == sacrebleu.corpus_bleu(replies, [targets]).score
    assert find_metric("chrf").of(items, scores) == sacrebleu.corpus_chrf(replies, [targets]).score


@settings(deadline=None)
@given(PAIRS)
def test_rouge_is_rouge_scores(pairs):
    items, scores = make(pairs)
    for name, kind in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        scorer = RougeScorer([kind])
        values = [scorer.score(target, reply)[kind].fmeasure for target, reply in pairs]
        assert [find_metric(name).quality(i, s) for i, s in zip(items, scores, strict=True)] == values
        assert find_metric(name).of(items, scores) == fmean(values)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_macro_f1_is_scikit_learns(pairs):
    items, scores = make(pairs)
    targets, replies = zip(*pairs, strict=True)
    expected = f1_score(targets, replies, average="macro", labels=sorted(set(targets)), zero_division=0)
    assert find_metric("macro_f1").of(items, scores) == pytest.approx(expected, rel=1e-12)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1, max_size=20), st.data()
)
def test_macro_f1_of_a_draw_is_that_of_the_labels_it_holds(pairs, data):
    metric = find_metric("macro_f1")
    items, scores = make(pairs)
    drawn = data.draw(st.lists(st.integers(0, len(pairs) - 1), min_size=1, max_size=20))
    pooled = metric.pool(metric.statistics(items, scores)[drawn].sum(axis=0, keepdims=True))
    targets, replies = zip(*(pairs[place] for place in drawn), strict=True)
    expected = f1_score(targets, replies, average="macro", labels=sorted(set(targets)), zero_division=0)
    assert pooled == pytest.approx([expected], rel=1e-12)


def test_the_signatures_are_sacrebleus_and_name_its_version():
    for name in ("bleu", "chrf"):
        signature = find_metric(name).signature()
        assert f"version:{sacrebleu.__version__}" in signature and "nrefs:1" in signature
    assert "tok:13a" in find_metric("bleu").signature()
    assert "rouge-score" in find_metric("rouge_l").signature()


@pytest.mark.parametrize("name", sorted(set(METRICS) - {"bits_per_byte"}))
def test_the_figure_of_a_set_drawn_anew_is_the_pool_of_its_rows(name):
    rng = random.Random(1)
    labels = ["good", "bad", "so so"]
    pairs = [(rng.choice(labels), rng.choice(labels)) for _ in range(20)]
    items, scores = make(pairs)
    metric = find_metric(name)
    rows = metric.statistics(items, scores)
    places = [*range(20), *(rng.randrange(20) for _ in range(20))]  # every label is there
    weights = np.bincount(places, minlength=20)[None].astype(float)
    drawn = metric.of([items[place] for place in places], [scores[place] for place in places])
    assert metric.pool(weights @ rows)[0] == pytest.approx(drawn, nan_ok=True)


def test_bits_per_byte_are_of_all_bytes_not_of_all_items():
    items, _ = make([("a", ""), ("b", "")])
    scores = [Score("a", nats=math.log(2) * 30, num_bytes=10), Score("b", nats=0, num_bytes=20)]
    metric = find_metric("bits_per_byte")
    assert metric.of(items, scores) == pytest.approx(1.0)
    assert metric.quality(items[0], scores[0]) == pytest.approx(1 / 8)
    assert metric.quality(items[0], Score("c")) == 0


def test_blanks_do_not_matter_to_an_exact_match_but_words_do():
    items, scores = make([("Guten  Tag", " Guten Tag\n"), ("Guten Tag", "guten Tag"), ("x", "")])
    assert find_metric("exact_match").of(items, scores) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("text", "repeated", "differing"),
    [
        ("a b c d e", 0.0, 1.0),
        ("a b c d a b c d", 1 / 5, 4 / 7),
        ("a a a a a a a", 3 / 4, 1 / 6),
        ("a b c", None, 1.0),
        ("a", None, None),
    ],
)
def test_repetition_and_diversity(text, repeated, differing):
    assert repetition(text) == (repeated if repeated is None else pytest.approx(repeated))
    assert distinct(text) == (differing if differing is None else pytest.approx(differing))


def test_items_too_short_to_repeat_are_left_out():
    items, scores = make([("", "a"), ("", "a a a a a")])
    assert find_metric("repetition").of(items, scores) == 0.5
    assert math.isnan(find_metric("repetition").of(items[:1], scores[:1]))


@settings(deadline=None)
@given(TEXT, TEXT)
def test_the_quality_of_an_answer_lies_between_0_and_1(target, reply):
    (item,), (score,) = make([(target, reply)])
    for metric in METRICS.values():
        assert 0 <= metric.quality(item, score) <= 1
    perfect = Score(item.id, reply=target)
    for name in ("exact_match", "accuracy", "chrf", "bleu"):
        assert find_metric(name).quality(item, perfect) == pytest.approx(1)


def test_a_metric_of_another_name_is_an_error_that_names_the_nearest():
    with pytest.raises(RecipeError, match=r"There is no metric 'bleau'. Did you mean 'bleu'\?"):
        find_metric("bleau")


def test_a_missing_package_names_the_extra(monkeypatch):
    from camelid.compare import metrics
    from camelid.errors import MissingExtraError

    for module, name in (("sacrebleu.metrics", "chrf"), ("rouge_score.rouge_scorer", "rouge_l")):
        metrics._sacrebleu_scorer.cache_clear()
        metrics._rouge_scorer.cache_clear()
        monkeypatch.setitem(__import__("sys").modules, module, None)
        monkeypatch.setitem(__import__("sys").modules, module.split(".")[0], None)
        with pytest.raises(MissingExtraError, match=r"pip install 'camelid\[eval\]'"):
            find_metric(name).of(*make([("a", "b")]))
    metrics._sacrebleu_scorer.cache_clear()
    metrics._rouge_scorer.cache_clear()
