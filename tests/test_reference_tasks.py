"""What the reference pair is measured by: what is asked was held out, and a baseline is what it says."""

import dataclasses
import functools
import json
import random
import shutil

import pytest
import reference_asked
import reference_baselines
import reference_tables
import reference_tasks
import stored
import tiny

from camelid.compare import intervals, verdict
from camelid.errors import DataError
from camelid.model.pairfile import read_pair_file, write_pair_file
from camelid.text.corpus import build_corpus
from camelid.train.upbringing import read_upbringing

WORDS = {
    "dog": ("Hund", "chien"),
    "house": ("Haus", "maison"),
    "boy": ("Junge", "garçon"),
    "sea": ("Meer", "mer"),
}
VERBS = {
    "sees": ("sieht", "voit"),
    "likes": ("mag", "aime"),
    "has": ("hat", "a"),
    "knows": ("kennt", "connaît"),
}
NAMES = ("Ada", "Ben", "Carl", "Dora", "Emil")
THINGS = ("card", "top_up")


def sentences(lang):
    """Return sentences in English and another language, whose words follow each other alike."""
    found = []
    for name in NAMES:
        for noun, others in WORDS.items():
            for verb, more in VERBS.items():
                found.append((f"{name} {verb} {noun}.", f"{name} {more[lang]} {others[lang]}."))
    return found


def turn(number, place):
    return {"role": ("user", "assistant")[place % 2], "text": f"Sentence {place} of talk {number}"}


def tell(name, noun, day):
    return (
        f"{name} had a {noun}. It was a very old one, and {name} liked it a lot. The end came on day {day}."
    )


def write_data(root):
    """Write a few records for some of the sources that recipes/reference.toml reads, made up."""
    draw = random.Random(0)
    for lang, name in enumerate(("de", "fr")):
        lines = ["\t".join(pair) for pair in sentences(lang)]
        write(root / "tatoeba_pairs" / f"en-{name}.train.tsv", lines)
    reviews = [
        {"text": f"{draw.choice(words)} film number {number}", "label": label}
        for number in range(60)
        for label, words in (("positive", ("good", "fine")), ("negative", ("bad", "poor")))
    ]
    write(root / "nltk_corpora" / "sentence_polarity.train.jsonl", map(json.dumps, reviews))
    intents = [f"my {thing} number {number},{thing}_lost" for number in range(40) for thing in THINGS]
    write(root / "banking77" / "train.csv", ["text,category", *intents])
    talks = [{"turns": [turn(number, place) for place in range(4)]} for number in range(60)]
    write(root / "sgd" / "dev.jsonl", map(json.dumps, talks))
    stories = [{"text": tell(name, noun, day)} for name in NAMES for noun in WORDS for day in range(3)]
    write(root / "tinystories_en" / "valid.jsonl", map(json.dumps, stories))
    return root


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


