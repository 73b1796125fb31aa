"""Preference pairs from every form into rows, and direct preference optimisation with its laws."""

import dataclasses
import json
import math

import numpy as np
import pytest
import tiny
import torch

from camelid.errors import DataError, RecipeError
from camelid.serve.votes import Answer, Vote, comparisons, preferences
from camelid.text.batches import IGNORE
from camelid.text.records import Message
from camelid.text.sources import Source
from camelid.train.dpo import (
    Preferring,
    answer_log_probabilities,
    measure_preferences,
    measure_reference,
    preference_loss,
)
from camelid.train.losses import log_probabilities
from camelid.train.precision import Plan
from camelid.train.preferences import PairBatches, Preference, TokenPairs, read_preferences
from camelid.train.settings import StageSettings
from camelid.train.stepper import Stepper

PLAN = Plan(device="cpu", dtype="float32", compile=False, micro_rows=8, rate_flops=1e9)
ASKED = (Message("user", "Hello?"),)


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Source(name="pairs", path=str(path), held_out=0.0)


MESSAGES = [{"role": "user", "content": "Hello?"}]
SAID = [{"role": "assistant", "content": "Good day."}]
RUDE = [{"role": "assistant", "content": "What."}]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hello?", "chosen": "Good day.", "rejected": "What."},
        {"prompt": MESSAGES, "chosen": SAID, "rejected": RUDE},
        {"messages": MESSAGES, "chosen": "Good day.", "rejected": "What."},
        {"prompt": MESSAGES, "chosen": MESSAGES + SAID, "rejected": MESSAGES + RUDE},
        {"chosen": MESSAGES + SAID, "rejected": MESSAGES + RUDE},
        {"instruction": "Hello?", "input": "", "output": "x", "chosen": "Good day.", "rejected": "What."},
        {"prompt": MESSAGES, "chosen": "llama", "replies": {"alpaca": "What.", "llama": "Good day."}},
    ],
    ids=["texts", "messages", "mixed", "whole", "no-prompt", "alpaca", "votes"],
)
def test_every_form_says_the_same(tmp_path, row):
    found = read_preferences([write(tmp_path / "pairs.jsonl", row)])
    assert found.train == [Preference(ASKED, "Good day.", "What.")] and not found.held_out


def test_an_input_of_the_alpaca_form_follows_the_instruction(tmp_path):
    row = {"instruction": "Spell.", "input": "lama", "chosen": "llama", "rejected": "lama"}
    (pair,) = read_preferences([write(tmp_path / "pairs.jsonl", row)]).train
    assert pair.prompt == (Message("user", "Spell.\n\nlama"),)


@pytest.mark.parametrize("form", [comparisons, preferences])
def test_the_votes_of_the_server_are_read(tmp_path, form):
    turns = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "Hello?"}]
    answers = {
        "left": Answer(model="alpaca", reply="What."),
        "right": Answer(model="llama", reply="Good day."),
    }
    votes = [Vote(id="a" * 8, prompt=turns, choice="right", **answers),
             Vote(id="b" * 8, prompt=turns, choice="tie", **answers)]  # fmt: skip
    found = read_preferences([write(tmp_path / "votes.jsonl", *form(votes))])
    assert found.train == [Preference((Message("system", "Be kind."), *ASKED), "Good day.", "What.")]
    assert found.ties == (1 if form is comparisons else 0)


def test_what_says_nothing_is_left_out_and_counted(tmp_path):
    row = {"prompt": "Hello?", "chosen": "Good day.", "rejected": "What."}
    found = read_preferences([write(tmp_path / "pairs.jsonl", row, row, {**row, "rejected": row["chosen"]})])
    assert (len(found.train), found.twice, found.same) == (1, 1, 1)


