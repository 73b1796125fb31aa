"""pair.json: what is written is what is read, and what cannot be read says why."""

import dataclasses
import json

import pytest

from camelid.errors import CheckpointError
from camelid.model.pairfile import PAIR_FORMAT, PairFile, RoleFile, read_pair_file, write_pair_file

LLAMA = RoleFile(
    folder="llama",
    parameters=12_000_000,
    layers=8,
    focus="accuracy: varied text, then tasks",
    unsupervised_tokens=5_000_000,
    supervised_tokens=400_000,
    bits_per_byte={"en": 1.02, "de": 1.0},
    training_s=321.5,
)
PAIR = PairFile(
    name="demo",
    roles={"llama": LLAMA, "alpaca": dataclasses.replace(LLAMA, folder="alpaca", layers=2)},
    tokenizer="0123456789abcdef",
    made_by="0.1.0",
    provenance={"seed": 1, "recipe": {"minutes": 2.5, "tags": ["a", None]}},
)


@pytest.fixture
def folder(tmp_path):
    for role in PAIR.roles:
        (tmp_path / role).mkdir()
        (tmp_path / role / "config.json").write_text("{}")
    write_pair_file(tmp_path, PAIR)
    return tmp_path


def _edit(folder, **fields):
    path = folder / "pair.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _role(**fields):
    return {"llama": {**dataclasses.asdict(LLAMA), **fields}, "alpaca": dataclasses.asdict(LLAMA)}


def test_what_is_written_is_what_is_read(folder):
    assert read_pair_file(folder) == PAIR
    assert json.loads((folder / "pair.json").read_text())["format"] == PAIR_FORMAT


def test_a_whole_number_may_stand_for_a_measured_one(folder):
    _edit(folder, roles=_role(training_s=3, bits_per_byte={"en": 1}))
    assert read_pair_file(folder).roles["llama"].training_s == 3.0


def test_a_pair_of_a_newer_version_names_it(folder):
    _edit(folder, format=PAIR_FORMAT + 1, made_by="9.9", unheard_of=True)
    with pytest.raises(
        CheckpointError, match=r"format 2, made by a newer camelid \(9\.9\).*up to 1. Upgrade"
    ):
        read_pair_file(folder)


def test_a_half_written_file_is_refused_wherever_it_ends(folder):
    whole = (folder / "pair.json").read_text()
    for size in range(0, len(whole.rstrip()), 97):
        (folder / "pair.json").write_text(whole[:size])
        with pytest.raises(CheckpointError, match=r"pair.json is not whole JSON .*half-written"):
            read_pair_file(folder)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"format": None}, "must say its format, a number from 1 on; found None"),
        ({"format": True}, "must say its format"),
        ({"nmae": "x"}, "no key 'nmae'. Did you mean 'name'"),
        ({"name": 3}, "name must be a text"),
        ({"roles": _role(layer=3)}, r"\[roles.llama\] has no key 'layer'. Did you mean 'layers'"),
        ({"roles": _role(parameters="12M")}, "roles.llama.parameters must be a whole number; found '12M'"),
        ({"roles": {"llama": dataclasses.asdict(LLAMA)}}, "roles llama and alpaca; found llama"),
        ({"roles": {}}, "roles llama and alpaca; found none"),
        ({"roles": _role(folder="elsewhere")}, "the llama is in .*elsewhere; no model is there"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(folder, fields, message):
    _edit(folder, **fields)
    with pytest.raises(CheckpointError, match=f"pair.json.*{message}"):
        read_pair_file(folder)


def test_a_missing_field_is_named(folder):
    table = json.loads((folder / "pair.json").read_text())
    del table["tokenizer"]
    (folder / "pair.json").write_text(json.dumps(table))
    with pytest.raises(CheckpointError, match="needs the key 'tokenizer'"):
        read_pair_file(folder)


def test_a_role_whose_model_is_gone_is_named(folder):
    (folder / "alpaca" / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"the alpaca is in .*alpaca; no model is there"):
        read_pair_file(folder)


def test_a_pair_is_not_written_before_its_models(tmp_path):
    with pytest.raises(CheckpointError, match=r"the llama is in .*llama; no model is there"):
        write_pair_file(tmp_path, PAIR)
    assert not (tmp_path / "pair.json").exists()


def test_a_folder_that_is_no_pair_says_what_it_is(tmp_path):
    with pytest.raises(CheckpointError, match=r"is no pair folder: it is empty. camelid train RECIPE"):
        read_pair_file(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(CheckpointError, match=r"it has no pair.json"):
        read_pair_file(tmp_path)
    (tmp_path / "stages").mkdir()
    with pytest.raises(CheckpointError, match=r"has not come to its end. Run the same camelid train"):
        read_pair_file(tmp_path)
    (tmp_path / "config.json").touch()
    with pytest.raises(CheckpointError, match=r"it is one model. Name the folder that holds the pair"):
        read_pair_file(tmp_path)
    with pytest.raises(CheckpointError, match=r"config.json is a file; a folder is expected"):
        read_pair_file(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match="There is no folder"):
        read_pair_file(tmp_path / "nowhere")
