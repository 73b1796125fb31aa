"""Laws of the decoder: what it computes does not depend on how it is asked."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from camelid.errors import ContextTooLongError
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder, attention_mask

LENGTH = 24
ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}
SHAPES = {"gqa": {}, "mha untied": {"num_key_value_heads": 4, "tie_word_embeddings": False},
          "mqa llama3": {"num_key_value_heads": 1, "rope_scaling": ROPE, "head_dim": 10}}  # fmt: skip


@pytest.fixture(scope="module", params=SHAPES.values(), ids=[name.replace(" ", "-") for name in SHAPES])
def decoder(request, make_decoder):
    return make_decoder(**request.param).requires_grad_(False)


@pytest.fixture(scope="module")
def token_ids(tokenizer):
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, tokenizer.vocab_size, (3, LENGTH), generator=generator)


def _close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(cuts=st.sets(st.integers(1, LENGTH - 1)))
def test_cached_in_any_chunks_is_uncached(decoder, token_ids, cuts):
    cache = decoder.new_cache(batch_size=3, max_length=LENGTH)
    edges = [0, *sorted(cuts), LENGTH]
    chunks = [decoder(token_ids[:, start:end], cache=cache) for start, end in itertools.pairwise(edges)]
    assert cache.length == LENGTH
    _close(torch.cat(chunks, dim=1), decoder(token_ids))


@settings(max_examples=20, deadline=None)
@given(kept=st.integers(0, LENGTH - 1), step=st.sampled_from([1, 5, LENGTH]))
def test_a_truncated_cache_never_saw_what_it_forgot(decoder, token_ids, kept, step):
    cache = decoder.new_cache(batch_size=3, max_length=LENGTH)
    decoder(token_ids.flip(1), cache=cache)
    cache.truncate(0)
    decoder(torch.cat([token_ids[:, :kept], token_ids[:, kept:].flip(0)], dim=1), cache=cache)
    cache.truncate(kept)
    rest = [decoder(part, cache=cache) for part in token_ids[:, kept:].split(step, dim=1)]
    _close(torch.cat(rest, dim=1), decoder(token_ids)[:, kept:])


def test_truncating_never_lengthens(decoder, token_ids):
    cache = decoder.new_cache(batch_size=3, max_length=LENGTH)
    decoder(token_ids[:, :5], cache=cache)
    cache.truncate(9)
    assert cache.length == 5


def test_a_row_of_a_batch_is_that_row_alone(decoder, token_ids):
    batched = decoder(token_ids)
    for row in range(len(token_ids)):
        _close(batched[row : row + 1], decoder(token_ids[row : row + 1]))


def test_no_position_sees_a_later_one(decoder, token_ids):
    changed = token_ids.clone()
    changed[:, 10:] = token_ids[:, 10:].flip(0)
    before, after = decoder(token_ids), decoder(changed)
    _close(after[:, :10], before[:, :10])
    assert (after[:, 10:] - before[:, 10:]).abs().max() > 1e-2


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) <= LENGTH),
    restart=st.booleans(),
)
def test_packed_records_are_the_records_alone(decoder, token_ids, lengths, restart):
    records = token_ids[0, : sum(lengths)].split(lengths)
    segments = torch.cat([torch.full((size,), number) for number, size in enumerate(lengths, start=1)])
    positions = torch.cat([torch.arange(size) for size in lengths])[None] if restart else None
    packed = decoder(torch.cat(records)[None], positions=positions, segments=segments[None])
    alone = torch.cat([decoder(record[None]) for record in records], dim=1)
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)


def test_one_segment_is_plain_attention(decoder, token_ids):
    _close(decoder(token_ids, segments=torch.ones_like(token_ids)), decoder(token_ids))


def test_segments_keep_records_apart(decoder, token_ids):
    segments = torch.ones_like(token_ids)
    segments[:, 12:] = 2
    joined, apart = decoder(token_ids), decoder(token_ids, segments=segments)
    assert (joined[:, 12:] - apart[:, 12:]).abs().max() > 1e-2


def test_a_cache_takes_no_segments(decoder, token_ids):
    with pytest.raises(AssertionError, match="segments are for training"):
        decoder(token_ids, segments=torch.ones_like(token_ids), cache=decoder.new_cache(3, LENGTH))


def test_only_the_distance_of_positions_matters(decoder, token_ids):
    plain, positions = decoder(token_ids), torch.arange(LENGTH)[None]
    torch.testing.assert_close(decoder(token_ids, positions=positions + 7), plain, rtol=1e-4, atol=1e-4)
    assert (decoder(token_ids, positions=positions * 2) - plain).abs().max() > 1e-2


def test_logits_are_the_head_of_the_hidden_states(decoder, token_ids):
    assert torch.equal(decoder(token_ids), decoder.project(decoder.hidden(token_ids)))


def test_bfloat16_arithmetic_is_near_and_leaves_the_weights(make_decoder, token_ids):
    decoder = make_decoder()
    exact = decoder(token_ids)
    decoder.compute_dtype = torch.bfloat16
    rough = decoder(token_ids)
    assert rough.dtype == torch.bfloat16
    assert 0 < (rough.float() - exact).norm() / exact.norm() < 0.05
    rough.float().square().mean().backward()
    assert {weight.grad.dtype for weight in decoder.parameters()} == {torch.float32}


def test_a_cache_that_is_full_says_so(decoder, token_ids):
    cache = decoder.new_cache(batch_size=3, max_length=10)
    decoder(token_ids[:, :8], cache=cache)
    with pytest.raises(ContextTooLongError, match=r"11 tokens do not fit in a cache of 10\. Shorten"):
        decoder(token_ids[:, 8:11], cache=cache)
    assert cache.length == 8


def test_at_birth_every_layer_is_the_identity(make_decoder, token_ids):
    decoder = make_decoder()
    decoder.initialise(torch.Generator().manual_seed(0))
    embedded = decoder.model.embed_tokens(token_ids, torch.float32)
    assert torch.equal(decoder.hidden(token_ids), decoder.model.norm(embedded))


def test_the_same_seed_gives_the_same_weights(make_decoder):
    def draw(seed):
        decoder = make_decoder()
        decoder.initialise(torch.Generator().manual_seed(seed))
        return torch.cat([weight.flatten() for weight in decoder.parameters()])

    assert torch.equal(draw(5), draw(5))
    assert not torch.equal(draw(5), draw(6))


@settings(max_examples=50, deadline=None)
@given(
    layers=st.integers(1, 4),
    kv_heads=st.integers(1, 4),
    group=st.integers(1, 4),
    head_dim=st.sampled_from([0, 2, 8, 10]),
    tied=st.booleans(),
    vocab=st.integers(1, 300),
)
def test_counts_are_those_of_the_real_tensors(layers, kv_heads, group, head_dim, tied, vocab):
    heads = kv_heads * group
    shape = (vocab, 8 * heads, 12, layers, heads, kv_heads, head_dim)
    config = DecoderConfig(*shape, tie_word_embeddings=tied)
    with torch.device("meta"):
        decoder = Decoder(config)
        cache = decoder.new_cache(batch_size=1, max_length=7)
    assert config.num_parameters == sum(weight.numel() for weight in decoder.parameters())
    matrices = [weight.numel() for name, weight in decoder.named_parameters() if name.endswith("proj.weight")]
    assert config.num_matrix_parameters == sum(matrices) + decoder.head_weight.numel()
    assert config.cache_bytes_per_token(4) * 7 == cache.keys.nbytes + cache.values.nbytes


def test_training_flops_are_three_forwards_with_half_of_the_attention(make_decoder, token_ids):
    decoder = make_decoder().requires_grad_(False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        decoder(token_ids[:1])
    shape = decoder.config
    masked = 2 * shape.num_hidden_layers * shape.num_attention_heads * shape.head_dim * LENGTH**2
    assert shape.training_flops_per_token(LENGTH) * LENGTH == 3 * (counter.get_total_flops() - masked)


def test_a_mask_is_made_only_where_it_is_needed():
    like = torch.zeros(1, dtype=torch.bfloat16)
    assert attention_mask(5, 0, None, like) is None
    assert attention_mask(1, 9, None, like) is None
    mask = attention_mask(2, 1, None, like)
    assert mask.dtype == like.dtype and mask[0, 0].tolist() == [[0, 0, float("-inf")], [0, 0, 0]]
