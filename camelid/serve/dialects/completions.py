"""OpenAI's /v1/completions: texts that go on."""

import time
from collections.abc import AsyncIterator
from typing import Any

from camelid.serve.asking import check_count, make_settings, read_stops
from camelid.serve.core import Ask, Core
from camelid.serve.dialects.telling import account_headers, fail_event, name_request, token_text, usage
from camelid.serve.refusals import Refusal
from camelid.serve.replies import Replies
from camelid.serve.reply import Reply
from camelid.serve.schema.completions import CompletionRequest, Prompt
from camelid.serve.wire import Streamed, Whole, event


async def complete(core: Core, body: CompletionRequest) -> Whole | Streamed:
    """Return how texts go on, whole or in pieces.

    Raises Refusal or RequestError when they cannot.
    """
    if body.stream_options and not body.stream:
        raise Refusal("stream_options needs stream to be true.", param="stream_options")
    if body.echo and body.logprobs is not None:
        raise Refusal("echo with logprobs is not supported. Ask for one of them.", param="echo")
    settings = make_settings(core, body, max_tokens=body.max_tokens, top_logprobs=body.logprobs)
    asks = [
        Ask(
            model=body.model,
            settings=settings,
            prompt=tuple(prompt),
            stop=read_stops(body.stop),
            dial=body.dial,
            max_quality_loss=body.max_quality_loss,
        )
        for prompt in await read_prompts(core, body.model, body.prompt)
    ]
    replies = Replies(core, asks, check_count(core, body.n))
    await replies.begin()
    telling = _Telling(body, replies)
    if body.stream:
        return Streamed(telling.chunks(), replies.close, fail_event, account_headers(replies.first))
    try:
        await replies.finish()
        return Whole(telling.whole(), account_headers(replies.first))
    finally:
        replies.close()


async def read_prompts(core: Core, name: str, prompt: Prompt) -> list[list[int]]:
    """Return the token ids of each prompt for the model of that name; a text begins like a document."""
    if isinstance(prompt, str):
        return [await _begin(core, name, prompt)]
    found: list[list[int]] = []
    for item in prompt:
        if isinstance(item, int):
            return [[number for number in prompt if isinstance(number, int)]]
        found.append(await _begin(core, name, item) if isinstance(item, str) else item)
    return found


async def _begin(core: Core, name: str, text: str) -> list[int]:
    return [core.tokenizer_of(name).bos_id, *await core.encode(name, text)]


class _Telling:
    """Replies in OpenAI's words."""

    def __init__(self, body: CompletionRequest, replies: Replies) -> None:
        self._body, self._replies = body, replies
        self._tokenizer = replies.tokenizer
        self._head: dict[str, Any] = {
            "id": name_request("cmpl-"),
            "object": "text_completion",
            "created": int(time.time()),
            "model": body.model,
        }

    def whole(self) -> dict[str, Any]:
        """Return the body of the whole reply."""
        return {
            **self._head,
            "choices": [
                self._choice(reply, self._echo(reply) + reply.wording.text, reply.finish)
                for reply in self._replies.all
            ],
            "usage": usage(self._replies),
            "camelid": self._replies.first.account(),
        }

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the events of a streamed reply."""
        begun: set[int] = set()
        try:
            async for reply, text in self._replies.pieces():
                if reply.index not in begun:
                    begun.add(reply.index)
                    text = self._echo(reply) + text
                if text or reply.finish:
                    extra = {"camelid": reply.account()} if reply.finish else {}
                    choice = self._choice(reply, text, reply.finish)
                    yield event({**self._head, "choices": [choice], **extra})
            if self._body.stream_options and self._body.stream_options.include_usage:
                yield event({**self._head, "choices": [], "usage": usage(self._replies)})
            yield b"data: [DONE]\n\n"
        finally:
            self._replies.close()

    def _echo(self, reply: Reply) -> str:
        return self._tokenizer.decode(reply.prompt) if self._body.echo else ""

    def _choice(self, reply: Reply, text: str, finish: str | None) -> dict[str, Any]:
        logprobs = self._logprobs(reply)
        return {"index": reply.index, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def _logprobs(self, reply: Reply) -> dict[str, Any] | None:
        if self._body.logprobs is None:
            return None
        told = reply.take_logprobs()
        tell = self._tell
        return {
            "tokens": [tell(item.logprob.token_id) for item in told],
            "token_logprobs": [item.logprob.logprob for item in told],
            "top_logprobs": [{tell(token): logprob for token, logprob in item.logprob.top} for item in told],
            "text_offset": [item.offset for item in told],
        }

    def _tell(self, token_id: int) -> str:
        return token_text(self._tokenizer, token_id)
