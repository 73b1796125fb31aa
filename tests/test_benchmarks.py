"""The benchmarks' own arithmetic: a wrong measure would make every figure in the docs wrong."""

import dataclasses
import json
import math
from collections import Counter
from types import SimpleNamespace
from xml.etree import ElementTree

import curve
import litgpt_quality
import pytest
import quick
import reference
import reference_page
import reference_questions
import stored
import throughput
import torch

import docs
from camelid.model import pairfile
from camelid.model.pairfile import PairFile, RoleFile, write_pair_file
from camelid.text.tokenizer import train_tokenizer
from camelid.text.world import build_world
from camelid.train.upbringing import read_upbringing


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(quick, "RESAMPLES", 50)


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    path = tmp_path_factory.mktemp("pair") / "held_out.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for record in build_world(seed=9, num_records=1500):
            turns = [{"role": turn.role, "content": turn.content} for turn in record.messages]
            body = {"messages": turns} if turns else {"text": record.text}
            told = {"lang": record.lang, "task": record.task, "source_lang": record.source_lang}
            file.write(json.dumps({**body, **told}) + "\n")
    return quick.load_questions(path, 30, 0)


def answered(questions, answer):
    return {role: [{"text": answer(role, question)} for question in questions] for role in quick.ROLES}


def test_gold_answers_score_100_and_equals_do_not_differ(questions):
    scores = quick.summarise(questions, answered(questions, lambda role, question: question["gold"]))
    assert set(quick.METRICS) < set(scores)
    for entry in scores.values():
        metrics = [name for name in entry if name not in ("records", "llama_ahead")]
        assert all(
            entry[name][role]["value"] == pytest.approx(100) for name in metrics for role in quick.ROLES
        )
        assert entry["llama_ahead"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_no_answers_score_nothing_and_the_page_says_so(questions):
    said = answered(questions, lambda role, question: question["gold"] if role == "llama" else "")
    scores = quick.summarise(questions, said)
    assert all(entry["llama_ahead"]["value"] == pytest.approx(100) for entry in scores.values())
    speeds = {"rate_tokens_per_s": 100.0, "first_token_ms": 2.0, "too_long": 0}
    paces = {role: speeds for role in quick.ROLES}
    tasks = {task: scores[task][metrics[0]] for task, metrics in quick.METRICS.items()}
    packed = {"scores": tasks, "pace": paces, "bits_per_byte": {"llama": 0.5, "alpaca": 0.75}}
    weights = {"f32": packed, "int8": packed}
    page = quick.render({"scores": scores, "pace": paces, "ratio": 1.0, "weights": weights})
    assert "| sentiment · accuracy | 30 | 100.0 (100.0 to 100.0) | 0.0 (0.0 to 0.0) | 100.0" in page
    assert "| bits per byte | 0.5000 / 0.7500 | 0.5000 / 0.7500 |" in page
    assert "| sentiment · accuracy | 100.0 / 0.0 | 100.0 / 0.0 |" in page


def test_directions_of_translation_are_told_apart(questions):
    groups = {question["group"] for question in questions if question["task"] == "translation"}
    assert groups == {f"translation {a}→{b}" for a in quick_langs() for b in quick_langs() if a != b}


def test_a_translation_that_does_not_say_its_source_language_is_asked_all_the_same(tmp_path):
    turns = [{"role": "user", "content": "the dog"}, {"role": "assistant", "content": "der Hund"}]
    write_lines(tmp_path / "held_out.jsonl", [{"messages": turns, "lang": "de", "task": "translation"}])
    (question,) = quick.load_questions(tmp_path / "held_out.jsonl", 30, 0)
    assert question["group"] == "translation ?→de"


def quick_langs():
    return ("en", "es", "de", "fr")


def test_accents_are_letters_and_marks_are_not():
    assert quick.score_records("ROUGE-L", ["Das Mädchen füttert."], ["das mädchen füttert"]) == [100.0]
    assert quick.score_records("accuracy", [" positif. "], ["Positif"]) == [100.0]
    assert quick.score_records("exact", ["positif"], ["Positif"]) == [0.0]


def test_every_token_is_read_once_however_long_the_text():
    """A model that knows nothing needs log2 V bits for each token."""
    texts = ["short", "a longer text " * 400, "word " * 255]
    tokenizer = train_tokenizer(texts, vocab_size=280)
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    expected = tokens * math.log2(280) / sum(len(text.encode()) for text in texts)
    found = litgpt_quality.bits_per_byte(lambda ids: torch.zeros(1, ids.shape[1], 280), tokenizer, texts)
    assert found == pytest.approx(expected)


def test_a_window_never_exceeds_the_context_and_looks_back_half_of_it():
    seen = []

    def decoder(ids):
        seen.append(ids.shape[1])
        return torch.zeros(1, ids.shape[1], 280)

    tokenizer = SimpleNamespace(bos_id=0, encode=lambda text: [1] * 1000)
    litgpt_quality.bits_per_byte(decoder, tokenizer, ["x"])
    assert set(seen) == {litgpt_quality.CONTEXT}
    assert len(seen) == 1 + math.ceil((1000 - litgpt_quality.CONTEXT) / litgpt_quality.STRIDE)


def test_the_first_two_steps_do_not_count_as_steady():
    assert throughput.steady({"step_s": [30.0, 5.0, 1.0, 2.0, 1.5]}) == 1.5


def test_the_shapes_have_the_sizes_of_their_names():
    sizes = {name: config.num_parameters / 1e6 for name, config in throughput.SHAPES.items()}
    assert sizes == pytest.approx({"8m": 8, "15m": 15, "30m": 30}, rel=0.05)


# --- the reference run ------------------------------------------------------------------------------------


@pytest.fixture
def finished(tmp_path):
    """A pair folder as a finished run of recipes/reference.toml leaves it: made-up figures, no weights."""
    recipe = dataclasses.asdict(read_upbringing(stored.HOUSE / "recipes" / "reference.toml", data_root="far"))
    folder, done, roles = tmp_path / "pair", {}, {}
    for number, (stage, (role, _)) in enumerate(reference.STAGES.items()):
        found = {"en": 1.0 - number / 8, "de": 1.5 - number / 8}
        plan = {"device": "cpu", "dtype": "bfloat16", "compile": True}
        done[stage] = {"steps": 1005, "seconds": 2010.0, "tokens": 5000, "targets": 4000}
        done[stage] |= {"bits_per_byte": found, "plan": plan}
        lines = [
            {"step": step, "seconds": 2.0 * step, "loss": 9 / (1 + step / 50)} for step in range(10, 1001, 10)
        ]
        lines += [{"step": 505, "bits_per_byte": found}, {"step": 1005, "bits_per_byte": found}]
        write_lines(folder / "stages" / stage / "metrics.jsonl", lines)
        roles[role] = RoleFile(role, 2_000_000, 3, "", 5000, 4000, found, 4020.0)
        config = {"hidden_size": 64, "intermediate_size": 128, "vocab_size": 300}
        write_lines(folder / role / "config.json", [{**config, "max_position_embeddings": 60}])
    counts = [{"name": source["name"], "train": 4321, "held_out": 99} for source in recipe["source"]]
    write_lines(folder / "stages" / "corpus" / "report.json", [{"sources": counts}])
    provenance = {"recipe": recipe, "stages": done, "machine": "an abacus", "torch": "2", "python": "3"}
    write_pair_file(folder, PairFile("reference", roles, "0", "camelid 0", provenance))
    return folder


def write_lines(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


ASKED = (
    {"task": "story", "lang": "en", "begins": "It was a fine day."},
    {
        "task": "translation",
        "lang": "de",
        "from": "fr",
        "turns": [{"role": "user", "content": "Into [German](gone.md), *please* | now: le chien"}],
        "expected": "der Hund",
    },
)


def measured(finished, say):
    """Return a stored result in which both models answer `say(role)`."""
    data = reference.describe_run(finished)
    data["samples"] = []
    for question in ASKED:
        ways = ("greedy", "drawn") if "begins" in question else ("greedy",)
        said = {role: {"text": say(role), "tokens": 7, "finish_reason": "stop"} for role in quick.ROLES}
        data["samples"].append({**question, "answers": dict.fromkeys(ways, said)})
    return stored.describe(data)


def test_each_direction_and_language_is_asked_for_and_no_answer_is_given_away():
    asked = reference_questions.QUESTIONS
    kinds = Counter((question["task"], question.get("from", ""), question["lang"]) for question in asked)
    for lang in ("de", "es", "fr"):
        assert kinds["translation", "en", lang] == kinds["translation", lang, "en"] == 2
        assert kinds["story", "", lang] == kinds["smalltalk", "", lang] == 1
    for question in asked:
        assert ("expected" in question) == (question["task"] in ("translation", "sentiment"))
        if "turns" in question:
            assert question["turns"][-1]["role"] == "user"
            assert question["task"] != "translation" or question["expected"] not in str(question["turns"])


def test_a_pair_knows_its_recipe_wherever_the_data_lay_unless_that_has_changed(finished):
    assert reference.describe_run(finished)["recipe"] == "recipes/reference.toml"
    pair = json.loads((finished / "pair.json").read_text())
    pair["provenance"]["recipe"]["llama"]["pretrain"]["minutes"] += 1
    write_lines(finished / "pair.json", [pair])
    assert reference.describe_run(finished)["recipe"] == ""


def test_a_measurement_lies_at_its_step_s_time(finished):
    stage = reference.describe_run(finished)["stages"][0]
    assert [second for second, _ in stage["measured"]] == [1010.0, 2010.0]


def test_thinning_keeps_the_mean_and_the_limit():
    points = [(float(number), 2.0 * number) for number in range(1000)]
    assert reference.thin(points, 1000) == [list(point) for point in points]
    thinned = reference.thin(points, 100)
    assert len(thinned) == 100 and thinned[0] == [4.5, 9.0]
    assert reference.thin([], 100) == []


def test_the_page_shows_what_was_said_and_what_was_expected(finished):
    page = reference_page.render(measured(finished, lambda role: f" the {role}'s "))["reference.md"]
    assert "A first run of 2 h 14 min, by an earlier form of [recipes/reference.toml]" in page
    assert "| German | 1.500 | 1.375 | 1.250 | 1.125 |" in page
    assert "| en-de | 4,321 | 99 | 14% |" in page
    assert "### 2. Translation, French to German\n" in page and "- **expected:** der Hund\n" in page
    assert "### 1. Story to go on with, English\n\n- **begins:** It was a fine day.\n" in page
    assert "- **Alpaca:** the alpaca's\n" in page and page.count("drawn:** ") == 2


def test_the_page_is_the_reference_pair_s_when_the_recipe_is_still_the_one_it_was_raised_by(finished):
    result = measured(finished, lambda role: f"the {role}'s")
    data = result["data"]
    now = read_upbringing(stored.HOUSE / "recipes" / "reference.toml")
    for role, settings in (("llama", now.llama), ("alpaca", now.alpaca)):
        data["roles"][role] |= {"layers": settings.depth, "max_position_embeddings": now.context}
    for stage in data["stages"]:
        stage["tokens"] = now.stages()[stage["stage"]].tokens
    page = reference_page.render(result)["reference.md"]
    assert (
        page.startswith("# The reference pair\n")
        and "A run of 2 h 14 min by [recipes/reference.toml]" in page
    )
    data["stages"][0]["tokens"] //= 2
    assert reference_page.render(result)["reference.md"].startswith("# A first run on real text\n")


def test_the_page_of_the_shipped_pair_says_so_whatever_became_of_its_recipe(finished, monkeypatch):
    result = measured(finished, lambda role: f"the {role}'s")
    monkeypatch.setattr(pairfile, "SHIPPED", finished)
    page = reference_page.render(result)["reference.md"]
    assert page.startswith("# The reference pair\n") and "It made the pair that comes with camelid." in page
    result["data"]["models"] = {"llama": "another", "alpaca": "one"}
    assert "is not the pair that camelid is to ship" in reference_page.render(result)["reference.md"]


def test_what_the_pair_can_do_stands_on_its_page_and_on_no_other_pair_s(finished):
    result = measured(finished, lambda _: "Yes.")
    roles = result["data"]["roles"]
    tasks = stored.describe({**MEASURED, "roles": roles, "models": result["data"]["models"]})
    assert "## What they can do\n" in reference_page.render(result, tasks)["reference.md"]
    tasks["data"]["models"] = {"llama": "another", "alpaca": "one"}
    assert "What they can do" not in reference_page.render(result, tasks)["reference.md"]


MEASURED = {
    "limit": 300,
    "seed": 0,
    "parts": {},
    "speed": {
        "prompts": 9,
        "tokens_per_s": {role: {"value": 2e3, "low": 1e3, "high": 3e3} for role in quick.ROLES},
        "times_faster": {"value": 2.5, "low": 2.0, "high": 3.0},
    },
}


def test_no_words_of_a_model_act_as_markdown(finished):
    page = reference_page.render(measured(finished, lambda _: "[a](b.md) <i> `*\n# x"))["reference.md"]
    assert "](b.md)" not in page and "](gone.md)" not in page and "<i>" not in page
    assert "&#91;a&#93;(b.md) &#60;i&#62; &#96;&#42;<br># x\n" in page


def test_a_long_text_loses_its_middle_and_a_cut_answer_says_so():
    long = "a" * 400 + "b" * 100 + "c" * 200
    cut = {"text": long, "tokens": 120, "finish_reason": "length"}
    assert reference_page._answer(cut) == f"{'a' * 400} … {'c' * 200} … (cut after 120 tokens)"


def test_the_curve_is_small_and_stays_within_its_frame(finished):
    picture = reference_page.render(measured(finished, lambda _: ""))["reference.svg"]
    assert len(picture) < 60_000
    tree = ElementTree.fromstring(picture)
    lines = [line.get("points") for line in tree.iter("{http://www.w3.org/2000/svg}polyline")]
    assert len(lines) == 4 + 2 * 2  # a loss for each stage, bits per byte for each model and language
    places = [tuple(map(float, point.split(","))) for line in lines for point in line.split()]
    assert all(
        curve.LEFT <= x <= curve.WIDTH - curve.RIGHT and curve.HEAD < y < curve.HEIGHT for x, y in places
    )


@pytest.mark.parametrize("low, high", [(0.07, 9.1), (0.8, 2.3), (0.95, 1.1), (0.2, 900)])
def test_a_scale_has_some_round_numbers_and_not_too_many(low, high):
    assert 4 <= len(curve.ticks(low, high)) <= 15


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#0d1117"])
def test_the_curve_can_be_read_on_light_and_dark(background):
    """As WCAG 2.2 measures it: 3 for what is drawn; for text 4, since 4.5 on both is no colour's."""
    assert contrast(curve.INK, background) >= 4
    assert min(contrast(colour, background) for colour in [*curve.LANGUAGES, *curve.ROLES.values()]) >= 3


def test_the_page_is_written_once_there_is_a_run_and_stale_pages_are_found(
    finished, tmp_path, monkeypatch, capsys
):
    house = tmp_path / "house"
    (house / "docs").mkdir(parents=True)
    (house / "README.md").write_text("# camelid\n")
    monkeypatch.setattr(stored, "HOUSE", house)
    monkeypatch.setattr(stored, "RESULTS", house)
    monkeypatch.setattr("sys.argv", ["docs.py"])
    assert docs.main() == 0
    assert not (house / "docs" / "reference.md").exists()
    write_lines(house / "reference.json", [measured(finished, lambda _: "Yes.")])
    assert docs.main() == 0
    assert "[reference.md](reference.md)" in (house / "docs" / "numbers.md").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["docs.py", "--check"])
    assert docs.main() == 0
    (house / "docs" / "reference.svg").write_text("something else")
    capsys.readouterr()
    assert docs.main() == 1
    assert capsys.readouterr().out == "docs/reference.svg is stale. Run: make docs\n"
