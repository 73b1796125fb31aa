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
from camelid.serve.schema.chat import ChatRequest
from camelid.serve.toolbox import Toolbox
from camelid.serve.wire import Streamed, Whole, event, to_json


async def answer(core: Core, body: ChatRequest) -> Whole | Streamed:
    """Return the answer to a conversation, whole or in pieces.

    Raises Refusal or RequestError when there is none.
    """
    toolbox = Toolbox.of_chat(body)
    ask = _read(core, body, toolbox)
    replies = Replies(core, ask, check_count(core, body.n))
    await replies.begin()
    telling = Telling(body, replies, toolbox)
    if body.stream:
        return Streamed(telling.chunks(), replies.close, fail_event, account_headers(replies.first))
    try:
        await replies.finish()
        return Whole(telling.whole(), account_headers(replies.first))
    finally:
        replies.close()


def _read(core: Core, body: ChatRequest, toolbox: Toolbox) -> Ask:
    if body.max_tokens and body.max_completion_tokens and body.max_tokens != body.max_completion_tokens:
        raise Refusal("max_tokens and max_completion_tokens say different things. Leave one out.")
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal("top_logprobs needs logprobs to be true.", param="top_logprobs")
    if body.stream_options and not body.stream:
        raise Refusal("stream_options needs stream to be true.", param="stream_options")
    return Ask(
        model=body.model,
        settings=make_settings(
            core,
            body,
            max_tokens=body.max_completion_tokens or body.max_tokens,
            top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        ),
        messages=toolbox.messages,
        stop=read_stops(body.stop),
        grammar=toolbox.grammar,
        dial=body.dial,
        max_quality_loss=body.max_quality_loss,
    )


class Telling:
    """Replies in OpenAI's words."""

    def __init__(self, body: ChatRequest, replies: Replies, toolbox: Toolbox) -> None:
        self._body, self._replies, self._toolbox = body, replies, toolbox
        self._decode = replies.core.tokenizer
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
        calls = self._toolbox.parse(reply.wording.text)
        message: dict[str, Any] = {"role": "assistant", "content": reply.wording.text, "refusal": None}
        if calls:
            message |= {"content": None, "tool_calls": calls}
        finish = "tool_calls" if calls and reply.finish == "stop" else reply.finish
        return {
            "index": reply.index,
            "message": message,
            "logprobs": self._logprobs(reply),
            "finish_reason": finish,
        }

    def _logprobs(self, reply: Reply) -> dict[str, Any] | None:
        if not self._body.logprobs:
            return None
        return {"content": tell_logprobs(self._decode, reply.take_logprobs()), "refusal": None}

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the events of a streamed reply."""
        begun: dict[int, Any] = {}
        try:
            async for reply, text in self._replies.pieces():
                if reply.index not in begun:
                    begun[reply.index] = self._toolbox.reader()
                    yield self._chunk(reply, {"role": "assistant", "content": "", "refusal": None})
                if text or self._body.logprobs:
                    for delta in begun[reply.index].push(text):
                        yield self._delta(reply, delta)
                if reply.finish:
                    yield self._last(reply, called=begun[reply.index].called)
            if self._body.stream_options and self._body.stream_options.include_usage:
                yield event({**self._head, "choices": [], "usage": usage(self._replies)})
            yield b"data: [DONE]\n\n"
        finally:
            self._replies.close()

    def _delta(self, reply: Reply, delta: dict[str, Any]) -> bytes:
        return self._chunk(reply, delta, logprobs=self._logprobs(reply))

    def _last(self, reply: Reply, *, called: bool) -> bytes:
        finish = "tool_calls" if called and reply.finish == "stop" else reply.finish
        return self._chunk(reply, {}, finish, camelid=reply.account())

    def _chunk(
        self,
        reply: Reply,
        delta: dict[str, Any],
        finish: str | None = None,
        logprobs: Any = None,
        **more: Any,
    ) -> bytes:
        choice = {"index": reply.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return b"data: " + to_json({**self._head, "choices": [choice], **more}) + b"\n\n"
