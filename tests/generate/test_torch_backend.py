"""Laws of the torch backend: it computes what the decoder does, one token at a time."""

import itertools
import threading

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import CheckpointError, ContextTooLongError, RequestError
from camelid.generate.backend import room_for
from camelid.generate.torch_backend import TorchModel

ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}
SHAPES = {"gqa": {}, "mha-untied": {"num_key_value_heads": 4, "tie_word_embeddings": False},
          "mqa-llama3": {"num_key_value_heads": 1, "rope_scaling": ROPE, "head_dim": 10}}  # fmt: skip
DECODER = tiny.make_decoder()
MODEL = TorchModel(DECODER)
PROMPTS = st.lists(st.integers(0, tiny.VOCABULARY - 1), min_size=1, max_size=12)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_logits_are_the_decoders(shape):
    decoder = tiny.make_decoder(**shape)
    token_ids = torch.randint(0, tiny.VOCABULARY, (tiny.CONTEXT,), generator=torch.Generator().manual_seed(1))
    expected = decoder(token_ids[None])[0].numpy()
    found = TorchModel(decoder).logits(token_ids.tolist())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_token_by_token_is_all_at_once(shape):
    """Greedy tokens, drawn from the cache, are those that the logits of the whole text ask for."""
    model = TorchModel(tiny.make_decoder(**shape))
    prompt = [5, 300, 7]
    text = prompt + list(model.generate(prompt, max_tokens=40))
    chosen = model.logits(text[:-1]).argmax(axis=1)[len(prompt) - 1 :]
    assert chosen.tolist() == text[len(prompt) :]


@settings(max_examples=20, deadline=None)
@given(PROMPTS, st.integers(1, 20), st.integers(1, 20))
def test_fewer_tokens_are_the_beginning_of_more(prompt, few, more):
    options = {"temperature": 1.0, "seed": 5}
    shorter = list(MODEL.generate(prompt, max_tokens=few, **options))
    longer = list(MODEL.generate(prompt, max_tokens=more, **options))
    assert (len(shorter), len(longer)) == (few, more)
    assert shorter[:more] == longer[:few]