SOURCES = ("stories-valid", "en-de", "en-fr", "assistant", "banking", "film-sentences")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair with random weights that says it was raised on these data, a fifth of each held out."""
    folder = tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")
    recipe = json.loads(
        json.dumps(dataclasses.asdict(read_upbringing(stored.HOUSE / "recipes" / "reference.toml")))
    )
    recipe["source"] = [
        {**source, "held_out": max(0.2, source["held_out"])}
        for source in recipe["source"]
        if source["name"] in SOURCES
    ]
    file = read_pair_file(folder)
    write_pair_file(folder, dataclasses.replace(file, provenance={"recipe": recipe}))
    return folder


@pytest.fixture(scope="module")
def parts(pair, data):
    file = read_pair_file(pair)
    corpus = reference_asked.rebuild_corpus(file, pair, data)
    made = reference_asked.make_parts(corpus, file, data, limit=30)
    return corpus, {part.task.name: part for part in made}


def test_nothing_that_is_asked_was_trained_on(parts):
    corpus, made = parts
    assert {
        "stories",
        "tatoeba.en-de",
        "tatoeba.fr-en",
        "pivot.de-fr",
        "assistant",
        "banking",
        "film-sentences",
    } <= set(made)
    trained = {
        turn.content for records in corpus.train.values() for record in records for turn in record.messages
    }
    for name, part in made.items():
        assert 0 < len(part.task.pool) <= 30
        if name not in ("assistant", "stories"):
            assert not {item.messages[-1].content for item in part.task.pool} & trained, name
    assert not {item.document for item in made["stories"].task.pool} & trained


def test_sentences_without_english_share_a_held_out_english_one(parts):
    corpus, made = parts
    held = {record.messages[-1].content for record in corpus.held_out["en-de"] if record.lang == "de"}
    for item in made["pivot.de-fr"].task.pool:
        assert item.meta["source"] in held and item.meta["direction"] == "de→fr"


def test_the_dictionary_is_learnt_from_the_training_side_and_goes_through_english(parts):
    _, made = parts
    for name in ("tatoeba.en-de", "tatoeba.de-en", "pivot.fr-de"):
        said = made[name].beside[reference_asked.DICTIONARY]
        assert all(said(item) == item.target for item in made[name].task.pool), name
        assert all(
            made[name].beside[reference_asked.COPY](item) == item.meta["source"]
            for item in made[name].task.pool
        )


def test_what_says_labels_reads_the_text_without_the_question(parts):
    _, made = parts
    said = made["film-sentences"].beside[reference_asked.LABELS]
    assert all(said(item) == item.target for item in made["film-sentences"].task.pool)
    assert all(item.choices == ("card_lost", "top_up_lost") for item in made["banking"].task.pool)


def test_a_prompt_is_taken_off_by_the_template_that_fits_closest():
    prompts = ["Good or bad?\n{text}", "{text}\nGood or bad?", "{text}"]
    assert reference_baselines.unfill(prompts, "Good or bad?\nA film.") == "A film."
    assert reference_baselines.unfill(prompts[:2], "nothing of these") == "nothing of these"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("“No!” he said. Yes.", "“No!”"),
        ("A title\n\nOne.", "A title"),
        ("3.5 is all", "3.5 is all"),
    ],
)
def test_the_first_sentence_is_the_first(text, first):
    assert reference_baselines.lead(text) == first


def test_words_are_put_together_as_they_are_written():
    words = reference_baselines.Dictionary({"the": "l'", "water": "eau", "no": "¿no"})
    assert words.translate("The water, please!") == "L'eau, please!"


def test_a_pair_is_measured_from_end_to_end(pair, data, tmp_path, monkeypatch):
    monkeypatch.setattr(reference_tasks, "KEPT", tmp_path / "kept")
    few = functools.partial(intervals.pair_sums, resamples=20)
    monkeypatch.setattr(verdict, "pair_sums", few)
    monkeypatch.setattr(reference_tasks, "pair_sums", few)
    told = reference_tasks.Told()
    found = reference_tasks.measure(pair, data, limit=6, seed=0, told=told)
    again = reference_tasks.measure(pair, data, limit=6, seed=0, told=told)  # from what was kept
    assert again["parts"] == found["parts"]
    chrf = found["parts"]["translation"]["metrics"]["chrf"]
    assert chrf["n"] == 24 and chrf["figures"][reference_asked.DICTIONARY]["value"] == 100
    assert chrf["against"][reference_asked.DICTIONARY] == {"llama": "behind", "alpaca": "behind"}
    assert (
        found["parts"]["film-sentences"]["metrics"]["accuracy"]["figures"][reference_asked.LABELS]["value"]
        == 1
    )
    page = reference_tables.render(json.loads(json.dumps(found)))
    assert "| translation: six directions, chrF |" in page and "| English to German (6) |" in page
    assert "nan" not in page and "None" not in page
    assert any(
        "Translation" in line and "worse than a word dictionary" in line
        for line in reference_tables.say_against(found)
    )


def test_other_data_than_those_it_was_raised_on_are_refused(pair, data, tmp_path):
    file = read_pair_file(pair)
    with pytest.raises(DataError, match="There is no tinystories_en/valid"):
        reference_asked.rebuild_corpus(file, pair, tmp_path)
    corpus = build_corpus(reference_asked.read_sources(file), data_root=data)
    report = tmp_path / "stages" / "corpus" / "report.json"
    write(report, [json.dumps(corpus.to_dict())])
    reference_asked.rebuild_corpus(file, tmp_path, data)
    write(report, [json.dumps({"sources": []})])
    with pytest.raises(DataError, match="the data have changed since the pair was raised"):
        reference_asked.rebuild_corpus(file, tmp_path, data)


def test_a_pair_of_other_sources_is_refused(pair, data, tmp_path):
    shutil.copytree(pair, tmp_path / "pair")
    file = read_pair_file(pair)
    table = {**file.provenance["recipe"]["source"][0], "name": "others"}
    recipe = {**file.provenance["recipe"], "source": [table]}
    write_pair_file(tmp_path / "pair", dataclasses.replace(file, provenance={"recipe": recipe}))
    with pytest.raises(DataError, match="was raised on no source of recipes/reference"):
        reference_tasks.measure(tmp_path / "pair", data, limit=6, seed=0, told=reference_tasks.Told())


def test_without_data_the_command_says_so_in_a_line(pair, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["reference_tasks.py", str(pair), "--data-root", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^There is no tinystories_en/valid.jsonl in .*--data-root\.$"):
        reference_tasks.main()


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ((2.5, 2.0, 3.0), "Alpaca, 2.5× (2.0 to 3.0)"),
        ((1.1, 0.9, 1.3), "no difference found"),
        ((0.5, 0.4, 0.8), "Llama, 2.0× (1.2 to 2.5)"),
    ],
)
def test_nobody_is_called_faster_who_may_not_be(times, said):
    assert reference_tables._faster(dict(zip(("value", "low", "high"), times, strict=True))) == said
