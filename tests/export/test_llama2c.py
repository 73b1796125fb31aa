"""llama2.c's files: the real stories260K says what its makers document, and broken ones are told."""

import struct

import numpy as np
import pytest
from stories import STORIES, read_documented, write_stories

from camelid.errors import CheckpointError, TokenizerError
from camelid.export.llama2c import import_llama2c, read_tokenizer, read_weights
from camelid.model.folder import read_config
from camelid.pair import Speaker, read_all
from camelid.text.tokenizer import Tokenizer

needs_stories = pytest.mark.skipif(not STORIES.is_dir(), reason="needs stories260K of the shared data")
VOCABULARY, WIDTH, INNER, LAYERS, HEADS, GROUPS, CONTEXT = 264, 16, 24, 2, 4, 2, 32


def make_files(folder, tied=True):
    """Write a random model as llama2.c's export.py does, and its tokenizer; return all."""
    random = np.random.default_rng(1)
    keys, half = WIDTH // HEADS * GROUPS, WIDTH // HEADS // 2
    sizes = [VOCABULARY * WIDTH, LAYERS * WIDTH, LAYERS * WIDTH * WIDTH, *[LAYERS * keys * WIDTH] * 2]
    sizes += [LAYERS * WIDTH * WIDTH, LAYERS * WIDTH, *[LAYERS * WIDTH * INNER] * 3, WIDTH]
    sizes += [CONTEXT * half * 2] + [VOCABULARY * WIDTH] * (not tied)
    parts = [random.standard_normal(size, np.float32) for size in sizes]
    sign = 1 if tied else -1
    head = struct.pack("<7i", WIDTH, INNER, LAYERS, HEADS, GROUPS, sign * VOCABULARY, CONTEXT)
    (folder / "model.bin").write_bytes(head + b"".join(part.tobytes() for part in parts))
    names = [
        "<unk>",
        "\n<s>\n",
        "\n</s>\n",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        " a",
        "a",
        "b",
        "ab",
        " ",
    ]
    words = b"".join(struct.pack("<fi", -float(i), len(name)) + name.encode() for i, name in enumerate(names))
    (folder / "tok.bin").write_bytes(struct.pack("<i", 8) + words)
    return folder / "model.bin", folder / "tok.bin", parts


@needs_stories
def test_the_greedy_text_is_the_documented_one(tmp_path):
    speaker = Speaker(write_stories(tmp_path / "stories"), weights="f32")
    text = read_all(speaker.continue_text("", max_tokens=256)).text
    documented = read_documented()
    assert text.strip()[: len(documented)] == documented


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_is_read_whole(tmp_path, tied):
    model, words, parts = make_files(tmp_path, tied)
    config = import_llama2c(model, words, tmp_path / "out")
    assert read_config(tmp_path / "out") == config and config.tie_word_embeddings == tied
    tensors = read_weights(model)[1]
    keys = parts[3].reshape(LAYERS, GROUPS, 2, 2, WIDTH)  # heads, pairs, of each pair the two
    mine = tensors["model.layers.1.self_attn.k_proj.weight"].reshape(GROUPS, 2, 2, WIDTH)
    assert np.array_equal(mine[:, 0, 1], keys[1, :, 1, 0]) and np.array_equal(mine[:, 1, 0], keys[1, :, 0, 1])
    if not tied:
        assert np.array_equal(tensors["lm_head.weight"].ravel(), parts[-1])
    tokenizer = Tokenizer.load(tmp_path / "out")
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.stop_ids) == (1, 2, (2, 1))
    assert tokenizer.decode(tokenizer.encode("ab ab\n")) == "ab ab\n"


def test_files_that_are_something_else(tmp_path):
    model, words, _ = make_files(tmp_path)
    raw = model.read_bytes()
    cases = [
        (raw[:20], "no model of llama2.c: it has 20 bytes"),
        (raw[:-3000], r"must have [\d,]+ bytes, as its header says; found"),
        (b"24ka" + raw[4:], "a later layout of llama2.c's export.py"),
        (struct.pack("<7i", 0, 1, 1, 1, 1, 1, 1), "no model of llama2.c: hidden_size must be"),
        (raw[:28] + b"\xff" * (len(raw) - 28), "infinite or none at all"),
    ]
    for content, message in cases:
        model.write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_weights(model)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_weights(tmp_path / "none.bin")
    with pytest.raises(TokenizerError, match="cannot be read"):
        read_tokenizer(tmp_path / "none.bin", 4)
    with pytest.raises(TokenizerError, match="holds 264 tokens, the model knows 500"):
        read_tokenizer(words, 500)
    words.write_bytes(words.read_bytes()[:-1])
    with pytest.raises(TokenizerError, match=r"no tokenizer of llama2.c \(it is cut off\)"):
        read_tokenizer(words, VOCABULARY)
