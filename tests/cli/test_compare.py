"""camelid compare: the sheet of a pair or of two models, and one line for whatever cannot be compared."""

import json
import shutil

import pytest


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Return a task file of one's own."""
    path = tmp_path_factory.mktemp("tasks") / "yes_or_no.jsonl"
    rows = [{"input": f"Is {n} more than 4?", "target": "yes" if n > 4 else "no"} for n in range(9)]
    path.write_text("".join(json.dumps({**row, "choices": ["yes", "no"]}) + "\n" for row in rows))
    return path


def test_the_two_of_a_pair_are_compared_and_the_sheet_lies_in_its_folder(camelid, folder, own):
    result = camelid("compare", folder, "--task", own, "--only", "sentiment", "--threads", 1)
    assert (result.status, result.err) == (0, "")
    assert "Sentiment" in result.out and "Yes or no" in result.out and "llama" in result.out
    assert "tokens per second" in result.out and f"The sheet: {folder}/sheet/sheet.html" in result.out
    sheet = json.loads((folder / "sheet" / "sheet.json").read_text(encoding="utf-8"))
    assert [task["name"] for task in sheet["tasks"]] == ["sentiment", "yes_or_no"]
    assert sheet["models"][0]["training_s"] == pytest.approx(246.8)
    assert all((folder / "sheet" / name).is_file() for name in ("sheet.md", "sheet.html"))
    assert len(list((folder / "sheet" / "items").iterdir())) == 4
    for task in sheet["tasks"]:
        assert task["words"] in result.out


def test_two_models_and_json(camelid, folder, own, tmp_path):
    words = ["compare", folder / "llama", folder / "llama", "--task", own, "--no-measure", "--out", tmp_path]
    result = camelid(*words, "--json")
    assert (result.status, result.err) == (0, "")
    sheet = json.loads(result.out)
    assert [model["name"] for model in sheet["models"]] == ["tiny-llama", "tiny-llama-again"]
    assert sheet["tasks"][0]["verdict"] is None and sheet["tasks"][0]["n"] == 9
    assert "No detectable difference" in camelid(*words).out


def test_a_language_and_a_limit(camelid, folder, tmp_path):
    words = ["--only", "generation", "--lang", "german", "--limit", 2, "--no-measure", "--out", tmp_path]
    sheet = json.loads(camelid("compare", folder, *words, "--json").out)
    (task,) = sheet["tasks"]
    assert (task["name"], task["n"], task["title"]) == ("generation.de", 2, "Generation, German")


def test_any_data_file_feeds_the_tasks(camelid, folder, tmp_path):
    rows = [
        {"text": f"The llama number {n} sleeps in the sun and dreams of hay. It wakes up."} for n in range(4)
    ]
    data = tmp_path / "stories.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["--data", data, "--no-measure", "--json", "--out", tmp_path / "out"]
    (task,) = json.loads(camelid("compare", folder, *words).out)["tasks"]
    assert (task["name"], task["n"]) == ("generation", 4)


def test_plain_text_and_examples_are_recorded(camelid, folder, own, tmp_path):
    words = ["--task", own, "--plain", "--fewshot", 2, "--no-measure", "--json", "--out", tmp_path]
    (task,) = json.loads(camelid("compare", folder, *words).out)["tasks"]
    assert (task["chat_template"], task["num_fewshot"], task["n"]) == (False, 2, 7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--only", "translate"],
            "There is no data for a task 'translate' here. Did you mean 'translation'?",
        ),
        (["--metric", "chrf"], "--metric judges a task of your own. Add --task FILE"),
        (["--task", "{own}", "--metric", "blue"], "There is no metric 'blue'. Did you mean 'bleu'?"),
        (["--task", "nowhere.jsonl"], "There is no task file nowhere.jsonl"),
        (["--task", "{own}", "--task", "{own}"], "Two tasks are called 'yes_or_no'"),
        (["--lang", "ru"], "No item is in Russian; the languages are: German, English, Spanish, French."),
        (["--task", "{own}", "--fewshot", "9"], "none is left to ask"),
        (["{folder}"], "is a pair. Compare it alone, or name one of its models"),
        (["--data", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--only", "summarization"], "No prompt of Summarization fits in the contexts of both models"),
    ],
)
def test_what_cannot_be_compared_is_one_line(camelid, folder, own, tmp_path, words, message):
    given = [word.format(own=own, folder=folder) for word in words]
    result = camelid("compare", folder, *given, "--no-measure", "--out", tmp_path)
    assert (result.status, result.out) == (1, "")
    assert message in result.err and result.err.count("\n") == 1


def test_one_model_needs_another_and_held_out_records(camelid, folder, tmp_path):
    assert "is one model. Name the one to compare it with" in camelid("compare", folder / "llama").err
    for role in ("llama", "alpaca"):
        shutil.copytree(folder / role, tmp_path / role)
    (tmp_path / "pair.json").write_bytes((folder / "pair.json").read_bytes())
    result = camelid("compare", tmp_path)
    assert result.status == 1 and "There is nothing to ask: no held-out records" in result.err


def test_two_runs_at_once_do_not_mix(camelid, folder, own, tmp_path):
    from camelid.files import lock_folder

    with lock_folder(tmp_path):
        result = camelid("compare", folder, "--task", own, "--no-measure", "--out", tmp_path)
    assert result.status == 1 and "is in use by another run" in result.err


def test_comparing_brings_in_no_torch(folder, own, tmp_path):
    import subprocess
    import sys

    words = ["compare", str(folder), "--task", str(own), "--no-measure", "--out", str(tmp_path)]
    script = f"import sys; from camelid.cli import run; run({words}); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "False"
