"""Adapters per request: what the merged model says, whoever else asks, and nothing read for another."""

import functools

import numpy as np
import pytest
import tiny
import torch
from adapted import make_adapter, merged, write_adapter
from hypothesis import given, settings
from hypothesis import strategies as st

from camelid.errors import CheckpointError, RequestError
from camelid.generate.load import load_model
from camelid.generate.sampling import SamplingSettings
from camelid.generate.torch_backend import TorchModel
from camelid.model.checkpoint import save_model_folder
from camelid.model.config import DecoderConfig
from camelid.native import is_built

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

import native_tiny

from camelid.generate.engine import Engine
from camelid.generate.generation import native_sampling
from camelid.generate.speculative import Economy, PairDrafter
from camelid.native import _native
from camelid.native.adapters import bind_adapter

CONTEXT, VOCABULARY, BLOCK = native_tiny.CONTEXT, native_tiny.VOCABULARY, _native.BLOCK
KINDS = {"one": {"seed": 1}, "other": {"seed": 2, "rank": 3, "targets": ("v_proj", "up_proj")}}
STOP = 7


@functools.cache
def model(threads=1):
    return native_tiny.make_native(threads=threads, type_=2)


@functools.cache
def adapters():
    config = DecoderConfig(**native_tiny.SHAPE)
    return {
        name: bind_adapter(make_adapter(config, **kind), config, threads=1) for name, kind in KINDS.items()
    }


class Eager(Economy):
    """Guesses always, so that the law is tried and not the clock."""

    def choose(self, right, *, free=False):
        return 3

    def judge(self, guessed):
        pass


def make_engine(threads=1, *, guesses=False, **options):
    defaults = {"vocab_size": VOCABULARY, "context": CONTEXT, "cache_tokens": 40 * BLOCK, "burst_s": 0.0}
    drafter = None
    if guesses:  # the plain model guesses for itself with an adapter
        drafter = PairDrafter(native_tiny.make_native(type_=2), context=CONTEXT, cache_tokens=20 * BLOCK)
        drafter.economy = Eager()
    return Engine(model(threads), adapters=adapters(), drafter=drafter, **{**defaults, **options})


