"""Every request from its coming to its end: named, counted, and written down, whatever answers it."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from camelid.serve.journal import note, note_error
from camelid.serve.refusals import error_response, refuse
from camelid.serve.wire import header

if TYPE_CHECKING:
    from camelid.serve.core import Core
    from camelid.serve.replies import Replies

_SHOWN = 4000  # characters of a prompt or a reply in the log
_NOWHERE = "none"  # the door of a path that is not there
_REFUSED = {401: "invalid_api_key", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


class Visit:
    """What is known of one request.

    outcome: "ok", "gone" when the client left, "stuck" when it took nothing, "cut"
        when the server ended first, or why it was refused.
    replies: to this request, once there are any.
    """

    def __init__(self, scope: Scope, door: str) -> None:
        self.id = _clean(header(scope, b"x-request-id")) or "req_" + secrets.token_hex(12)
        self.door, self.method, self.path = door, scope["method"], scope["path"]
        self.client = (scope.get("client") or ("",))[0]
        self.came_s = time.perf_counter()
        self.outcome, self.status = "ok", 0  # none was sent
        self.answered = False  # the reply has begun
        self.replies: Replies | None = None

    def fail(self, error: Exception) -> None:
        """Take down what went wrong; with a traceback where nobody expected it."""
        refusal = refuse(error)
        self.status, self.outcome = refusal.status, refusal.code or "refused"
        if refusal.status >= 500:
            note_error("failed", error, id=self.id, method=self.method, path=self.path)

    def answer(self, message: Message) -> None:
        """Take down how the reply begins, and put the request's name into it."""
        self.answered, self.status = True, message["status"]
        if self.status >= 400 and self.outcome == "ok":
            self.outcome = _REFUSED.get(self.status, "refused")
        message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.id.encode())]

    def end(self, core: "Core") -> None:
        """Count the request and write it down."""
        asked = self.replies.asks[0].model if self.replies else ""
        known = asked if asked in core.names else ""
        core.metrics.requests.labels(self.door, known, self.outcome).inc()
        if core.settings.log_requests:
            note("request", **self._fields(), **self._account(core.settings.log_prompts))

    def _fields(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "client": self.client,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "outcome": self.outcome,
            "ms": round(1000 * (time.perf_counter() - self.came_s), 1),
        }

    def _account(self, prompts: bool) -> dict[str, Any]:
        replies = self.replies
        if not replies or not replies.all:
            return {}
        first = replies.first
        told: dict[str, Any] = {
            "asked": replies.asks[0].model,
            "prompt_tokens": replies.prompt_tokens,
            "completion_tokens": replies.completion_tokens,
            "finish": first.finish,
            **first.account(),
        }
        if prompts:
            decode = first.tokenizer.decode
            told["prompt"] = decode(first.prompt, skip_special=False)[:_SHOWN]
            told["replies"] = [reply.wording.text[:_SHOWN] for reply in replies.all]
        return told


VISIT: ContextVar[Visit | None] = ContextVar("visit", default=None)


class Reception:
    """Stands before all else, so that no request goes unseen: the page's, and whom the keys refuse."""

    def __init__(self, app: ASGIApp, *, core: "Core", routes: Sequence[Route]) -> None:
        """Take the application behind it, and the routes, whose names are what metrics call doors."""
        self._app, self._core = app, core
        self._names = {route.path: route.name for route in routes}
        self._patterns = [(route.path_regex, route.name) for route in routes if route.param_convertors]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and answer in the stead of what failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(scope, self._name(scope["path"]))
        VISIT.set(visit)

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.answer(message)
            await send(message)

        try:
            await self._app(scope, receive, pass_on)
        except asyncio.CancelledError:
            visit.outcome = "cut"  # the time to drain was over
            raise
        except Exception as error:
            visit.fail(error)
            if visit.answered:
                raise
            await error_response(refuse(error), scope["path"])(scope, receive, pass_on)
        finally:
            visit.end(self._core)

    def _name(self, path: str) -> str:
        named = (name for pattern, name in self._patterns if pattern.match(path))
        return self._names.get(path) or next(named, _NOWHERE)


def _clean(name: str) -> str:
    """Return a client's name for its request, if it can stand in a header and a log."""
    return name if len(name) <= 64 and name.isascii() and name.isprintable() else ""
