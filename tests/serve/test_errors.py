"""What is refused, and how it is said: by name, with what was found, in OpenAI's body."""

import httpx
import pytest
from served import CONTEXT, HELLO, WEATHER

CHAT = "/v1/chat/completions"
BODY = {"model": "alpaca", "messages": HELLO, "max_tokens": 4}


def refuse(http, path=CHAT, status=400, **fields):
    """Return the error of a request that must be refused."""
    body = {**BODY, **fields} if path == CHAT else fields
    response = http.post(path, json=body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"temprature": 1}, "temprature is not supported here, and nothing is dropped silently. Leave it out."
                            " Did you mean 'temperature'?"),
        ({"functions": []}, "functions is not supported"),
        ({"web_search_options": {}}, "web_search_options is not supported"),
        ({"store": True}, "store"),
        ({"reasoning_effort": "high"}, "reasoning_effort is not supported"),
        ({"temperature": "warm"}, "temperature: should be a valid number; found 'warm'."),
        ({"temperature": -1}, "temperature: should be greater than or equal to 0; found -1."),
        ({"top_p": 0}, "top_p"),
        ({"repetition_penalty": 5e-324}, "repetition_penalty: should be greater than or equal to 0.01"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"n": 0}, "n: "),
        ({"n": 17}, "n may be 16; found 17."),
        ({"seed": 2**63}, "seed"),
        ({"stop": [""]}, "stop must hold texts; found an empty one."),
        ({"stop": ["x" * 2000]}, "stop may hold"),
        ({"logit_bias": {"llama": 1}}, "logit_bias must name tokens by their ids; found 'llama'."),
        ({"logit_bias": {"400000": 1}}, "A token of logit_bias"),
        ({"logit_bias": {"4": 101}}, "logit_bias: should be less than or equal to 100; found 101."),
        ({"top_logprobs": 2}, "top_logprobs needs logprobs to be true."),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options needs stream to be true."),
        ({"max_completion_tokens": 5}, "max_tokens and max_completion_tokens say different things."),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content is required; it is missing."),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         "messages[0].content[0].type must be 'text', the only kind of content that this server reads; found "
         "'image_url'."),
        ({"messages": [{"role": "user", "content": "x", "name": "Ana"}]}, "messages[0].name is not"),
        ({"dial": 0.5}, "dial lies between the two models: ask 'blend' or 'llama'; found 'alpaca'."),
        ({"model": "blend", "dial": 2}, "dial: should be less than or equal to 1; found 2."),
        ({"max_quality_loss": 0.1}, "max_quality_loss is for the model 'auto'"),
        ({"model": "auto"}, "camelid calibrate"),
        ({"tool_choice": "required"}, "tool_choice asks for a call, but there are no tools."),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_wether"}}},
         "tool_choice asks for 'get_wether', which is no tool here. Did you mean 'get_weather'?"),
        ({"tools": [WEATHER, WEATHER]}, "Tools need names of their own; found two of 'get_weather'."),
        ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
            "type": "strin"}}}},
         "The schema cannot be enforced: Invalid type: strin."),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
            "type": "array", "uniqueItems": True}}}}, 'Unimplemented keys: ["uniqueItems"].'),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
            "$ref": "https://example.org/schema"}}}}, "The schema cannot be enforced"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_by_name(http, fields, message):
    assert message in refuse(http, **fields)["message"]


def test_a_model_that_is_not_there_is_404_and_the_nearest_is_named(http):
    error = refuse(http, status=404, model="lama")
    assert error["code"] == "model_not_found" and error["param"] == "model"
    assert error["message"] == "The model 'lama' does not exist here. Did you mean 'llama'?"


def test_a_prompt_beyond_the_context_is_told_with_both_lengths(http):
    error = refuse(http, messages=[{"role": "user", "content": "wool " * 3000}])
    assert error["code"] == "context_length_exceeded"
    assert f"the context of {CONTEXT}" in error["message"]
    count = http.post("/tokenize", json={"text": "wool " * 3000}).json()["count"]
    assert f"The prompt has {count + 4} tokens" in error["message"]


def test_what_fits_exactly_is_answered(http):
    tokens = [5] * (CONTEXT - 1)
    fits = http.post("/v1/completions", json={"model": "llama", "prompt": tokens, "max_tokens": 9})
    assert fits.json()["usage"]["completion_tokens"] <= 1 and fits.json()["choices"][0]["finish_reason"]
    error = refuse(http, "/v1/completions", model="llama", prompt=[*tokens, 5])
    assert error["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("path", "field"), [("completions", "prompt"), ("responses", "input"), ("embeddings", "input")]
)
def test_what_is_too_long_is_named_by_the_field_that_holds_it(http, path, field):
    error = refuse(http, f"/v1/{path}", model="llama", **{field: "wool " * 3000})
    assert (error["code"], error["param"]) == ("context_length_exceeded", field)


