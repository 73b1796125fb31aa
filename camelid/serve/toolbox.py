"""Tools and forms of a reply: how they are told to the model, and its words back into calls.

The model calls a tool by answering with {"name":"…","arguments":{…}} and nothing else; what a grammar allows
begins with "{" only if it is a whole and valid call. Turns that called come back to the model in that form.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from camelid.serve.schema.chat import AssistantMessage, ChatMessage, ChatRequest
from camelid.serve.schema.strict import TextPart
from camelid.text.records import Message


def read_content(content: str | list[TextPart] | None) -> str:
    """Return a content as one text."""
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text for part in content)


@dataclass(frozen=True)
class Toolbox:
    """The messages as the model sees them, and what its reply must look like."""

    messages: tuple[Message, ...] = ()
    grammar: str = ""
    tools: tuple[dict[str, Any], ...] = field(default=())

    @classmethod
    def of_chat(cls, body: ChatRequest) -> "Toolbox":
        """Return what a chat request asks for."""
        return cls(tuple(_as_message(message) for message in body.messages))

    def parse(self, text: str) -> list[dict[str, Any]] | None:
        """Return the calls that a reply makes, or None."""
        return None

    def reader(self) -> "CallReader":
        """Return who reads a streamed reply."""
        return CallReader()


class CallReader:
    """A streamed reply into OpenAI's deltas."""

    def __init__(self) -> None:
        self.called = False

    def push(self, text: str) -> list[dict[str, Any]]:
        """Return the deltas for the next piece of text."""
        return [{"content": text}]


def _as_message(message: ChatMessage) -> Message:
    role = "system" if message.role == "developer" else message.role
    text = read_content(message.content)
    if isinstance(message, AssistantMessage) and message.tool_calls:
        calls = [_form(call.function.name, call.function.arguments) for call in message.tool_calls]
        text = "\n".join([*([text] if text else []), *calls])
    return Message(role, text)


def _form(name: str, arguments: str) -> str:
    return f'{{"name":{json.dumps(name, ensure_ascii=False)},"arguments":{arguments or "{}"}}}'


def name_call() -> str:
    """Return a fresh name for a call."""
    return "call_" + secrets.token_hex(12)
