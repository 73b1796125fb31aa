"""The chat templates known by name, and what Ollama is told of a template."""

import itertools
import json
import shutil

import pytest

from camelid.errors import RequestError
from camelid.export.ollama import find_parts, write_modelfile
from camelid.export.templates import FORMATS
from camelid.text.records import Message
from camelid.text.turns import CAMELID_TEMPLATE, ChatTemplate

SYSTEM, USER, REPLY, AGAIN = (
    Message("system", "Be kind."),
    Message("user", "Who are you?"),
    Message("assistant", "A llama."),
    Message("user", "And I?"),
)
ENDS = {"bos_token": "<s>", "eos_token": "</s>"}
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions."
)
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the "
    "request.\n\n"
)
HEADER = "<|start_header_id|>{}<|end_header_id|>\n\n{}"
# What the models were trained on, written out from the published descriptions (Format.origin).
WRITTEN = {
    "llama-2": (
        "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nWho are you? [/INST] A llama. </s><s>[INST] And I? [/INST]",
        "<s>[INST] Who are you? [/INST]",
    ),
    "llama-3": (
        "<s>"
        + "".join(HEADER.format(m.role, m.content) + "<|eot_id|>" for m in (SYSTEM, USER, REPLY, AGAIN))
        + HEADER.format("assistant", ""),
        "<s>" + HEADER.format("user", "Who are you?<|eot_id|>") + HEADER.format("assistant", ""),
    ),
    "chatml": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n"
        "<|im_start|>assistant\nA llama.<|im_end|>\n<|im_start|>user\nAnd I?<|im_end|>\n"
        "<|im_start|>assistant\n",
        "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n",
    ),
    "vicuna": (
        "<s>Be kind. USER: Who are you? ASSISTANT: A llama.</s> USER: And I? ASSISTANT:",
        f"<s>{VICUNA} USER: Who are you? ASSISTANT:",
    ),
    "alpaca": (
        "<s>Be kind.\n\n### Instruction:\nWho are you?\n\n### Response:\nA llama.</s>\n\n"
        "### Instruction:\nAnd I?\n\n### Response:\n",
        f"<s>{ALPACA}### Instruction:\nWho are you?\n\n### Response:\n",
    ),
}


def template(name):
    return ChatTemplate(FORMATS[name].source, special_tokens=ENDS)


def test_every_format_is_proven_here():
    assert WRITTEN.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_is_written_as_published(name):
    long, short = WRITTEN[name]
    talk = [SYSTEM, USER, REPLY, AGAIN]
    assert template(name).render(talk, add_generation_prompt=True) == long
    assert template(name).render([USER], add_generation_prompt=True) == short


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_said_is_written_the_same_when_more_follows(name):
    """So that a loss mask can be found, and a cache kept."""
    talk = [SYSTEM, USER, REPLY, AGAIN, REPLY]
    texts = [template(name).render(talk[:count]) for count in range(2, len(talk) + 1)]
    assert all(after.startswith(before) for before, after in itertools.pairwise(texts))


@pytest.mark.parametrize("name", ["llama-2", "vicuna", "alpaca"])
def test_a_role_that_a_format_has_not_is_refused(name):
    with pytest.raises(RequestError, match="this chat template has no role tool"):
        template(name).render([USER, Message("tool", "x")])


@pytest.mark.parametrize("name", ["ours", *FORMATS])
def test_a_template_is_taken_apart_only_where_the_parts_make_it_up(name):
    whole = ChatTemplate(CAMELID_TEMPLATE, special_tokens=ENDS) if name == "ours" else template(name)
    parts = find_parts(whole)
    assert (parts is None) == (name == "llama-2")
    if parts is not None:
        talks = ([USER], [USER, REPLY, AGAIN], [SYSTEM, USER, REPLY, AGAIN])
        for talk in talks:
            assert parts.join(talk) + parts.tail == whole.render(talk, add_generation_prompt=True)


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('no') }}",
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
        "{% for m in messages %}{{ '{{' ~ m.content }}{% endfor %}",
        "{% for m in messages %}{{ loop.index0 ~ m.content }}{% endfor %}",
    ],
)
def test_a_template_of_another_make_is_left_alone(source):
    assert find_parts(ChatTemplate(source)) is None


def test_without_a_place_for_a_system_message_there_is_none():
    source = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "{{ '<' ~ m.role ~ '>' ~ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    parts = find_parts(ChatTemplate(source))
    assert parts is not None and parts.to_go() == (
        '{{ range .Messages }}{{ if eq .Role "user" }}<user>{{ .Content }}'
        '{{ else if eq .Role "assistant" }}<assistant>{{ .Content }}{{ end }}{{ end }}<assistant>'
    )


def test_a_modelfile_of_a_template_that_is_not_translated(folders, tmp_path):
    shutil.copytree(folders["ours"], tmp_path / "model")
    config = json.loads((tmp_path / "model" / "tokenizer_config.json").read_text())
    config["chat_template"] = FORMATS["llama-2"].source
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(config))
    told = json.loads((tmp_path / "model" / "generation_config.json").read_text())
    told |= {"temperature": 0.6, "repetition_penalty": 1.1, "do_sample": True}
    (tmp_path / "model" / "generation_config.json").write_text(json.dumps(told))
    assert not write_modelfile(tmp_path / "model", tmp_path / "m.gguf", tmp_path / "Modelfile")
    assert (tmp_path / "Modelfile").read_text().splitlines() == [
        "FROM ./m.gguf",
        'PARAMETER stop "<|eos|>"',
        'PARAMETER stop "<|end|>"',
        "PARAMETER temperature 0.6",
        "PARAMETER repeat_penalty 1.1",
        "PARAMETER num_ctx 96",
    ]
