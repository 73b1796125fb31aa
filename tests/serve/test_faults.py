"""What goes wrong on real networks: clients that vanish, stall, send rubbish or far too much; and an end."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time

import httpx
import psutil
import pytest
from served import HELLO

CHAT = "/v1/chat/completions"
LONG = {
    "model": "llama",
    "messages": HELLO,
    "max_tokens": 700,
    "temperature": 2.0,
    "logit_bias": {"2": -100, "3": -100},
}


def connect(server):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def send(server, body, path=CHAT):
    """Return a connection on which a whole request was sent."""
    raw = json.dumps(body).encode()
    link = connect(server)
    link.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n".encode()
        + raw
    )
    return link


def wait_until(ready, within_s=20.0):
    """Return when `ready` holds; fail when it does not in time."""
    pause, limit = threading.Event(), time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < limit, "it did not come to that in time"
        pause.wait(0.01)


def running(server):
    return httpx.get(server.url + "/health").json()["running"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_slot(server, stream):
    links = [send(server, {**LONG, "stream": stream, "n": 2}) for _ in range(3)]
    for link in links:
        link.close()
    wait_until(lambda: running(server) == 0)
    wait_until(lambda: server.metrics()['camelid_engine_requests{model="llama",state="running"}'] == 0)


def test_a_storm_of_clients_that_vanish_leaves_nothing(server):
    process = psutil.Process(server.pid)

    def storm():
        for number in range(60):
            link = send(server, {**LONG, "stream": bool(number % 2)})
            if number % 3 == 0:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # by a reset
            link.close()
        wait_until(lambda: running(server) == 0)

    storm()
    wait_until(lambda: len(process.net_connections("tcp")) <= 3)
    files, threads = process.num_fds(), process.num_threads()
    storm()
    wait_until(lambda: process.num_fds() <= files + 2)
    assert process.num_threads() <= threads + 2
    reply = httpx.post(server.url + CHAT, json={**LONG, "max_tokens": 3}, timeout=30)
    assert reply.json()["usage"]["completion_tokens"] == 3


def test_a_reader_who_takes_nothing_holds_up_nobody(server):
    links = [send(server, {**LONG, "stream": True}) for _ in range(4)]
    reply = httpx.post(server.url + CHAT, json={**LONG, "max_tokens": 5}, timeout=30)
    assert reply.status_code == 200
    wait_until(lambda: running(server) == 0)  # theirs were computed all the same
    for link in links:
        taken = b""
        while not taken.endswith(b"0\r\n\r\n"):
            piece = link.recv(65536)
            assert piece, taken[-200:]
            taken += piece
        assert b"data: [DONE]" in taken
        link.close()


def test_a_body_that_is_too_large_is_413_however_it_comes(server):
    prompt = "wool " * 2_100_000
    declared = httpx.post(server.url + CHAT, json={**LONG, "messages": [{"role": "user", "content": prompt}]})
    assert declared.status_code == 413 and "larger --max-body" in declared.text
    link = connect(server)
    link.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with contextlib.suppress(OSError):  # it may hang up before we are through
        for _ in range(100):
            link.sendall(piece)
    with contextlib.suppress(OSError):
        assert b" 413 " in link.recv(4096)
    link.close()
    assert httpx.get(server.url + "/health").status_code == 200


def test_a_prompt_of_megabytes_is_refused_and_others_are_served(server):
    body = {**LONG, "messages": [{"role": "user", "content": "wool " * 700_000}]}

    async def run():
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
            large = asyncio.create_task(http.post(CHAT, json=body))
            small = await http.post(CHAT, json={**LONG, "max_tokens": 2})
            return await large, small

    large, small = asyncio.run(run())
    assert large.status_code == 400 and "tokens; the context of" in large.text
    assert small.status_code == 200


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\0" * 1000,
    ],
)
def test_what_is_no_http_is_no_harm(server, rubbish):
    link = connect(server)
    with contextlib.suppress(OSError):
        link.sendall(rubbish)
        link.shutdown(socket.SHUT_WR)
        answer = link.recv(4096)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3"))
    link.close()
    assert httpx.get(server.url + "/health").status_code == 200


def test_who_sends_byte_by_byte_is_given_up(pair_folder, start):
    with start(pair_folder, "--threads", 1, "--read-timeout", 1) as server:
        head, body = connect(server), connect(server)
        head.sendall(b"GET /health HT")
        body.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 500\r\n\r\n{"
        )
        assert head.recv(4096) == b""
        assert b"408" in body.recv(4096)
        assert httpx.get(server.url + "/health").status_code == 200
        head.close()
        body.close()


def test_the_queue_is_bounded_and_says_when_to_come_again(pair_folder, start):
    with start(pair_folder, "--threads", 1, "--max-running", 1, "--max-queue", 2) as server:
        links = [send(server, LONG) for _ in range(40)]
        answers = [link.recv(65536) for link in links]
        for link in links:
            link.close()
        statuses = [answer.split()[1] for answer in answers]
        assert set(statuses) == {b"200", b"429"} and statuses.count(b"200") >= 3
        refused = answers[statuses.index(b"429")]
        assert b"retry-after: " in refused.lower() and b"rate_limit_error" in refused
        too_many = httpx.post(server.url + CHAT, json={**LONG, "n": 4})
        assert too_many.status_code == 400 and "n may be 3; found 4." in too_many.text
        wait_until(lambda: running(server) == 0)


def test_a_signal_lets_replies_come_to_their_end(pair_folder, start):
    with start(pair_folder, "--threads", 1) as server, httpx.Client(timeout=60) as http:
        with http.stream("POST", server.url + CHAT, json={**LONG, "stream": True}) as response:
            lines = response.iter_lines()
            next(lines)
            server.process.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert [line for line in rest if line][-1] == "data: [DONE]"
        assert server.process.wait(30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url + "/health")


def test_replies_that_take_too_long_are_cut_at_the_end_of_the_drain(pair_folder, start):
    options = ("--threads", 1, "--drain", 0.3, "--max-running", 1)
    with start(pair_folder, *options) as server:
        links = [send(server, {**LONG, "stream": True}) for _ in range(40)]
        wait_until(lambda: httpx.get(server.url + "/health").json()["waiting"] > 20)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0
        for link in links:
            link.close()


def test_the_log_tells_of_requests_but_not_what_was_said(pair_folder, start):
    secret = [{"role": "user", "content": "the\ncombination is 4711"}]
    for options, is_told in (((), False), (("--log-prompts",), True)):
        with start(pair_folder, "--threads", 1, *options) as server:
            body = {**LONG, "messages": secret, "max_tokens": 3}
            name = httpx.post(server.url + CHAT, json=body).headers["x-request-id"]
            httpx.post(
                server.url + CHAT, json={"model": secret[0]["content"]}, headers={"x-request-id": "mine"}
            )
            server.stop()
        lines = {line["id"]: line for line in server.lines if line["message"] == "request"}
        assert (lines[name]["status"], lines[name]["model"]) == (200, "llama")
        assert lines[name]["completion_tokens"] == 3 and lines[name]["first_token_ms"] > 0
        assert (lines["mine"]["status"], lines["mine"]["outcome"]) == (400, "missing_field")
        assert ("4711" in "".join(server.log)) == is_told
