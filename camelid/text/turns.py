"""A conversation into text: messages as users give them, and the chat template that writes them out.

The template is Jinja, as `transformers` stores it, and is rendered as `transformers` renders it (same
environment, filters and globals), so that a model folder of any make says the same thing here and there.
This module knows text only; token ids are `chat.py`'s.

It carries no `{% generation %}` markers of its own, since engines on plain Jinja refuse the tag; a foreign
template that has them is read all the same. Loss masks come from rendering prefixes instead.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

from camelid.errors import RequestError, TokenizerError, suggest
from camelid.text.records import ROLES, Message

DEFUSED = "< |"  # what "<|" in somebody's words becomes: the special tokens all begin with "<|"

# One line, so that every Jinja agrees on it whatever it does with the blanks around tags.
CAMELID_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant', 'tool'] %}"
    "{{ raise_exception('unknown role ' ~ message['role'] ~ '; known: system, user, assistant, tool') }}"
    "{% endif %}"
    "{{ '<|' ~ message['role'] ~ '|>' }}"
    "{{ (message['content'] or '') | replace('<|', '< |') }}"
    "{{ '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def defuse(content: str) -> str:
    """Return `content` so that no part of it reads as a special token; the template does the same."""
    return content.replace("<|", DEFUSED)


def mend(text: str) -> str:
    """Return `text` with halves of surrogate pairs, which UTF-8 cannot hold, joined or made U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_messages(messages: str | Sequence[Message | Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return messages as users give them, checked: a plain text is one user turn.

    messages: Messages, or mappings with OpenAI's "role" and "content"; a missing or null content is an
    empty one, a list of text parts is joined.

    Raises RequestError when there is no message, a role is unknown, or a content is not text.
    """
    if isinstance(messages, str):
        return (Message("user", messages),)
    if isinstance(messages, Mapping) or not isinstance(messages, Sequence):
        raise RequestError(f"messages must be a text or a list of messages; found {type(messages).__name__}.")
    if not messages:
        raise RequestError("messages must hold at least one message; found an empty list.")
    return tuple(_as_message(message, index) for index, message in enumerate(messages))


def _as_message(message: object, index: int) -> Message:
    role: object
    content: object
    if isinstance(message, Message):
        role, content = message.role, message.content
    elif isinstance(message, Mapping):
        role, content = message.get("role"), message.get("content")
    else:
        found = type(message).__name__
        raise RequestError(
            f'messages[{index}] must look like {{"role": "user", "content": "…"}}; found {found}.'
        )
    if role not in ROLES:
        hint = suggest(str(role), ROLES) if role else f" Known: {', '.join(ROLES)}."
        raise RequestError(f"messages[{index}] has the unknown role {role!r}.{hint}")
    return Message(str(role), _as_content(content, index))


def _as_content(content: object, index: int) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(_as_part(part, index) for part in content)
    raise RequestError(f"messages[{index}].content must be a text; found {type(content).__name__}.")


def _as_part(part: object, index: int) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise RequestError(f"messages[{index}].content can hold parts of type 'text' only; found {kind!r}.")


class ChatTemplate:
    """A chat template and the special tokens that it is allowed to write."""

    def __init__(self, source: str, *, special_tokens: Mapping[str, str] | None = None) -> None:
        """Keep a Jinja source; it is compiled when first used.

        special_tokens: "bos_token", "eos_token" and the like, to the text of the token.
        """
        self.source = source
        self.special_tokens = dict(special_tokens or {})

    @property
    def is_ours(self) -> bool:
        """Tell whether this is camelid's own template."""
        return self.source == CAMELID_TEMPLATE

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """Return the conversation as one text, special tokens written out.

        Raises RequestError when the template refuses the messages, TokenizerError when it is not Jinja.
        """
        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._compiled.render(
                messages=turns,
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.special_tokens,
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
            raise RequestError(f"The chat template cannot write these messages: {error}") from error

    @cached_property
    def _compiled(self) -> jinja2.Template:
        try:
            return _environment().from_string(self.source)
        except jinja2.TemplateSyntaxError as error:
            raise TokenizerError(
                f"The chat template is not valid Jinja (line {error.lineno}): {error.message}. "
                "Mend chat_template in tokenizer_config.json."
            ) from error


class _Generation(jinja2.ext.Extension):
    """Reads `{% generation %} … {% endgeneration %}` as what stands inside it."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 declares it so)

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """Return the body of the tag."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> jinja2.Environment:
    """Return a sandbox with what `transformers` gives chat templates."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(value: object, ensure_ascii: bool = False, indent: int | None = None, **settings: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **settings)


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
