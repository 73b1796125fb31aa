"""The model "auto": the router's word on the wire, and the same reply as from Python."""

import math
import shutil

import openai
import pytest
from served import HELLO, WEATHER, give_router, make_tiring_heads
from starlette.testclient import TestClient

import camelid
from camelid.serve.app import make_app
from camelid.serve.routing import Routing
from camelid.serve.settings import ServeSettings


@pytest.fixture(scope="module")
def folder(pair_folder, tmp_path_factory):
    return shutil.copytree(pair_folder, tmp_path_factory.mktemp("auto") / "pair")


def ask(client, **wishes):
    return client.chat.completions.create(**{"model": "auto", "messages": HELLO, "max_tokens": 20, **wishes})


@pytest.fixture(scope="module", params=["the alpaca", "the llama", "in doubt"])
def case(request, folder, start):
    """Return a server whose router always says the same, and what it says."""
    fields = {
        "the alpaca": {"threshold": 0.5},
        "the llama": {"threshold": 0.1},
        "in doubt": {"threshold": 0.5, "doubt_below": -1.0},
    }[request.param]
    evidence = {"promise": {"max_loss": 0.1}}
    give_router(folder, evidence=evidence, **fields)
    with start(folder, "--threads", 1) as server, server.client() as client:
        yield request.param, client, server


def test_the_wire_says_what_python_says(case, folder):
    name, client, server = case
    whole = ask(client)
    reply = camelid.load(folder, backend="native", threads=1).reply(HELLO, model="auto", max_tokens=20)
    assert whole.choices[0].message.content == reply.text
    assert (whole.camelid["model"], whole.camelid["reason"]) == (reply.model, reply.decision.reason)
    assert (whole.camelid["model"] == "alpaca") == (name == "the alpaca")
    chunks = list(ask(client, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == reply.text
    assert name == "in doubt" or chunks[0].camelid["model"] == reply.model
    assert chunks[-1].camelid["reason"] == reply.decision.reason
    assert whole.usage.completion_tokens == reply.completion_tokens
    assert (
        server.metrics()[f'camelid_routed_total{{model="{"llama" if name == "the llama" else "alpaca"}"}}']
        >= 2
    )


def test_a_doubtful_token_is_the_llamas(case):
    name, client, _ = case
    told = ask(client, logprobs=True)
    assert len(told.choices[0].logprobs.content) == told.usage.completion_tokens
    assert ("in doubt" in told.camelid["reason"]) == (name == "in doubt")


def test_tools_and_forms_work_with_whoever_answers(case):
    _, client, _ = case
    call = ask(client, tools=[WEATHER], tool_choice="required", max_tokens=150).choices[0]
    assert call.finish_reason == "tool_calls"


def test_a_smaller_loss_than_was_shown_is_kept_by_the_llama(case):
    name, client, _ = case
    strict = ask(client, extra_body={"max_quality_loss": 0.05})
    assert strict.camelid["model"] == "llama"
    assert "at most 0.05 is lost otherwise" in strict.camelid["reason"]
    if name != "in doubt":
        loose = ask(client, extra_body={"max_quality_loss": 0.1})
        assert loose.camelid["model"] == ("llama" if name == "the llama" else "alpaca")


def test_no_server_takes_a_conversation_back_from_the_llama(folder, start):
    """The first question is the Llama's, the later ones alone would not be; nobody has to have seen it."""
    give_router(folder, heads=make_tiring_heads(camelid.load(folder)["alpaca"].config.hidden_size))
    more = [{"role": "assistant", "content": "Hm."}, {"role": "user", "content": "And?"}]
    talks = [[*HELLO, *more * times] for times in (2, 1, 0, 1, 3)]
    with start(folder, "--threads", 1) as server, server.client() as client:
        for talk in talks:
            told = ask(client, messages=talk)
            reply = camelid.load(folder, backend="native", threads=1).reply(talk, model="auto", max_tokens=20)
            assert (told.camelid["model"], told.camelid["reason"]) == ("llama", reply.decision.reason)
            assert told.choices[0].message.content == reply.text
            assert reply.decision.rule == ("learned" if talk == HELLO else "conversation")
        assert ask(client, messages=[*more, *HELLO]).camelid["model"] == "alpaca"  # one that began otherwise
        assert server.metrics()['camelid_engine_requests{model="alpaca",state="running"}'] == 0


def test_a_wish_that_torch_cannot_fulfil_is_refused_by_whomever_the_router_chooses(folder):
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "boolean"}}}
    for threshold in (0.5, 0.1):
        give_router(folder, threshold=threshold)
        with TestClient(make_app(ServeSettings(str(folder), backend="torch"))) as client:
            body = {"model": "auto", "messages": HELLO, "max_tokens": 5}
            assert client.post("/v1/chat/completions", json=body).status_code == 200
            reply = client.post("/v1/chat/completions", json={**body, "response_format": form})
        assert reply.status_code == 400 and "needs the native backend" in reply.json()["error"]["message"]


def test_a_text_is_no_conversation(case):
    with pytest.raises(openai.BadRequestError, match="chooses by a conversation"):
        case[1].completions.create(model="auto", prompt="The llama")


def test_auto_is_among_the_models_where_there_is_a_router(case, client):
    assert "auto" in [model.id for model in case[1].models.list()]
    assert "auto" not in [model.id for model in client.models.list()]


def test_a_router_for_other_weights_is_no_router(folder):
    give_router(folder, threshold=0.0, models={"llama": "x", "alpaca": "y"})
    routing = Routing(folder)
    assert routing.router is None and "belongs to other weights" in routing.problem


def test_a_ladder_of_promises_is_climbed_as_far_as_the_wish_goes(folder):
    steps = [{"max_loss": 0.02, "threshold": 0.1}, {"max_loss": 0.05, "threshold": 0.3}]
    give_router(folder, threshold=0.0, evidence={"promises": steps})
    routing = Routing(folder)
    assert routing.rule(0.04).router.threshold == 0.1
    assert routing.rule(0.5).router.threshold == 0.3
    assert routing.rule(0.01).router is None
    assert routing.rule(None).router.threshold == 0.0 > -math.inf
