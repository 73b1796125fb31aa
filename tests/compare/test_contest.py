"""A comparison: of a model with itself all ties; what was asked is kept; and it all ends on a sheet."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import tiny

from camelid.compare import contest
from camelid.compare.contest import Contestant, hold_contest
from camelid.compare.latency import Cost, Ratio
from camelid.compare.sheet import _say_time, make_sheet, write_sheet
from camelid.compare.task import Task, make_item
from camelid.compare.verdict import Judged
from camelid.errors import RequestError
from camelid.native import is_built
from camelid.text.records import Message
from camelid.text.tokenizer import train_tokenizer

NASTY = "</style><script>alert('x')</script><img src=x onerror=alert(1)> & \"q\" \x1b[31m | `**b**` \x00"


class Silence:
    def __init__(self):
        self.done = 0

    def begin(self, name, total):
        self.name = name

    def advance(self, count=1):
        self.done += count


def hold(pair, tasks, keep, *, second="alpaca", limit=5, timed=False, **named):
    one = Contestant("llama", pair / "llama", **named)
    two = Contestant("alpaca" if second != "llama" else "again", pair / second, **named)
    return hold_contest((one, two), tasks, limit=limit, seed=0, keep=keep, progress=Silence(), timed=timed)


def shorten(tasks, *names):
    return {name: replace(tasks[name], max_tokens=6) for name in names or tasks}


@pytest.fixture(scope="module")
def sheet(pair, tasks, tmp_path_factory):
    outcome = hold(pair, shorten(tasks), tmp_path_factory.mktemp("keep"), timed=is_built())
    return make_sheet(outcome, name="tiny", command="camelid compare tiny", seconds=1.5)


def test_a_compared_with_itself_is_all_ties(pair, tasks, tmp_path):
    outcome = hold(pair, shorten(tasks), tmp_path, second="llama")
    for played in outcome.played.values():
        for judged in [*played.evidence.judged, *(group.judged for group in played.evidence.groups)]:
            one, two = judged.figures.values()
            assert judged.better == "" and judged.p_adjusted == 1
            assert one == two or (one.value != one.value and two.value != two.value)
        assert played.evidence.examples == ()
    told = make_sheet(outcome, name="same", command="", seconds=1)
    assert "Both are the same model" in " ".join(told["notes"])
    assert all(task["verdict"] is None for task in told["tasks"])


def test_what_was_asked_is_not_asked_again(pair, tasks, tmp_path, monkeypatch):
    chosen = shorten(tasks, "conversation", "sentiment")
    before = hold(pair, chosen, tmp_path)
    monkeypatch.setattr(contest, "load_model", None)  # nobody may load a model
    after = hold(pair, chosen, tmp_path)
    assert {n: p.scores for n, p in after.played.items()} == {n: p.scores for n, p in before.played.items()}
    hold(pair, chosen, tmp_path, limit=3)
    talk, labels = chosen["conversation"], chosen["sentiment"]
    for changed in (replace(talk, max_tokens=7), replace(labels, metrics=("macro_f1",))):
        with pytest.raises(TypeError):
            hold(pair, {changed.name: changed}, tmp_path)


def test_a_run_that_was_cut_off_goes_on_where_it_was(pair, tasks, tmp_path, monkeypatch):
    chosen = shorten(tasks, "sentiment")
    whole = hold(pair, chosen, tmp_path / "whole")
    asked, real = [], contest.stream_scores

    def stop_after_two(*words):
        for count, score in enumerate(real(*words)):
            if count == 2:
                raise KeyboardInterrupt
            asked.append(score.item)
            yield score

    monkeypatch.setattr(contest, "stream_scores", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        hold(pair, chosen, tmp_path / "cut")
    files = list((tmp_path / "cut").iterdir())
    kept = [json.loads(line)["item"] for file in files for line in file.read_text("utf-8").splitlines()]
    assert sorted(kept) == sorted(asked) and len(kept) == 2
    again = []

    def note(*words):
        again.extend(item.id for item in words[3])
        yield from real(*words)

    monkeypatch.setattr(contest, "stream_scores", note)
    resumed = hold(pair, chosen, tmp_path / "cut")
    number = len(whole.played["sentiment"].items)
    assert number > 2 and len(again) == 2 * number - 2 and not set(again[: number - 2]) & set(kept)
    assert resumed.played["sentiment"].evidence == whole.played["sentiment"].evidence


def test_a_damaged_file_of_scores_is_made_anew(pair, tasks, tmp_path):
    chosen = shorten(tasks, "sentiment")
    before = hold(pair, chosen, tmp_path)
    for file in tmp_path.iterdir():
        file.write_text(file.read_text()[:-20])
    assert hold(pair, chosen, tmp_path).played["sentiment"].scores == before.played["sentiment"].scores


def test_prompts_that_do_not_fit_are_left_out_and_counted(pair, tasks, tmp_path):
    items = [
        make_item("hay", messages=(Message("user", f"wool {n} " * size),)) for n, size in enumerate((1, 60))
    ]
    task = Task("mine", "Mine", ("exact_match",), "generate", tuple(items), max_tokens=4)
    outcome = hold(pair, {"mine": task}, tmp_path)
    played = outcome.played["mine"]
    assert (len(played.items), played.left_out) == (1, 1)
    notes = make_sheet(outcome, name="x", command="", seconds=1)["notes"]
    assert any("does not fit in both contexts: Mine 1." in note for note in notes)
    with pytest.raises(RequestError, match="No prompt of Mine fits in the contexts of both models"):
        hold(pair, {"mine": replace(task, pool=tuple(items[1:]))}, tmp_path)


def test_models_of_different_tokens_are_compared_all_the_same_and_it_is_said(pair, tasks, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(pair / "alpaca", other)
    texts = ["The llama sleeps in the sun."] * 5 + ["Das Lama schläft in der Sonne."] * 5
    train_tokenizer(texts, vocab_size=300).save(other)
    two = (Contestant("llama", pair / "llama"), Contestant("other", other))
    chosen = shorten(tasks, "generation", "conversation")
    outcome = hold_contest(two, chosen, limit=3, seed=0, keep=tmp_path / "k", progress=Silence(), timed=False)
    assert not outcome.same_tokenizer
    assert "cut text into different tokens" in " ".join(
        make_sheet(outcome, name="x", command="", seconds=1)["notes"]
    )
    for scores in zip(*outcome.played["generation"].scores.values(), strict=True):
        assert scores[0].num_bytes > 0 and scores[1].num_bytes > 0


def test_the_sheet_says_all_that_its_docstring_promises(sheet, pair, tmp_path):
    from camelid.compare import sheet as module

    assert [model["name"] for model in sheet["models"]] == ["llama", "alpaca"]
    words = set(re.findall(r"\w+", module.__doc__))
    for part in (
        sheet,
        *sheet["models"],
        *sheet["tasks"],
        *sheet["tasks"][0]["metrics"],
        sheet["provenance"],
    ):
        assert set(part) - {"words", "text"} <= words
    assert {"generation", "sentiment", "conversation"} <= {task["name"] for task in sheet["tasks"]}
    assert any("no prompt fits in both contexts: Summarization" in note for note in sheet["notes"])
    assert all(task["words"] and task["data"] for task in sheet["tasks"])
    chrf = next(m for t in sheet["tasks"] if t["name"] == "conversation" for m in t["metrics"])
    assert chrf["signature"].startswith("nrefs:1|") and chrf["n"] == 5
    written = write_sheet(tmp_path, sheet)
    assert [file.name for file in written] == ["sheet.json", "sheet.md", "sheet.html"]
    assert json.loads(written[0].read_text(encoding="utf-8")) == sheet
    assert "NaN" not in written[0].read_text(encoding="utf-8")


@pytest.mark.skipif(not is_built(), reason="the native engine was not built")
def test_costs_are_measured_in_the_same_run(sheet):
    for model in sheet["models"]:
        assert model["first_token_ms"]["p50"] <= model["first_token_ms"]["p95"]
        assert model["tokens_per_s"] > 0 and model["bytes_per_s"] > 0
        assert model["peak_bytes"] > model["weight_bytes"] > 0 and model["disk_bytes"] > 0
        assert model["dtype"] == "int8"
        assert model["waited"] is None or 0 <= model["waited"] <= 1
    for task in sheet["tasks"]:
        assert all(seconds > 0 for seconds in task["seconds"].values())
        assert task["time_ratio"]["value"] > 0 and set(task["timings"]) == {"llama", "alpaca"}
        for told in task["timings"].values():
            assert len(told["total_ms"]) == len(told["first_token_ms"]) > 0
            assert all(
                first <= total for first, total in zip(told["first_token_ms"], told["total_ms"], strict=True)
            )


@pytest.mark.parametrize(
    ("better", "ratio", "said"),
    [
        ("llama", None, ""),
        ("llama", Ratio(2.0, None, None), ""),
        ("llama", Ratio(2.04, 1.9, 2.2), ", at 2.0× the time (1.9 to 2.2)"),
        ("alpaca", Ratio(2.0, 1.6, 2.5), ", 2.0× as fast (1.6 to 2.5)"),
        ("", Ratio(0.05, 0.04, 0.1), ", 20× as fast (10 to 25)"),
        ("", Ratio(1.01, 0.99, 1.02), ", in the same time"),
        ("alpaca", Ratio(1.0, 0.5, 1.25), ", with times that do not tell them apart (0.80 to 2.0×)"),
    ],
)
def test_how_times_compare_in_words(better, ratio, said):
    head = Judged("chrf", 9, {"llama": None, "alpaca": None}, None, "", better=better)
    assert _say_time(head, ratio) == said


def test_a_busy_machine_is_told(pair, tasks, tmp_path):
    outcome = hold(pair, shorten(tasks, "sentiment"), tmp_path)
    cost = Cost({}, "int8", "cpu", 1, 1, 1, 1, None, waited=0.42)
    told = make_sheet(
        replace(outcome, costs={"llama": cost, "alpaca": replace(cost, waited=0.02)}),
        name="x",
        command="",
        seconds=1,
    )
    assert any("waiting for a processor took Llama 42 %" in note for note in told["notes"])


class Page(HTMLParser):
    """Checks that every element is closed, and keeps what matters."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("src", "href", "srcset", "action")]
        assert not any(key.startswith("on") for key, _ in attrs)
        if tag not in ("meta", "line", "circle", "rect", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("circle", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def poison(sheet):
    """Return the sheet with nasty words wherever data or a model may bring some."""
    told = json.loads(json.dumps(sheet))
    told["name"] = told["command"] = NASTY
    told["notes"].append(NASTY)
    for task in told["tasks"]:
        task["title"] = NASTY
        task["groups"] = [{**group, "name": NASTY, "by": NASTY} for group in task["groups"]]
        replies = {"llama": NASTY, "alpaca": ""}
        example = {"item": "1", "lang": NASTY, "prompt": NASTY, "target": NASTY, "replies": replies}
        task["examples"] = [{**example, "qualities": {"llama": 0.5, "alpaca": 0.0}}]
    return told


def test_the_page_needs_nothing_and_escapes_everything(sheet, tmp_path):
    write_sheet(tmp_path, poison(sheet))
    text = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == [] and page.links == []
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "\x1b" not in text and "\x00" not in text
    assert any("<script>alert('x')</script>" in told for told in page.texts)
    markdown = (tmp_path / "sheet.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", markdown)
    table = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (3, 4, 7, 8) for line in table)


def test_headings_tables_and_pictures_speak(sheet, tmp_path):
    write_sheet(tmp_path, sheet)
    page = Page()
    page.feed((tmp_path / "sheet.html").read_text(encoding="utf-8"))
    assert page.tags.count("h1") == 1 and page.tags.count("h2") >= 6
    assert page.tags.count("table") == page.tags.count("caption") > 2
    text = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert text.count("<svg") == text.count('role="img" aria-label=')
    assert "prefers-color-scheme: dark" in text and "max-width: 40rem" in text


def test_a_sheet_without_times_says_so(pair, tasks, tmp_path):
    outcome = hold(pair, shorten(tasks, "sentiment"), tmp_path)
    told = make_sheet(outcome, name="x", command="", seconds=1)
    assert told["models"][0]["peak_bytes"] is None and told["tasks"][0]["seconds"]["llama"] is None
    write_sheet(tmp_path, told)
    assert "not timed" in (tmp_path / "sheet.html").read_text(encoding="utf-8")


def test_a_model_without_chat_template_is_told_to_be_asked_plainly(pair, tasks, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(pair / "alpaca", bare)
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("chat_template")
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    two = (Contestant("llama", pair / "llama"), Contestant("bare", bare))
    with pytest.raises(RequestError, match=r"has no chat template, which sentiment is asked with.*--plain"):
        hold_contest(
            two, shorten(tasks, "sentiment"), limit=2, seed=0, keep=tmp_path, progress=Silence(), timed=False
        )


def test_the_tiny_pair_is_what_the_tests_take_it_for(pair):
    assert (pair / "llama" / "config.json").is_file() and tiny.CONTEXT == 96
