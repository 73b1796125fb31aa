"""A template: text with the names of columns in braces, filled from a row.

"{title}: {body}" takes two columns; "{target[0]}" the first of a list; a list without an index is joined
with spaces; "{{" and "}}" are braces. Nothing else of Python's format language is understood, on purpose.
"""

import re
import string
from typing import Any

from camelid.errors import RecipeError, suggest


class RowError(Exception):
    """A row that cannot become a record; the reader says where it is, and either stops or counts it."""


class Template:
    """A template, parsed once."""

    def __init__(self, template: str) -> None:
        """Raises RecipeError when the braces do not name columns."""
        try:
            parsed = list(string.Formatter().parse(template))
        except ValueError as error:
            raise RecipeError(f"The template {template!r} cannot be read: {error}.") from None
        self._parts: list[tuple[str, str, int | None]] = []
        for literal, name, spec, conversion in parsed:
            match = re.fullmatch(r"([^\[\]]+?)(?:\[(\d+)\])?", name) if name else None
            if name is not None and (match is None or spec or conversion):
                raise RecipeError(
                    f"The template {template!r} has {{{name}}} where a column is expected, "
                    "for instance {text} or {answers[0]}. A brace itself is written twice."
                )
            index = int(match[2]) if match and match[2] else None
            self._parts.append((literal, match[1] if match else "", index))
        self.names = tuple(dict.fromkeys(name for _, name, _ in self._parts if name))

    def fill(self, row: dict[str, Any]) -> str:
        """Return the text for one row.

        Raises RowError when a column is missing.
        """
        filled = []
        for literal, name, index in self._parts:
            filled.append(literal)
            if name:
                filled.append(read_value(row, name, index))
        return "".join(filled)


def read_value(row: dict[str, Any], name: str, index: int | None = None) -> str:
    """Return a column of a row as text: numbers written out, a list joined with spaces, null as "".

    Raises RowError when the row has no such column, or it is no text.
    """
    if name not in row:
        raise RowError(f"there is no column {name!r}.{suggest(name, row)}")
    value = row[name]
    if index is not None:
        if not isinstance(value, list):
            raise RowError(f"{name}[{index}] needs a list; {name} is {as_text(value)[:40]!r}.")
        value = value[index] if index < len(value) else None
    return value if isinstance(value, str) else as_text(value)


def as_text(value: Any) -> str:
    """Return a value of a row as text.

    Raises RowError for a table, which has no one reading.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(as_text(item) for item in value)
    if isinstance(value, dict):
        raise RowError(f"expected a text; found a table with {', '.join(map(str, value))}.")
    return str(value)