def test_pairs_that_ask_the_same_are_on_one_side(tmp_path):
    rows = [{"prompt": f"Question {n % 40}", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(200)]
    source = dataclasses.replace(write(tmp_path / "pairs.jsonl", *rows), held_out=0.3)
    found = read_preferences([source])
    sides = [{pair.key for pair in side} for side in (found.train, found.held_out)]
    assert len(found.train) + len(found.held_out) == 200 and all(sides) and not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "chosen": "b"}, r"line 1: rejected is missing or empty; expected prompt"),
        ({"chosen": "b", "rejected": "c"}, "there is no prompt"),
        ({"prompt": "", "chosen": "b", "rejected": "c"}, "the prompt is missing or empty"),
        ({"prompt": "a", "chosen": " ", "rejected": "c"}, "an answer is empty"),
        ({"prompt": "a", "chosen": MESSAGES, "rejected": "c"}, "must end with the assistant's turn"),
        ({"prompt": "a", "chosen": "x", "replies": {"y": "1", "z": "2"}}, "must be one of two replies"),
        ({"prompt": [{"role": "usr", "content": "a"}], "chosen": "b", "rejected": "c"}, "unknown role 'usr'"),
    ],
)
def test_rows_that_are_no_preference_are_named_or_counted(tmp_path, row, message):
    source = write(tmp_path / "pairs.jsonl", row)
    with pytest.raises(DataError, match=message):
        read_preferences([source])
    good = {"prompt": "Hello?", "chosen": "Good day.", "rejected": "What."}
    source = dataclasses.replace(write(tmp_path / "pairs.jsonl", row, good), skip_bad=True)
    found = read_preferences([source])
    assert (len(found.train), found.bad) == (1, 1)


def test_no_pair_at_all_is_an_error(tmp_path):
    row = {"prompt": "Hello?", "chosen": "Good day.", "rejected": "Good day."}
    with pytest.raises(
        DataError, match="no preference pair to learn from: 0 are held out, 0 are ties, 1 have"
    ):
        read_preferences([write(tmp_path / "pairs.jsonl", row)])


# Polite answers are the better ones, whatever was asked.
WORDS = ("llama", "alpaca", "wool", "hay", "valley", "market", "river", "morning")
PAIRS = [
    Preference(
        (Message("user", f"Tell me of the {a} and the {b}."),), f"Gladly! The {a} is well.", f"No {b}."
    )
    for a in WORDS
    for b in WORDS
]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny.make_tokenizer()


@pytest.fixture
def pairs(tokenizer):
    return TokenPairs(tokenizer, PAIRS[:24], max_context=tiny.CONTEXT)


def ready(decoder, pairs):
    pairs.reference = measure_reference(decoder, pairs, PLAN, context=pairs.context)
    return PairBatches(pairs, batch_pairs=4, context=pairs.context, seed=1)


def test_only_the_last_answer_counts(tokenizer):
    earlier = (Message("user", "a"), Message("assistant", "earlier words"), Message("user", "b"))
    pairs = TokenPairs(tokenizer, [Preference(earlier, "yes", "no no")], max_context=90)
    batch = pairs.batch([0], batch_pairs=2, context=pairs.context)
    said = [tokenizer.decode(row[row != IGNORE], skip_special=False) for row in batch.targets]
    assert said == ["yes<|end|>", "no no<|end|>", "", ""]
    assert batch.num_targets == 1 and batch.num_tokens == int((batch.segments > 0).sum())


def test_pairs_that_do_not_fit_are_left_out_whole(tokenizer):
    long = Preference(ASKED, "yes", "no " * 90)
    pairs = TokenPairs(tokenizer, [PAIRS[0], long], max_context=tiny.CONTEXT)
    assert (len(pairs), pairs.num_left_out) == (1, 1) and pairs.context <= tiny.CONTEXT


def test_an_epoch_has_every_pair_once_and_a_batch_goes_by_its_step(pairs):
    pairs.reference = np.arange(48, dtype=np.float32).reshape(24, 2)
    batches = [PairBatches(pairs, batch_pairs=4, context=pairs.context, seed=1) for _ in range(2)]
    epochs = [[batches[0].batch(step).reference[::2] for step in range(6 * e, 6 * e + 6)] for e in (0, 1)]
    assert [sorted(np.concatenate(epoch)) for epoch in epochs] == [[2.0 * n for n in range(24)]] * 2
    assert not np.array_equal(epochs[0], epochs[1])
    assert np.array_equal(batches[1].batch(7).token_ids, batches[0].batch(7).token_ids)


def test_log_probabilities_and_their_gradients_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(30, 16, generator=generator, requires_grad=True)
    head = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (30,), generator=generator)
    targets[::7] = IGNORE
    weights = torch.randn(30, generator=generator)
    ours = log_probabilities(hidden, head, targets)
    (ours * weights).sum().backward()
    found = [hidden.grad, head.grad]
    hidden.grad = head.grad = None
    theirs = -torch.nn.functional.cross_entropy(
        hidden @ head.T, targets, reduction="none", ignore_index=IGNORE
    )
    (theirs * weights).sum().backward()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(found, [hidden.grad, head.grad], rtol=1e-4, atol=1e-5)


