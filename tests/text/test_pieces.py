"""SentencePiece's vocabularies, read without its library, against that library and transformers."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spm import field, write_model

from camelid.errors import TokenizerError
from camelid.text.pieces import Kind, Piece, Pieces, build_core, read_sentencepiece
from camelid.text.tokenizer import Tokenizer

DATA = Path(os.environ.get("CAMELID_DATA", Path(__file__).parents[3] / "shared" / "data"))
LLAMA2 = DATA / "llama_checkpoints" / "llama2_tokenizer" / "tokenizer.model"
needs_llama2 = pytest.mark.skipif(not LLAMA2.is_file(), reason="needs Llama 2's tokenizer of the shared data")

TEXTS = [
    *("", " ", "Hello world", "  two  blanks ", "🦙 é ñ \n\tx", "Größere Tiere fräßen mehr", "日本語 テスト"),
    *("def f(x):\n    return x**2", "a" * 40, "l'été 1234567", "<s>[INST] x [/INST]", "▁▁ ▁"),
]


SMALL = (
    Piece("<unk>", kind=Kind.unknown),
    Piece("<s>", kind=Kind.control),
    Piece("</s>", kind=Kind.control),
    *(Piece(f"<0x{byte:02X}>", kind=Kind.byte) for byte in range(256)),
    Piece("ab", -1.0),
    Piece("▁ab", -2.0),
    *(Piece(letter, -9.0) for letter in "▁ab"),
)


@pytest.fixture
def small(tmp_path):
    raw = write_model(SMALL, field(3, 2) + field(43, -1))
    (tmp_path / "tokenizer.model").write_bytes(raw)
    return tmp_path


def test_what_a_model_file_says_is_read(small):
    found = read_sentencepiece(small / "tokenizer.model")
    assert found == Pieces(SMALL)
    assert found.special_tokens() == {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def test_a_folder_with_tokenizer_model_alone_is_read(small):
    (small / "tokenizer_config.json").write_text('{"add_bos_token": true, "pad_token": null}')
    (small / "added_tokens.json").write_text(json.dumps({"<|im_end|>": len(SMALL)}))
    loaded = Tokenizer.load(small)
    assert (loaded.bos_id, loaded.eos_id, loaded.end_id) == (1, 2, len(SMALL))
    assert loaded.begins_with_bos
    assert [loaded.encode(text) for text in ("ab", "ab é")] == [[260], [260, 261, 198, 172]]
    loaded.save(small)
    assert Tokenizer.load(small).fingerprint == loaded.fingerprint
    assert loaded.with_template("{{ bos_token }}").vocabulary == loaded.vocabulary
    assert loaded.with_template("{{ bos_token }}").fingerprint != loaded.fingerprint


def test_text_goes_on_with_its_blank(small):
    tokenizer = Tokenizer.load(small)
    before, after = tokenizer.encode("ab"), tokenizer.encode("ab")
    for known, expected in (((), "ab"), (before, " ab"), ([1, *before, 2], " ab")):
        decoder = tokenizer.decoder(after=known)
        assert "".join([*map(decoder.push, after), decoder.flush()]) == expected


def test_an_added_token_with_another_id_is_told(small):
    (small / "added_tokens.json").write_text('{"<pad>": 9000}')
    with pytest.raises(TokenizerError, match=r"'<pad>' must have the id 9000, but comes out as 264\. Save"):
        Tokenizer.load(small)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it holds no pieces"),
        (b"IQ== 0\nIg== 1\n", "no SentencePiece model .* tokenizer.json that is published beside it"),
        (write_model(SMALL, field(3, 4)), "it is of kind 4; BPE and unigram are read"),
        (write_model(SMALL, field(3, 2))[:-40], "no SentencePiece model"),
    ],
)
def test_another_file_is_told_apart(tmp_path, raw, message):
    (tmp_path / "tokenizer.model").write_bytes(raw)
    with pytest.raises(TokenizerError, match=message):
        Tokenizer.load(tmp_path)


def test_a_missing_file_and_a_token_that_stands_twice(tmp_path):
    with pytest.raises(TokenizerError, match="cannot be read"):
        read_sentencepiece(tmp_path / "tokenizer.model")
    with pytest.raises(
        TokenizerError, match="must not hold a token twice; found 4 tokens, of which 3 differ"
    ):
        build_core(Pieces((*SMALL[:3], Piece("<s>"))))


@pytest.fixture(scope="module")
def llama2(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama2")
    (folder / "tokenizer.model").write_bytes(LLAMA2.read_bytes())
    return Tokenizer.load(folder)


@needs_llama2
def test_llama_2s_ids_are_those_of_transformers(llama2, tmp_path):
    """transformers reads what is saved here, and gives the ids that its own slow conversion gave."""
    transformers = pytest.importorskip("transformers")
    llama2.save(tmp_path)
    other = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS[1:]:
        assert other.encode(text.replace("<s>", ""), add_special_tokens=False) == llama2.encode(
            text.replace("<s>", "")
        )
    assert other.encode("Hello") == [1, 15043]
    assert other.bos_token_id == 1 and other.eos_token_id == 2


@needs_llama2
def test_llama_2s_ids_are_sentencepieces(llama2):
    sentencepiece = pytest.importorskip("sentencepiece")
    other = sentencepiece.SentencePieceProcessor(str(LLAMA2))

    @given(st.one_of(st.sampled_from(TEXTS), st.text("ab cdeTHEthe é🦙日\n.,0123▁")))
    def check(text):
        assert llama2.encode(text) == other.encode(text)
        assert llama2.decode(llama2.encode(text)) == other.decode(other.encode(text))

    check()


@needs_llama2
@given(st.lists(st.one_of(st.integers(0, 400), st.integers(0, 32010))))
def test_llama_2s_text_streams_as_it_is_decoded(llama2, token_ids):
    decoder = llama2.decoder()
    assert "".join([*map(decoder.push, token_ids), decoder.flush()]) == llama2.decode(token_ids)
