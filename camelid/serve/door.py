"""A way in: a path, what it takes and gives, and everything between the wire and its dialect."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from camelid.serve.core import Core
from camelid.serve.parsing import parse
from camelid.serve.refusals import Refusal, error_response, refuse
from camelid.serve.visit import VISIT, Visit
from camelid.serve.wire import (
    Gone,
    Streamed,
    Whole,
    header,
    read_body,
    send_streamed,
    send_whole,
    while_there,
)


@dataclass(frozen=True)
class Door:
    """One path and method.

    takes: what the body must hold; None for none. gives: what it answers with, for the document.
    streams: the media type of a streamed reply, "" without one. any_type: whatever the body calls itself.
    text: the answer is plain text.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Callable[..., Awaitable[Whole | Streamed]]
    takes: type[BaseModel] | None = None
    gives: type[BaseModel] | None = None
    streams: str = ""
    any_type: bool = False
    text: bool = False

    def open(self, core: Core) -> ASGIApp:
        """Return the application of this door."""
        return _Entrance(self, core)


class _Entrance:
    def __init__(self, door: Door, core: Core) -> None:
        self._door, self._core = door, core

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(scope, self._door.name)
        VISIT.set(visit)
        headers = {"x-request-id": visit.id}
        try:
            arguments = await self._read(scope, receive)
            await while_there(receive, self._serve(arguments, send, headers, visit))
        except Gone:
            visit.outcome = "gone"
        except asyncio.CancelledError:
            visit.outcome = "cut"  # the time to drain was over
            raise
        except TimeoutError:
            visit.outcome = "stuck"
            abort(scope)
        except Exception as error:
            if visit.started:
                raise
            await self._refuse(error, scope, receive, send, headers, visit)
        finally:
            visit.end(self._core)

    async def _read(self, scope: Scope, receive: Receive) -> list[BaseModel]:
        door, settings = self._door, self._core.settings
        if door.takes is None:
            return []
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        if not door.any_type and kind not in ("", "application/json") and not kind.endswith("+json"):
            raise Refusal(f"Send application/json; found {kind}.", status=415, code="unsupported_media_type")
        body = await read_body(scope, receive, most_bytes=settings.max_body_bytes, within_s=settings.read_s)
        return [parse(door.takes, body)]

    async def _serve(self, arguments: list[Any], send: Send, headers: dict[str, str], visit: "Visit") -> None:
        reply = await self._door.handle(self._core, *arguments)
        visit.started = True
        if isinstance(reply, Whole):
            await send_whole(send, reply, headers)
            return
        try:
            failure = await send_streamed(send, reply, headers, within_s=self._core.settings.write_s)
            if failure:
                visit.fail(failure)
        finally:
            reply.close()

    async def _refuse(
        self,
        error: Exception,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        visit: "Visit",
    ) -> None:
        visit.fail(error)
        response = error_response(refuse(error), scope["path"])
        response.headers.update(headers)
        await response(scope, receive, send)


def abort(scope: Scope) -> None:
    """Cut the connection, where a client takes nothing and would never see its end."""
    transport = scope.get("state", {}).get("transport")
    if transport is not None:
        transport.abort()
