"""A request that is not answered: what is said, with which status, in each dialect's form.

Whatever goes wrong becomes a `Refusal`; the body that a client sees is OpenAI's, Anthropic's or Ollama's,
by the path that was asked. It must not name anything of the machine that it runs on.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from camelid.errors import CamelidError, ContextTooLongError, RequestError

_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    408: "timeout_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_TOO_LONG = "context_length_exceeded"
_LONG = {"/v1/completions": "prompt", "/v1/responses": "input", "/v1/embeddings": "input"}  # else messages
_OPENAI_KINDS = {401: "authentication_error", 429: "rate_limit_error"}


class Refusal(RequestError):
    """Why a request is not answered.

    status: HTTP's. code, param: OpenAI's words for it, and the field it is about, where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = dict(headers or {})


def refuse(error: Exception) -> Refusal:
    """Return the refusal for an error; what nobody expected is a 500 that tells nothing of the inside."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, ContextTooLongError):
        return Refusal(str(error), code=_TOO_LONG)
    if isinstance(error, RequestError):
        return Refusal(str(error))
    if isinstance(error, CamelidError):
        return Refusal(str(error), status=500, code="server_error")
    return Refusal(
        "Something went wrong in the server; its log says what.", status=500, code="internal_error"
    )


def error_body(refusal: Refusal, path: str) -> dict[str, Any]:
    """Return the body of a refusal in the form that the client of this path reads."""
    status, message = refusal.status, str(refusal)
    if path.startswith("/api/"):
        return {"error": message}
    if path.startswith("/v1/messages"):
        kind = _ANTHROPIC_KINDS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    kind = _OPENAI_KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    param = _LONG.get(path, "messages") if refusal.code == _TOO_LONG else refusal.param
    return {"error": {"message": message, "type": kind, "param": param, "code": refusal.code}}


def error_response(refusal: Refusal, path: str) -> Response:
    """Return the whole reply for a refusal."""
    body = json.dumps(error_body(refusal, path), ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, refusal.status, refusal.headers, "application/json")
