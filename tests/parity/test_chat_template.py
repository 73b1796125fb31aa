"""The same ids from camelid and from `transformers`, for our own folders and for foreign ones."""

import json

import pytest
import regex
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from camelid.text.chat import render_chat, render_record
from camelid.text.records import ROLES, Message, Record
from camelid.text.tokenizer import SPECIAL, Tokenizer, train_tokenizer

TEXTS = ["The llama's wool. ¿Qué? L'été, größer, 1234!\n\n"] * 9
OURS = train_tokenizer(TEXTS, vocab_size=320)
CONTENTS = st.one_of(
    st.lists(st.sampled_from([*SPECIAL, "<|", "<", " |>", " ", "\n", "a", "🦙", " ,", "'s", "1"])).map(
        "".join
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
)
TURNS = st.lists(st.builds(Message, st.sampled_from(ROLES), CONTENTS), min_size=1, max_size=4)
FOREIGN = (
    "{{ bos_token }}{%- for message in messages %}\n"
    "  {%- if message.role == 'system' %}{{ raise_exception('no system turn here') }}{% endif %}\n"
    "  {{- '[' + message['role'] + ']' + message['content'] | trim + eos_token }}\n"
    "{%- endfor %}{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return _as_transformers_loads(OURS, tmp_path_factory.mktemp("ours"))


def _as_transformers_loads(tokenizer, folder):
    tokenizer.save(folder, model_max_length=128)
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": tokenizer.vocab_size,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return AutoTokenizer.from_pretrained(folder)


def _dicts(turns):
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def test_autotokenizer_knows_the_special_tokens(theirs):
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 1, 2)
    assert theirs.model_max_length == 128
    assert len(theirs) == OURS.vocab_size
    assert theirs.chat_template == OURS.template.source
    assert not theirs.clean_up_tokenization_spaces


@given(TURNS, st.booleans())
def test_apply_chat_template_gives_our_ids(theirs, turns, prompted):
    expected = theirs.apply_chat_template(_dicts(turns), add_generation_prompt=prompted, return_dict=False)
    assert render_chat(OURS, turns, add_generation_prompt=prompted) == expected


@given(CONTENTS.filter(lambda text: not any(token in text for token in SPECIAL)))
def test_text_gives_our_ids_with_bos_before(theirs, text):
    assert theirs(text)["input_ids"] == [OURS.bos_id, *OURS.encode(text)]
    assert theirs(text, "b")["input_ids"] == [1, *OURS.encode(text), 1, *OURS.encode("b")]
    assert theirs(text, add_special_tokens=False)["input_ids"] == OURS.encode(text)
    assert theirs.decode(OURS.encode(text)) == text


@given(st.lists(st.integers(0, OURS.vocab_size - 1)))
def test_decoding_gives_their_text(theirs, token_ids):
    assert OURS.decode(token_ids) == theirs.decode(token_ids, skip_special_tokens=True)
    assert OURS.decode(token_ids, skip_special=False) == theirs.decode(token_ids)


def test_a_folder_that_transformers_saved_is_read_back(theirs, tmp_path):
    theirs.save_pretrained(tmp_path)
    assert Tokenizer.load(tmp_path).fingerprint == OURS.fingerprint
    assert Tokenizer.load(tmp_path).stop_ids == OURS.stop_ids


@given(st.lists(CONTENTS.filter(lambda text: "<" not in text), min_size=1, max_size=4), st.booleans())
@settings(max_examples=50)
def test_foreign_templates_give_their_ids(foreign, contents, prompted):
    ours, theirs = foreign
    roles = [("user", "assistant")[index % 2] for index in range(len(contents))]
    turns = [Message(role, content) for role, content in zip(roles, contents, strict=True)]
    expected = theirs.apply_chat_template(_dicts(turns), add_generation_prompt=prompted, return_dict=False)
    assert render_chat(ours, turns, add_generation_prompt=prompted) == expected
    if len(turns) % 2 == 0 and not prompted:
        assert render_record(ours, Record(messages=tuple(turns))).token_ids == expected


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    config = {
        "bos_token": "<|bos|>",
        "eos_token": "<|eos|>",
        "chat_template": FOREIGN,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    ours = Tokenizer(tokenizers.Tokenizer.from_str(OURS._core.to_str()), config)
    return ours, _as_transformers_loads(ours, tmp_path_factory.mktemp("foreign"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]) | st.sampled_from("'sſRreKLl \n\r\t7")))
def test_text_is_cut_where_llama_cpp_cuts_it(text):
    """Its vocabulary type "qwen2", as llama-vocab.cpp describes it."""
    qwen2 = regex.compile(
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    split = OURS._core.pre_tokenizer[0]
    assert [piece for piece, _ in split.pre_tokenize_str(text)] == qwen2.findall(text)
