"""Clients that cost little: HTTP by hand over asyncio streams, so that the server has the cores to itself."""

import asyncio
import contextlib
import json
import random
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

LENGTHS = (16, 32, 64, 128, 256, 512)  # of prompts, in tokens
REPLIES = (32, 64, 96, 128)


@dataclass
class Finding:
    """What one request came to.

    times: when each piece with text came, by time.perf_counter. tokens: of the reply, as the server counts
        them, else as many as there were pieces.
    """

    sent_s: float
    status: int = 0
    times: list[float] = field(default_factory=list)
    tokens: int = 0
    account: dict[str, Any] = field(default_factory=dict)

    @property
    def first_s(self) -> float:
        """Return the seconds to the first piece."""
        return self.times[0] - self.sent_s

    @property
    def gaps(self) -> list[float]:
        """Return the seconds from piece to piece."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


@dataclass(frozen=True)
class Load:
    """Clients that ask again as soon as they were answered, for so many seconds."""

    clients: int
    seconds: float
    vocab_size: int
    model: str = "served"


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of them lies."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


async def request(address: str, body: dict[str, Any]) -> Finding:
    """Return what a streamed completion came to."""
    reader, writer = await _connect(address)
    finding = Finding(time.perf_counter())
    try:
        writer.write(_raw(body))
        head = await reader.readuntil(b"\r\n\r\n")
        finding.status = int(head.split(b" ", 2)[1])
        pieces = await _read_events(reader, finding) if finding.status == 200 else 0
        finding.tokens = finding.tokens or pieces
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return finding


async def _read_events(reader: asyncio.StreamReader, finding: Finding) -> int:
    """Take the time of each event with text, and what the last ones tell; return how many there were."""
    pieces = 0
    while line := await reader.readline():
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            break
        if b'"usage":{' in line or b'"camelid":{' in line:
            told = json.loads(line[6:])
            finding.account = told.get("camelid") or finding.account
            finding.tokens = (told.get("usage") or {}).get("completion_tokens", finding.tokens)
        if b'"text":""' not in line and b'"choices":[]' not in line:
            finding.times.append(time.perf_counter())
            pieces += 1
    return pieces


async def closed_loop(
    address: str, load: Load, *, words: bool, look: Callable[[], None] | None = None
) -> list[Finding]:
    """Return what all requests came to that ended in time.

    words: prompts are texts in which each byte is a token, for a server that takes no token ids. look: called
        twice a second.
    """
    ends_s = time.perf_counter() + load.seconds
    findings: list[Finding] = []
    tasks = [
        asyncio.create_task(_loop(address, load, number, ends_s, findings, words))
        for number in range(load.clients)
    ]
    while time.perf_counter() < ends_s:
        await asyncio.sleep(min(0.5, max(0.01, ends_s - time.perf_counter())))
        if look:
            look()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return findings


async def _loop(
    address: str, load: Load, number: int, ends_s: float, findings: list[Finding], words: bool
) -> None:
    source = random.Random(number)
    while time.perf_counter() < ends_s:
        body = _draw(source, load, words)
        try:
            finding = await request(address, body)
        except (OSError, asyncio.IncompleteReadError):
            finding = Finding(time.perf_counter(), -1)
        findings.append(finding)
        if finding.status != 200:
            await asyncio.sleep(0.2)


def _draw(source: random.Random, load: Load, words: bool) -> dict[str, Any]:
    length = source.choice(LENGTHS)
    prompt: Any = [source.randrange(259, load.vocab_size) for _ in range(length)]
    if words:
        prompt = "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    body = {"model": load.model, "prompt": prompt, "max_tokens": source.choice(REPLIES), "stream": True}
    return body if words else {**body, "stream_options": {"include_usage": True}}


async def vanish(address: str, body: dict[str, Any], clients: int, *, after_s: float) -> None:
    """Connect so many clients, let each ask, and cut the connections after so many seconds."""

    async def come_and_go() -> None:
        with contextlib.suppress(OSError):
            _, writer = await _connect(address)
            writer.write(_raw(body))
            await asyncio.sleep(after_s)
            writer.transport.abort()

    await asyncio.gather(*(come_and_go() for _ in range(clients)))


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer


def _raw(body: dict[str, Any]) -> bytes:
    raw = json.dumps(body).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + raw
