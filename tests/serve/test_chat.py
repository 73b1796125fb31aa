"""Chat completions, with OpenAI's own client."""

import asyncio
import json

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from served import HELLO, REST, WEATHER, Herd

MODELS = ("llama", "alpaca", "blend")


def ask(client, **wishes):
    return client.chat.completions.create(
        **{"model": "alpaca", "messages": HELLO, "max_tokens": 24, **wishes}
    )


def join(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("max_tokens", [1, 2, 7, 40])
def test_what_streams_is_what_the_whole_reply_holds(client, model, max_tokens):
    wishes = {"model": model, "max_tokens": max_tokens, "temperature": 1, "seed": 5}
    whole = ask(client, **wishes)
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}, **wishes))
    assert join(chunks) == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens <= max_tokens
    assert "\ufffd" not in (whole.choices[0].message.content or "x")[-1:]


def test_a_reply_is_what_openai_says_it_is(client):
    raw = client.chat.completions.with_raw_response.create(
        model="llama", messages=HELLO, max_tokens=5, logprobs=True, top_logprobs=2
    )
    ChatCompletion.model_validate(json.loads(raw.text), strict=True)
    told = raw.parse().camelid
    assert told["model"] == raw.headers["x-camelid-model"] == "llama"
    assert told["reason"] == raw.headers["x-camelid-reason"]
    assert {"drafted", "accepted", "first_token_ms", "total_ms"} <= set(told)
    assert float(raw.headers["x-camelid-total-ms"]) > 0 and raw.headers["x-request-id"]


def test_a_stream_is_what_openai_says_it_is(client, http):
    body = {"model": "alpaca", "messages": HELLO, "max_tokens": 5, "stream": True, "logprobs": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-camelid-model"] == "alpaca"
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["delta"] == {}
    assert chunks[-1]["camelid"]["model"] == "alpaca"


def test_the_same_seed_says_the_same_and_n_replies_differ(client):
    first, again = (ask(client, n=3, temperature=1.5, seed=11) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert texts == [choice.message.content for choice in again.choices]
    assert len(set(texts)) == 3 and [choice.index for choice in first.choices] == [0, 1, 2]


def test_n_replies_stream_together(client):
    whole = ask(client, n=3, temperature=1, seed=4)
    texts = ["", "", ""]
    ends = 0
    for chunk in ask(client, n=3, temperature=1, seed=4, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            ends += choice.finish_reason is not None
    assert texts == [choice.message.content for choice in whole.choices] and ends == 3


def test_a_stop_string_ends_the_reply_wherever_tokens_end(client):
    text = ask(client, max_tokens=60, temperature=1, seed=3).choices[0].message.content
    for begin in range(5, len(text) - 4, 7):
        stop = text[begin : begin + 4]
        reply = ask(client, max_tokens=60, temperature=1, seed=3, stop=[stop])
        assert reply.choices[0].message.content == text[: text.index(stop)]
        assert reply.choices[0].finish_reason == "stop"
        streamed = ask(client, max_tokens=60, temperature=1, seed=3, stop=stop, stream=True)
        assert join(streamed) == text[: text.index(stop)]


def test_logprobs_tell_of_every_token(client):
    choice = ask(client, logprobs=True, top_logprobs=3, temperature=0).choices[0]
    told = choice.logprobs.content
    assert (
        b"".join(bytes(token.bytes) for token in told)
        .decode("utf-8", "replace")
        .startswith(choice.message.content)
    )
    for token in told:
        assert len(token.top_logprobs) == 3
        assert token.logprob == max(other.logprob for other in token.top_logprobs)  # greedy
    streamed = ask(client, logprobs=True, top_logprobs=3, temperature=0, stream=True)
    pieces = [chunk.choices[0].logprobs for chunk in streamed]
    assert [t.token for piece in pieces if piece for t in piece.content] == [t.token for t in told]


def test_a_bias_forbids_a_token_and_another_forces_one(client, http):
    first = ask(client, max_tokens=1, logprobs=True).choices[0].logprobs.content[0]
    token = http.post("/tokenize", json={"text": bytes(first.bytes).decode()}).json()["tokens"][0]
    other = ask(client, max_tokens=1, logit_bias={str(token): -100}).choices[0].message.content
    assert other != first.token
    letter = http.post("/tokenize", json={"text": "e"}).json()["tokens"][0]
    assert ask(client, max_tokens=4, logit_bias={str(letter): 100}).choices[0].message.content == "eeee"


def test_penalties_change_what_is_said(client):
    plain = ask(client, max_tokens=60).choices[0].message.content
    wishes = {"presence_penalty": 2, "frequency_penalty": 2}
    assert ask(client, max_tokens=60, **wishes).choices[0].message.content != plain
    extra = {"top_k": 2, "min_p": 0.1, "repetition_penalty": 1.5}
    assert ask(client, max_tokens=60, extra_body=extra).choices[0].message.content != plain


def test_the_dial_at_its_ends_is_one_of_the_two(client):
    alone = {model: ask(client, model=model).choices[0].message.content for model in ("llama", "alpaca")}
    exact = ask(client, model="blend", extra_body={"dial": 1})
    quick = ask(client, model="blend", extra_body={"dial": 0})
    assert exact.choices[0].message.content == alone["llama"]
    assert quick.choices[0].message.content == alone["alpaca"]
    assert (exact.camelid["model"], quick.camelid["model"]) == ("llama", "alpaca")


def test_a_conversation_may_have_every_role_and_text_parts(client):
    reply = ask(
        client,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "text", "text": " or B?"}]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "rest", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rested"},
            {"role": "user", "content": "And now?"},
        ],
    )  # fmt: skip
    assert reply.usage.prompt_tokens > 25