def test_an_answer_is_as_likely_as_its_tokens(pairs):
    decoder = tiny.make_decoder()
    batch = pairs.batch([3], batch_pairs=1, context=pairs.context)
    said = answer_log_probabilities(decoder, batch, slice(None), "cpu").detach()
    logs = decoder(torch.from_numpy(batch.token_ids).long()).log_softmax(-1)
    for row in (0, 1):
        counted = np.flatnonzero(batch.targets[row] != IGNORE)
        expected = sum(float(logs[row, at, int(batch.targets[row, at])]) for at in counted)
        assert float(said[row]) == pytest.approx(expected, rel=1e-5)


def test_the_loss_starts_at_log_2(pairs):
    decoder = tiny.make_decoder().requires_grad_(True)
    batch = ready(decoder, pairs).batch(0)
    loss = Preferring(0.3)(decoder, batch, slice(0, 8), "cpu")
    assert float(loss.detach()) / 4 == pytest.approx(math.log(2), abs=1e-5)
    found = measure_preferences(decoder, pairs, PLAN, context=pairs.context, beta=0.3)
    assert (found.accuracy, found.margin, found.pairs) == (0.5, 0.0, 24)


def gradients(decoder, batch):
    decoder.zero_grad()
    Preferring(0.3)(decoder, batch, slice(0, 8), "cpu").backward()
    return torch.cat([weight.grad.flatten() for weight in decoder.parameters()])


def test_swapping_chosen_and_rejected_mirrors_the_gradient(tokenizer):
    """At the start, where both have gained nothing."""
    decoder = tiny.make_decoder().requires_grad_(True)
    swapped = [Preference(pair.prompt, pair.rejected, pair.chosen) for pair in PAIRS[:4]]
    found = []
    for some in (PAIRS[:4], swapped):
        pairs = TokenPairs(tokenizer, some, max_context=tiny.CONTEXT)
        ready(decoder, pairs)
        found.append(gradients(decoder, pairs.batch(range(4), batch_pairs=4, context=pairs.context)))
    assert found[0].norm() > 0.1
    torch.testing.assert_close(found[0], -found[1], rtol=1e-3, atol=1e-5)


def test_the_loss_of_a_pair_and_of_the_swapped_one_mirror_each_other():
    chosen, rejected = torch.randn(2, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one, other = preference_loss(chosen, rejected, 0.7), preference_loss(rejected, chosen, 0.7)
    torch.testing.assert_close(torch.exp(-one) + torch.exp(-other), torch.ones(9, dtype=torch.float64))


def test_empty_rows_teach_nothing(pairs):
    decoder = tiny.make_decoder()
    ready(decoder, pairs)
    losses = [
        float(Preferring(0.3)(decoder, pairs.batch([1, 2], batch_pairs=many, context=64), slice(None), "cpu"))
        for many in (2, 4)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_held_out_preferences_are_learnt(tokenizer):
    decoder = tiny.make_decoder().requires_grad_(True)
    train = TokenPairs(tokenizer, PAIRS[::2], max_context=tiny.CONTEXT)
    held_out = TokenPairs(tokenizer, PAIRS[1::2], max_context=tiny.CONTEXT)
    batches, _ = ready(decoder, train), ready(decoder, held_out)
    settings = StageSettings(steps=12, optimizer="adamw", lr=2e-3, batch_tokens=1024)
    stepper = Stepper(decoder, settings, PLAN, objective=Preferring(0.1))
    losses = [stepper.step(batches.batch(step), 1.0) for step in range(12)]
    found = measure_preferences(decoder, held_out, PLAN, context=held_out.context, beta=0.1)
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4) and losses[-1] < 0.5
    assert found.accuracy > 0.9 and found.margin > 0.1


def test_beta_must_be_above_0():
    with pytest.raises(RecipeError, match="beta must be above 0; found 0"):
        Preferring(0.0)


def test_without_a_pair_nothing_is_measured(tokenizer):
    none = TokenPairs(tokenizer, [], max_context=64)
    decoder = tiny.make_decoder()
    assert measure_reference(decoder, none, PLAN, context=64).shape == (0, 2)
    assert measure_preferences(decoder, none, PLAN, context=64, beta=0.1).pairs == 0
