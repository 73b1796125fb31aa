"""What several dialects say of a reply in the same words."""

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from camelid.serve.refusals import error_body, refuse
from camelid.serve.replies import Replies
from camelid.serve.reply import Reply
from camelid.serve.wire import event
from camelid.serve.wording import Told
from camelid.text.tokenizer import Tokenizer


def name_request(prefix: str) -> str:
    """Return a fresh name for a reply."""
    return prefix + secrets.token_hex(12)


def usage(replies: Replies) -> dict[str, Any]:
    """Return what a request took in tokens, in OpenAI's words."""
    prompt, completion = replies.prompt_tokens, replies.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": replies.first.reused_tokens},
    }


def account_headers(reply: Reply) -> dict[str, str]:
    """Return the headers X-Camelid-*: who answered and why, and what is known of the rest by now."""
    headers = {}
    for name, value in reply.account().items():
        if value is not None and not (name in ("drafted", "accepted", "reused_tokens") and not reply.finish):
            text = value if isinstance(value, str) else f"{value:g}"
            headers["x-camelid-" + name.replace("_", "-")] = quote(text, safe=" ,.:;()%'<>=≤≥-+/")
    return headers


def fail_event(error: Exception) -> bytes:
    """Return the event that ends a stream which cannot go on."""
    return event(error_body(refuse(error), ""))


def tell_logprobs(tokenizer: Tokenizer, told: Sequence[Told]) -> list[dict[str, Any]]:
    """Return log-probabilities as chat completions have them."""
    return [
        {
            **_tell_token(tokenizer, item.logprob.token_id, item.logprob.logprob),
            "top_logprobs": [_tell_token(tokenizer, token, logprob) for token, logprob in item.logprob.top],
        }
        for item in told
    ]


def token_text(tokenizer: Tokenizer, token_id: int) -> str:
    """Return a token alone as text; a piece of a character is U+FFFD."""
    return tokenizer.decode([token_id], skip_special=False)


def _tell_token(tokenizer: Tokenizer, token_id: int, logprob: float) -> dict[str, Any]:
    text = token_text(tokenizer, token_id)
    table = tokenizer.token_bytes
    raw = table[token_id] if table and token_id < len(table) else text.encode()
    return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(raw)}
