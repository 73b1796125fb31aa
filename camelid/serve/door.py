"""A way in: a path, what it takes and gives, and everything between the wire and its dialect."""

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

    path: what stands in braces is given to the handler. takes: what the body must hold; None for none.
    gives: what it answers with, for the document. streams: a streamed reply's media type, "" without one.
    any_type: whatever the body calls itself. text: the answer is plain text.
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
        visit = VISIT.get() or Visit(scope, self._door.name)
        try:
            arguments = await self._read(scope, receive)
            await while_there(receive, self._serve(arguments, send, visit))
        except Gone:
            visit.outcome = "gone"
        except TimeoutError:
            visit.outcome = "stuck"
            abort(scope)
        except Exception as error:
            if visit.answered:
                raise
            visit.fail(error)
            await error_response(refuse(error), scope["path"])(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> list[Any]:
        door, settings = self._door, self._core.settings
        if door.takes is None:
            return [*scope.get("path_params", {}).values()]
        kind = header(scope, b"content-type").partition(";")[0].strip().lower()
        if not door.any_type and kind not in ("", "application/json") and not kind.endswith("+json"):
            raise Refusal(f"Send application/json; found {kind}.", status=415, code="unsupported_media_type")
        body = await read_body(scope, receive, most_bytes=settings.max_body_bytes, within_s=settings.read_s)
        return [parse(door.takes, body)]

    async def _serve(self, arguments: list[Any], send: Send, visit: Visit) -> None:
        reply = await self._door.handle(self._core, *arguments)
        if isinstance(reply, Whole):
            await send_whole(send, reply)
            return
        try:
            failure = await send_streamed(send, reply, within_s=self._core.settings.write_s)
            if failure:
                visit.fail(failure)
        finally:
            reply.close()


def abort(scope: Scope) -> None:
    """Cut the connection, where a client takes nothing and would never see its end."""
    transport = scope.get("state", {}).get("transport")
    if transport is not None:
        transport.abort()
