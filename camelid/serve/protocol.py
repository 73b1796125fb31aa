"""HTTP/1.1 by uvicorn and h11, with a limit on how long a request's head may take.

Without it a client that sends a byte now and then holds a connection for ever; bodies have a limit of their
own (`wire.read_body`). It also lets the application cut a connection that nobody reads from.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class Protocol(H11Protocol):
    """A connection whose requests must begin in time."""

    _late: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, head_s: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head_s = head_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}
        self._arm()

    def data_received(self, data: bytes) -> None:
        """Take in bytes; a request's head must be whole in time."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._disarm()
        elif self._late is None:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._late = self.loop.call_later(self._head_s, self._give_up)

    def _disarm(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
            self.transport.close()
