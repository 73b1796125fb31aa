"""A recipe, a TOML file, into checked dataclasses.

It knows no room: the dataclasses live beside what they configure and are handed in. An unknown key is
an error that names the nearest known one; a value of the wrong type is an error that names the right one.
"""

import dataclasses
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from camelid.errors import RecipeError, suggest

T = TypeVar("T")


def read_recipe(path: Path | str) -> dict[str, Any]:
    """Return the tables of a recipe file.

    Raises RecipeError when the file is missing or is not TOML.
    """
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe at {path}. The built-in ones are in recipes/.") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder; a recipe is a file, such as recipes/quick.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not a TOML file: {error}") from None


def fill(kind: type[T], table: object, where: str = "") -> T:
    """Return the dataclass `kind` filled from a table, its nested dataclasses too.

    where: the dotted path of the table in the recipe, for messages.

    Raises RecipeError for an unknown key, a missing one, a wrong type, or whatever `__post_init__` refuses.
    """
    if not isinstance(table, dict):
        raise RecipeError(f"[{where}] must be a table; found {table!r}.")
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]
    for key in table:
        if key not in names:
            place = f"[{where}] has" if where else "The recipe has"
            raise RecipeError(f"{place} no key {key!r}.{suggest(key, names)}")
    values = {key: _convert(hints[key], value, f"{where}.{key}".lstrip(".")) for key, value in table.items()}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        bare = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.init and bare and field.name not in values:
            place = f"[{where}]" if where else "The recipe"
            raise RecipeError(f"{place} needs the key {field.name!r}.")
    try:
        return kind(**values)
    except ValueError as error:
        if isinstance(error, RecipeError) and not where:
            raise
        raise RecipeError(f"[{where}] {error}") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return `value` as the type `hint` asks for, or raise RecipeError."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        choices = [choice for choice in typing.get_args(hint) if choice is not type(None)]
        return _convert(choices[0], value, where) if len(choices) == 1 else _first_fit(choices, value, where)
    if origin is typing.Literal:
        allowed = typing.get_args(hint)
        if value not in allowed:
            listed = ", ".join(repr(choice) for choice in allowed)
            raise RecipeError(f"{where} must be one of {listed}; found {value!r}.")
        return value
    if origin in (list, tuple):
        if not isinstance(value, list):
            raise RecipeError(f"{where} must be a list; found {value!r}.")
        inner = typing.get_args(hint)[0]
        return origin(_convert(inner, item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise RecipeError(f"{where} must be a table; found {value!r}.")
        inner = typing.get_args(hint)[1]
        return {key: _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return fill(typing.cast(type, hint), value, where)
    return _scalar(hint, value, where)


def _first_fit(choices: list[Any], value: Any, where: str) -> Any:
    for choice in choices:
        try:
            return _convert(choice, value, where)
        except RecipeError:
            continue
    named = " or ".join(_WORDS.get(typing.get_origin(choice) or choice, str(choice)) for choice in choices)
    raise RecipeError(f"{where} must be {named}; found {value!r}.")


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or (isinstance(value, hint) and not (hint is int and isinstance(value, bool))):
        return value
    raise RecipeError(f"{where} must be {_WORDS.get(hint, hint)}; found {value!r}.")


_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}
