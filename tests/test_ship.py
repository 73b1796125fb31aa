"""What is shipped is the whole pair and nothing of this machine or of anybody's data, or it is refused."""

import dataclasses
import json
import shutil

import labelled
import model_card
import pytest
import ship
import stored
import tiny
import torch

from camelid import load
from camelid.cli import run
from camelid.errors import CamelidError
from camelid.model.checkpoint import save_model_folder
from camelid.model.pairfile import ROLES, read_pair_file, write_pair_file
from camelid.route.folder import hash_pair, save_router
from camelid.route.learning import learn, make_router
from camelid.text.tokenizer import Tokenizer
from camelid.train.upbringing import read_upbringing

SAID = "They told **each other** a story."


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a pair in bfloat16 with router and sheet, raised, as it says, by recipes/reference.toml."""
    folder = tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")
    tokenizer = Tokenizer.load(folder / "llama")
    for role, depth in tiny.DEPTHS.items():
        decoder = tiny.make_decoder(num_hidden_layers=depth)
        save_model_folder(folder / role, decoder, tokenizer, dtype=torch.bfloat16)
    recipe = read_upbringing(
        stored.HOUSE / "recipes" / "reference.toml", data_root="/home/me/data", out="/tmp/x"
    )
    provenance = {
        "recipe": json.loads(json.dumps(dataclasses.asdict(recipe))),
        "made_of": {"llama": "/home/me/base"},
    }
    write_pair_file(folder, dataclasses.replace(read_pair_file(folder), provenance=provenance))
    evidence = labelled.make_evidence(60)
    router = make_router(learn(evidence), evidence, learned=False, threshold=0.05)
    save_router(folder, dataclasses.replace(router, models=hash_pair(folder)))
    assert run(["compare", str(folder), "--only", "sentiment", "--limit", "3", "--no-measure"]) == 0
    sheet = json.loads((folder / "sheet" / "sheet.json").read_text(encoding="utf-8"))
    sheet["command"] = f"camelid compare {folder}"
    sheet["tasks"][0]["examples"] = [{"prompt": "What somebody wrote."}]
    (folder / "sheet" / "sheet.json").write_text(json.dumps(sheet), encoding="utf-8")
    return folder


@pytest.fixture
def results(finished, tmp_path, monkeypatch):
    """Store what the two benchmarks would find of the pair; return the function that stores."""
    monkeypatch.setattr(stored, "RESULTS", tmp_path / "results")
    roles = {role: dataclasses.asdict(entry) for role, entry in read_pair_file(finished).roles.items()}
    shape = {"hidden_size": 32, "intermediate_size": 48, "vocab_size": 400, "max_position_embeddings": 96}
    answer = {"text": SAID, "tokens": 9, "finish_reason": "stop"}
    sample = {
        "task": "story",
        "lang": "en",
        "begins": "Once",
        "answers": {"greedy": dict.fromkeys(ROLES, answer)},
    }
    told = {
        "models": hash_pair(finished),
        "roles": {role: {**entry, **shape} for role, entry in roles.items()},
    }
    run = {**told, "name": "tiny", "recipe": "recipes/reference.toml", "seed": 0, "machine": "an abacus"}
    run |= {"sources": [{"name": "stories", "train": 1234}], "samples": [sample]}
    spans = {role: {"value": 2e3, "low": 1e3, "high": 3e3} for role in ROLES}
    tasks = {**told, "limit": 9, "seed": 0, "parts": {}}
    tasks["speed"] = {
        "prompts": 9,
        "tokens_per_s": spans,
        "times_faster": {"value": 2.5, "low": 2.0, "high": 3.0},
    }

    def store(**changes):
        for name, data in (("reference", run), ("reference_tasks", tasks)):
            stored.store(name, {**data, **changes})

    store()
    return store


def test_what_is_shipped_answers_from_where_it_lies(finished, results, tmp_path):
    size = ship.ship(finished, tmp_path / "out")
    assert size == sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    here, there = (
        load(folder).reply("Hello", model="auto", max_tokens=5) for folder in (finished, tmp_path / "out")
    )
    assert here.text == there.text
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {
        "llama",
        "alpaca",
        "pair.json",
        "router.json",
        "router.safetensors",
        "sheet",
        "README.md",
    }


def test_nothing_tells_of_this_machine_or_quotes_the_data(finished, results, tmp_path):
    ship.ship(finished, tmp_path / "out")
    texts = [
        path.read_text("utf-8")
        for path in (tmp_path / "out").rglob("*")
        if path.suffix in (".json", ".md", ".html")
    ]
    assert not [text for text in texts if "/home" in text or "/tmp" in text or str(finished.parent) in text]
    sheet = json.loads((tmp_path / "out" / "sheet" / "sheet.json").read_text())
    assert not [task for task in sheet["tasks"] if task["examples"]]
    before = json.loads((finished / "sheet" / "sheet.json").read_text())
    assert [task for task in before["tasks"] if task["examples"]]


def test_the_card_names_everybody_whose_text_it_is_and_shows_every_sample(finished, results, tmp_path):
    ship.ship(finished, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlanguage:\n- de\n- en\nlicense: cc-by-sa-4.0\n")
    for words in (
        "CDLA-Sharing-1.0",
        "Tatoeba's contributors",
        "CC BY-SA 4.0",
        "recipes/reference.toml",
        "1,234",
    ):
        assert words in card
    assert card.count("They told &#42;&#42;each other&#42;&#42; a story.") == 2


def test_every_source_of_the_recipe_is_known_and_an_unknown_one_is_refused():
    recipe = dataclasses.asdict(read_upbringing(stored.HOUSE / "recipes" / "reference.toml"))
    names = [name for _, names in model_card.find_origins(recipe).values() for name in names]
    assert sorted(names) == sorted(source["name"] for source in recipe["source"])
    recipe["source"][0]["path"] = "multi30k/train.en.txt"
    with pytest.raises(CamelidError, match="Source stories reads multi30k, of which"):
        model_card.find_origins(recipe)


def test_a_pair_that_is_too_large_is_refused_and_nothing_is_left(finished, results, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "MOST_BYTES", 1000)
    with pytest.raises(CamelidError, match=r"bytes; at most 1,000 are shipped"):
        ship.ship(finished, tmp_path / "out")
    assert not list(tmp_path.glob("*out*")) and not list(tmp_path.glob(".*"))


def test_figures_of_another_pair_are_refused(finished, results, tmp_path):
    results(models={"llama": "other", "alpaca": "other"})
    with pytest.raises(
        CamelidError, match=r"result of reference is of another pair\. Run: python benchmarks/reference"
    ):
        ship.ship(finished, tmp_path / "out")


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("router.json", "has no router. Run: camelid calibrate"),
        ("sheet", "has no sheet. Run: camelid compare"),
        ("alpaca/generation_config.json", "has no generation_config.json"),
    ],
)
def test_what_is_missing_is_named(finished, results, tmp_path, gone, message):
    shutil.copytree(finished, tmp_path / "pair")
    place = tmp_path / "pair" / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(CamelidError, match=message):
        ship.ship(tmp_path / "pair", tmp_path / "out")


def test_other_numbers_than_bfloat16_are_refused(results, tmp_path):
    with pytest.raises(CamelidError, match="is in float32; what is shipped is in bfloat16"):
        ship.ship(tiny.make_pair(tmp_path / "pair"), tmp_path / "out")


def test_the_command_says_how_much_it_is(finished, results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ship.py", str(finished), "--out", str(tmp_path / "out")])
    ship.main()
    assert "MB of at most 40" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["ship.py", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="There is no folder"):
        ship.main()
