"""The application: every path, what stands before them, and what is written down of each request."""

import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from camelid.errors import CamelidError
from camelid.serve import page
from camelid.serve.core import Core
from camelid.serve.document import make_document
from camelid.serve.door import Door
from camelid.serve.doors import DOORS
from camelid.serve.guard import Guard
from camelid.serve.refusals import Refusal, error_response, refuse
from camelid.serve.settings import ServeSettings
from camelid.serve.visit import Reception

_TOLD = [
    "x-camelid-" + name
    for name in ("model", "reason", "drafted", "accepted", "reused-tokens", "first-token-ms", "total-ms")
]


def make_app(settings: ServeSettings, core: Core | None = None) -> Starlette:
    """Return the application that serves a pair, or a model.

    core: one that is loaded already.

    Raises CheckpointError or TokenizerError when the folder cannot be read.
    """
    core = core or Core(settings)
    if not core.voices:
        core.load()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        core.start()
        try:
            yield
        finally:
            core.close()

    routes = [_route(core, door) for door in DOORS]
    routes.append(Route("/openapi.json", _tell_document, name="openapi"))
    routes += page.routes(core, most_bytes=settings.max_body_bytes, within_s=settings.read_s)
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _explain_http, CamelidError: _explain},
    )
    app.state.core = core
    app.add_middleware(Guard, settings=settings)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "retry-after", *_TOLD],
        )
    app.add_middleware(Reception, core=core, routes=routes)  # the last that is added comes first
    return app


@functools.cache
def _document() -> dict[str, Any]:
    return make_document(DOORS)


async def _tell_document(_: Request) -> JSONResponse:
    return JSONResponse(_document())


def _route(core: Core, door: Door) -> Route:
    return Route(door.path, door.open(core), methods=[door.method], name=door.name)


def _explain(request: Request, error: Exception) -> Response:
    """Say what went wrong outside the doors, in the dialect of the path."""
    return error_response(refuse(error), request.url.path)


def _explain_http(request: Request, error: Exception) -> Response:
    """Say in the dialect of the path that it is not there, or not with this method."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    allowed = (error.headers or {}).get("Allow", "another method")
    messages = {
        404: f"There is nothing at {path}. GET /openapi.json lists what there is.",
        405: f"{path} does not take {method}; it takes {allowed}.",
    }
    message = messages.get(error.status_code, str(error.detail))
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    refusal = Refusal(message, status=error.status_code, code=code, headers=dict(error.headers or {}))
    return error_response(refusal, path)
