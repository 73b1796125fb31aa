import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import RecipeError
from camelid.recipe import fill, read_recipe


@dataclass(frozen=True)
class Stage:
    minutes: float
    rows: int = 8
    optimizer: Literal["adamw", "muon"] = "muon"

    def __post_init__(self):
        if self.rows < 1:
            raise ValueError(f"rows must be at least 1; found {self.rows}.")


@dataclass(frozen=True)
class Plan:
    out: str
    seed: int = 0
    compiled: bool = True
    langs: tuple[str, ...] = ()
    key: str | tuple[str, ...] = ""
    where: dict[str, str | list[str]] = field(default_factory=dict)
    pretrain: Stage | None = None
    stages: tuple[Stage, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)


TEXTS = st.text(max_size=5)
STAGES = st.builds(
    Stage,
    minutes=st.floats(allow_nan=False),
    rows=st.integers(1, 99),
    optimizer=st.sampled_from(["adamw", "muon"]),
)
PLANS = st.builds(
    Plan,
    out=TEXTS,
    seed=st.integers(),
    compiled=st.booleans(),
    langs=st.lists(TEXTS).map(tuple),
    key=TEXTS | st.lists(TEXTS).map(tuple),
    where=st.dictionaries(TEXTS, TEXTS | st.lists(TEXTS)),
    pretrain=STAGES,
    stages=st.lists(STAGES, max_size=3).map(tuple),
)


def as_table(value):
    """Return what TOML would give for a dataclass."""
    if dataclasses.is_dataclass(value):
        return {spec.name: as_table(getattr(value, spec.name)) for spec in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [as_table(item) for item in value]
    return value


@given(PLANS)
def test_a_filled_dataclass_is_what_was_written(plan):
    assert fill(Plan, as_table(plan)) == plan


def test_what_is_left_out_keeps_its_default():
    assert fill(Plan, {"out": "x"}) == Plan("x")


def test_a_whole_number_is_a_number_too():
    assert isinstance(fill(Stage, {"minutes": 2}).minutes, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"ou": "x"}, r"^The recipe has no key 'ou'. Did you mean 'out'\?$"),
        ({"out": "x", "qqq": 1}, r"^The recipe has no key 'qqq'. Known: compiled, extra, key, langs, "),
        (
            {"out": "x", "pretrain": {"minuts": 1}},
            r"^\[pretrain\] has no key 'minuts'. Did you mean 'minutes'\?$",
        ),
        ({"out": "x", "stages": [{"minutes": 1}, {"row": 1}]}, r"^\[stages\[1\]\] has no key 'row'"),
        ({}, r"^The recipe needs the key 'out'.$"),
        ({"out": "x", "pretrain": {}}, r"^\[pretrain\] needs the key 'minutes'.$"),
        ({"out": 3}, r"^out must be a text in quotes; found 3.$"),
        ({"out": "x", "seed": 1.5}, r"^seed must be a whole number; found 1.5.$"),
        ({"out": "x", "seed": True}, r"^seed must be a whole number; found True.$"),
        ({"out": "x", "compiled": "yes"}, r"^compiled must be true or false; found 'yes'.$"),
        ({"out": "x", "langs": "en"}, r"^langs must be a list; found 'en'.$"),
        ({"out": "x", "langs": ["en", 1]}, r"^langs\[1\] must be a text in quotes; found 1.$"),
        ({"out": "x", "key": 1}, r"^key must be a text in quotes or a list; found 1.$"),
        ({"out": "x", "where": 1}, r"^where must be a table; found 1.$"),
        ({"out": "x", "where": {"a": 1}}, r"^where.a must be a text in quotes or a list; found 1.$"),
        ({"out": "x", "pretrain": 5}, r"^\[pretrain\] must be a table; found 5.$"),
        ({"out": "x", "pretrain": {"minutes": "2"}}, r"^pretrain.minutes must be a number; found '2'.$"),
        (
            {"out": "x", "pretrain": {"minutes": 1, "optimizer": "sgd"}},
            r"^pretrain.optimizer must be one of 'adamw', 'muon'; found 'sgd'.$",
        ),
        (
            {"out": "x", "pretrain": {"minutes": 1, "rows": 0}},
            r"^\[pretrain\] rows must be at least 1; found 0.$",
        ),
    ],
)
def test_a_wrong_recipe_gets_one_clear_line(table, message):
    with pytest.raises(RecipeError, match=message):
        fill(Plan, table)


def test_a_recipe_is_read(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('out = "pairs/größe"\n[pretrain]\nminutes = 1\n', encoding="utf-8")
    assert fill(Plan, read_recipe(path)) == Plan("pairs/größe", pretrain=Stage(1.0))


def test_a_recipe_that_cannot_be_read_gets_one_clear_line(tmp_path):
    with pytest.raises(
        RecipeError, match=r"There is no recipe at .*none.toml. The built-in ones are in recipes/"
    ):
        read_recipe(tmp_path / "none.toml")
    with pytest.raises(RecipeError, match=r"is a folder; a recipe is a file"):
        read_recipe(tmp_path)
    (tmp_path / "bad.toml").write_text("out = \n")
    with pytest.raises(RecipeError, match=r"bad.toml is not a TOML file: .*line 1"):
        read_recipe(tmp_path / "bad.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"binary.toml is not a TOML file"):
        read_recipe(tmp_path / "binary.toml")