@pytest.mark.parametrize(
    ("path", "fields", "message"),
    [
        ("/v1/completions", {"model": "llama", "prompt": []}, "prompt"),
        ("/v1/completions", {"model": "llama", "prompt": [[]]}, "prompt"),
        ("/v1/completions", {"model": "llama", "prompt": [4000]}, "Token ids must lie between 0 and 399"),
        ("/v1/completions", {"model": "llama", "prompt": "x", "suffix": "y"}, "suffix"),
        (
            "/v1/completions",
            {"model": "llama", "prompt": "x", "echo": True, "logprobs": 1},
            "echo with logprobs",
        ),
        ("/v1/embeddings", {"model": "alpaca", "input": ""}, "input must hold text; found an empty one."),
        ("/v1/embeddings", {"model": "alpaca", "input": "x", "dimensions": 3}, "alpaca has 32 dimensions"),
        ("/v1/embeddings", {"model": "alpaca", "input": "wool " * 3000}, f"the context of {CONTEXT}"),
        ("/v1/embeddings", {"model": "blend", "input": "x"}, "Embeddings come from one model"),
        ("/detokenize", {"tokens": [4000]}, "Tokens lie between 0 and 399; found 4000."),
        ("/tokenize", {}, "text is required; it is missing."),
    ],
)
def test_other_doors_refuse_by_name_too(http, path, fields, message):
    assert message in refuse(http, path, **fields)["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b"[]", "found []"),
        (b'"text"', "found 'text'"),
        (b"null", "found None"),
        (b'{"model": "llama\xff"}', "must be JSON"),
        (b'{"model": "alpaca", "messages": [{"role": "user", "content": "\\ud800"}]}', "must be JSON"),
        (b'{"model": "alpaca", "temperature": NaN, "messages": []}', "should be a finite number; found nan"),
        (b"[" * 100_000, "must be JSON"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "must be JSON"),
    ],
)
def test_a_body_that_is_no_request_is_400(http, body, message):
    response = http.post(CHAT, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


def test_a_form_is_not_json(http):
    response = http.post(CHAT, data={"model": "alpaca"})
    assert response.status_code == 415 and "found application/x-www-form-urlencoded" in response.text


def test_paths_and_methods_that_are_not_there(http):
    missing = http.get("/v1/engines")
    assert missing.status_code == 404 and "There is nothing at /v1/engines." in missing.text
    wrong = http.get(CHAT)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert "does not take GET; it takes POST." in wrong.json()["error"]["message"]


def test_a_page_from_elsewhere_may_not_call(http, server):
    response = http.post(CHAT, json=BODY, headers={"origin": "https://example.org"})
    assert response.status_code == 403 and "--cors https://example.org" in response.text
    assert http.post(CHAT, json=BODY, headers={"origin": server.url}).status_code == 200
    rebound = http.get("/v1/models", headers={"host": "llamas.example.org"})
    assert rebound.status_code == 403 and "answers as localhost only" in rebound.text


def test_keys_open_the_door_and_nothing_tells_them(pair_folder, start, tmp_path):
    (tmp_path / "keys").write_text("# ours\nsecret-of-the-herd\n")
    options = ("--api-keys", tmp_path / "keys", "--cors", "https://example.org", "--threads", 1)
    with start(pair_folder, *options, environment={"CAMELID_API_KEY": "another-secret"}) as server:
        with httpx.Client(base_url=server.url) as http:
            assert http.get("/health").status_code == 200
            refused = http.get("/v1/models")
            assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
            assert refused.json()["error"]["type"] == "authentication_error"
            for key in ("wrong", "secret-of-the-her", "sha256:ñ"):
                assert _ask_with(http, b"Bearer " + key.encode()).status_code == 401
            assert _ask_with(http, b"Bearer secret-of-the-herd").status_code == 200
            assert http.get("/v1/models", headers={"x-api-key": "another-secret"}).status_code == 200
            origin = {"origin": "https://example.org", "access-control-request-method": "POST"}
            allowed = http.options(CHAT, headers=origin)
            assert allowed.headers["access-control-allow-origin"] == "https://example.org"
            assert http.get("/metrics").status_code == 401
        server.stop()
        assert "secret" not in "".join(server.log)


def _ask_with(http, authorization):
    return http.get("/v1/models", headers={b"authorization": authorization})
