import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, normalizers

from camelid.errors import TokenizerError
from camelid.text.tokenizer import SPECIAL, Tokenizer, check_tokenizer_fits, train_tokenizer

TEXTS = [
    "The llama isn't a camel, and the alpaca's wool is finer than 1234 others' wool.\n\n",
    "¿Cuántos años tiene la vicuña? La niña salió de la montaña.",
    "Größere Tiere fräßen mehr; die Wölfe heulten über die Hügel.",
    "L'été, qu'est-ce que c'est ? Où êtes-vous allés hier à Noël ?",
] * 20
TOKENIZER = train_tokenizer(TEXTS, vocab_size=400)
BYTE_IDS = {
    value[0]: token_id for token_id, value in enumerate(TOKENIZER.token_bytes or []) if len(value) == 1
}
UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


def test_special_tokens_come_first_in_the_agreed_order():
    assert [TOKENIZER.id_of(token) for token in SPECIAL] == list(range(8))
    assert (TOKENIZER.pad_id, TOKENIZER.bos_id, TOKENIZER.eos_id, TOKENIZER.end_id) == (0, 1, 2, 3)
    assert TOKENIZER.stop_ids == (2, 3)
    assert TOKENIZER.special_ids == frozenset(range(8))


def test_every_byte_is_a_token():
    assert sorted(BYTE_IDS) == list(range(256))


@given(UNICODE)
def test_decoding_gives_back_any_text(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(UNICODE)
def test_token_bytes_add_up_to_the_text(text):
    assert sum(TOKENIZER.num_bytes[token_id] for token_id in TOKENIZER.encode(text)) == len(text.encode())


@given(st.lists(st.sampled_from([*SPECIAL, "<|", "|>", "a", " ", "\n", "end", "é"])).map("".join))
def test_text_never_becomes_a_special_token(text):
    together = TOKENIZER.encode_many(["x", text])
    assert together[1] == TOKENIZER.encode(text)
    assert not TOKENIZER.special_ids.intersection(together[1])
    assert TOKENIZER.decode(together[1], skip_special=False) == text


def test_special_tokens_still_are_text_after_the_template_was_read():
    assert TOKENIZER.encode_rendered("<|end|>")[0] == [3]
    assert 3 not in TOKENIZER.encode("<|end|>")


def test_digits_stand_apart():
    pieces = [TOKENIZER.decode([token_id]) for token_id in TOKENIZER.encode("in 1234, 1234 1234")]
    assert [piece for piece in pieces if any(char.isdigit() for char in piece)] == list("123412341234")


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a\ufffdb"
    assert TOKENIZER.decode(TOKENIZER.encode("\ud83e\udd99")) == "🦙"
    assert TOKENIZER.decode(TOKENIZER.encode_rendered("a\ud800b")[0]) == "a\ufffdb"


@given(st.binary())
def test_streaming_joins_to_what_decoding_at_once_gives(data):
    token_ids = [BYTE_IDS[byte] for byte in data]
    assert _stream(TOKENIZER, token_ids) == data.decode("utf-8", "replace") == TOKENIZER.decode(token_ids)
    assert TOKENIZER.decode(token_ids) == TOKENIZER._core.decode(token_ids)


@given(st.lists(st.integers(0, TOKENIZER.vocab_size + 5)))
def test_decoding_any_ids_agrees_with_the_library(token_ids):
    assert TOKENIZER.decode(token_ids) == TOKENIZER._core.decode(token_ids) == _stream(TOKENIZER, token_ids)
    shown = TOKENIZER.decode(token_ids, skip_special=False)
    assert shown == TOKENIZER._core.decode(token_ids, skip_special_tokens=False)


@given(st.text("aé🦙ñ👩\u200d🌾 ", min_size=1))
def test_streaming_never_emits_a_broken_character(text):
    decoder = TOKENIZER.decoder()
    pieces = [decoder.push(BYTE_IDS[byte]) for byte in text.encode()]
    assert "\ufffd" not in "".join(pieces)
    assert "".join(pieces) == text
    assert decoder.flush() == ""


def test_a_decoder_begins_anew_after_flush():
    decoder = TOKENIZER.decoder()
    assert decoder.push(BYTE_IDS[0xF0]) == ""
    assert decoder.flush() == "\ufffd"
    assert decoder.push(BYTE_IDS[ord("a")]) == "a"
    assert decoder.push(-1) == ""


def test_saved_and_loaded_is_the_same(tmp_path):
    TOKENIZER.save(tmp_path, model_max_length=512)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.fingerprint == TOKENIZER.fingerprint
    assert loaded.template.source == TOKENIZER.template.source
    assert loaded.stop_ids == TOKENIZER.stop_ids
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["model_max_length"] == 512
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_fingerprints_differ_when_vocabularies_do():
    assert train_tokenizer(TEXTS[:3], vocab_size=300).fingerprint != TOKENIZER.fingerprint


def test_training_gives_the_same_file_on_any_number_of_cores(tmp_path):
    program = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from test_tokenizer import TEXTS, train_tokenizer\n"
        "train_tokenizer(iter(TEXTS), vocab_size=400).save(sys.argv[3])"
    )
    here = Path(__file__).parent
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    paths = [str(here.parents[1]), str(here), str(tmp_path)]
    subprocess.run([sys.executable, "-c", program, *paths], env=environment, check=True)
    TOKENIZER.save(tmp_path / "here")
    assert (tmp_path / "tokenizer.json").read_bytes() == (tmp_path / "here" / "tokenizer.json").read_bytes()


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(TokenizerError, match=r"vocab_size must be at least 264 .* found 100\. Use 4096"):
        train_tokenizer(TEXTS, vocab_size=100)
    assert train_tokenizer(TEXTS, vocab_size=264).vocab_size == 264


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_no_text_is_refused(texts):
    with pytest.raises(TokenizerError, match="needs text to learn from; found none"):
        train_tokenizer(texts, vocab_size=300)


