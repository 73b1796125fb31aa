"""Completions, responses, Anthropic's messages and Ollama's API, each with its own client."""

import json
import math

import anthropic
import httpx
import ollama
import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.responses import Response
from served import HELLO, WEATHER, Herd

WEATHER_FUNCTION = {"type": "function", **WEATHER["function"]}


@pytest.fixture(scope="module")
def claude(server):
    with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0) as opened:
        yield opened


@pytest.fixture(scope="module")
def olla(server):
    with ollama.Client(host=server.url) as opened:
        yield opened


@pytest.fixture
def text(client):
    """Return what every dialect must say to the same question."""
    reply = client.chat.completions.create(model="alpaca", messages=HELLO, max_tokens=16)
    return reply.choices[0].message.content


# --- OpenAI's others --------------------------------------------------------------------------------------


def test_completions_go_on_with_every_prompt(client, http):
    wishes = {"model": "llama", "max_tokens": 8, "n": 2, "temperature": 1, "seed": 1}
    prompts = ["The llama", "An alpaca"]
    whole = client.completions.create(prompt=prompts, **wishes)
    Completion.model_validate(whole.model_dump(), strict=True)
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    texts = ["", "", "", ""]
    for chunk in client.completions.create(prompt=prompts, stream=True, **wishes):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    alone = client.completions.create(prompt=prompts[1], **wishes)
    assert [choice.text for choice in alone.choices] == texts[2:]
    tokens = http.post("/tokenize", json={"text": prompts[0]}).json()["tokens"]
    as_ids = client.completions.create(prompt=[1, *tokens], **wishes)
    assert [choice.text for choice in as_ids.choices] == texts[:2]


def test_completions_tell_logprobs_and_echo(client):
    reply = client.completions.create(model="llama", prompt="The llama", max_tokens=6, logprobs=2)
    told = reply.choices[0].logprobs
    assert len(told.tokens) == len(told.token_logprobs) == len(told.text_offset) == 6
    assert all(len(top) <= 2 for top in told.top_logprobs)
    echo = client.completions.create(model="llama", prompt="The llama", max_tokens=6, echo=True)
    assert echo.choices[0].text == "The llama" + reply.choices[0].text


def test_embeddings_have_length_one_in_either_form(client, http):
    reply = client.embeddings.create(model="alpaca", input=["wool", "a mountain", "wool"])  # in base64
    CreateEmbeddingResponse.model_validate(reply.model_dump())
    first, other, again = (item.embedding for item in reply.data)
    assert first == again != other
    assert math.isclose(sum(x * x for x in first), 1, rel_tol=1e-5)
    plain = http.post("/v1/embeddings", json={"model": "alpaca", "input": "wool"}).json()
    assert plain["data"][0]["embedding"] == pytest.approx(first)
    assert http.post("/v1/embeddings", json={"model": "auto", "input": "wool"}).status_code == 400


@pytest.mark.parametrize("text", ["", "The llama sleeps.", "¡Ñandú! 🦙 l'été 中文\n\t x"])
def test_tokens_become_the_text_that_they_were_made_of(http, text):
    cut = http.post("/tokenize", json={"text": text, "with_pieces": True}).json()
    assert cut["count"] == len(cut["tokens"]) == len(cut["pieces"])
    assert http.post("/detokenize", json={"tokens": cut["tokens"]}).json() == {"text": text}


def test_responses_answer_whole_and_in_events(client, text):
    wishes = {"model": "alpaca", "input": HELLO[0]["content"], "max_output_tokens": 16}
    whole = client.responses.create(**wishes)
    Response.model_validate(whole.model_dump(), strict=False)
    assert whole.output_text == text and whole.status in ("completed", "incomplete")
    with client.responses.stream(**wishes) as stream:
        events = list(stream)
        last = stream.get_final_response() if whole.status == "completed" else events[-1].response
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert last.output[0].content[0].text == text
    assert last.usage.total_tokens == whole.usage.total_tokens


def test_responses_call_tools_and_follow_schemas(client):
    wishes = {"model": "llama", "input": "Weather?", "max_output_tokens": 200}
    tools = {"tools": [WEATHER_FUNCTION], "tool_choice": "required"}
    call = client.responses.create(**wishes, **tools).output[0]
    assert call.type == "function_call" and json.loads(call.arguments)["city"] in ("Lima", "Cusco")
    with client.responses.stream(**wishes, **tools) as stream:
        events = list(stream)
    assert "".join(e.delta for e in events if e.type.endswith("arguments.delta")) == call.arguments
    assert isinstance(client.responses.parse(text_format=Herd, **wishes).output_parsed, Herd)
    given = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    assert client.responses.create(**{**wishes, "input": given, "instructions": "Be brief."}).output_text


