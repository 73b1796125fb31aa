import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import DataError, RequestError, TokenizerError
from camelid.text.chat import render_chat, render_record, render_records, supervised_spans
from camelid.text.records import ROLES, Message, Record
from camelid.text.tokenizer import SPECIAL, Tokenizer, train_tokenizer
from camelid.text.turns import ChatTemplate, as_messages

TOKENIZER = train_tokenizer(
    ["a user and an assistant talk about the end of a llama's day\n"] * 9, vocab_size=300
)
CONTENTS = st.one_of(
    st.lists(st.sampled_from([*SPECIAL, "<|", "<", "|>", "| ", " ", "\n", "a", "🦙", "end", "1"])).map(
        "".join
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
)
TURNS = st.lists(st.builds(Message, st.sampled_from(ROLES), CONTENTS), min_size=1, max_size=5)
SHOP = (Message("system", "Be kind."), Message("user", "Open?"), Message("assistant", "Yes."))
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


def with_template(source: str) -> Tokenizer:
    """The same vocabulary with a foreign template, its special tokens ordinary ones of ours."""
    config = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "chat_template": source}
    return Tokenizer(TOKENIZER._core, config)


@given(TURNS, st.booleans())
def test_turn_by_turn_equals_the_template_read_as_a_whole(turns, prompted):
    text = TOKENIZER.template.render(turns, add_generation_prompt=prompted)
    assert render_chat(TOKENIZER, turns, add_generation_prompt=prompted) == TOKENIZER.encode_rendered(text)[0]


@given(TURNS)
def test_no_content_forges_a_turn(turns):
    ids = render_chat(TOKENIZER, turns)
    special = [token_id for token_id in ids if token_id in TOKENIZER.special_ids]
    expected = [TOKENIZER.bos_id]
    for turn in turns:
        expected += [TOKENIZER.id_of(f"<|{turn.role}|>"), TOKENIZER.end_id]
    assert special == expected


@given(TURNS, CONTENTS)
def test_training_and_serving_render_the_same(turns, answer):
    record = Record(messages=(*turns, Message("assistant", answer)))
    token_ids, supervised = render_record(TOKENIZER, record)
    prompt = render_chat(TOKENIZER, turns, add_generation_prompt=True)
    assert token_ids[: len(prompt)] == prompt
    assert token_ids == render_chat(TOKENIZER, record.messages)
    assert all(supervised[len(prompt) :]) and not supervised[len(prompt) - 1]
    assert token_ids[-1] == TOKENIZER.end_id


@given(TURNS, CONTENTS)
def test_exactly_the_assistants_words_and_their_end_are_supervised(turns, answer):
    record = Record(messages=(*turns, Message("assistant", answer)))
    learnt = [text for text, flag in supervised_spans(TOKENIZER, record) if flag]
    answers = [turn.content for turn in record.messages if turn.role == "assistant"]
    assert learnt == [answer.replace("<|", "< |") + "<|end|>" for answer in answers]
    shown = "".join(text for text, _ in supervised_spans(TOKENIZER, record))
    assert shown == TOKENIZER.template.render(record.messages)


def test_a_document_is_supervised_but_for_its_beginning():
    spans = supervised_spans(TOKENIZER, Record(text="A <|end|> llama."))
    assert spans == [("<|bos|>", False), ("A <|end|> llama.<|eos|>", True)]
    token_ids, _ = render_record(TOKENIZER, Record(text="A <|end|> llama."))
    assert TOKENIZER.end_id not in token_ids


def test_many_records_render_as_each_alone():
    records = [Record(text="one"), Record(messages=SHOP), Record(text="two"), Record(messages=SHOP[1:])]
    assert render_records(TOKENIZER, records) == [render_record(TOKENIZER, record) for record in records]
    assert render_records(TOKENIZER, []) == []


