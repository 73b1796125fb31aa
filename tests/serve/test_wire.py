"""What stands between the engine and the wire, without either: readers that stall, engines that die."""

import asyncio
import contextlib
import json
import shutil

import httpx
import pytest
from served import HELLO, give_router
from starlette.testclient import TestClient

from camelid.serve.app import make_app
from camelid.serve.guard import hash_keys
from camelid.serve.runners import Bell, EngineDied, Stepper, ThreadRunning
from camelid.serve.settings import ServeSettings, is_public
from camelid.serve.wire import EVENTS, Gone, Streamed, read_body, send_streamed, while_there
from camelid.text.tokenizer import train_tokenizer


async def numbers(closed):
    try:
        for number in range(10):
            yield str(number).encode()
    finally:
        closed.append("chunks")


def test_a_reader_who_takes_nothing_is_given_up_and_all_is_freed():
    closed, sent = [], []

    async def send(message):
        sent.append(message)
        if len(sent) == 4:
            await asyncio.Event().wait()  # the reader's window is full for good

    async def play():
        reply = Streamed(numbers(closed), lambda: None, lambda error: b"")
        with pytest.raises(TimeoutError):
            await send_streamed(send, reply, within_s=0.01)

    asyncio.run(play())
    assert closed == ["chunks"]
    assert dict(sent[0]["headers"])[b"content-type"] == EVENTS.encode()


def test_an_error_in_mid_stream_is_told_and_ends_it():
    async def breaking():
        yield b"a"
        raise RuntimeError("inside")

    sent = []

    async def send(message):
        sent.append(message)

    async def play():
        reply = Streamed(breaking(), lambda: None, lambda error: b"sorry")
        return await send_streamed(send, reply, within_s=5)

    assert str(asyncio.run(play())) == "inside"
    assert [message.get("body") for message in sent[1:]] == [b"a", b"sorry", b""]
    assert not sent[-1].get("more_body")


def test_work_ends_with_the_client_who_goes():
    stopped = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    async def receive():
        return {"type": "http.disconnect"}

    async def play():
        with pytest.raises(Gone):
            await while_there(receive, work())

    asyncio.run(play())
    assert stopped == [True]


def test_a_client_who_goes_while_sending_is_gone():
    messages = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(messages)

    with pytest.raises(Gone):
        asyncio.run(read_body({"headers": []}, receive, most_bytes=10, within_s=5))


class BrokenEngine:
    def step(self):
        raise ZeroDivisionError


def test_nobody_waits_for_an_engine_that_has_died(caplog):
    async def play():
        stepper, bell = Stepper(), Bell(ThreadRunning([1], 5))
        stepper.add(BrokenEngine())
        stepper.watch(bell)
        stepper.start(asyncio.get_running_loop())
        with pytest.raises(EngineDied, match="Start the server anew"):
            await bell.wait()
        stepper.close()
        return stepper.failure

    assert isinstance(asyncio.run(play()), ZeroDivisionError)


@contextlib.asynccontextmanager
async def open_app(folder, **settings):
    """Yield a client of the application in this very process."""
    app = make_app(ServeSettings(str(folder), backend="native", threads=1, **settings))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield app, client


def test_an_engine_that_dies_is_told_by_health_and_by_every_request(pair_folder):
    async def play():
        async with open_app(pair_folder) as (app, client):
            assert (await client.get("/health")).status_code == 200
            stepper = app.state.core.stepper
            stepper.add(BrokenEngine())
            body = {"model": "llama", "messages": HELLO, "max_tokens": 500}
            first = await client.post("/v1/chat/completions", json=body)
            second = await client.post("/v1/chat/completions", json=body)
            return first, second, await client.get("/health"), app.state.core.slots.running

    first, second, health, running = asyncio.run(play())
    assert (first.status_code, second.status_code, health.status_code, running) == (500, 500, 503, 0)
    assert "The engine has stopped" in second.json()["error"]["message"]


def test_guessed_words_are_marked_in_the_stream(pair_folder):
    async def play():
        async with open_app(pair_folder) as (_, client):
            body = {"model": "blend", "dial": 0.01, "messages": HELLO, "max_tokens": 60, "stream": True}
            return (await client.post("/v1/chat/completions", json=body)).text

    lines = [json.loads(line[6:]) for line in asyncio.run(play()).splitlines() if line.startswith("data: {")]
    marked = 0
    for line in lines:
        delta = line["choices"][0]["delta"].get("content") or ""
        for begin, end in (line.get("camelid") or {}).get("drafted_spans", ()):
            assert 0 <= begin < end <= len(delta)
            marked += end - begin
    accepted = lines[-1]["camelid"]["accepted"]
    assert (marked > 0) == (accepted > 0)


def test_the_page_and_the_doors_live_side_by_side(pair_folder, tmp_path):
    async def play():
        async with open_app(pair_folder, votes=str(tmp_path / "votes.sqlite")) as (_, client):
            return [(await client.get(path)).status_code for path in ("/", "/votes", "/v1/models", "/none")]

    assert asyncio.run(play()) == [200, 200, 200, 404]


