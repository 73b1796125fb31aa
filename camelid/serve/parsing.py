"""A body into a request: JSON into a checked model, or a refusal that names the field."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from camelid.errors import suggest
from camelid.serve.refusals import Refusal

Body = TypeVar("Body", bound=BaseModel)
_FIRST = ("extra_forbidden", "literal_error", "union_tag_invalid")  # the kinds that say most
_DEPTH = 200  # of nested lists and objects


def parse(kind: type[Body], body: bytes) -> Body:
    """Return the request that a body holds.

    Raises Refusal that names the field, what was expected and what was found.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise _explain(kind, error) from None
    except (RecursionError, ValueError) as error:
        raise Refusal(f"The body must be JSON; found something that cannot be read: {error}") from None


def _explain(kind: type[BaseModel], error: ValidationError) -> Refusal:
    problems = error.errors(include_url=False, include_context=True)
    problem = min(problems, key=_rank)
    place = _say_place(problem["loc"])
    if problem["type"] == "json_invalid":
        return Refusal(f"The body must be JSON in UTF-8; found {problem['msg']}.", code="invalid_json")
    if problem["type"] == "extra_forbidden":
        return _refuse_unknown(kind, problem, place)
    if problem["type"] == "missing":
        return Refusal(f"{place} is required; it is missing.", param=place, code="missing_field")
    found = problem.get("input")
    if problem["loc"][-1:] == ("type",) and "content" in problem["loc"]:
        return Refusal(
            f"{place} must be 'text', the only kind of content that this server reads; found {found!r}.",
            param=place,
            code="unsupported_content",
        )
    said = problem["msg"].removeprefix("Value error, ").removeprefix("Input ").removesuffix(".")
    return Refusal(f"{place or 'The body'}: {said}; found {_shorten(found)}.", param=place or None)


def _rank(problem: Any) -> tuple[int, int]:
    """Order problems by how much they say: a named kind first, then the deepest."""
    kind = problem["type"]
    is_content_kind = kind == "literal_error" and problem["loc"][-1:] == ("type",)
    return (0 if is_content_kind else 1 if kind in _FIRST else 2, -len(problem["loc"]))


def _refuse_unknown(kind: type[BaseModel], problem: Any, place: str) -> Refusal:
    name = str(problem["loc"][-1])
    hint = ""
    if len(problem["loc"]) == 1:
        hint = suggest(name, [field.alias or key for key, field in kind.model_fields.items()])
    return Refusal(
        f"{place} is not supported here, and nothing is dropped silently. Leave it out.{hint}",
        param=place,
        code="unsupported_parameter",
    )


def _say_place(place: tuple[int | str, ...]) -> str:
    """Return where a problem is, such as "messages[0].content"; without the names of pydantic's unions."""
    said = before = ""
    for part in place:
        if isinstance(part, int):
            said += f"[{part}]"
        elif not said:
            said = part
        elif part.isidentifier() and part[0].islower() and part != before and part not in _UNION_NAMES:
            said += f".{part}"
        before = str(part)
    return said


_UNION_NAMES = frozenset(
    ("str", "int", "float", "bool", "list", "dict", "system", "developer", "user", "assistant", "tool")
)


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
