"""Adapters in the native step: the numbers of merged weights, and the same bits in any company."""

import numpy as np
import pytest
import torch
from adapted import DEPTH, make_adapter, merged
from hypothesis import given, settings
from hypothesis import strategies as st
from native_read import ALL, load, read, some_tokens
from tiny import make_decoder, make_tokenizer

from camelid.model.adapter import TARGETS
from camelid.model.checkpoint import save_model_folder
from camelid.native import is_built, isas

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

from camelid.native import _native
from camelid.native.adapters import bind_adapter

# Groups of heads or none, and widths that fill no panel.
SHAPES = [
    {},
    {"hidden_size": 72, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 100},
]
BLOCKS = 3


@pytest.fixture(scope="module", params=range(len(SHAPES)))
def decoder(request):
    decoder = make_decoder(**SHAPES[request.param], max_position_embeddings=192)
    with torch.no_grad():
        for weight in decoder.parameters():
            if weight.dim() == 2:  # logits of a usual size
                weight.mul_(0.5)
    return decoder


@pytest.fixture(scope="module")
def folder(decoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("native") / "model"
    save_model_folder(folder, decoder, make_tokenizer())
    return folder


def bind(decoder, adapter):
    return bind_adapter(adapter, decoder.config, threads=1)


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize(
    "targets", [TARGETS, ("q_proj", "v_proj"), ("k_proj", "o_proj", "up_proj"), ("down_proj",)]
)
def test_the_numbers_are_those_of_merged_weights(decoder, folder, isa, targets):
    """Float sums in another order: B (A x) adds `rank` roundings to the `inputs` of each product."""
    adapter = make_adapter(decoder.config, targets=targets, rank=5)
    model, _ = load(folder, decoder.config, "f32", isa)
    tokens = some_tokens(decoder.config, 150)
    expected = merged(decoder, adapter)(torch.tensor([tokens]))[0].numpy()
    plain = decoder(torch.tensor([tokens]))[0].numpy()
    found = read(model, decoder.config, tokens, adapter=bind(decoder, adapter))
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 2e-5 * scale
    assert np.abs(found - plain).max() > 0.05 * scale


def test_layers_may_be_left_as_they_are(decoder, folder):
    tokens = some_tokens(decoder.config, 40)
    model, _ = load(folder, decoder.config, "f32", isas()[0])
    for layers in ([0], [DEPTH - 1]):
        adapter = make_adapter(decoder.config, layers=layers)
        expected = merged(decoder, adapter)(torch.tensor([tokens]))[0].numpy()
        found = read(model, decoder.config, tokens, adapter=bind(decoder, adapter))
        assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


@given(data=st.data(), weights=st.sampled_from(ALL), isa=st.sampled_from(isas()))
@settings(max_examples=40, deadline=None)
def test_slices_and_threads_change_no_bit(decoder, folder, data, weights, isa):
    config = decoder.config
    adapter = bind(decoder, make_adapter(config, rank=data.draw(st.sampled_from([1, 6, 16, 33]))))
    tokens = some_tokens(config, data.draw(st.integers(2, 150)), seed=data.draw(st.integers(0, 99)))
    cuts, left = [], len(tokens) - 1
    while left and len(cuts) < 30:
        cuts.append(data.draw(st.integers(1, min(left, 40))))
        left -= cuts[-1]
    words = weights != "f32"
    whole = read(load(folder, config, weights, isa)[0], config, tokens, words=words, adapter=adapter)
    several = load(folder, config, weights, isa, threads=3)[0]
    cut = read(several, config, tokens, cuts, words=words, adapter=adapter)
    assert np.array_equal(whole, cut)


@given(
    data=st.data(), weights=st.sampled_from(ALL), isa=st.sampled_from(isas()), threads=st.sampled_from([1, 3])
)
@settings(max_examples=40, deadline=None)
def test_a_row_has_the_same_bits_alone_and_among_others(decoder, folder, data, weights, isa, threads):
    """Requests with several adapters and none in one step, in any order; log-probabilities show the bits."""
    config = decoder.config
    model, _ = load(folder, config, weights, isa, threads=threads)
    adapters = [
        None,
        bind(decoder, make_adapter(config, seed=1)),
        bind(decoder, make_adapter(config, seed=2, targets=("q_proj", "down_proj"), rank=3)),
        bind(decoder, make_adapter(config, seed=3, layers=[1], targets=("gate_proj",), rank=40)),
    ]
    asked = [
        (some_tokens(config, data.draw(st.integers(1, 40)), seed), adapters[data.draw(st.integers(0, 3))])
        for seed in range(data.draw(st.integers(1, 7)))
    ]
    together = run(model, asked, weights)
    for one, found in zip(asked, together, strict=True):
        assert run(model, [one], weights) == [found]


def run(model, asked, weights, steps=4):
    """Return what follows each prompt with the log-probabilities, all in one batch."""
    cache = model.new_cache(BLOCKS * len(asked), weights != "f32")
    sequences, found = [], [[] for _ in asked]
    for index, (prompt, adapter) in enumerate(asked):
        sampling = _native.Sampling()
        sampling.top_logprobs = 3
        sequence = _native.Sequence(prompt, sampling)
        sequence.blocks = [BLOCKS * index + block for block in range(BLOCKS)]
        if adapter:
            sequence.use(adapter)
        sequences.append(sequence)
    for _ in range(steps):
        model.step(cache, sequences, [sequence.pending for sequence in sequences])
        for sequence, chosen in zip(sequences, found, strict=True):
            chosen += [(each.token, each.logprob, each.top) for each in sequence.chosen]
    return found


@pytest.mark.parametrize("weights", ALL)
def test_who_has_none_gets_the_bits_of_today(decoder, folder, weights):
    """Not a bit moves when another model's rows, the same one's with an adapter, go along."""
    config = decoder.config
    model, _ = load(folder, config, weights, isas()[0], threads=2)
    prompts = [some_tokens(config, 10 + seed, seed) for seed in range(3)]
    adapter = bind(decoder, make_adapter(config))
    plain = run(model, [(prompt, None) for prompt in prompts], weights)
    among = [
        (prompts[0], None),
        (prompts[0], adapter),
        (prompts[1], None),
        (prompts[1], adapter),
        (prompts[2], None),
    ]
    assert run(model, among, weights)[::2] == plain


def test_drafts_are_verified_with_the_adapter(decoder, folder):
    config = decoder.config
    model, _ = load(folder, config, "int8", isas()[0], threads=2)
    adapter = bind(decoder, make_adapter(config))
    prompt = some_tokens(config, 20)
    [alone] = run(model, [(prompt, adapter)], "int8", steps=12)
    told = [token for token, _, _ in alone]
    cache = model.new_cache(BLOCKS, True)
    sequence = _native.Sequence(prompt, _native.Sampling())
    sequence.blocks = list(range(BLOCKS))
    sequence.use(adapter)
    while sequence.length < len(prompt) + 12:
        done = sequence.length - len(prompt)
        sequence.drafts = [*told[done : done + 3], 1]
        model.step(cache, [sequence], [sequence.pending])
    assert sequence.since(len(prompt))[:12] == told


def test_an_adapter_outlives_whoever_made_it(decoder, folder):
    """The sequence keeps it: the arrays are still there when nobody else has them."""
    config = decoder.config
    model, _ = load(folder, config, "f32", isas()[0])
    tokens = some_tokens(config, 30)
    kept = bind(decoder, make_adapter(config))
    expected = read(model, config, tokens, adapter=kept)
    again = bind(decoder, make_adapter(config))
    assert np.array_equal(read(model, config, tokens, adapter=again), expected)
    sequence = _native.Sequence(tokens, _native.Sampling())
    sequence.use(bind(decoder, make_adapter(config)))
    sequence.blocks = list(range(BLOCKS))
    out = np.zeros((len(tokens), config.vocab_size), np.float32)
    model.logits(model.new_cache(BLOCKS, False), sequence, len(tokens), out)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("other", [{"num_hidden_layers": 3}, {"hidden_size": 64}, {"intermediate_size": 64}])
def test_an_adapter_of_another_model_is_refused(decoder, folder, other):
    model, _ = load(folder, decoder.config, "int8")
    sequence = _native.Sequence([1, 2, 3], _native.Sampling())
    sequence.blocks = [0]
    stranger = make_decoder(**{**SHAPES[0], **other})
    sequence.use(bind(stranger, make_adapter(stranger.config)))
    with pytest.raises(ValueError, match="another model"):
        model.step(model.new_cache(1, True), [sequence], [3])


def test_what_is_no_adapter_is_refused(decoder):
    def floats(outputs, inputs, type_=0):
        group = 32 if type_ > 1 else 0
        room = np.zeros(_native.packed_bytes(type_, outputs, inputs, group), np.uint8)
        return _native.Matrix(type_, outputs, inputs, group, room)

    a, b = floats(4, 32), floats(32, 4)
    for layers, changes in (
        (2, []),
        (0, [(0, 0, a, b)]),
        (2, [(2, 0, a, b)]),
        (2, [(-1, 0, a, b)]),
        (2, [(0, 4, a, b)]),
        (2, [(0, 0, a, a)]),
        (2, [(0, 0, floats(4, 32, 2), b)]),
    ):
        with pytest.raises(ValueError):
            _native.Adapter(layers, changes)
