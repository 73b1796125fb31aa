"""OpenAI's /v1/chat/completions."""

import time
from collections.abc import AsyncIterator
from typing import Any

from camelid.serve.asking import check_count, make_settings, read_stops
from camelid.serve.core import Ask, Core
from camelid.serve.dialects.telling import account_headers, fail_event, name_request, tell_logprobs, usage
from camelid.serve.refusals import Refusal
from camelid.serve.replies import Replies
from camelid.serve.reply import Reply
from camelid.serve.schema.chat import (
    AssistantMessage,
    ChatMessage,
    ChatRequest,
    NamedTool,
    ObjectFormat,
    ResponseFormat,
    SchemaFormat,
)
from camelid.serve.schema.strict import TextPart
from camelid.serve.toolbox import CallReader, Heard, Toolbox, ToolChoice, ToolSpec, hear, write_call
from camelid.serve.wire import Streamed, Whole, event
from camelid.text.records import Message

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


async def answer(core: Core, body: ChatRequest) -> Whole | Streamed:
    """Return the answer to a conversation, whole or in pieces.

    Raises Refusal or RequestError when there is none.
    """
    toolbox = _read_toolbox(body)
    replies = Replies(core, [_read(core, body, toolbox)], check_count(core, body.n))
    await replies.begin()
    telling = _Telling(body, replies, toolbox)
    if body.stream:
        return Streamed(telling.chunks(), replies.close, fail_event, account_headers(replies.first))
    try:
        await replies.finish()
        return Whole(telling.whole(), account_headers(replies.first))
    finally:
        replies.close()


# --- what is asked ----------------------------------------------------------------------------------------


def _read(core: Core, body: ChatRequest, toolbox: Toolbox) -> Ask:
    if body.max_tokens and body.max_completion_tokens and body.max_tokens != body.max_completion_tokens:
        raise Refusal("max_tokens and max_completion_tokens say different things. Leave one out.")
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal("top_logprobs needs logprobs to be true.", param="top_logprobs")
    if body.stream_options and not body.stream:
        raise Refusal("stream_options needs stream to be true.", param="stream_options")
    top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    max_tokens = body.max_completion_tokens or body.max_tokens
    return Ask(
        model=body.model,
        settings=make_settings(core, body, max_tokens=max_tokens, top_logprobs=top_logprobs),
        messages=toolbox.tell([as_message(message) for message in body.messages]),
        stop=read_stops(body.stop),
        grammar=toolbox.grammar,
        dial=body.dial,
        max_quality_loss=body.max_quality_loss,
    )


def _read_toolbox(body: ChatRequest) -> Toolbox:
    tools = [
        ToolSpec(spec.name, spec.description or "", spec.parameters or NO_ARGUMENTS)
        for spec in (tool.function for tool in body.tools or ())
    ]
    choice = body.tool_choice
    if isinstance(choice, NamedTool):
        wish = ToolChoice("required", choice.function.name)
    else:
        wish = ToolChoice(choice or "auto")
    return Toolbox(tools, wish, read_format(body.response_format))


