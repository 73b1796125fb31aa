"""Votes as labels: what people found better, a line of JSON for each.

A line is {"prompt": a text or OpenAI's messages, "chosen": "llama", "alpaca" or "tie"}; whatever else is in
it, such as the replies that the server writes down, is not looked at.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camelid.errors import DataError, RequestError, suggest
from camelid.text.records import Message
from camelid.text.turns import as_messages

Vote = tuple[tuple[Message, ...], float, float]  # what was asked; the Alpaca's and the Llama's worth

_WORTH = {"llama": (0.0, 1.0), "alpaca": (1.0, 0.0), "tie": (0.5, 0.5)}  # the Alpaca's and the Llama's
_EXAMPLE = '{"prompt": "Hello", "chosen": "llama"}'


def read_votes(path: Path) -> list[Vote]:
    """Return the votes of a file, in their order; empty lines are passed over.

    Raises DataError when it is missing, has no vote, or has a line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise DataError(
            f"There is no file of votes {path}. camelid serve gives them out at /votes/export."
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path} must be UTF-8; it is not. Save it as UTF-8.") from None
    votes = [_read_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not votes:
        raise DataError(f"{path} has no votes. Write one line {_EXAMPLE} for each.")
    return votes


def _read_line(path: Path, number: int, line: str) -> Vote:
    where = f"{path}, line {number}"
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where} is no JSON ({error}). Write one object in a line: {_EXAMPLE}.") from None
    if not isinstance(row, dict) or "prompt" not in row or "chosen" not in row:
        raise DataError(f"{where} must be an object with prompt and chosen, such as {_EXAMPLE}.")
    chosen = row["chosen"]
    if not isinstance(chosen, str) or chosen.lower() not in _WORTH:
        hint = suggest(str(chosen)[:40], _WORTH)
        raise DataError(f"{where}: chosen must be llama, alpaca or tie; found {str(chosen)[:40]!r}.{hint}")
    try:
        messages = as_messages(_with_known_roles(row["prompt"]))
    except RequestError as error:
        raise DataError(f"{where}: {error}") from None
    alpaca, llama = _WORTH[chosen.lower()]
    return messages, alpaca, llama


def _with_known_roles(prompt: Any) -> Any:
    """Return a prompt with OpenAI's newer name of the system role as the older one."""
    if not isinstance(prompt, list):
        return prompt
    return [
        {**turn, "role": "system"} if isinstance(turn, Mapping) and turn.get("role") == "developer" else turn
        for turn in prompt
    ]
