"""Laws and errors of the config, and of the dial that makes one."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import CheckpointError, RecipeError
from camelid.model.config import DecoderConfig, shape_from_depth

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
PLAIN = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
CONFIGS = st.builds(
    lambda kv_heads, group, **fields: DecoderConfig(
        hidden_size=16 * kv_heads * group,
        num_key_value_heads=kv_heads,
        num_attention_heads=kv_heads * group,
        **fields,
    ),
    kv_heads=st.integers(1, 4),
    group=st.integers(1, 4),
    vocab_size=st.integers(1, 10**6),
    intermediate_size=st.integers(1, 999),
    num_hidden_layers=st.integers(1, 99),
    head_dim=st.sampled_from([0, 2, 64]),
    max_position_embeddings=st.integers(1, 10**6),
    rms_norm_eps=st.sampled_from([1e-5, 1e-6]),
    rope_theta=st.sampled_from([1e4, 5e5]),
    rope_scaling=st.sampled_from([None, LLAMA3, {"rope_type": "linear", "factor": 2.0}]),
    tie_word_embeddings=st.booleans(),
    bos_token_id=st.sampled_from([None, 0, 7]),
    eos_token_id=st.sampled_from([None, 0, 2, [2, 3]]),
    pad_token_id=st.sampled_from([None, 0]),
)


@given(CONFIGS)
def test_a_config_survives_its_file(config):
    assert DecoderConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(CONFIGS)
def test_a_config_survives_the_old_form_of_its_file(config):
    table = config.to_dict()
    del table["rope_parameters"]
    assert DecoderConfig.from_dict(table) == config
    table["rope_scaling"] = {"type": "default"} if config.rope_scaling is None else table["rope_scaling"]
    assert DecoderConfig.from_dict(table) == config


@given(CONFIGS)
def test_a_config_survives_the_new_form_of_its_file(config):
    table = config.to_dict()
    del table["rope_scaling"], table["rope_theta"]
    assert DecoderConfig.from_dict(table) == config


def test_further_fields_are_written_too():
    config = DecoderConfig(100, 64, 128, 2, 4, 4, extra={"camelid": {"role": "llama"}})
    assert config.to_dict()["camelid"] == {"role": "llama"}


def test_what_a_file_leaves_out_is_what_transformers_takes():
    config = DecoderConfig.from_dict(PLAIN)
    assert (config.num_key_value_heads, config.head_dim, config.max_position_embeddings) == (4, 16, 2048)
    assert (config.rms_norm_eps, config.rope_theta, config.tie_word_embeddings) == (1e-6, 10_000.0, False)


def test_early_llamas_and_files_without_architectures_are_read():
    for architectures in (["LLaMAForCausalLM"], ["LlamaForCausalLM"], [], None):
        assert DecoderConfig.from_dict({**PLAIN, "architectures": architectures}).vocab_size == 100


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "a GPT2LMHeadModel .*'gpt2'"),
        ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, "a Qwen2ForCausalLM"),
        ({"model_type": "mistral"}, "a mistral .*reads LlamaForCausalLM only"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "a LlamaForSequenceClassification"),
        ({"attention_bias": True}, "attention_bias=True; camelid's decoder has attention_bias=False only"),
        ({"mlp_bias": True}, "mlp_bias=True"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"quantization_config": {"quant_method": "gptq"}}, r"quantized \(gptq\).*quantized from"),
        ({"quantization_config": "odd"}, r"quantized \(odd\)"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "llama3 or linear; found 'yarn'"),
        ({"rope_scaling": {"rope_type": "linear"}}, r"\['factor'\] must be a number above 0; found None"),
        ({"rope_scaling": "linear"}, "rope_scaling must be a table; found 'linear'"),
        ({"rope_scaling": {**LLAMA3, "low_freq_factor": 4.0}}, "must be below"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor=0.5"),
        ({"rope_theta": "big"}, "rope_theta must be a number; found 'big'"),
        ({"hidden_size": "64"}, "hidden_size must be a whole number; found '64'"),
        ({"hidden_size": None}, "lacks hidden_size; it is not a whole Llama config"),
        ({"hidden_size": 65}, "num_attention_heads must divide hidden_size"),
        ({"eos_token_id": "end"}, "eos_token_id must be"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_done_names_why(fields, message):
    with pytest.raises(CheckpointError, match=f"^here/config.json.*{message}"):
        DecoderConfig.from_dict({**PLAIN, **fields}, where="here/config.json")


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"vocab_size": 0}, "vocab_size must be a whole number above 0; found 0"),
        ({"num_hidden_layers": 1.5}, "num_hidden_layers must be a whole number above 0; found 1.5"),
        ({"num_key_value_heads": 3}, "must divide num_attention_heads.*Use 1, 2, 4"),
        ({"hidden_size": 640, "num_attention_heads": 12}, "num_attention_heads=12. Use 10 or 16"),
        ({"hidden_size": 65, "head_dim": 16}, "Use an even hidden_size"),
        ({"head_dim": 15}, "head_dim must be even"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "found 'dynamic'"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(fields, message):
    shape = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    with pytest.raises(RecipeError, match=message):
        DecoderConfig(**{**shape, **heads, **fields})


@given(depth=st.integers(1, 60), vocab_size=st.integers(1, 10**5), context=st.integers(1, 10**5))
def test_the_dial_keeps_its_laws(depth, vocab_size, context):
    config = shape_from_depth(depth, vocab_size=vocab_size, context=context)
    assert (config.num_hidden_layers, config.vocab_size) == (depth, vocab_size)
    assert config.max_position_embeddings == context
    assert 32 * depth <= config.hidden_size < 32 * depth + 128
    assert config.head_dim * config.num_attention_heads == config.hidden_size
    assert config.head_dim == 64
    assert 0 <= config.intermediate_size - config.hidden_size * 8 / 3 < 64
    assert config.num_attention_heads // config.num_key_value_heads in (1, 2)
    assert config.tie_word_embeddings


@given(depth=st.integers(1, 39))
def test_deeper_is_bigger(depth):
    sizes = [shape_from_depth(d, vocab_size=999, context=9).num_parameters for d in (depth, depth + 1)]
    assert sizes[0] < sizes[1]


@given(depth=st.integers(1, 20), pairs=st.integers(1, 300))
def test_a_sibling_has_the_width_it_is_given(depth, pairs):
    config = shape_from_depth(depth, vocab_size=999, context=9, hidden_size=2 * pairs)
    assert config.hidden_size == 2 * pairs == config.head_dim * config.num_attention_heads
    assert config.num_hidden_layers == depth


def test_a_given_field_is_kept_and_zero_leaves_it_to_the_dial():
    config = shape_from_depth(4, vocab_size=999, context=9, intermediate_size=100, num_key_value_heads=0)
    assert (config.intermediate_size, config.num_key_value_heads) == (100, 1)


def test_a_depth_of_nothing_is_refused():
    with pytest.raises(RecipeError, match="depth must be at least 1; found 0"):
        shape_from_depth(0, vocab_size=999, context=9)