@pytest.mark.parametrize(
    ("host", "public"),
    [
        *(("127.0.0.1", False), ("localhost", False), ("::1", False), ("[::1]", False)),
        *(("0.0.0.0", True), ("::", True), ("", True), ("192.168.0.7", True), ("llamas.example.org", True)),
    ],
)
def test_which_addresses_others_can_reach(host, public):
    assert is_public(host) == public


def test_settings_travel_to_workers_unchanged():
    settings = ServeSettings("pair", key_hashes=("a" * 64,), origins=("https://example.org",), drain_s=0.5)
    assert ServeSettings.from_json(settings.to_json()) == settings


def test_two_models_of_different_tokenizers_answer_each_in_its_own(pair_folder, tmp_path):
    folder = shutil.copytree(pair_folder, tmp_path / "strangers")
    told = json.loads((folder / "pair.json").read_text())
    (folder / "pair.json").write_text(json.dumps({**told, "tokenizer": ""}))
    other = train_tokenizer(["wool wool grass grass, wool and grass"] * 9, vocab_size=300)
    other.save(folder / "llama")
    give_router(folder, threshold=0.0, doubt_below=-1.0)
    ask = {"messages": HELLO, "max_tokens": 5}

    async def play():
        async with open_app(folder) as (app, client):
            assert app.state.core.names == ("auto", "llama", "alpaca")
            for wish in ({"model": "blend"}, {"model": "llama", "dial": 0}):
                refused = await client.post("/v1/chat/completions", json={**wish, **ask})
                assert refused.status_code == 400 and "The dial needs" in refused.text
            auto = await client.post("/v1/chat/completions", json={"model": "auto", **ask})
            llama = await client.post("/v1/chat/completions", json={"model": "llama", **ask})
            assert auto.json()["camelid"]["model"] == "llama"
            assert auto.json()["choices"] == llama.json()["choices"]
            counts = []
            for name in ("llama", "alpaca"):
                cut = await client.post("/tokenize", json={"model": name, "text": "wool and grass"})
                counts.append(cut.json()["count"])
                back = await client.post("/detokenize", json={"model": name, "tokens": cut.json()["tokens"]})
                assert back.json()["text"] == "wool and grass"
                reply = await client.post("/v1/chat/completions", json={"model": name, **ask})
                assert reply.json()["usage"]["completion_tokens"] <= 5
            assert counts[0] != counts[1]

    asyncio.run(play())


SEEN = {
    ("GET", "/"): ("page", "ok", 200),
    ("GET", "/page/main.js"): ("page", "ok", 200),
    ("GET", "/page/none.js"): ("page", "not_found", 404),
    ("POST", "/markdown"): ("markdown", "invalid_api_key", 401),
    ("GET", "/votes"): ("votes", "invalid_api_key", 401),
    ("GET", "/sheet"): ("sheet", "not_found", 404),
    ("GET", "/openapi.json"): ("openapi", "ok", 200),
    ("GET", "/v1/models/llama"): ("model", "ok", 200),
    ("DELETE", "/v1/models/llama"): ("model", "method_not_allowed", 405),
    ("GET", "/nothing/here"): ("none", "not_found", 404),
    ("POST", "/v1/completions"): ("completions", "unsupported_media_type", 415),
}


def test_no_request_goes_unseen(pair_folder, caplog):
    """The page's own, those for what is not there, and those that the keys refuse are named and counted."""
    caplog.set_level("INFO", logger="camelid.serve")
    settings = ServeSettings(str(pair_folder), threads=1, key_hashes=hash_keys(["secret-of-the-herd"]))
    key = {"x-api-key": "secret-of-the-herd"}
    names = {}
    with TestClient(make_app(settings)) as client:
        for (method, path), (_, outcome, status) in SEEN.items():
            known = {} if outcome == "invalid_api_key" else key
            reply = client.request(method, path, headers={**known, "content-type": "text/plain"})
            assert reply.status_code == status, path
            names[reply.headers["x-request-id"]] = method, path
        metrics = client.get("/metrics", headers=key).text
    lines = {record.fields["id"]: record.fields for record in caplog.records if record.msg == "request"}
    assert len(names) == len(SEEN)
    for name, asked in names.items():
        door, outcome, status = SEEN[asked]
        assert (lines[name]["outcome"], lines[name]["status"]) == (outcome, status)
        assert f'camelid_requests_total{{door="{door}",model="",outcome="{outcome}"}}' in metrics


def test_a_fault_of_ours_is_500_with_a_name_and_a_traceback(pair_folder, caplog, monkeypatch):
    monkeypatch.setattr("camelid.serve.page.render", lambda text: 1 / 0)
    with TestClient(make_app(ServeSettings(str(pair_folder), threads=1))) as client:
        reply = client.post("/markdown", json={"text": "x"})
    assert reply.status_code == 500 and reply.json()["error"]["code"] == "internal_error"
    (failed,) = [record for record in caplog.records if record.msg == "failed"]
    assert failed.fields["id"] == reply.headers["x-request-id"]
    assert failed.exc_info[0] is ZeroDivisionError