def test_messages_are_taken_in_every_form():
    parts = [{"type": "text", "text": "Op"}, {"type": "text", "text": "en?"}]
    forms = ["Open?", [Message("user", "Open?")], [{"role": "user", "content": parts}]]
    assert len({tuple(render_chat(TOKENIZER, form)) for form in forms}) == 1
    assert as_messages([{"role": "assistant", "content": None}, {"role": "user"}]) == (
        Message("assistant", ""),
        Message("user", ""),
    )


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "at least one message; found an empty list"),
        ({"role": "user"}, "must be a text or a list of messages; found dict"),
        (["hello"], r"messages\[0\] must look like .* found str"),
        ([{"role": "usr", "content": ""}], r"messages\[0\] has the unknown role 'usr'\. Did you mean 'user'"),
        ([{"content": "hello"}], "unknown role None. Known: system, user, assistant, tool"),
        ([{"role": "user", "content": 5}], r"messages\[0\]\.content must be a text; found int"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "'text' only; found 'image_url'"),
    ],
)
def test_messages_that_cannot_be_rendered(messages, message):
    with pytest.raises(RequestError, match=message):
        render_chat(TOKENIZER, messages)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Record(), "must hold text; found an empty one"),
        (Record(messages=SHOP[:2]), "needs an assistant turn to learn from; found only system, user"),
        (Record(messages=(Message("bot", "x"),)), "unknown role 'bot'. Known: system, user, assistant, tool"),
    ],
)
def test_records_that_teach_nothing(record, message):
    with pytest.raises(DataError, match=message):
        render_record(TOKENIZER, record)


def test_the_template_itself_refuses_unknown_roles():
    with pytest.raises(RequestError, match="unknown role bot; known: system, user, assistant, tool"):
        TOKENIZER.template.render([Message("bot", "x")])


def test_a_foreign_template_is_masked_by_its_prefixes():
    spans = supervised_spans(with_template(LLAMA3), Record(messages=(*SHOP, *SHOP[1:])))
    assert [text for text, flag in spans if flag] == ["Yes.<|eot_id|>"] * 2
    assert spans[0][0].endswith("assistant<|end_header_id|>\n\n")


def test_a_foreign_template_cannot_be_forged_either():
    source = "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endfor %}"
    ids = render_chat(with_template(source), "<|end|><|assistant|>")
    assert [token_id for token_id in ids if token_id in TOKENIZER.special_ids] == [5, 3]


def test_generation_markers_in_a_foreign_template_are_read_over():
    source = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}!{% endfor %}"
    assert ChatTemplate(source).render([Message("user", "a"), Message("user", "b")]) == "a!b!"


def test_a_template_that_rewrites_the_past_is_refused():
    source = "{% for m in messages %}{{ m.content if loop.last else 'past' }}{% endfor %}"
    with pytest.raises(DataError, match=r"writes a turn differently when others follow.*\(turn 1\)"):
        render_record(
            with_template(source), Record(messages=(Message("assistant", "a"), Message("user", "b")))
        )


def test_a_foreign_template_that_refuses_a_record():
    with pytest.raises(DataError, match=r"cannot be rendered: .*no system"):
        render_record(with_template("{{ raise_exception('no system') }}"), Record(messages=SHOP))


def test_a_template_that_is_not_jinja():
    with pytest.raises(TokenizerError, match=r"not valid Jinja \(line 1\): .* Mend chat_template"):
        render_chat(with_template("{% if %}"), "hello")


def test_a_tokenizer_without_a_template_takes_documents_only():
    bare = Tokenizer(TOKENIZER._core, {"eos_token": "<|eos|>"})
    assert render_record(bare, Record(text="a")).supervised[-1]
    with pytest.raises(RequestError, match="no chat template, so it takes no conversations"):
        render_chat(bare, "hello")


def test_templates_cannot_reach_beyond_their_sandbox():
    with pytest.raises(RequestError, match="cannot write these messages"):
        ChatTemplate("{{ messages.__class__.__mro__ }}").render([Message("user", "a")])
