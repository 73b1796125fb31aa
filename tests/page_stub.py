"""A server of the page whose models say what a test tells them, and a browser to look at it with."""

import asyncio
import contextlib
import json
import socket
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from camelid.serve.page import routes
from camelid.serve.votes import Votes

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]


class Stub:
    """A core for the page, and the two endpoints that it asks.

    replies: by model, what it says, as the pieces it streams. extras: by model, the key "camelid" of its
    pieces; refusals: what the next requests are refused with, as (status, body, headers). spans: of the first
    piece. requests: what came. gate: if cleared, a reply waits after its first piece.
    """

    def __init__(self, folder):
        self.folder, self.votes = Path(folder), Votes(Path(folder) / "votes.db")
        self.models = ["auto", "llama", "alpaca", "blend"]
        self.gate = threading.Event()
        self.begin()

    def begin(self):
        """Forget what a test before set."""
        self.replies = {name: [f"{name} ", "speaks."] for name in self.models}
        self.extras, self.refusals, self.spans, self.requests = {}, [], [], []
        self.key, self.cancelled = None, 0
        self.gate.set()
        self.sheet = self.folder / "sheet" / "sheet.html"
        self.sheet.parent.mkdir(exist_ok=True)
        self.sheet.unlink(missing_ok=True)
        (self.folder / "votes.db").unlink(missing_ok=True)
        self.votes = Votes(self.folder / "votes.db")

    def app(self):
        """Return the application."""
        mine = [
            Route("/v1/models", self._list, methods=["GET"]),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
        ]
        return Starlette(routes=[*mine, *routes(self)])

    async def _list(self, request):
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": "no key", "code": "invalid_api_key"}}, 401)
        return JSONResponse({"data": [{"id": name} for name in self.models]})

    async def _complete(self, request):
        asked = await request.json()
        self.requests.append(asked)
        if self.refusals:
            status, body, headers = self.refusals.pop(0)
            return JSONResponse(body, status, headers)
        return StreamingResponse(self._stream(asked), media_type="text/event-stream")

    async def _stream(self, asked):
        name = asked["model"]
        model = {"auto": "alpaca", "blend": "llama"}.get(name, name)
        about = {"model": model, "reason": "asked by name", "first_token_ms": 12.3, "total_ms": 112.3}
        about |= self.extras.get(name, {})
        pieces = self.replies[name]
        try:
            for place, piece in enumerate(pieces):
                chunk = {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
                if place == 0:
                    chunk["camelid"] = {"model": model, "reason": about["reason"]}
                if self.spans and place == 0:
                    chunk["camelid"]["drafted_spans"] = self.spans
                yield f"data: {json.dumps(chunk)}\n\n"
                if place == 0 and not self.gate.is_set():
                    await asyncio.to_thread(self.gate.wait, 30)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        last["camelid"] = about
        usage = {"choices": [], "usage": {"completion_tokens": 51}}
        yield f"data: {json.dumps(last)}\n\ndata: {json.dumps(usage)}\n\ndata: [DONE]\n\n"


@contextlib.contextmanager
def serving(app):
    """Serve an application on a free port; gives its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="auto", timeout_graceful_shutdown=1)
    )
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
