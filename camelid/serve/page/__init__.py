"""The page: a chat in the browser over the same endpoints that every other client uses, votes, and the sheet.

It is plain HTML, CSS and ES modules in this folder, with no build step and nothing from elsewhere. No script
or style may stand in the page's HTML (its policy refuses both), and no model's text becomes HTML but through
`camelid.serve.markdown`.
"""

import base64
import functools
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from camelid.errors import CamelidError
from camelid.serve.markdown import render
from camelid.serve.rating import describe, rate
from camelid.serve.refusals import Refusal, error_response, refuse
from camelid.serve.visit import VISIT
from camelid.serve.votes import Votes, comparisons, preferences, read_vote
from camelid.serve.wire import Gone, read_body

Endpoint = Callable[[Request], Awaitable[Response]]

_HERE = Path(__file__).parent
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_EXPORTS = {"preferences": preferences, "comparisons": comparisons}
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types markdown"
)
# The sheet is shown in a frame without an origin of its own: it may be styled, and nothing else. The frame's
# own script is let through by its hash.
FRAME_POLICY = (
    "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SHEET_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
_NO_SHEET = """<!doctype html><html lang="en"><meta charset="utf-8"><title>No sheet yet</title>
<p>There is no sheet yet. This command compares the two and writes it:</p>
<pre>camelid compare {folder}</pre>"""


class Shown(Protocol):
    """What the page needs of a server."""

    @property
    def folder(self) -> Path:
        """Return the folder of the pair, or of the one model."""

    @property
    def votes(self) -> Votes | None:
        """Return the votes; None when the server keeps none."""


def routes(core: Shown, *, most_bytes: int = 4 << 20, within_s: float = 20.0) -> list[Route]:
    """Return the page's routes: `/`, `/page/*`, `/markdown`, `/votes`, `/votes/export` and `/sheet`.

    `/` and `/page/*` hold nothing private, and must be open where the others need a key.
    most_bytes, within_s: of a request's body, and for it to arrive.
    """
    files = {path.name: path.read_bytes() for path in _HERE.iterdir() if path.suffix in _KINDS}
    ends = _Endpoints(core, files, functools.partial(_read_json, most_bytes=most_bytes, within_s=within_s))
    table: list[tuple[str, str, Endpoint, list[str]]] = [
        ("page", "/", ends.page, ["GET"]),
        ("page", "/page/{name}", ends.file, ["GET"]),
        ("markdown", "/markdown", ends.markdown, ["POST"]),
        ("votes", "/votes", ends.votes, ["GET", "POST"]),
        ("votes_export", "/votes/export", ends.export, ["GET"]),
        ("sheet", "/sheet", ends.sheet, ["GET"]),
    ]
    return [Route(path, _refusing(end), methods=methods, name=name) for name, path, end, methods in table]


def _refusing(endpoint: Endpoint) -> Endpoint:
    """Let an endpoint refuse in the form that every client reads."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Gone:
            if visit := VISIT.get():
                visit.outcome = "gone"
            return Response(status_code=400)  # nobody reads it
        except CamelidError as error:
            return error_response(refuse(error), request.url.path)

    return answer


class _Endpoints:
    """What each route answers."""

    def __init__(
        self, core: Shown, files: dict[str, bytes], read: Callable[[Request], Awaitable[dict[str, Any]]]
    ) -> None:
        self.core, self.files, self.read = core, files, read

    async def page(self, request: Request) -> Response:
        return self._send(request, "page.html")

    async def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.files:
            raise Refusal(f"There is no /page/{name[:80]}.", status=404, code="not_found")
        return self._send(request, name)

    async def markdown(self, request: Request) -> Response:
        value = await self.read(request)
        text = value.get("text")
        if not isinstance(text, str) or len(value) != 1:
            raise Refusal('Expected {"text": "…"} and nothing else.', param="text")
        return JSONResponse({"html": await run_in_threadpool(render, text)}, headers=_SAFE)

    async def votes(self, request: Request) -> Response:
        if request.method == "POST":
            vote = read_vote(await self.read(request))
            await run_in_threadpool(self._votes().add, vote)
            return JSONResponse({"id": vote.id, "choice": vote.choice}, 201, _SAFE)
        if self.core.votes is None:
            return JSONResponse({"enabled": False}, headers=_SAFE)
        return JSONResponse(await run_in_threadpool(_summarize, self.core.votes), headers=_SAFE)

    async def export(self, request: Request) -> Response:
        form = request.query_params.get("form", "preferences")
        if form not in _EXPORTS:
            raise Refusal(f"form is one of {', '.join(_EXPORTS)}; found {form[:80]!r}.", param="form")
        body = await run_in_threadpool(_join_lines, _EXPORTS[form](self._votes()))
        name = {"Content-Disposition": f'attachment; filename="{form}.jsonl"'}
        return Response(body, headers={**_SAFE, **name}, media_type="application/x-ndjson")

    async def sheet(self, request: Request) -> Response:
        text, status = await run_in_threadpool(_read_sheet, Path(self.core.folder))
        return HTMLResponse(text, status, {**_SAFE, "Content-Security-Policy": SHEET_POLICY})

    def _votes(self) -> Votes:
        if self.core.votes is None:
            raise Refusal(
                "This server keeps no votes. Start it with: camelid serve PAIR --votes FILE",
                status=404,
                code="votes_off",
            )
        return self.core.votes

    def _send(self, request: Request, name: str) -> Response:
        """Send one of the page's files, or say that the browser has it already."""
        body = self.files[name]
        policy = _frame_policy(body) if name == "frame.html" else POLICY
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = {**_SAFE, "Content-Security-Policy": policy, "ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=_KINDS[Path(name).suffix])


def _frame_policy(body: bytes) -> str:
    """Return the policy of the sheet's frame, that lets its one script run."""
    script = body.partition(b"<script>")[2].partition(b"</script>")[0]
    return FRAME_POLICY.format(hash=base64.b64encode(hashlib.sha256(script).digest()).decode())


async def _read_json(request: Request, *, most_bytes: int, within_s: float) -> dict[str, Any]:
    """Return a request's JSON object.

    The content type is asked for because a form on a stranger's page could send anything else unasked.

    Raises Refusal when it is none, Gone when the client left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(
            f"Send application/json; found {kind[:80]!r}.", status=415, code="unsupported_media_type"
        )
    body = await read_body(request.scope, request.receive, most_bytes=most_bytes, within_s=within_s)
    try:
        value = from_json(body, allow_inf_nan=False)  # json.loads would let half a character pass
    except ValueError as error:
        raise Refusal("The body must be JSON in UTF-8; it is not.") from error
    if not isinstance(value, dict):
        raise Refusal("The body must be a JSON object.")
    return value


def _summarize(votes: Votes) -> dict[str, Any]:
    choices = votes.count_choices()
    rating = describe(rate(votes.contests()))
    return {"enabled": True, "votes": sum(choices.values()), "choices": choices, "rating": rating}


def _join_lines(rows: Iterator[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _read_sheet(folder: Path) -> tuple[str, int]:
    """Return the sheet and 200, or which command makes it and 404."""
    try:
        return (folder / "sheet" / "sheet.html").read_text(encoding="utf-8"), 200
    except FileNotFoundError:
        name = re.sub(r"[^\w.-]", "", folder.resolve().name) or "PAIR"
        return _NO_SHEET.format(folder=f"pairs/{name}" if folder.parent.name == "pairs" else name), 404
