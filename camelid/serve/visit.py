"""One request from its coming to its end, for the log and the metrics."""

import secrets
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from camelid.serve.journal import note, note_error
from camelid.serve.refusals import refuse
from camelid.serve.wire import header

if TYPE_CHECKING:
    from camelid.serve.core import Core
    from camelid.serve.replies import Replies

_SHOWN = 4000  # characters of a prompt or a reply in the log


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
        self.outcome, self.status = "ok", 200
        self.started = False
        self.replies: Replies | None = None

    def fail(self, error: Exception) -> None:
        """Take down what went wrong; with a traceback where nobody expected it."""
        refusal = refuse(error)
        self.status, self.outcome = refusal.status, refusal.code or "refused"
        if refusal.status >= 500:
            note_error("failed", error, id=self.id, method=self.method, path=self.path)

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


def _clean(name: str) -> str:
    """Return a client's name for its request, if it can stand in a header and a log."""
    return name if len(name) <= 64 and name.isascii() and name.isprintable() else ""
