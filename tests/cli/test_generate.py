import json

import pytest

from camelid.pair import load, read_all


@pytest.fixture(scope="module")
def pair(folder):
    return load(folder)


def test_the_answer_is_that_of_the_model(camelid, folder, pair):
    for words, model in (([], "alpaca"), (["--model", "llama"], "llama"), (["-m", "alpaca"], "alpaca")):
        result = camelid("generate", folder, "¿Qué?", "--max-tokens", 30, *words)
        assert result.out == pair.reply("¿Qué?", model=model, max_tokens=30).text + "\n"


def test_a_model_folder_answers_alone(camelid, folder, pair):
    result = camelid("generate", folder / "llama", "Hello", "--max-tokens", 9)
    assert result.out == pair.reply("Hello", model="llama", max_tokens=9).text + "\n"


def test_a_text_is_continued_by_the_llama(camelid, folder, pair):
    result = camelid("generate", folder, "Once", "--continue", "--max-tokens", 9)
    assert result.out == read_all(pair["llama"].continue_text("Once", max_tokens=9)).text + "\n"


def test_a_model_without_a_chat_template_continues(camelid, folder, pair, tmp_path):
    for file in (folder / "llama").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del table["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(table))
    result = camelid("generate", tmp_path, "Once", "--max-tokens", 9)
    assert result.out == read_all(pair["llama"].continue_text("Once", max_tokens=9)).text + "\n"


def test_a_prompt_may_come_from_a_pipe(camelid, folder, pair):
    result = camelid("generate", folder, "-", "--max-tokens", 9, text="Good\nmorning\n")
    assert result.out == pair.reply("Good\nmorning", max_tokens=9).text + "\n"


def test_json_holds_the_whole_reply(camelid, folder, pair):
    table = json.loads(camelid("generate", folder, "Hello", "--max-tokens", 9, "--json").out)
    reply = pair.reply("Hello", max_tokens=9)
    assert table["text"] == reply.text and table["finish_reason"] == reply.finish_reason == "length"
    assert table["model"] == "alpaca" and table["completion_tokens"] == 9


def test_a_seed_repeats_a_draw(camelid, folder):
    words = ["generate", folder, "Hello", "--max-tokens", 9, "--temperature", 1, "--seed"]
    first, again, other = (camelid(*words, seed).out for seed in (1, 1, 2))
    assert first == again != other


def test_an_answer_that_was_cut_is_said_to_be(camelid, folder):
    assert "cut at --max-tokens 9" in camelid("generate", folder, "Hello", "--max-tokens", 9).err
    assert "cut at the end of the context" in camelid("generate", folder, "Hello").err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "lama"], "no model 'lama' here. Did you mean 'llama'"),
        (["--top-k", 5], "--top-k works only where tokens are drawn, with a --temperature above 0"),
        (["--seed", 5], "--seed works only where tokens are drawn"),
        (["--repetition-penalty", 0], "repetition_penalty must be 0.01 to 100"),
    ],
)
def test_options_that_cannot_be_followed(camelid, folder, words, message):
    result = camelid("generate", folder, "Hello", *words)
    assert (result.status, result.out) == (1, "") and message in result.err


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(camelid, folder):
    result = camelid("generate", folder, "wool " * 200)
    assert (result.status, result.out) == (1, "") and "tokens; the context of 96" in result.err
