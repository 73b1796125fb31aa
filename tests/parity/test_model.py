"""The same logits and gradients from camelid and from `transformers`, and folders that both read."""

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from camelid.model.checkpoint import load_decoder, save_model_folder
from camelid.model.config import DecoderConfig
from camelid.model.decoder import Decoder
from camelid.text.chat import render_chat
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer, train_tokenizer

TOKENIZER = train_tokenizer(["The llama's wool. ¿Qué? L'été, größer, 1234!\n\n"] * 9, vocab_size=320)
SMALL = {
    "vocab_size": TOKENIZER.vocab_size,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}
SHAPES = {
    "mha, untied": {},
    "mha, tied": {"tie_word_embeddings": True},
    "gqa, untied": {"num_key_value_heads": 2},
    "gqa, tied": {"num_key_value_heads": 1, "tie_word_embeddings": True, "rms_norm_eps": 1e-3},
    "llama3 rope": {"rope_parameters": LLAMA3, "num_key_value_heads": 2},
    "linear rope": {"rope_parameters": LINEAR},
    "wide heads": {"head_dim": 40, "num_key_value_heads": 2},
    "theta": {"rope_parameters": {"rope_type": "default", "rope_theta": 123.0}, "head_dim": 6},
}


def _theirs(**fields):
    """Return a random model of transformers, its norms random too."""
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**{**SMALL, **fields}))
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            torch.nn.init.normal_(weight, mean=1.0, std=0.2)
    return model


def _twin(theirs):
    """Return our decoder with the weights of theirs, by name."""
    decoder = Decoder(DecoderConfig.from_dict(theirs.config.to_dict()))
    tied = decoder.config.tie_word_embeddings
    decoder.load_state_dict(
        {k: v for k, v in theirs.state_dict().items() if not (tied and k == "lm_head.weight")}
    )
    return decoder


def _token_ids(rows=2, length=100):
    generator = torch.Generator().manual_seed(2)
    return torch.randint(8, TOKENIZER.vocab_size, (rows, length), generator=generator)


def _close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module", params=SHAPES, ids=lambda name: name.replace(", ", "-").replace(" ", "-"))
def pair(request):
    theirs = _theirs(**SHAPES[request.param])
    return _twin(theirs), theirs


def test_logits_are_those_of_transformers(pair):
    ours, theirs = pair
    token_ids = _token_ids()
    with torch.no_grad():
        expected = theirs(token_ids).logits
        assert expected.std() > 0.1, "logits near zero would prove nothing"
        _close(ours(token_ids), expected)


def test_gradients_of_all_parameters_are_those_of_transformers(pair):
    ours, theirs = pair
    token_ids = _token_ids()
    theirs(token_ids, labels=token_ids).loss.backward()
    logits = ours(token_ids)[:, :-1].flatten(0, 1)
    F.cross_entropy(logits, token_ids[:, 1:].flatten()).backward()
    expected = {name: weight.grad for name, weight in theirs.named_parameters()}
    found = {name: weight.grad for name, weight in ours.named_parameters()}
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 1e-4, name
        _close(found[name], gradient)


def test_rope_scaling_changes_the_logits():
    token_ids = _token_ids()
    plain = _twin(_theirs(rope_parameters={"rope_type": "default", "rope_theta": 5000.0}))
    scaled = _twin(_theirs(rope_parameters=LLAMA3))
    with torch.no_grad():
        assert (plain(token_ids) - scaled(token_ids)).abs().max() > 1e-2


def test_their_parameter_count_is_ours(pair):
    ours, theirs = pair
    assert ours.config.num_parameters == theirs.num_parameters()