def answer_alone(prompt, wishes, adapter):
    """Return a reply by the bare native step, one sequence in a cache of its own."""
    sequence = _native.Sequence(prompt, native_sampling(wishes), [STOP])
    blocks = -(-CONTEXT // BLOCK)
    cache = model().new_cache(blocks, True)
    sequence.blocks = list(range(blocks))
    if adapter:
        sequence.use(adapters()[adapter])
    while sequence.length < min(len(prompt) + wishes.max_tokens, CONTEXT):
        model().step(cache, [sequence], [sequence.pending])
        if sequence.since(sequence.length - 1)[0] == STOP:
            return sequence.since(len(prompt))[:-1]
    return sequence.since(len(prompt))


def run(engine):
    while engine.step():
        pass


ADAPTERS = st.sampled_from(("", "one", "other"))
# Few beginnings, so that much could be shared.
PROMPTS = st.builds(
    lambda size, end, word: [place * 5 % VOCABULARY for place in range(size)] + end + [word],
    st.sampled_from((0, 63, 64, 65, 128)),
    st.lists(st.integers(0, 2), max_size=3),
    st.integers(0, 9),
)
SETTINGS = st.builds(
    SamplingSettings,
    max_tokens=st.integers(1, 60),
    temperature=st.sampled_from((0.0, 0.0, 0.8)),
    repetition_penalty=st.sampled_from((1.0, 1.2)),
    seed=st.integers(0, 9),
)
REQUESTS = st.lists(st.tuples(PROMPTS, SETTINGS, ADAPTERS, st.integers(0, 12)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(
    REQUESTS,
    st.sampled_from((5, 9, 40)),
    st.sampled_from((1, 50, 512)),
    st.sampled_from((1, 2)),
    st.sampled_from((0.0, 10.0)),
    st.booleans(),
)
def test_tokens_are_the_same_alone_and_in_any_company(
    requests, blocks, slice_tokens, threads, burst_s, guesses
):
    """In mixed batches, with reuse, slices of prompts, bursts, guesses and, in a small cache, preemption."""
    engine = make_engine(
        threads, guesses=guesses, cache_tokens=blocks * BLOCK, slice_tokens=slice_tokens, burst_s=burst_s
    )
    generations = []
    for prompt, wishes, adapter, steps in requests:
        generations.append(engine.submit(prompt, wishes, stop_ids=[STOP], adapter=adapter))
        for _ in range(steps):
            engine.step()
    run(engine)
    for generation, (prompt, wishes, adapter, _) in zip(generations, requests, strict=True):
        assert generation.error is None
        assert generation.tokens == answer_alone(prompt, wishes, adapter)[: generation.limit]
    engine.clear_cache()
    assert engine.load.free_blocks == engine.load.blocks


def test_what_was_read_with_one_adapter_is_not_reused_with_another():
    engine = make_engine()
    prompt = [place * 3 % VOCABULARY for place in range(2 * BLOCK + 5)]
    wishes = SamplingSettings(max_tokens=5)
    found = {}
    for again in (False, True):
        for adapter in ("", "one", "other"):
            generation = engine.submit(prompt, wishes, adapter=adapter)
            run(engine)
            assert generation.reused_tokens == (len(prompt) - 1 if again else 0)
            assert found.setdefault(adapter, generation.tokens) == generation.tokens
    assert len({tuple(tokens) for tokens in found.values()}) == 3


def test_requests_that_come_together_share_only_with_their_own():
    """While one reads a block, another that could share it waits: but not one with another adapter."""
    engine = make_engine()
    prompt = [place * 3 % VOCABULARY for place in range(BLOCK)]
    asked = [
        engine.submit([*prompt, number], SamplingSettings(max_tokens=3), adapter=name)
        for number in range(3)
        for name in ("", "one", "other")
    ]
    run(engine)
    assert [generation.reused_tokens for generation in asked] == [0] * 3 + [BLOCK] * 6
    for number, generation in enumerate(asked):
        wishes = SamplingSettings(max_tokens=3)
        assert generation.tokens == answer_alone([*prompt, number // 3], wishes, generation.adapter)


def test_guesses_of_the_plain_model_are_taken_only_where_they_are_right():
    wishes = SamplingSettings(max_tokens=60)
    for adapter in ("", "one"):
        engine = make_engine(guesses=True)
        generation = engine.submit([9, 8, 11], wishes, stop_ids=[STOP], adapter=adapter)
        run(engine)
        assert generation.drafted > 0
        assert generation.tokens == answer_alone([9, 8, 11], wishes, adapter)


# --- model folders ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decoder():
    decoder = tiny.make_decoder()
    with torch.no_grad():
        for weight in decoder.parameters():
            if weight.dim() == 2:
                weight.mul_(0.5)
    return decoder


@pytest.fixture(scope="module")
def folder(decoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model_folder(folder, decoder, tiny.make_tokenizer())
    return folder


@pytest.fixture(scope="module")
def places(decoder, tmp_path_factory):
    """Return folders of adapters, as peft writes them."""
    folder = tmp_path_factory.mktemp("adapters")
    return {
        name: write_adapter(folder / name, make_adapter(decoder.config, **kind))
        for name, kind in KINDS.items()
    }


@pytest.mark.parametrize(
    "options", [{"backend": "native", "weights": "f32"}, {"backend": "torch", "device": "cpu"}]
)
def test_they_say_what_the_merged_model_says(decoder, folder, places, options):
    """To float rounding; greedy tokens are the same."""
    served = load_model(folder, adapters=places, **options)
    assert served.adapters == ("one", "other")
    tokens = list(range(3, 80))
    for name, kind in KINDS.items():
        reference = TorchModel(merged(decoder, make_adapter(decoder.config, **kind)))
        expected = reference.logits(tokens)
        found = served.logits(tokens, adapter=name)
        assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()
        assert np.abs(served.logits(tokens) - expected).max() > 0.05 * np.abs(expected).max()
        states = served.hidden(tokens, adapter=name)
        np.testing.assert_allclose(states, reference.hidden(tokens), rtol=1e-4, atol=1e-4)
        for prompt in ([5, 6, 7], tokens[:40]):
            said = list(served.generate(prompt, max_tokens=30, adapter=name))
            assert said == list(reference.generate(prompt, max_tokens=30))


@pytest.mark.parametrize("weights", ["int8", "int4", "bf16"])
def test_quantized_weights_go_with_exact_adapters(decoder, folder, places, weights):
    """An adapter moves quantized logits as it moves exact ones, as far as quantized ones follow at all."""
    served = load_model(folder, backend="native", weights=weights, adapters=places)
    tokens = list(range(3, 80))
    reference = TorchModel(merged(decoder, make_adapter(decoder.config, **KINDS["one"])))
    expected, base = reference.logits(tokens), TorchModel(decoder).logits(tokens)
    coarse = np.linalg.norm(served.logits(tokens) - base)
    assert np.linalg.norm(served.logits(tokens, adapter="one") - expected) < 3 * coarse
    assert coarse < 0.3 * np.linalg.norm(expected - base)


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_an_unknown_name_is_told_with_the_nearest(folder, places, backend):
    served = load_model(folder, backend=backend, adapters=places)
    for ask in (served.generate, served.logits, served.hidden):
        with pytest.raises(RequestError, match=r"no adapter 'onne' here\. Did you mean 'one'"):
            ask([1, 2], adapter="onne")
    with pytest.raises(RequestError, match="was loaded without any"):
        load_model(folder, backend=backend).generate([1, 2], adapter="one")


def test_an_adapter_of_another_model_is_refused(folder, tmp_path):
    strangers = {
        "deep": ({"num_hidden_layers": 3}, "which the model lacks. It belongs to 'base'"),
        "wide": ({"hidden_size": 64}, "belongs to another model: 'base'"),
    }
    for name, (shape, message) in strangers.items():
        place = write_adapter(tmp_path / name, make_adapter(tiny.make_decoder(**shape).config))
        for backend in ("native", "torch"):
            with pytest.raises(CheckpointError, match=message):
                load_model(folder, backend=backend, adapters={name: place})
