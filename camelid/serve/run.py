"""The process: a socket, one worker or several, and an end that lets requests finish."""

import contextlib
import functools
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

from camelid.errors import CamelidError, RunError
from camelid.serve.app import make_app
from camelid.serve.core import Core
from camelid.serve.journal import note_error, write_log
from camelid.serve.protocol import Protocol
from camelid.serve.settings import ServeSettings

_PASSIVE = socket.AI_PASSIVE  # no host is every address
SETTINGS = "CAMELID_SERVE_SETTINGS"  # how they travel to workers
_SWITCH_S = 0.0005  # how long Python may keep one thread waiting for another: the engines' must not wait long


class Server(uvicorn.Server):
    """uvicorn's server, that ends with status 0 when it was asked to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the server: the first lets requests finish, the second does not."""
        before = {sign: signal.signal(sign, self.handle_exit) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; port 0 takes a free one.

    Raises RunError when it cannot be.
    """
    bound: socket.socket | None = None
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=_PASSIVE
        )[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        if bound:
            bound.close()
        raise RunError(
            f"The server cannot listen on {host}:{port}: {error.strerror or error}. Choose another "
            "--port, or stop what is there."
        ) from None
    bound.set_inheritable(True)
    return bound


def serve(settings: ServeSettings, bound: socket.socket, *, ready: Callable[[tuple[str, ...]], None]) -> None:
    """Serve until a signal ends it.

    ready: called when the models are loaded, before the first request.

    Raises CheckpointError or TokenizerError when the folder cannot be read.
    """
    prepare_process()
    core = Core(settings)
    core.load()
    app = make_app(settings, core)
    bound.listen(2048)
    ready(core.names)
    Server(make_config(app, settings)).run(sockets=[bound])


def serve_many(
    settings: ServeSettings, bound: socket.socket, workers: int, *, ready: Callable[[tuple[str, ...]], None]
) -> None:
    """Serve with several processes that share the socket and nothing else.

    Each loads the models for itself, and has its own queue and metrics.

    Raises CheckpointError when the folder cannot be read, RunError when the workers could not begin.
    """
    names = Core(settings).names
    os.environ[SETTINGS] = settings.to_json()
    config = make_config("camelid.serve.run:make_worker", settings, workers=workers, factory=True)
    bound.listen(2048)
    ready(names)
    supervisor = Multiprocess(config, [bound])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise RunError("The workers could not begin; the log above says why. One alone may say more.")


def make_worker() -> Any:
    """Return the application of one worker; its settings come by the environment.

    What goes wrong here would go wrong again, so it ends all workers.
    """
    prepare_process()
    write_log(sys.stderr)
    try:
        return make_app(ServeSettings.from_json(os.environ[SETTINGS]))
    except CamelidError as error:
        note_error("the worker cannot begin", error)
        sys.exit(STARTUP_FAILURE)


def make_config(app: Any, settings: ServeSettings, **more: Any) -> uvicorn.Config:
    """Return what uvicorn is to know."""
    return uvicorn.Config(
        app,
        http=cast(Any, functools.partial(Protocol, head_s=settings.read_s)),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(settings.keep_alive_s),
        timeout_graceful_shutdown=int(settings.drain_s) or 1,
        backlog=2048,
        **more,
    )


def prepare_process() -> None:
    """Let the process have many connections, and its threads take turns quickly."""
    sys.setswitchinterval(_SWITCH_S)
    with contextlib.suppress(ValueError, OSError):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
