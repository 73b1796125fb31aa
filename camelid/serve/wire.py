"""A request off the wire, and its reply onto it.

A body that is too large or too slow is refused; a client that goes away ends the work within the moment; one
that reads slowly is waited for, and one that does not read at all is given up. It knows no dialect.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import Receive, Scope, Send

from camelid.serve.refusals import Refusal

Result = TypeVar("Result")
EVENTS = "text/event-stream; charset=utf-8"
LINES = "application/x-ndjson"
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Whole:
    """A reply in one piece: what becomes JSON, or bytes of another kind."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True)
class Streamed:
    """A reply in pieces.

    chunks: ready for the wire. close: frees what stands behind them, called in any case.
    fail: the chunk that says what went wrong, once it is too late for a status.
    """

    chunks: AsyncIterator[bytes]
    close: Callable[[], None]
    fail: Callable[[Exception], bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = EVENTS


class Gone(Exception):
    """The client has gone away."""


def to_json(value: object) -> bytes:
    """Return JSON as it goes over the wire."""
    return _ENCODE(value).encode("utf-8", "replace")


def event(value: object, name: str = "") -> bytes:
    """Return one server-sent event."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    return head + b"data: " + to_json(value) + b"\n\n"


async def read_body(scope: Scope, receive: Receive, *, most_bytes: int, within_s: float) -> bytes:
    """Return the body of a request.

    Raises Refusal when it is larger or slower than that, Gone when the client left.
    """
    _check_length(scope, most_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > most_bytes:
                    raise _too_large(f"more than {most_bytes:,}", most_bytes)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refusal(
            f"A request must arrive within {within_s:g} s; found {size} bytes of it by then. Send it faster.",
            status=408,
            headers={"Connection": "close"},
        ) from None


def header(scope: Scope, name: bytes) -> str:
    """Return a header of a request, "" without it."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _check_length(scope: Scope, most_bytes: int) -> None:
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(f"{int(declared):,}", most_bytes)


def _too_large(found: str, most_bytes: int) -> Refusal:
    return Refusal(
        f"A request may have {most_bytes:,} bytes; found {found}. Send less, or start the server with a "
        "larger --max-body.",
        status=413,
        code="request_too_large",
        headers={"Connection": "close"},
    )


async def while_there(receive: Receive, work: Awaitable[Result]) -> Result:
    """Return what the work gives, unless the client goes away first: then it is cancelled.

    Raises Gone when the client went.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            raise Gone
        return working.result()
    finally:
        for task in (working, watching):
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_whole(send: Send, reply: Whole) -> None:
    """Send a reply in one piece."""
    body = reply.body if isinstance(reply.body, bytes) else to_json(reply.body)
    fields = {**reply.headers, "content-type": reply.media_type, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": 200, "headers": _raw(fields)})
    await send({"type": "http.response.body", "body": body})


async def send_streamed(send: Send, reply: Streamed, *, within_s: float) -> Exception | None:
    """Send a reply in pieces, and return what went wrong after its beginning, if something did.

    Raises TimeoutError when the reader took nothing for so long.
    """
    fields = {
        **reply.headers,
        "content-type": reply.media_type,
        "cache-control": "no-cache",
        "x-accel-buffering": "no",  # or nginx would keep it until it is whole
    }
    failure = None
    await send({"type": "http.response.start", "status": 200, "headers": _raw(fields)})
    async with contextlib.aclosing(reply.chunks) as chunks:  # type: ignore[type-var]
        try:
            async for chunk in chunks:
                await _send_chunk(send, chunk, within_s)
        except TimeoutError:
            raise
        except Exception as error:
            failure = error
            await _send_chunk(send, reply.fail(error), within_s)
    await send({"type": "http.response.body", "body": b""})
    return failure


async def _send_chunk(send: Send, chunk: bytes, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [
        (name.lower().encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()
    ]
