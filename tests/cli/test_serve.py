"""camelid serve: what it says when it begins, what it serves, and what it refuses to do."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys

import httpx
import pytest
from served import HELLO, Server

CHAT = "/v1/chat/completions"


@contextlib.contextmanager
def serving(*words, **more):
    server = Server(*words, **more)
    try:
        yield server
    finally:
        server.stop()


def test_it_says_where_it_is_who_answers_and_how_to_try(folder):
    with serving(folder, "--threads", 1) as server:
        greeting = "".join(server.process.stdout.readline() for _ in range(3))
        assert "models:  llama, alpaca, blend" in greeting
        assert f"curl {server.url}/v1/chat/completions" in greeting
        body = greeting[greeting.index("{") : greeting.rindex("}") + 1]
        reply = httpx.post(server.url + CHAT, json=json.loads(body))
        assert reply.json()["model"] == "alpaca"
        assert server.stop() == 0


def test_one_model_is_served_by_its_folders_name(folder, tmp_path):
    model = shutil.copytree(folder / "llama", tmp_path / "mine")
    with serving(model, "--threads", 1, "--quiet") as server:
        with httpx.Client(base_url=server.url) as http:
            assert [entry["id"] for entry in http.get("/v1/models").json()["data"]] == ["mine"]
            reply = http.post(CHAT, json={"model": "mine", "messages": HELLO, "max_tokens": 3})
            assert reply.json()["camelid"]["model"] == "mine"
            assert http.post("/v1/embeddings", json={"model": "mine", "input": "wool"}).status_code == 200
            for name in ("auto", "llama"):
                assert http.post(CHAT, json={"model": name, "messages": HELLO}).status_code == 404
            dial = http.post(CHAT, json={"model": "mine", "messages": HELLO, "dial": 0.5})
            assert dial.status_code == 400
        server.stop()
        assert not server.log


def test_torch_serves_too_without_what_only_the_native_engine_can(folder):
    with (
        serving(folder, "--backend", "torch") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        body = {"model": "llama", "messages": HELLO, "max_tokens": 8}
        whole = http.post(CHAT, json=body).json()["choices"][0]["message"]["content"]
        lines = http.post(CHAT, json={**body, "stream": True}).text.splitlines()
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == whole
        for fields in ({"logprobs": True}, {"dial": 0.5}, {"response_format": {"type": "json_object"}}):
            refused = http.post(CHAT, json={**body, **fields})
            assert refused.status_code == 400 and "native" in refused.text
        assert http.post("/v1/embeddings", json={"model": "alpaca", "input": "wool"}).status_code == 200


def test_several_workers_share_the_port_and_nothing_else(folder):
    with serving(folder, "--threads", 1, "--workers", 2) as server:
        reply = httpx.post(
            server.url + CHAT, json={"model": "alpaca", "messages": HELLO, "max_tokens": 3}, timeout=60
        )
        assert reply.status_code == 200
        server.stop()


def test_workers_that_cannot_begin_end_it(folder):
    words = ("serve", str(folder), "--port", "0", "--workers", "2", "--backend", "tpu")
    run = subprocess.run(
        [sys.executable, "-m", "camelid", *words], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 1
    assert "There is no backend 'tpu'." in run.stderr and "The workers could not begin" in run.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--host", "0.0.0.0"), "Other machines can reach 0.0.0.0"),
        (("--host", "::"), "Other machines can reach ::"),
        (("--api-key", "short"), "An API key must have 8 characters or more; found 5."),
        (("--api-key", "sha256:beef"), "A hashed API key must be sha256: and 64 hexadecimal digits"),
        (("--backend", "tpu"), "There is no backend 'tpu'."),
        (("--backend", "torch", "--weights", "int4"), "weights is a setting of the native backend."),
    ],
)
def test_what_it_refuses_to_do_is_one_line(camelid, folder, words, message):
    result = camelid("serve", folder, "--port", 0, *words)
    assert (result.status, result.out) == (1, "")
    assert message in result.err and result.err.count("\n") == 1


def test_files_that_hold_no_keys(camelid, folder, tmp_path):
    (tmp_path / "keys").write_text("# none yet\n\n")
    words = ("serve", folder, "--port", 0, "--api-keys")
    assert "must hold API keys, one a line; found none." in camelid(*words, tmp_path / "keys").err
    assert "cannot be read" in camelid(*words, tmp_path / "nothing").err


def test_a_port_that_is_taken(camelid, folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = camelid("serve", folder, "--port", port)
    assert f"cannot listen on 127.0.0.1:{port}" in result.err and result.status == 1


def test_a_folder_that_is_nothing(camelid, tmp_path):
    assert "camelid train RECIPE makes a pair" in camelid("serve", tmp_path, "--port", 0).err