@pytest.mark.parametrize("vocab_size", [399, 400 + 1025])
def test_a_model_of_another_vocabulary_is_told_apart(vocab_size):
    with pytest.raises(TokenizerError, match=f"knows {vocab_size} tokens, its tokenizer 400: .* Use the"):
        check_tokenizer_fits(TOKENIZER, vocab_size)
    check_tokenizer_fits(TOKENIZER, 400)
    check_tokenizer_fits(TOKENIZER, 512)


def test_a_missing_tokenizer_is_one_clear_line(tmp_path):
    with pytest.raises(TokenizerError, match=r"there is no tokenizer\.json\. Copy"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"\x00\xff\x00", b'{"version": "1.0"}', b""])
def test_a_corrupt_tokenizer_is_one_clear_line(tmp_path, content):
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json cannot be read .* Copy the one"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [("{", "cannot be read"), ("[]", "must hold a JSON object; found list")]
)
def test_a_corrupt_tokenizer_config_is_one_clear_line(tmp_path, content, message):
    TOKENIZER.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(TokenizerError, match=rf"tokenizer_config\.json {message}"):
        Tokenizer.load(tmp_path)


def test_a_tokenizer_without_an_end_is_refused(tmp_path):
    tokenizers.Tokenizer(models.BPE(vocab={"a": 0}, merges=[])).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match=r"found no eos_token\. Name it in tokenizer_config\.json"):
        Tokenizer.load(tmp_path)


def test_an_unknown_token_is_named():
    with pytest.raises(TokenizerError, match=r"no token '<\|eot\|>'"):
        TOKENIZER.id_of("<|eot|>")


def _stream(tokenizer, token_ids):
    decoder = tokenizer.decoder()
    return "".join([*map(decoder.push, token_ids), decoder.flush()])


def _llama3_folder(folder):
    """A folder as Llama 3 has it: byte-level, its own special tokens, no pad, truncation left switched on."""
    core = tokenizers.Tokenizer.from_str(TOKENIZER._core.to_str())
    plain = tokenizers.Tokenizer(
        models.BPE(
            vocab={
                name: token_id - 8
                for name, token_id in core.get_vocab().items()
                if token_id >= 8 and token_id < 8 + 256
            },
            merges=[],
        )
    )
    plain.pre_tokenizer, plain.decoder = core.pre_tokenizer, decoders.ByteLevel()
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    plain.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
    plain.enable_truncation(4)
    folder.mkdir(exist_ok=True)
    plain.save(str(folder / "tokenizer.json"))
    config = {
        "bos_token": {"content": "<|begin_of_text|>"},
        "eos_token": "<|end_of_text|>",
        "pad_token": None,
        "chat_template": [
            {"name": "tool_use", "template": "no"},
            {"name": "default", "template": "{{ messages[0].content }}"},
        ],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [257, 260, 258]}))
    return folder


def test_a_foreign_folder_is_read(tmp_path):
    loaded = Tokenizer.load(_llama3_folder(tmp_path / "llama3"))
    assert (loaded.bos_id, loaded.eos_id, loaded.end_id) == (256, 257, 260)
    assert loaded.stop_ids == (257, 260, 258)
    assert loaded.pad_id == loaded.eos_id
    assert loaded.template.source == "{{ messages[0].content }}"
    assert loaded.decode(loaded.encode("long enough 🦙 <|eot_id|>")) == "long enough 🦙 <|eot_id|>"
    loaded.save(tmp_path / "copy")
    assert Tokenizer.load(tmp_path / "copy").fingerprint == loaded.fingerprint


def test_other_places_for_special_tokens_and_the_template(tmp_path):
    folder = _llama3_folder(tmp_path / "llama3")
    (folder / "tokenizer_config.json").unlink()
    (folder / "special_tokens_map.json").write_text('{"bos_token": "<|begin_of_text|>"}')
    (folder / "generation_config.json").write_text('{"eos_token_id": 257}')
    (folder / "chat_template.jinja").write_text("{{ bos_token }}")
    loaded = Tokenizer.load(folder)
    assert (loaded.bos_id, loaded.end_id, loaded.stop_ids) == (256, 260, (260, 257))
    assert loaded.template.render([]) == "<|begin_of_text|>"


def _sentencepiece():
    """A vocabulary as Llama 2 has it: a mark for blanks, bytes as a fallback."""
    letters = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "▁a", "ab"]
    core = tokenizers.Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(letters)},
            merges=[("▁", "a"), ("a", "b")],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    core.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in letters[:3]])
    return Tokenizer(core, {"bos_token": "<s>", "eos_token": "</s>"})


SENTENCEPIECE = _sentencepiece()


@given(st.text("ab é🦙</s>"))
def test_a_sentencepiece_vocabulary_round_trips(text):
    token_ids = SENTENCEPIECE.encode(text)
    assert SENTENCEPIECE.token_bytes is None
    assert SENTENCEPIECE.decode(token_ids) == _stream(SENTENCEPIECE, token_ids) == text
    if text:
        assert sum(SENTENCEPIECE.num_bytes[token_id] for token_id in token_ids) == len(text.encode()) + 1


@given(st.lists(st.one_of(st.integers(0, 2), st.integers(190, 264))))
def test_streaming_a_sentencepiece_vocabulary_joins_to_decoding_at_once(token_ids):
    assert _stream(SENTENCEPIECE, token_ids) == SENTENCEPIECE.decode(token_ids)