def read_format(wish: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the schema that a reply must match, or None."""
    if isinstance(wish, SchemaFormat):
        return wish.json_schema.schema_
    return {"type": "object"} if isinstance(wish, ObjectFormat) else None


def read_content(content: str | list[TextPart] | None) -> str:
    """Return a content as one text."""
    return content or "" if not isinstance(content, list) else "".join(part.text for part in content)


def as_message(message: ChatMessage) -> Message:
    """Return a turn as the model sees it: calls are written as it makes them."""
    text = read_content(message.content)
    if isinstance(message, AssistantMessage) and message.tool_calls:
        calls = [write_call(call.function.name, call.function.arguments) for call in message.tool_calls]
        text = "\n".join([*([text] if text else []), *calls])
    return Message("system" if message.role == "developer" else message.role, text)


# --- what is told -----------------------------------------------------------------------------------------


class _Telling:
    """Replies in OpenAI's words."""

    def __init__(self, body: ChatRequest, replies: Replies, toolbox: Toolbox) -> None:
        self._body, self._replies, self._toolbox = body, replies, toolbox
        self._told: dict[int, int] = {}  # characters of each reply
        self._head: dict[str, Any] = {
            "id": name_request("chatcmpl-"),
            "object": "chat.completion.chunk" if body.stream else "chat.completion",
            "created": int(time.time()),
            "model": body.model,
        }

    def whole(self) -> dict[str, Any]:
        """Return the body of the whole reply."""
        replies = self._replies
        return {
            **self._head,
            "choices": [self._choice(reply) for reply in replies.all],
            "usage": usage(replies),
            "camelid": replies.first.account(),
        }

    def _choice(self, reply: Reply) -> dict[str, Any]:
        text, call = hear(self._toolbox, reply.wording.text, whole=reply.whole)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if call:
            function = {"name": call.name, "arguments": call.arguments}
            made = {"id": call.id, "type": "function", "function": function}
            message |= {"content": None, "tool_calls": [made]}
        return {
            "index": reply.index,
            "message": message,
            "logprobs": self._logprobs(reply),
            "finish_reason": _finish(reply, called=call is not None),
        }

    def _logprobs(self, reply: Reply) -> dict[str, Any] | None:
        if not self._body.logprobs:
            return None
        told = tell_logprobs(reply.tokenizer, reply.take_logprobs())
        return {"content": told, "refusal": None}

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the events of a streamed reply."""
        readers: dict[int, CallReader] = {}
        try:
            async for reply, text in self._replies.pieces():
                told: list[bytes] = []  # one write, however many events
                reader = readers.get(reply.index)
                if reader is None:
                    reader = readers[reply.index] = self._toolbox.reader()
                    told.append(self._first(reply))
                told += [self._piece(reply, heard) for heard in reader.push(text)]
                if reply.finish:
                    told += [self._piece(reply, heard) for heard in reader.flush(whole=reply.whole)]
                    told.append(self._last(reply, called=reader.call is not None))
                if told:
                    yield b"".join(told)
            yield self._end()
        finally:
            self._replies.close()

    def _end(self) -> bytes:
        """Return the usage, if it was asked for, and the mark of the end."""
        options = self._body.stream_options
        asked = options is not None and options.include_usage
        told = event({**self._head, "choices": [], "usage": usage(self._replies)}) if asked else b""
        return told + b"data: [DONE]\n\n"

    def _piece(self, reply: Reply, heard: Heard) -> bytes:
        if heard.call:
            function = {"name": heard.call.name, "arguments": ""}
            begun = {"index": 0, "id": heard.call.id, "type": "function", "function": function}
            return self._chunk(reply, {"tool_calls": [begun]}, logprobs=self._logprobs(reply))
        if heard.arguments:
            more = {"index": 0, "function": {"arguments": heard.arguments}}
            return self._chunk(reply, {"tool_calls": [more]}, logprobs=self._logprobs(reply))
        since = self._told.get(reply.index, 0)
        self._told[reply.index] = since + len(heard.text)
        spans = reply.wording.take_guessed(since)
        extra: dict[str, Any] = {"camelid": {"drafted_spans": spans}} if spans else {}
        return self._chunk(reply, {"content": heard.text}, logprobs=self._logprobs(reply), **extra)

    def _first(self, reply: Reply) -> bytes:
        """Return the chunk that begins a reply, and says whose it is."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk(reply, delta, camelid={"model": reply.model, "reason": reply.reason})

    def _last(self, reply: Reply, *, called: bool) -> bytes:
        """Return the chunk that ends a reply, with the log-probabilities that no text came with."""
        logprobs = self._logprobs(reply)
        logprobs = logprobs if logprobs and logprobs["content"] else None
        return self._chunk(reply, {}, _finish(reply, called=called), logprobs, camelid=reply.account())

    def _chunk(
        self,
        reply: Reply,
        delta: dict[str, Any],
        finish: str | None = None,
        logprobs: Any = None,
        **more: Any,
    ) -> bytes:
        choice = {"index": reply.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return event({**self._head, "choices": [choice], **more})


def _finish(reply: Reply, *, called: bool) -> str | None:
    return "tool_calls" if called and reply.whole else reply.finish
