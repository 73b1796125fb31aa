"""lm-evaluation-harness and camelid give the same numbers for the same items; local tasks, no network."""

import json
import sys

import pytest

from camelid.compare.metrics import find_metric
from camelid.compare.scoring import score_items
from camelid.compare.tasks import load_task
from camelid.errors import DataError, MissingExtraError, RequestError
from camelid.native import is_built

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of packages that the harness brings in
    pytest.mark.skipif(not is_built(), reason="the native engine was not built"),
]

CHOOSE = """\
task: tiny_choose
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}, cache_dir: {cache}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{input}}}}"
doc_to_choice: choices
doc_to_target: "{{{{choices.index(target)}}}}"
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
GENERATE = """\
task: tiny_generate
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}, cache_dir: {cache}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{input}}}}"
doc_to_target: "{{{{target}}}}"
generation_kwargs: {{until: ["<|end|>"], max_gen_toks: 6}}
metric_list:
  - {{metric: exact_match, aggregation: mean, higher_is_better: true}}
  - {{metric: chrf, aggregation: chrf, higher_is_better: true}}
  - {{metric: bleu, aggregation: bleu, higher_is_better: true}}
"""


@pytest.fixture(scope="module")
def harness():
    """Return the module, imported here because it brings in much."""
    from camelid.compare import harness

    return harness


@pytest.fixture(scope="module")
def model(harness, pair):
    return harness.HarnessModel(str(pair), role="llama", threads=1)


@pytest.fixture(scope="module")
def folder(pair, model, tmp_path_factory):
    """Return a folder with two local tasks, which the model gets right here and wrong there."""
    folder = tmp_path_factory.mktemp("harness")
    asked = [f"The {word} has" for word in ("llama", "alpaca", "sheep", "goat", "horse", "village", "bridge")]
    labels = ["wool", "the bridge", "no hay at all"]
    chosen = [
        {"input": text, "target": labels[place % 3], "choices": labels} for place, text in enumerate(asked)
    ]
    write(folder / "choose.jsonl", chosen)
    rows = [{"input": text, "target": "hay", "id": text} for text in asked]
    write(folder / "generate.jsonl", [{"max_tokens": 6}, *rows])
    task = load_task(folder / "generate.jsonl", chat=False)
    said = score_items(model.backend_model, model.words, task, list(task.pool))
    for row, score in zip(rows[::2], said[::2], strict=True):
        row["target"] = score.reply.strip() or "hay"
    write(folder / "generate.jsonl", [{"max_tokens": 6}, *rows])
    write(folder / "rows.jsonl", rows)
    for name, text, data in (("choose", CHOOSE, "choose"), ("generate", GENERATE, "rows")):
        told = text.format(data=folder / f"{data}.jsonl", cache=folder / "cache")
        (folder / f"{name}.yaml").write_text(told)
    return folder


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("chat", [False, True])
def test_both_give_the_same_numbers(harness, model, folder, chat):
    found = harness.run_harness(model, ["tiny_choose", "tiny_generate"], include_path=folder, chat=chat)
    results = found["results"]
    for name, theirs, ours in (
        ("choose", "acc", "accuracy"),
        ("generate", "exact_match", "exact_match"),
        ("generate", "chrf", "chrf"),
        ("generate", "bleu", "bleu"),
    ):
        task = load_task(folder / f"{name}.jsonl", metrics=[ours], chat=chat)
        scores = score_items(model.backend_model, model.words, task, list(task.pool))
        figure = find_metric(ours).of(list(task.pool), scores)
        assert results[f"tiny_{name}"][f"{theirs},none"] == pytest.approx(figure, rel=1e-12)
        if name == "choose":
            assert 0 < figure < 1
    told = found["samples"]["tiny_choose"]
    assert len(told) == 7


def test_whole_texts_are_weighed_in_windows(harness, model):
    from lm_eval.api.instance import Instance

    texts = ["The llama sleeps.", "The llama sleeps in the stable. " * 40]
    asked = [Instance("loglikelihood_rolling", {}, (text,), 0) for text in texts]
    short, long = model.loglikelihood_rolling(asked)
    ids = [model.words.bos_id, *model.words.encode(texts[0])]
    ((expected, _),) = harness.weigh_choices(model.backend_model, [(ids[:1], ids[1:])])
    assert short == pytest.approx(expected) and long < short


def test_an_answer_ends_before_the_first_end(harness):
    assert harness.cut_before("a\n\nb. c", ["\n\n", "."]) == "a"
    assert harness.cut_before("a. b\n\nc", ["\n\n", "."]) == "a"
    assert harness.cut_before("a b", []) == harness.cut_before("a b", "") == "a b"


def test_the_model_is_registered_by_its_name(harness, pair):
    from lm_eval.api.registry import get_model

    assert get_model("camelid") is harness.HarnessModel
    with pytest.raises(RequestError, match="A pair has no model 'lama'"):
        harness.HarnessModel(str(pair), role="lama")
    with pytest.raises(RequestError, match="Say which one: role=llama"):
        harness.HarnessModel(str(pair))


@pytest.mark.slow  # the harness reads all of its own tasks, too
def test_a_task_of_another_name(harness, model, folder):
    with pytest.raises(DataError, match=r"no task 'tiny_chose'\. Did you mean 'tiny_choose'\?"):
        harness.run_harness(model, ["tiny_chose"], include_path=folder)


def test_a_task_without_data(harness, model, folder):
    broken = CHOOSE.replace("tiny_choose", "tiny_broken").format(
        data="/nowhere.jsonl", cache=folder / "cache"
    )
    (folder / "broken.yaml").write_text(broken)
    with pytest.raises(DataError, match="could not run tiny_broken"):
        harness.run_harness(model, ["tiny_broken"], include_path=folder)


def test_the_command_prints_both_models(harness, folder, pair, capsys):
    from camelid.cli import run

    words = ["eval", str(pair), "--harness", "tiny_choose", "--include-path", str(folder), "--threads", "1"]
    with pytest.raises(DataError, match="There is no folder"):
        harness.run_harness(None, ["x"], include_path=folder / "nothing")
    assert run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"llama", "alpaca"}
    assert run([*words, "--out", str(folder / "all.json"), "--model", "llama"]) == 0
    shown = capsys.readouterr().out
    assert f"{told['llama']['tiny_choose']['acc,none']:.4f} ±" in shown and "alpaca" not in shown
    assert "samples" in json.loads((folder / "all.json").read_text())["llama"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--harness", "x", "--model", "lama"], "A pair has no model 'lama'. Did you mean 'llama'?"),
        ([], "Missing option '--harness'"),
    ],
)
def test_wrong_words_are_one_line(pair, capsys, words, message):
    from camelid.cli import run

    assert run(["eval", str(pair), *words]) in (1, 2)
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


def test_without_the_harness_the_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "lm_eval"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "camelid.compare.harness", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'camelid\[eval\]'"):
        __import__("camelid.compare.harness")