@pytest.mark.parametrize("max_shard_size", ["50GB", "40KB"], ids=["single", "sharded"])
@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_a_folder_that_transformers_saved_loads_here(tmp_path, max_shard_size, tied):
    theirs = _theirs(tie_word_embeddings=tied, num_key_value_heads=2)
    theirs.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (max_shard_size == "40KB")
    ours = load_decoder(tmp_path)
    assert ours.config.tie_word_embeddings == tied
    with torch.no_grad():
        _close(ours(_token_ids()), theirs(_token_ids()).logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_on_disk_loads_as_float32(tmp_path, dtype):
    _theirs().to(dtype).save_pretrained(tmp_path)
    ours = load_decoder(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert {weight.dtype for weight in ours.parameters()} == {torch.float32}
    with torch.no_grad():
        _close(ours(_token_ids()), theirs(_token_ids()).logits)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=[name.replace(" ", "-") for name in SHAPES])
def test_a_folder_saved_here_loads_in_transformers(tmp_path, shape):
    ours = _twin(_theirs(**shape))
    save_model_folder(tmp_path / "model", ours, TOKENIZER)
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "model", output_loading_info=True)
    assert not any(report.values()), report
    assert type(theirs) is LlamaForCausalLM and theirs.dtype == torch.float32
    with torch.no_grad():
        _close(theirs(_token_ids()).logits, ours(_token_ids()))


def test_a_folder_saved_in_bfloat16_says_so(tmp_path):
    ours = _twin(_theirs())
    save_model_folder(tmp_path / "model", ours, TOKENIZER, dtype=torch.bfloat16)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert theirs.dtype == torch.bfloat16
    expected = {name: weight.to(torch.bfloat16) for name, weight in ours.state_dict().items()}
    assert all(torch.equal(theirs.state_dict()[name], weight) for name, weight in expected.items())


def test_the_tokenizer_beside_it_gives_the_same_ids(tmp_path):
    save_model_folder(tmp_path / "model", _twin(_theirs()), TOKENIZER)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "model")
    ours = Tokenizer.load(tmp_path / "model")
    text = "¿Qué? 12 llamas, größer\n"
    assert theirs.encode(text, add_special_tokens=False) == ours.encode(text) == TOKENIZER.encode(text)
    turns = [Message("user", text), Message("assistant", "L'été!")]
    plain = [{"role": turn.role, "content": turn.content} for turn in turns]
    theirs_ids = theirs.apply_chat_template(plain, add_generation_prompt=True, return_dict=False)
    assert theirs_ids == render_chat(ours, turns, add_generation_prompt=True)
    assert theirs.model_max_length == SMALL["max_position_embeddings"]


def test_generation_config_stops_where_the_tokenizer_says(tmp_path):
    save_model_folder(tmp_path / "model", _twin(_theirs()), TOKENIZER)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    settings = theirs.generation_config
    assert tuple(settings.eos_token_id) == TOKENIZER.stop_ids
    assert (settings.bos_token_id, settings.pad_token_id) == (TOKENIZER.bos_id, TOKENIZER.pad_id)


@pytest.mark.parametrize(
    "form",
    [
        {"rope_theta": 5000.0, "rope_scaling": {k: v for k, v in LLAMA3.items() if k != "rope_theta"}},
        {"rope_parameters": LLAMA3},
        {"rope_theta": 10_000.0, "rope_scaling": {"type": "linear", "factor": 4.0}},
        {"rope_theta": 77.0, "rope_scaling": None},
        {"rope_parameters": {"rope_type": "llama3", **{k: v for k, v in LLAMA3.items() if "orig" not in k}}},
        {"rope_theta": 9.0, "rope_scaling": {"rope_type": "default"}},
    ],
    ids=["llama3-old", "llama3-new", "linear-old", "plain-old", "llama3-no-original", "default-old"],
)
def test_rope_forms_are_read_as_transformers_reads_them(form):
    table = {**SMALL, **form, "model_type": "llama", "num_hidden_layers": 1}
    theirs = LlamaForCausalLM(LlamaConfig(**table))
    ours = Decoder(DecoderConfig.from_dict(table))
    torch.testing.assert_close(ours.rope_frequencies, theirs.model.rotary_emb.inv_freq, rtol=1e-6, atol=0.0)
