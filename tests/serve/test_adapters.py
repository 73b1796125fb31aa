"""Adapters on the wire: each is one more model, and those who ask together get what each would alone."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from adapted import make_adapter, write_adapter
from served import HELLO, Server

from camelid.model.folder import read_config
from camelid.pair import Pair
from camelid.serve.settings import ServeSettings

CHAT = "/v1/chat/completions"
NAMES = ("llama", "alpaca", "kind", "terse", "quick")


@pytest.fixture(scope="module")
def adapters(pair_folder, tmp_path_factory):
    """Return two adapters of the Llama and one of the Alpaca, which none of them names."""
    folder = tmp_path_factory.mktemp("adapters")
    llama, alpaca = (read_config(pair_folder / role) for role in ("llama", "alpaca"))
    made = {
        "kind": make_adapter(llama, seed=1),
        "terse": make_adapter(llama, seed=2, targets=("q_proj", "v_proj"), rank=2),
        "quick": make_adapter(alpaca, seed=3),
    }
    return {name: write_adapter(folder / name, adapter) for name, adapter in made.items()}


@pytest.fixture(scope="module")
def adapting(pair_folder, adapters):
    options = [word for name, place in adapters.items() for word in ("--adapter", f"{name}={place}")]
    running = Server(pair_folder, "--threads", 1, *options)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def said(pair_folder, adapters):
    """Return what each model says in Python, one after the other."""
    pair = Pair(pair_folder, threads=1, adapters=adapters)
    return {name: whole(pair.reply(HELLO, model=name, max_tokens=30).text) for name in NAMES}


def whole(text):
    """Return a text without a character that was cut at its end, of which the server says nothing."""
    return text.rstrip("\N{REPLACEMENT CHARACTER}")


def test_each_is_one_more_model_that_answers_by_its_name(adapting, said):
    assert len(set(said.values())) == len(NAMES)
    with adapting.client() as client:
        names = [model.id for model in client.models.list()]
        assert names == ["llama", "alpaca", "blend", "kind", "terse", "quick"]
        for name in NAMES:
            reply = client.chat.completions.create(model=name, messages=HELLO, max_tokens=30)
            assert whole(reply.choices[0].message.content) == said[name]
            assert reply.model == name and reply.model_extra["camelid"]["model"] == name


def test_those_who_ask_together_get_what_each_gets_alone(adapting, said):
    """Streamed and whole, all models in one batch, prompts that begin alike."""
    with adapting.client() as client:

        def ask(name, stream):
            wish = {"model": name, "messages": HELLO, "max_tokens": 30}
            if not stream:
                return whole(client.chat.completions.create(**wish).choices[0].message.content)
            chunks = client.chat.completions.create(**wish, stream=True)
            return whole("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))

        asked = [(name, stream) for name in NAMES for stream in (False, True)] * 2
        with ThreadPoolExecutor(len(asked)) as pool:
            found = list(pool.map(lambda words: ask(*words), asked))
    assert found == [said[name] for name, _ in asked]


def test_every_dialect_and_the_embeddings_know_them(adapting, said):
    with httpx.Client(base_url=adapting.url, timeout=60) as http:
        body = {"model": "kind", "messages": HELLO, "max_tokens": 30}
        assert whole(http.post("/v1/messages", json=body).json()["content"][0]["text"]) == said["kind"]
        asked = {"model": "kind", "messages": HELLO, "stream": False, "options": {"num_predict": 30}}
        assert whole(http.post("/api/chat", json=asked).json()["message"]["content"]) == said["kind"]
        assert "kind" in [model["name"] for model in http.get("/api/tags").json()["models"]]
        numbers = [
            http.post("/v1/embeddings", json={"model": name, "input": "wool"}).json()["data"][0]["embedding"]
            for name in ("llama", "kind", "kind")
        ]
        assert numbers[0] != numbers[1] == numbers[2]


def test_a_grammar_binds_them_too(adapting):
    shape = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    wished = {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {**shape, "additionalProperties": False}},
    }
    with adapting.client() as client:
        for name in ("kind", "quick"):
            reply = client.chat.completions.create(
                model=name, messages=HELLO, max_tokens=60, response_format=wished
            )
            assert set(json.loads(reply.choices[0].message.content)) == {"ok"}


def test_wishes_and_names_that_cannot_be_are_refused(adapting):
    with adapting.client() as client:
        with pytest.raises(openai.NotFoundError, match=r"'kinder' does not exist here\. Did you mean 'kind'"):
            client.chat.completions.create(model="kinder", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="dial lies between the two models"):
            client.chat.completions.create(model="kind", messages=HELLO, extra_body={"dial": 0.5})
    counted = adapting.metrics()
    assert any(name.startswith("camelid_completion_tokens") and 'model="kind"' in name for name in counted)
    assert not any(name.startswith("camelid_cache_blocks") and 'model="kind"' in name for name in counted)


def test_torch_serves_them_too(pair_folder, adapters, start):
    with start(pair_folder, "--backend", "torch", "--adapter", f"mine={adapters['kind']}") as server:
        pair = Pair(pair_folder, backend="torch", adapters={"mine": adapters["kind"]})
        with server.client() as client:
            reply = client.chat.completions.create(model="mine", messages=HELLO, max_tokens=12)
            expected = pair.reply(HELLO, model="mine", max_tokens=12).text
            assert whole(reply.choices[0].message.content) == whole(expected)


def test_they_travel_to_workers(adapters):
    settings = ServeSettings("pair", adapters={name: str(place) for name, place in adapters.items()})
    assert ServeSettings.from_json(settings.to_json()) == settings