def test_responses_keep_nothing(client):
    for more in ({"store": True}, {"previous_response_id": "resp_1"}):
        with pytest.raises(openai.BadRequestError, match=next(iter(more))):
            client.responses.create(model="alpaca", input="Hello", **more)


# --- Anthropic --------------------------------------------------------------------------------------------


def test_messages_answer_whole_and_in_events(claude, text):
    wishes = {"model": "alpaca", "messages": HELLO, "max_tokens": 16}
    whole = claude.messages.create(**wishes)
    assert whole.content[0].text == text
    assert whole.stop_reason in ("end_turn", "max_tokens")
    with claude.messages.stream(**wishes) as stream:
        assert "".join(stream.text_stream) == text
        final = stream.get_final_message()
    assert (final.stop_reason, final.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)
    count = claude.messages.count_tokens(model="alpaca", messages=HELLO)
    assert count.input_tokens == whole.usage.input_tokens + whole.usage.cache_read_input_tokens


def test_messages_stop_and_are_told_of_the_system(claude, text):
    stop = text[2:5]
    reply = claude.messages.create(model="alpaca", messages=HELLO, max_tokens=16, stop_sequences=[stop])
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", stop)
    assert reply.content[0].text == text[: text.index(stop)]
    count = claude.messages.count_tokens
    assert (
        count(model="alpaca", messages=HELLO, system="Be brief.").input_tokens
        > count(model="alpaca", messages=HELLO).input_tokens
    )


def test_messages_use_tools_and_take_their_results(claude):
    spec = WEATHER["function"]
    tool = {"name": spec["name"], "description": spec["description"], "input_schema": spec["parameters"]}
    wishes = {"model": "llama", "max_tokens": 200, "tools": [tool], "tool_choice": {"type": "any"}}
    reply = claude.messages.create(messages=HELLO, **wishes)
    use = reply.content[0]
    assert (reply.stop_reason, use.type, use.name) == ("tool_use", "tool_use", "get_weather")
    with claude.messages.stream(messages=HELLO, **wishes) as stream:
        assert stream.get_final_message().content[0].input == use.input
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": [use.model_dump(exclude_none=True)]}]
    turns.append({"role": "user", "content": [result]})
    assert claude.messages.create(model="llama", max_tokens=8, messages=turns).content


def test_anthropic_errors_are_anthropics(claude):
    with pytest.raises(anthropic.NotFoundError) as caught:
        claude.messages.create(model="lama", messages=HELLO, max_tokens=4)
    assert caught.value.body["error"]["type"] == "not_found_error"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
    with pytest.raises(anthropic.BadRequestError, match="image"):
        claude.messages.create(model="llama", messages=[{"role": "user", "content": [image]}], max_tokens=4)


# --- Ollama -----------------------------------------------------------------------------------------------


def test_ollama_chats_whole_and_in_lines(olla, text):
    options = {"num_predict": 16}
    whole = olla.chat("alpaca:latest", messages=HELLO, options=options)
    assert whole.message.content == text and whole.done and whole.eval_count <= 16
    lines = list(olla.chat("alpaca", messages=HELLO, options=options, stream=True))
    assert "".join(line.message.content for line in lines) == text
    assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
    assert olla.generate("alpaca", HELLO[0]["content"], options=options).response == text


def test_ollama_follows_schemas_and_calls_tools(olla):
    reply = olla.chat("llama", messages=HELLO, format=Herd.model_json_schema())
    assert Herd.model_validate_json(reply.message.content)
    for line in olla.chat("llama", messages=HELLO, tools=[WEATHER], stream=True, options={"seed": 1}):
        for call in line.message.tool_calls or ():
            assert call.function.name == "get_weather"


def test_ollama_lists_and_describes_models(olla, server):
    assert [model.model for model in olla.list().models] == ["llama", "alpaca", "blend"]
    shown = olla.show("llama")
    assert shown.details.family == "llama" and shown.modelinfo["llama.block_count"] == 2
    assert httpx.get(server.url + "/api/version").json()["version"]
    # as its curl examples do it, without a content type
    raw = httpx.post(server.url + "/api/generate", content=b'{"model":"llama","prompt":"","stream":false}')
    assert raw.json()["done_reason"] == "load"


def test_ollama_errors_are_ollamas(olla):
    with pytest.raises(ollama.ResponseError, match="does not exist here") as caught:
        olla.chat("lama", messages=HELLO)
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="num_gpu is not supported"):
        olla.chat("llama", messages=HELLO, options={"num_gpu": 1})


def test_models_are_described_to_everybody_one_by_one(client, claude, http):
    for found in (client.models.retrieve("llama"), claude.models.retrieve("llama")):
        assert found.id == "llama"
    assert [model.id for model in claude.models.list()] == [model.id for model in client.models.list()]
    assert claude.models.retrieve("blend").display_name == "blend"
    missing = http.get("/v1/models/lama")
    assert missing.status_code == 404 and "Did you mean 'llama'?" in missing.text
