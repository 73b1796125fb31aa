"""Anthropic's /v1/messages and /v1/messages/count_tokens."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from camelid.serve.asking import make_settings, read_stops
from camelid.serve.core import Ask, Core
from camelid.serve.dialects.listening import Listening
from camelid.serve.dialects.telling import account_headers, name_request
from camelid.serve.refusals import Refusal, error_body, refuse
from camelid.serve.schema.messages import (
    CountRequest,
    MessagesRequest,
    MessagesTurn,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from camelid.serve.toolbox import Call, Toolbox, ToolChoice, ToolSpec, write_call
from camelid.serve.wire import Streamed, Whole, event
from camelid.text.records import Message

_PATH = "/v1/messages"
_REASONS = {"length": "max_tokens", "stop": "end_turn"}


async def answer(core: Core, body: MessagesRequest) -> Whole | Streamed:
    """Return the answer to a conversation, whole or in events.

    Raises Refusal or RequestError when there is none.
    """
    toolbox = _read_toolbox(body)
    ask = Ask(
        model=body.model,
        settings=make_settings(core, body.drawing, max_tokens=body.max_tokens),
        messages=toolbox.tell(_read_messages(body)),
        stop=read_stops(body.stop_sequences, param="stop_sequences"),
        grammar=toolbox.grammar,
        dial=body.dial,
        max_quality_loss=body.max_quality_loss,
    )
    listening = Listening(core, ask, toolbox)
    await listening.begin()
    telling = _Telling(body, listening)
    if body.stream:
        headers = account_headers(listening.reply)
        return Streamed(telling.events(), listening.close, _fail, headers)
    text, call = await listening.whole()
    return Whole(telling.whole(text, call), account_headers(listening.reply))


async def count(core: Core, body: CountRequest) -> Whole:
    """Return how many tokens the prompt of a conversation has."""
    messages = _read_toolbox(body).tell(_read_messages(body))
    return Whole({"input_tokens": len(await core.encode_messages(body.model, messages))})


def _fail(error: Exception) -> bytes:
    return event(error_body(refuse(error), _PATH), "error")


# --- what is asked ----------------------------------------------------------------------------------------


def _read_messages(body: CountRequest) -> list[Message]:
    system = _read_texts(body.system)
    told = [Message("system", system)] if system else []
    return [*told, *(message for turn in body.messages for message in _read_turn(turn))]


def _read_turn(turn: MessagesTurn) -> list[Message]:
    """Return the messages of a turn: what tools gave is a turn of its own here."""
    if isinstance(turn.content, str):
        return [Message(turn.role, turn.content)]
    messages: list[Message] = []
    words: list[str] = []
    for block in turn.content:
        if isinstance(block, ToolResultBlock):
            messages.append(Message("tool", _read_texts(block.content)))
        elif isinstance(block, ToolUseBlock):
            words.append(write_call(block.name, json.dumps(block.input, ensure_ascii=False)))
        else:
            words.append(block.text)
    return [*messages, Message(turn.role, "\n".join(words))] if words else messages


def _read_texts(content: str | Sequence[TextBlock] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(block.text for block in content)


def _read_toolbox(body: CountRequest) -> Toolbox:
    tools = [ToolSpec(tool.name, tool.description or "", tool.input_schema) for tool in body.tools or ()]
    choice = body.tool_choice
    if choice is None or choice.type == "auto":
        return Toolbox(tools)
    if (choice.type == "tool") != (choice.name is not None):
        raise Refusal('tool_choice must have a name with the type "tool", and none with others.')
    if choice.type == "none":
        return Toolbox(tools, ToolChoice("none"))
    return Toolbox(tools, ToolChoice("required", choice.name or ""))


# --- what is told -----------------------------------------------------------------------------------------


class _Telling:
    """A reply in Anthropic's words."""

    def __init__(self, body: MessagesRequest, listening: Listening) -> None:
        self._listening = listening
        self._head: dict[str, Any] = {
            "id": name_request("msg_"),
            "type": "message",
            "role": "assistant",
            "model": body.model,
        }

    def whole(self, text: str, call: Call | None) -> dict[str, Any]:
        """Return the body of the whole reply."""
        if call:
            content = [{"type": "tool_use", "id": call.id, "name": call.name, "input": _read(call.arguments)}]
        else:
            content = [{"type": "text", "text": text}]
        return {
            **self._head,
            "content": content,
            **self._ending(call),
            "usage": self._usage(),
            "camelid": self._listening.reply.account(),
        }

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events of a streamed reply."""
        try:
            begun = {**self._head, "content": [], "stop_reason": None, "stop_sequence": None}
            yield event(
                {"type": "message_start", "message": {**begun, "usage": self._usage()}}, "message_start"
            )
            call: Call | None = None
            open_ = False
            async for heard in self._listening.heard():
                if heard.call:
                    call, open_ = heard.call, True
                    block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
                    yield self._start(block)
                elif heard.arguments:
                    yield self._delta({"type": "input_json_delta", "partial_json": heard.arguments})
                elif heard.text:
                    if not open_:
                        open_ = True
                        yield self._start({"type": "text", "text": ""})
                    yield self._delta({"type": "text_delta", "text": heard.text})
            if not open_:
                yield self._start({"type": "text", "text": ""})
            yield event({"type": "content_block_stop", "index": 0}, "content_block_stop")
            yield event(
                {
                    "type": "message_delta",
                    "delta": self._ending(call),
                    "usage": self._usage(),
                    "camelid": self._listening.reply.account(),
                },
                "message_delta",
            )
            yield event({"type": "message_stop"}, "message_stop")
        finally:
            self._listening.close()

    def _start(self, block: dict[str, Any]) -> bytes:
        kind = "content_block_start"
        return event({"type": kind, "index": 0, "content_block": block}, kind)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")

    def _ending(self, call: Call | None) -> dict[str, Any]:
        reply = self._listening.reply
        stop = reply.wording.stop
        reason = "stop_sequence" if stop else _REASONS.get(reply.finish or "", "end_turn")
        return {"stop_reason": "tool_use" if call and reply.whole else reason, "stop_sequence": stop}

    def _usage(self) -> dict[str, Any]:
        replies = self._listening.replies
        reused = replies.first.reused_tokens
        return {
            "input_tokens": replies.prompt_tokens - reused,
            "output_tokens": replies.completion_tokens,
            "cache_read_input_tokens": reused,
            "cache_creation_input_tokens": 0,
        }


def _read(arguments: str) -> Any:
    """Return a call's arguments; {} for ones that were cut, which the stop reason tells."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}
