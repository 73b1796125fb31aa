from pathlib import Path

import pytest

from camelid.errors import RecipeError
from camelid.train.birth import choose_layers
from camelid.train.settings import StageSettings
from camelid.train.upbringing import read_upbringing

RECIPES = Path(__file__).parents[2] / "recipes"
STAGE = "steps = 2\nbatch_tokens = 512\n"
GOOD = f"""
name = "x"
[[source]]
name = "village"
builtin = "world"
records = 10
[llama]
depth = 4
[llama.pretrain]
{STAGE}
[llama.finetune]
{STAGE}
[alpaca]
depth = 2
[alpaca.distill]
{STAGE}
[alpaca.finetune]
{STAGE}
"""


def _read(tmp_path, old="", new="", **changes):
    assert old in GOOD
    (tmp_path / "x.toml").write_text(GOOD.replace(old, new, 1))
    return read_upbringing(tmp_path / "x.toml", **changes)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_here_can_be_followed(path):
    assert read_upbringing(path).llama_config(4096).num_hidden_layers >= 2


def test_options_take_the_place_of_the_recipes(tmp_path):
    found = _read(tmp_path, out="elsewhere", data_root=None, seed=7)
    assert (str(found.folder), found.data_root, found.seed) == ("elsewhere", ".", 7)
    assert str(_read(tmp_path).folder) == "pairs/x"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "x"', 'name = "x"\nsed = 1', "no key 'sed'. Did you mean 'seed'"),
        ("depth = 4", "depth = 4\nhiden_size = 64", r"\[llama\] has no key 'hiden_size'.*'hidden_size'"),
        ("steps = 2", "steps = 2\nlr = 'fast'", "llama.pretrain.lr must be a number; found 'fast'"),
        ("steps = 2", "steps = 2\ntokens = 100", "exactly one of .* found tokens and steps"),
        ("steps = 2", "", "exactly one of tokens, steps and minutes; found none"),
        ("steps = 2", "steps = -2", "steps must be above 0; found -2"),
        ("steps = 2", "steps = 2\nlr = 0", "lr must be above 0; found 0"),
        ("steps = 2", "steps = 2\ncooldown = 1.5", "cooldown must lie between 0 and 1; found 1.5"),
        ("steps = 2", "steps = 2\nevaluations = -1", "evaluations must be 0 or more; found -1"),
        ("steps = 2", "steps = 2\nmix = { village = 0.0 }", "one of them above 0"),
        ("steps = 2", "steps = 2\nmix = { vilage = 1.0 }", "names the source 'vilage'.*'village'"),
        ("batch_tokens = 512", "batch_tokens = 8", "batch_tokens must be at least the context"),
        ("depth = 2", "depth = 5", "alpaca.depth must lie between 1 and llama.depth; found 5 and 4"),
        ('name = "x"', 'name = "a/b"', "name must be a word for a folder"),
        ('name = "x"', 'name = "x"\ncontext = 4', "context must be at least 8; found 4"),
        ("depth = 4", "depth = 4\nhidden_size = 100\nnum_attention_heads = 3", "heads must divide"),
        ("[alpaca]\ndepth = 2", "", "needs the key 'depth'"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said(tmp_path, old, new, message):
    with pytest.raises(RecipeError, match=message):
        _read(tmp_path, old, new)


def test_kept_layers_are_evenly_spaced_with_the_first_and_the_last():
    assert choose_layers(8, 3) == [0, 4, 7]
    assert choose_layers(6, 2) == [0, 5]
    assert choose_layers(4, 4) == [0, 1, 2, 3]
    assert choose_layers(5, 1) == [0]
    with pytest.raises(RecipeError, match="1 to 5 can be kept; found 6"):
        choose_layers(5, 6)


def test_a_stage_alone_needs_a_budget():
    with pytest.raises(RecipeError, match="exactly one"):
        StageSettings()
