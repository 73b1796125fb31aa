"""Calls: told to the model, allowed by a grammar, read from pieces of any size."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.serve.refusals import Refusal
from camelid.serve.toolbox import Toolbox, ToolChoice, ToolSpec, hear, write_call
from camelid.text.records import Message

TOOLS = (
    ToolSpec("rest", "Lie down.", {"type": "object"}),
    ToolSpec("rest_long", "", {"type": "object"}),
    ToolSpec("graze", "", {"type": "object", "properties": {"place": {"type": "string"}}}),
)
BOX = Toolbox(TOOLS)
arguments = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=6), max_size=3).map(
    json.dumps
)
calls = st.builds(write_call, st.sampled_from(["rest", "rest_long", "graze"]), arguments)
texts = st.text('{"name:rst}', max_size=30).filter(lambda text: '"arguments":' not in text)


def listen(text, sizes, *, whole):
    """Return text, name and arguments of a reply that comes in pieces of these sizes."""
    reader, heard, place = BOX.reader(), [], 0
    while text:
        size = sizes[place % len(sizes)]
        heard += reader.push(text[:size])
        text, place = text[size:], place + 1
    heard += reader.flush(whole=whole)
    said = "".join(item.text for item in heard)
    return said, reader.call and reader.call.name, "".join(item.arguments for item in heard)


@given(calls, st.lists(st.integers(1, 9), min_size=1))
def test_a_call_is_heard_however_it_is_cut(call, sizes):
    said, name, given_ = listen(call, sizes, whole=True)
    assert said == "" and write_call(name, given_) == call
    assert hear(BOX, call, whole=True)[1].arguments == given_


@given(texts, st.lists(st.integers(1, 9), min_size=1), st.booleans())
def test_a_text_is_heard_as_it_is(text, sizes, whole):
    assert listen(text, sizes, whole=whole) == (text, None, "")


@given(calls, st.integers(0, 80), st.lists(st.integers(1, 9), min_size=1))
def test_a_call_that_was_cut_loses_nothing(call, size, sizes):
    said, name, given_ = listen(call[:size], sizes, whole=False)
    assert (write_call(name, given_)[:-1] if name and given_ else said or call[:size]) == call[:size]


def test_the_model_is_told_of_the_tools_in_the_systems_turn():
    told = BOX.tell([Message("system", "Be brief."), Message("user", "Hello")])
    assert told[0].content.startswith("Be brief.\n\n") and told[1] == Message("user", "Hello")
    assert '{"name":"rest","description":"Lie down.","parameters":{"type":"object"}}' in told[0].content
    assert [turn.role for turn in BOX.tell([Message("user", "Hello")])] == ["system", "user"]
    assert Toolbox(TOOLS, ToolChoice("none")).tell([Message("user", "x")]) == (Message("user", "x"),)


def test_a_named_tool_is_the_only_one_that_the_grammar_has():
    grammar = Toolbox(TOOLS, ToolChoice("required", "graze")).grammar
    assert "graze" in grammar and "rest" not in grammar and "text" not in grammar
    assert "text" in BOX.grammar


@pytest.mark.parametrize(
    ("tools", "choice", "message"),
    [
        ((), ToolChoice("required"), "there are no tools"),
        (TOOLS, ToolChoice("required", "gaze"), "Did you mean 'graze'"),
        ((TOOLS[0], TOOLS[0]), None, "two of 'rest'"),
    ],
)
def test_wishes_that_cannot_be_met(tools, choice, message):
    with pytest.raises(Refusal, match=message):
        Toolbox(tools, choice)
