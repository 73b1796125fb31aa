"""camelid choose: advice in words and as JSON, and every way to ask for it wrongly."""

import json

import pytest
import tiny

from camelid.native import is_built


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "chosen")


ASK = ("--task", "conversation", "--limit", 3)


def test_advice_in_words(camelid, pair):
    result = camelid("choose", pair, *ASK)
    assert result.status == 0 and "Take " in result.out and "What would change this:" in result.out
    if is_built():
        assert "measuring Llama, int8 …" in result.err
        assert all(name in result.out for name in ("Llama, bf16", "Alpaca, int4", "Llama, int8, dial 0.5"))
    again = camelid("choose", pair, *ASK)
    assert again.err == "" and again.out == result.out  # what was measured is kept


def test_advice_for_machines(camelid, pair):
    told = json.loads(camelid("choose", pair, *ASK, "--second-costs", 0.1, "--json").out)
    assert told["met"] and told["choice"]["name"] in [option["name"] for option in told["options"]]
    assert all(option["missed"] == [] for option in told["options"])


def test_nothing_meets_the_limits(camelid, pair):
    result = camelid("choose", pair, *ASK, "--max-latency-ms", 1e-6)
    assert result.status == 1 and "Nothing meets the limits. Nearest is" in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--task", "translatoin"), "no task 'translatoin' to measure. Did you mean 'translation'?"),
        (("--task", "generation"), "no task 'generation' to measure"),
        ((*ASK, "--min-quality", 7), "--min-quality must lie between 0 and 1; found 7"),
        ((*ASK, "--max-memory-mb", 0), "--max-memory-mb must be above 0"),
    ],
)
def test_wrong_questions(camelid, pair, words, message):
    result = camelid("choose", pair, *words)
    assert (result.status, result.out) == (1, "") and message in result.err


def test_a_pair_without_held_out_items(camelid, tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    (folder / "held_out.jsonl").unlink()
    result = camelid("choose", folder, *ASK)
    assert result.status == 1 and "no held-out conversations to measure on" in result.err
