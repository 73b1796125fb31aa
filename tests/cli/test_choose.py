"""camelid choose: advice in words and as JSON, and every way to ask for it wrongly."""

import json
import math

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
    assert "answers 0 were known from compare, calibrate or before" in result.out
    assert "no sheet has any of these weights on this machine" in result.out
    if is_built():
        assert "asking llama, int4: conversation …" in result.err
        assert "timing 8 ways to answer in turns: conversation …" in result.err
        assert all(name in result.out for name in ("Llama, bf16", "Alpaca, int4", "Llama, int8, dial 0.5"))
    again = camelid("choose", pair, *ASK)
    told, once = (shown.out.partition("Of ")[0] for shown in (again, result))
    assert again.err == "" and told == once  # what was measured is kept
    assert "none was asked again" in again.out and "measured now" not in again.out


def test_without_a_task_there_is_advice_for_each(camelid, pair):
    result = camelid("choose", pair, "--limit", 3)
    assert result.status == 0
    told = json.loads(camelid("choose", pair, "--limit", 3, "--json").out)
    names = [each["task"] for each in told["tasks"]]
    assert {"generation", "sentiment", "conversation"} <= set(names)
    assert any("no prompt fits in both contexts: Summarization" in line for line in told["sources"])
    assert result.out.count("Take ") == result.out.count("What would change this:") == len(names)
    assert told["sources"] and told["auto"] is None
    reading = next(each for each in told["tasks"] if each["task"] == "generation")
    assert not any(option["dial"] != 1 for option in reading["options"])  # nothing there to guess


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
        (("--task", "summarization"), "Nothing can be asked of Summarization: no prompt fits"),
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
    assert result.status == 1 and "no held-out records to measure on" in result.err


def test_two_runs_at_once_do_not_mix(camelid, pair):
    from camelid.files import lock_folder

    with lock_folder(pair / "sheet"):
        assert "is in use by another run" in camelid("choose", pair, *ASK).err


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_what_compare_and_calibrate_found_is_used(camelid, tmp_path, monkeypatch):
    folder = tiny.make_pair(tmp_path / "pair")
    compared = camelid("compare", folder, "--only", "conversation", "--only", "sentiment", "--limit", 9)
    assert compared.status == 0
    assert camelid("calibrate", folder, "--limit", 12).status == 0
    told = json.loads(camelid("choose", folder, "--task", "conversation", "--limit", 9, "--json").out)
    number = told["options"][0]["items"]
    assert f"{2 * number} were known from compare" in told["sources"][0]  # of both, in int8
    assert told["auto"].startswith("For requests of all kinds, --model auto")
    sheet = json.loads((folder / "sheet" / "sheet.json").read_text())
    times = next(task for task in sheet["tasks"] if task["name"] == "conversation")["timings"]
    monkeypatch.setattr("camelid.route.trial._DRIFT", math.inf)  # however busy this machine is
    told = json.loads(camelid("choose", folder, "--task", "conversation", "--limit", 9, "--json").out)
    for option in told["options"]:
        own = option["weights"] == "int8" and option["dial"] == 1
        assert option["timed_by"].startswith("the sheet" if own else "choose")
        if own:
            mean = sum(times[option["model"]]["total_ms"]) / len(times[option["model"]]["total_ms"])
            assert option["mean_ms"] == pytest.approx(mean)
    assert "none was asked again" in told["sources"][0] and "the sheet's" in told["sources"][1]
    monkeypatch.setattr("camelid.route.trial._DRIFT", 1e-9)  # no clock goes so exactly
    told = json.loads(camelid("choose", folder, "--task", "conversation", "--limit", 9, "--json").out)
    assert all(option["timed_by"].startswith("choose") for option in told["options"])
    assert "the two do not compare" in told["sources"][1]


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_a_sheet_of_another_machine_or_of_other_weights_is_not_used(camelid, tmp_path):
    folder = tiny.make_pair(tmp_path / "pair")
    assert camelid("compare", folder, "--only", "conversation", "--limit", 3).status == 0
    path = folder / "sheet" / "sheet.json"
    whole = path.read_text()
    for change in (
        lambda sheet: sheet["provenance"]["machine"].update(cores=99),
        lambda sheet: sheet["models"][0].update(hash="0"),
        lambda sheet: sheet["models"][1].update(dtype="int4"),
        lambda sheet: sheet["tasks"][0].pop("timings"),
        lambda sheet: sheet["tasks"][0].update(num_fewshot=2),
        lambda sheet: sheet.pop("models"),
    ):
        sheet = json.loads(whole)
        change(sheet)
        path.write_text(json.dumps(sheet))
        told = json.loads(camelid("choose", folder, *ASK, "--json").out)
        assert "no sheet has any of these weights on this machine" in told["sources"][1]
    path.write_text("{")
    (folder / "measured.json").write_text("[")
    assert camelid("choose", folder, *ASK).status == 0
