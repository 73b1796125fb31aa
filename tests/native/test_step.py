"""The native step: the torch decoder's numbers, and the same bits however the work is cut."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from native_read import ALL, load, read, some_tokens
from tiny import make_decoder, make_tokenizer

from camelid.errors import RequestError
from camelid.model.checkpoint import save_model_folder
from camelid.model.decoder import Decoder
from camelid.native import choose_isa, is_built, isas

if not is_built():
    pytest.skip("the native engine was not built: no C++ compiler at install", allow_module_level=True)

from camelid.native import _native
from camelid.native.packing import TYPES, lay_out

SHAPES = [
    {},
    {"num_key_value_heads": 4, "tie_word_embeddings": False},
    {"hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 1, "intermediate_size": 172},
    {"hidden_size": 72, "num_attention_heads": 2, "num_key_value_heads": 2, "rope_theta": 500_000.0},
]


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


def unpacked(decoder, weights, block):
    """Return a decoder with the weights that the packed ones stand for."""
    config = decoder.config
    state = {name: weight.clone() for name, weight in decoder.state_dict().items()}
    for piece in lay_out(config, weights):
        part = block[piece.offset : piece.offset + piece.num_bytes]
        if piece.type == "numbers":
            continue
        if piece.type == "rows":
            name = piece.sources[0]
            state[name] = state[name] if weights == "f32" else state[name].bfloat16().float()
            continue
        matrix = _native.Matrix(TYPES[piece.type], piece.outputs, piece.inputs, piece.group, part)
        rows = torch.from_numpy(matrix.unpack("plain"))
        if piece.in_turn:
            panels = rows.view(-1, 2, _native.LANES, piece.inputs)
            rows = torch.cat([panels[:, which].flatten(0, 1)[: config.intermediate_size] for which in (0, 1)])
        for name in piece.sources:
            state[name], rows = rows[: len(state[name])], rows[len(state[name]) :]
    copy = Decoder(config).requires_grad_(False)
    copy.load_state_dict(state)
    return copy


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("weights", ["f32", "bf16"])
def test_float_weights_give_the_torch_logits(decoder, folder, weights, isa):
    """Arithmetic is float32 with either: only the order of sums differs, some units in the last place."""
    model, block = load(folder, decoder.config, weights, isa)
    tokens = some_tokens(decoder.config, 150)
    expected = unpacked(decoder, weights, block)(torch.tensor([tokens]))[0].numpy()
    scale = np.abs(expected).max()
    assert np.abs(read(model, decoder.config, tokens) - expected).max() < 2e-5 * scale
    # Words round queries by 2^-12 of the largest in a head, keys and values by less, in each layer.
    bound = 2 * decoder.config.num_hidden_layers * 2**-9 * scale
    assert np.abs(read(model, decoder.config, tokens, words=True) - expected).max() < bound


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_quantized_weights_give_the_logits_of_quantized_rows(decoder, folder, weights, isa):
    """The torch decoder with the same weights and its rows rounded to codes, as the kernels round them.

    A code that lies between two may fall to either side, which moves a few logits by a step; the middle one
    must agree like floats.
    """
    model, block = load(folder, decoder.config, weights, isa)
    tokens = some_tokens(decoder.config, 100)
    copy = unpacked(decoder, weights, block)
    groups = {piece.sources[0]: piece.group for piece in lay_out(decoder.config, weights)}
    names = {module: name for name, module in copy.named_modules()}
    for module in names:
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(
                lambda module, args: (rounded(args[0], find(groups, names[module])),)
            )
    expected = copy(torch.tensor([tokens]))[0].numpy()
    error = np.abs(read(model, decoder.config, tokens) - expected)
    scale = np.abs(expected).max()
    assert np.median(error) < 2e-3 * scale
    assert error.max() < 0.1 * scale


def find(groups, name):
    """Return the group of the piece that a matrix is part of."""
    first = {"k_proj": "q_proj", "v_proj": "q_proj", "up_proj": "gate_proj"}
    for other, leader in first.items():
        name = name.replace(other, leader)
    return groups.get(f"{name}.weight") or groups["model.embed_tokens.weight"]


def rounded(x, group):
    width = x.shape[-1]
    grouped = torch.nn.functional.pad(x, (0, -width % group)).unflatten(-1, (-1, group))
    scale = grouped.abs().amax(-1, keepdim=True) * (1 / 127)
    codes = torch.where(scale > 1e-30, grouped / scale, 0.0).round()
    return (codes * scale).flatten(-2)[..., :width]


@given(data=st.data(), weights=st.sampled_from(ALL), isa=st.sampled_from(isas()))
@settings(max_examples=40, deadline=None)
def test_slices_and_threads_change_no_bit(decoder, folder, data, weights, isa):
    config = decoder.config
    tokens = some_tokens(config, data.draw(st.integers(2, 150)), seed=data.draw(st.integers(0, 99)))
    cuts, left = [], len(tokens) - 1
    while left and len(cuts) < 30:
        cuts.append(data.draw(st.integers(1, min(left, 40))))
        left -= cuts[-1]
    words = weights != "f32"
    whole = read(load(folder, config, weights, isa)[0], config, tokens, words=words)
    cut = read(load(folder, config, weights, isa, threads=3)[0], config, tokens, cuts, words=words)
    assert np.array_equal(whole, cut)


@pytest.mark.parametrize("weights", ALL)
def test_instruction_sets_with_fused_sums_agree_to_the_bit(decoder, folder, weights):
    fused = [isa for isa in isas() if isa != "plain"]
    tokens = some_tokens(decoder.config, 70)
    found = [read(load(folder, decoder.config, weights, isa)[0], decoder.config, tokens) for isa in fused]
    assert all(np.array_equal(one, found[0]) for one in found)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_batch_chooses_what_each_would_alone(decoder, folder, data):
    config = decoder.config
    model, _ = load(folder, config, "int8", isas()[0], threads=2)
    count = data.draw(st.integers(1, 6))
    prompts = [some_tokens(config, data.draw(st.integers(1, 70)), seed) for seed in range(count)]
    temperature = data.draw(st.sampled_from([0.0, 1.0]))
    together = run(model, [(prompt, seed) for seed, prompt in enumerate(prompts)], temperature)
    for seed, prompt in enumerate(prompts):
        assert run(model, [(prompt, seed)], temperature) == [together[seed]]


def run(model, prompts, temperature, steps=6):
    """Return the tokens that follow each prompt, all in one batch."""
    cache = model.new_cache(3 * len(prompts), True)
    sequences = []
    for index, (prompt, seed) in enumerate(prompts):
        sampling = _native.Sampling()
        sampling.temperature, sampling.seed = temperature, seed
        sequence = _native.Sequence(prompt, sampling)
        sequence.blocks = [3 * index, 3 * index + 1, 3 * index + 2]
        sequences.append(sequence)
    for _ in range(steps):
        model.step(cache, sequences, [sequence.pending for sequence in sequences])
    return [sequence.since(sequence.prompt) for sequence in sequences]


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_drafts_right_or_wrong_change_no_token(decoder, folder, data):
    config = decoder.config
    model, _ = load(folder, config, "int8", isas()[0])
    sampling = _native.Sampling()
    sampling.temperature = data.draw(st.sampled_from([0.0, 1.0]))
    sampling.repetition_penalty = data.draw(st.sampled_from([1.0, 1.3]))
    sampling.frequency_penalty = data.draw(st.sampled_from([0.0, 0.5]))
    sampling.seed = 7
    prompt = some_tokens(config, 20)
    alone = generate(model, prompt, sampling, lambda _: [])
    noise = np.random.default_rng(data.draw(st.integers(0, 99)))

    def draft(done):
        right = alone[done : done + noise.integers(0, 6)]
        return [token if noise.random() < 0.7 else (token + 1) % config.vocab_size for token in right]

    assert generate(model, prompt, sampling, draft)[: len(alone)] == alone


def generate(model, prompt, sampling, draft, count=24):
    cache = model.new_cache(3, True)
    sequence = _native.Sequence(prompt, sampling)
    sequence.blocks = [2, 0, 1]
    while sequence.length < len(prompt) + count:
        sequence.drafts = draft(sequence.length - len(prompt))
        before = sequence.length
        model.step(cache, [sequence], [sequence.pending])
        assert sequence.length - before == len(sequence.chosen)
        assert sequence.computed == sequence.length - 1
    return sequence.since(len(prompt))


def test_a_mask_leaves_only_what_it_allows(decoder, folder):
    config = decoder.config
    model, _ = load(folder, config, "int8")
    for temperature in (0.0, 2.0):
        sampling = _native.Sampling()
        sampling.temperature = temperature
        sequence = _native.Sequence([1, 2, 3], sampling)
        sequence.blocks = [0]
        cache = model.new_cache(1, True)
        for token in (5, 131, config.vocab_size - 1):
            bits = np.zeros(-(-config.vocab_size // 32), np.uint32)
            bits[token // 32] |= np.uint32(1 << token % 32)
            sequence.allowed = bits.tolist()
            model.step(cache, [sequence], [sequence.pending])
            assert sequence.tokens[-1] == token
        sequence.allowed = [0] * len(bits)
        model.step(cache, [sequence], [1])
        assert [chosen.token for chosen in sequence.chosen] == [-2]


def test_log_probabilities_are_of_the_model_itself(decoder, folder):
    config = decoder.config
    model, _ = load(folder, config, "f32")
    tokens = some_tokens(config, 9)
    sampling = _native.Sampling()
    sampling.temperature, sampling.top_logprobs, sampling.repetition_penalty = 1.5, 4, 2.0
    sequence = _native.Sequence(tokens, sampling)
    sequence.blocks = [0]
    model.step(model.new_cache(1, False), [sequence], [9])
    logits = torch.from_numpy(read(model, config, tokens)[-1]).double()
    logprobs = logits.log_softmax(-1)
    chosen = sequence.chosen[0]
    assert chosen.logprob == pytest.approx(logprobs[chosen.token].item(), abs=1e-5)
    top = logprobs.topk(4)
    assert [token for token, _ in chosen.top] == top.indices.tolist()
    assert [value for _, value in chosen.top] == pytest.approx(top.values.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({"blocks": [99]}, 3),
        ({"blocks": []}, 3),
        ({"computed": -1}, 3),
        ({}, 4),
        ({}, 0),
        ({"drafts": [-5]}, 3),
    ],
)
def test_what_would_read_beyond_an_array_is_refused(decoder, folder, change, count):
    model, _ = load(folder, decoder.config, "int8")
    sequence = _native.Sequence([1, 2, 3], _native.Sampling())
    sequence.blocks = [0]
    for name, value in change.items():
        setattr(sequence, name, value)
    with pytest.raises(ValueError):
        model.step(model.new_cache(1, True), [sequence], [count])


def test_an_instruction_set_can_be_forced(monkeypatch):
    monkeypatch.setenv("CAMELID_ISA", "plain")
    assert choose_isa() == "plain"
    monkeypatch.setenv("CAMELID_ISA", "avx3")
    with pytest.raises(RequestError, match="avx"):
        choose_isa()
