"""Replies that follow a JSON schema: fifty of them, both models, and every reply validates."""

import json
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
from served import HELLO


def make(properties, **more):
    required = list(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


WORD = {"type": "string", "maxLength": 8}
NUMBER = {"type": "integer", "minimum": 0, "maximum": 999}
FLAG = {"type": "boolean"}
POINT = make({"x": NUMBER, "y": NUMBER})
REF = {"$ref": "#/$defs/point"}
LEAF = make({"end": FLAG})
NEXT = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/leaf"}]}
ROW = {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}
MOOD = {"enum": ["good", "bad"], "title": "Mood", "description": "How it is."}
KINDS = {"type": "array", "items": {"enum": ["llama", "alpaca"]}, "maxItems": 2}
STARS = {"type": "integer", "minimum": 1, "maximum": 5}
SCHEMAS = {
    "flag": FLAG,
    "null": {"type": "null"},
    "word": WORD,
    "exact length": {"type": "string", "minLength": 3, "maxLength": 3},
    "empty word": {"type": "string", "maxLength": 0},
    "digits": {"type": "string", "pattern": "^[0-9]{4}$"},
    "choice of patterns": {"type": "string", "pattern": "^(ab|cd){1,3}$"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time", "maxLength": 20},
    "date-time": {"type": "string", "format": "date-time", "maxLength": 30},
    "uuid": {"type": "string", "format": "uuid"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "email": {"type": "string", "pattern": "^[a-z]{1,6}@[a-z]{1,6}\\.org$"},
    "natural number": NUMBER,
    "negative number": {"type": "integer", "minimum": -50, "maximum": -1},
    "either side of zero": {"type": "integer", "minimum": -9, "maximum": 9},
    "exclusive borders": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 3},
    "fraction": {"type": "number", "minimum": 0, "maximum": 1},
    "multiple": {"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5},
    "enum of texts": {"enum": ["red", "green", "blue"]},
    "enum of numbers": {"enum": [1, 2, 3.5]},
    "enum of kinds": {"enum": ["x", 1, None, True]},
    "constant": {"const": "llama"},
    "constant object": {"const": {"a": [1, 2]}},
    "type union": {"type": ["boolean", "null"]},
    "nullable": {"anyOf": [NUMBER, {"type": "null"}]},
    "one of two": {"oneOf": [make({"a": FLAG}), make({"b": FLAG})]},
    "two of everything": {"type": "array", "items": FLAG, "minItems": 2, "maxItems": 2},
    "up to three": {"type": "array", "items": NUMBER, "maxItems": 3},
    "no items": {"type": "array", "items": FLAG, "maxItems": 0},
    "array of objects": {"type": "array", "items": POINT, "minItems": 1, "maxItems": 2},
    "tuple": {"type": "array", "prefixItems": [FLAG, NUMBER], "items": False, "minItems": 2},
    "empty object": make({}),
    "one field": make({"ok": FLAG}),
    "many fields": make({f"field_{place}": FLAG for place in range(8)}),
    "optional field": {**make({"a": FLAG, "b": FLAG}), "required": ["a"]},
    "nothing required": {**make({"a": FLAG, "b": NUMBER}), "required": []},
    "nested": make({"outer": make({"inner": make({"deep": FLAG})})}),
    "definitions": make({"from": {"$ref": "#/$defs/point"}, "to": REF}, **{"$defs": {"point": POINT}}),
    "chain": {"$ref": "#/$defs/node", "$defs": {"node": make({"leaf": FLAG, "next": NEXT}), "leaf": LEAF}},
    "all of": {"allOf": [{"type": "integer", "minimum": 3}, {"type": "integer", "maximum": 50}]},
    "unicode keys": make({"naïve": FLAG, "größe": NUMBER, "名": FLAG}),
    "quoted keys": make({'a "quoted" key': FLAG, "back\\slash": FLAG}),
    "unicode values": {"enum": ["ñandú", "🦙", "日本"]},
    "quoted values": {"enum": ['say "hi"', "tab\t", "line\nbreak", "\\"]},
    "matrix": {"type": "array", "items": ROW, "minItems": 2, "maxItems": 2},
    "titles and descriptions": make({"mood": MOOD}, title="T", description="D"),
    "defaults": make({"n": {**NUMBER, "default": 3}}),
    "herd": make({"name": WORD, "heads": NUMBER, "kinds": KINDS}),
    "review": make({"sentiment": {"enum": ["good", "bad"]}, "stars": STARS, "quote": WORD}),
}  # fmt: skip
DRAWS = ({"temperature": 0}, {"temperature": 1.2, "seed": 3})


def test_there_are_fifty():
    assert len(SCHEMAS) == 50


@pytest.mark.parametrize("model", ["llama", "alpaca"])
def test_every_reply_validates(client, model):
    def ask(case):
        (name, schema), draw = case
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
        reply = client.chat.completions.create(
            model=model, messages=HELLO, max_tokens=500, response_format=form, **draw
        )
        return name, schema, reply.choices[0]

    cases = [(item, draw) for item in SCHEMAS.items() for draw in DRAWS]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, cases))
    for name, schema, choice in replies:
        assert choice.finish_reason == "stop", (name, choice)
        jsonschema.validate(json.loads(choice.message.content), schema)


def test_json_that_is_cut_says_so(client):
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMAS["many fields"]}}
    choice = client.chat.completions.create(
        model="llama", messages=HELLO, max_tokens=10, response_format=form
    ).choices[0]
    assert choice.finish_reason == "length"
    assert choice.message.content.startswith('{"field_0":')


def test_a_wild_schema_is_refused_or_followed_but_never_fatal(http):
    deep = {"type": "boolean"}
    for _ in range(150):
        deep = {"type": "array", "items": deep, "maxItems": 1}
    for schema in (
        deep,
        {"type": "string", "pattern": "(a|aa)+$" * 20},
        {"enum": [str(n) for n in range(5000)]},
    ):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        body = {"model": "alpaca", "messages": HELLO, "max_tokens": 8, "response_format": form}
        assert http.post("/v1/chat/completions", json=body).status_code in (200, 400)
    assert http.get("/health").json()["status"] == "ok"