@pytest.mark.parametrize("model", ["llama", "alpaca"])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
def test_a_call_that_must_be_made_is_made_and_valid(client, model, choice):
    wishes = {"model": model, "tools": [WEATHER], "tool_choice": choice, "max_tokens": 120}
    reply = ask(client, **wishes).choices[0]
    call = reply.message.tool_calls[0].function
    arguments = json.loads(call.arguments)
    assert (reply.finish_reason, call.name, reply.message.content) == ("tool_calls", "get_weather", None)
    assert arguments["city"] in ("Lima", "Cusco") and 1 <= arguments["days"] <= 9
    chunks = list(ask(client, stream=True, **wishes))
    pieces = [c for chunk in chunks for c in chunk.choices[0].delta.tool_calls or ()]
    assert pieces[0].id and pieces[0].function.name == "get_weather"
    assert "".join(piece.function.arguments for piece in pieces) == call.arguments
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_without_a_wish_the_reply_is_a_text_or_a_valid_call(client):
    for seed in range(6):
        reply = ask(client, tools=[WEATHER, REST], temperature=2, seed=seed, max_tokens=60).choices[0]
        if reply.message.tool_calls:
            assert reply.message.tool_calls[0].function.name in ("get_weather", "rest")
        else:
            assert not reply.message.content.startswith("{")


def test_tools_that_may_not_be_called_are_not_told(client):
    plain = ask(client, max_tokens=8)
    none = ask(client, max_tokens=8, tools=[WEATHER], tool_choice="none")
    assert none.usage.prompt_tokens == plain.usage.prompt_tokens
    assert none.choices[0].message.content == plain.choices[0].message.content


def test_the_client_parses_replies_into_pydantic_models(client):
    reply = client.chat.completions.parse(model="llama", messages=HELLO, response_format=Herd, max_tokens=200)
    assert isinstance(reply.choices[0].message.parsed, Herd)


def test_a_json_object_is_one_unless_it_was_cut(client):
    reply = ask(
        client, response_format={"type": "json_object"}, max_tokens=60, temperature=1, seed=1
    ).choices[0]
    assert reply.message.content.startswith("{")
    if reply.finish_reason == "stop":
        assert isinstance(json.loads(reply.message.content), dict)
    else:
        assert reply.finish_reason == "length"


def test_the_asynchronous_client_asks_many_at_once(server):
    async def run():
        async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="x", max_retries=0) as client:
            asked = [
                client.chat.completions.create(
                    model=MODELS[seed % 2], messages=HELLO, max_tokens=30, temperature=1, seed=seed % 4
                )
                for seed in range(32)
            ]
            return await asyncio.gather(*asked)

    replies = asyncio.run(run())
    by_wish = {}
    for seed, reply in enumerate(replies):
        by_wish.setdefault(seed % 4, set()).add(reply.choices[0].message.content)
    assert all(len(texts) == 1 for texts in by_wish.values())  # whoever else was there
