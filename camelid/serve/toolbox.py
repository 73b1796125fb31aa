"""Tools and forms of a reply: how they are told to the model, and its words back into calls.

The model calls a tool by answering with {"name":"…","arguments":{…}} and nothing else. With tool_choice
"auto" it chooses between such a call and a text that does not begin with "{"; otherwise a call is made sure
of. Either way a grammar sees to it that a call is whole and fits the tool's parameters. Turns that called
come back to the model in that form. One reply makes one call.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from camelid.errors import suggest
from camelid.serve.grammar import call_grammar, call_head, json_grammar
from camelid.serve.refusals import Refusal
from camelid.text.records import Message

_TOLD = (
    'You can call a tool. To call one, answer with {"name":"…","arguments":{…}} and nothing else. '
    "The tools, with the JSON schemas of their arguments:"
)


@dataclass(frozen=True)
class ToolSpec:
    """A tool: its name, what it does, and the schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class ToolChoice:
    """Whether a tool is called. name: the one that must be, "" for any."""

    mode: Literal["none", "auto", "required"] = "auto"
    name: str = ""


@dataclass(frozen=True)
class Call:
    """A call that a reply makes; arguments are JSON."""

    id: str
    name: str
    arguments: str


class Toolbox:
    """What a reply may be: text, JSON of a schema, or a call.

    grammar: what the reply must match, "" for any text.
    """

    def __init__(
        self,
        tools: Sequence[ToolSpec] = (),
        choice: ToolChoice | None = None,
        schema: dict[str, Any] | None = None,
    ) -> None:
        """Put together what a request asks for.

        Raises Refusal for two tools of one name, a choice without tools or of one that is not there.
        """
        choice = choice or ToolChoice()
        _check_tools(tools, choice)
        self._told = tuple(tools) if choice.mode != "none" else ()
        self._tools = tuple(tool for tool in self._told if choice.name in ("", tool.name))
        self.grammar = ""
        if self._tools:
            free = choice.mode == "auto"
            self.grammar = call_grammar(
                [(tool.name, tool.parameters) for tool in self._tools],
                otherwise=schema if free else None,
                text=free,
            )
        elif schema is not None:
            self.grammar = json_grammar(schema)

    def tell(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """Return a conversation in which the model is told of the tools, in the system's first turn."""
        if not self._told:
            return tuple(messages)
        lines = [_TOLD, *(_describe(tool) for tool in self._told)]
        told = "\n".join(lines)
        if messages and messages[0].role == "system":
            return (Message("system", f"{messages[0].content}\n\n{told}"), *messages[1:])
        return (Message("system", told), *messages)

    def reader(self) -> "CallReader":
        """Return who tells calls from text in a reply."""
        return CallReader([tool.name for tool in self._tools])


@dataclass(frozen=True)
class Heard:
    """A piece of a reply: text, or a call's beginning, or more of its arguments."""

    text: str = ""
    call: Call | None = None
    arguments: str = ""


class CallReader:
    """A reply, piece by piece, into text and calls.

    call: what is called, its arguments not filled in; None for a text.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.call: Call | None = None
        self._heads = {call_head(name): name for name in names}
        self._open = bool(names)  # it may still become a call
        self._held = ""

    def push(self, text: str) -> list[Heard]:
        """Return what the next piece of text says."""
        if self.call:
            return self._more(text)
        if not self._open:
            return [Heard(text=text)] if text else []
        self._held += text
        head = next((head for head in self._heads if self._held.startswith(head)), None)
        if head:
            self.call = Call("call_" + secrets.token_hex(12), self._heads[head], "")
            rest, self._held = self._held[len(head) :], ""
            return [Heard(call=self.call), *self._more(rest)]
        if any(head.startswith(self._held) for head in self._heads):
            return []
        self._open = False
        held, self._held = self._held, ""
        return [Heard(text=held)]

    def flush(self, *, whole: bool) -> list[Heard]:
        """Return what is left at the end; whole: the reply ended by itself, and a brace closes its call."""
        held, self._held = self._held, ""
        if self.call:
            return [] if whole or not held else [Heard(arguments=held)]
        return [Heard(text=held)] if held else []

    def _more(self, text: str) -> list[Heard]:
        """Return arguments, but for the last character: it may be the brace that closes the call."""
        held = self._held + text
        self._held = held[-1:]
        return [Heard(arguments=held[:-1])] if held[:-1] else []


def hear(toolbox: Toolbox, text: str, *, whole: bool) -> tuple[str, Call | None]:
    """Return the text of a whole reply, or the call that it makes."""
    reader = toolbox.reader()
    heard = [*reader.push(text), *reader.flush(whole=whole)]
    if not reader.call:
        return "".join(item.text for item in heard), None
    arguments = "".join(item.arguments for item in heard)
    return "", Call(reader.call.id, reader.call.name, arguments)


def write_call(name: str, arguments: str) -> str:
    """Return a call in the form in which the model makes it."""
    return call_head(name) + (arguments or "{}") + "}"


def _check_tools(tools: Sequence[ToolSpec], choice: ToolChoice) -> None:
    names = [tool.name for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Refusal(f"Tools need names of their own; found two of {twice!r}.", param="tools")
    if choice.mode == "required" and not tools:
        raise Refusal("tool_choice asks for a call, but there are no tools. Give some.", param="tool_choice")
    if choice.name and choice.name not in names:
        raise Refusal(
            f"tool_choice asks for {choice.name!r}, which is no tool here.{suggest(choice.name, names)}",
            param="tool_choice",
        )


def _describe(tool: ToolSpec) -> str:
    told: dict[str, Any] = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    return json.dumps({**told, "parameters": tool.parameters}, ensure_ascii=False, separators=(",", ":"))