def test_a_seed_draws_the_same_again_and_another_does_not():
    first, again, other = (
        list(MODEL.generate([1], max_tokens=30, temperature=1.0, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_two_replies_at_once_do_not_disturb_each_other():
    alone = [list(MODEL.generate([start], max_tokens=20)) for start in (1, 2)]
    together = list(zip(*(MODEL.generate([start], max_tokens=20) for start in (1, 2)), strict=True))
    assert [list(tokens) for tokens in zip(*together, strict=True)] == alone


def test_a_stop_token_ends_the_reply_and_is_not_part_of_it():
    tokens = list(MODEL.generate([9], max_tokens=30))
    stop = tokens[12]
    assert list(MODEL.generate([9], max_tokens=30, stop_ids=[stop])) == tokens[: tokens.index(stop)]


@pytest.mark.parametrize("length", [1, 90, tiny.CONTEXT - 1])
def test_a_reply_ends_where_the_context_does(length):
    assert len(list(MODEL.generate([3] * length, max_tokens=500))) == tiny.CONTEXT - length


def test_a_prompt_that_fills_the_context_is_refused_at_once_with_both_lengths():
    for length in (tiny.CONTEXT, tiny.CONTEXT + 9):
        with pytest.raises(ContextTooLongError, match=f"has {length} tokens; the context of {tiny.CONTEXT}"):
            MODEL.generate([3] * length)
    with pytest.raises(ContextTooLongError, match=f"{tiny.CONTEXT + 1} tokens do not fit"):
        MODEL.logits([3] * (tiny.CONTEXT + 1))
    assert len(MODEL.logits([3] * tiny.CONTEXT)) == tiny.CONTEXT


@pytest.mark.parametrize(
    ("token_ids", "message"),
    [
        ([], "at least one token; found none"),
        ([3, tiny.VOCABULARY], f"between 0 and {tiny.VOCABULARY - 1}; found {tiny.VOCABULARY}"),
        ([-1], "found -1"),
    ],
)
def test_tokens_that_the_model_does_not_know(token_ids, message):
    for ask in (MODEL.generate, MODEL.logits):
        with pytest.raises(RequestError, match=message):
            ask(token_ids)


def test_options_out_of_range_are_refused_before_the_first_token():
    with pytest.raises(RequestError, match="temperature must be 0 or more; found -1"):
        MODEL.generate([1], temperature=-1)
    with pytest.raises(RequestError, match=f"token of logit_bias must be 0 to {tiny.VOCABULARY - 1}; found"):
        MODEL.generate([1], logit_bias={tiny.VOCABULARY: 1.0})


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_damaged_weights_are_said_so(temperature):
    decoder = tiny.make_decoder()
    decoder.model.norm.weight.fill_(float("nan"))
    with pytest.raises(CheckpointError, match="logits are not numbers"):
        next(TorchModel(decoder).generate([1], temperature=temperature))


def test_a_model_does_not_change_with_the_decoder_it_was_made_from():
    decoder = tiny.make_decoder()
    model = TorchModel(decoder)
    for weight in decoder.parameters():
        weight.zero_()
    np.testing.assert_array_equal(model.logits([1, 2]), MODEL.logits([1, 2]))


@pytest.mark.parametrize("tied", [True, False])
def test_a_consumed_decoder_gives_its_memory_back(tied):
    decoder = tiny.make_decoder(tie_word_embeddings=tied)
    expected = TorchModel(decoder).logits([1, 2])
    model = TorchModel(decoder, consume=True)
    assert not sum(weight.numel() for weight in decoder.parameters())
    np.testing.assert_array_equal(model.logits([1, 2]), expected)


def test_memory_is_counted():
    config = DECODER.config
    head = config.vocab_size * config.hidden_size  # a tied head is laid out a second time
    assert MODEL.weight_bytes == 4 * (config.num_parameters + head)
    assert MODEL.cache_bytes == config.cache_bytes_per_token(4) * tiny.CONTEXT


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    next(MODEL.generate([1]))
    found = torch.get_num_threads()
    torch.set_num_threads(before)
    assert found == 2


def test_threads_that_generate_at_once_leave_the_number_of_threads_as_it_was(monkeypatch):
    """The second comes while the first computes, and leaves after it: what it met was one core."""
    first_is_in, second_is_in, plain, found = threading.Event(), threading.Event(), MODEL._packed.project, []

    def project(hidden):
        if threading.current_thread() is first:
            first_is_in.set()
            assert second_is_in.wait(30)
        else:
            second_is_in.set()
            first.join(30)
        return plain(hidden)

    def generate():
        next(MODEL.generate([1]))
        look()

    def look():
        found.append(torch.get_num_threads())

    monkeypatch.setattr(MODEL._packed, "project", project)
    first, second, third = (threading.Thread(target=work) for work in (generate, generate, look))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    first.start()
    assert first_is_in.wait(30)
    for thread in (second, third):
        thread.start()
        thread.join(30)
    look()
    torch.set_num_threads(before)
    assert found == [2, 2, 2, 2]


@given(st.integers(0, 50), st.integers(1, 50), st.integers(1, 50))
def test_the_room_for_a_reply(prompt, most, context):
    if prompt >= context:
        with pytest.raises(ContextTooLongError):
            room_for(prompt, most, context)
    else:
        room = room_for(prompt, most, context)
        assert 1 <= room <= most and prompt + room <= context
        assert room == most or prompt + room == context


def test_a_short_cache_made_at_the_same_time_leaves_a_long_one_whole(monkeypatch):
    packed = TorchModel(DECODER)._packed
    plain, long = packed._tables, []

    def tables(length):
        if length == 2:
            long.append(packed.new_cache(9))
        return plain(length)

    monkeypatch.setattr(packed, "_tables", tables)
    packed.new_cache(2)
    assert packed.hidden(torch.arange(9), long[0]).shape == (9, DECODER.config.hidden_size)


def test_a_long_cache_after_a_short_one_counts_the_same_positions():
    model = TorchModel(DECODER)
    pieces = [list(itertools.islice(model.generate([4], max_tokens=most), 5)) for most in (5, 80, 5)]
    assert pieces[0] == pieces[1] == pieces[2]
