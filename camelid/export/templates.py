"""Chat templates that are known by name, for checkpoints that were published without one.

Each is written from the published description of its format, named beside it; a template here writes out
the beginning of the text (bos_token) itself where its format has one, as those of published checkpoints do.
"""

from dataclasses import dataclass
from pathlib import Path

from camelid.errors import RequestError, TokenizerError, suggest
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer
from camelid.text.turns import ChatTemplate


@dataclass(frozen=True)
class Format:
    """A way to write a conversation.

    source: the template, Jinja. tokens: the special tokens it writes, besides the beginning and the end.
    origin: where the format is described.
    """

    source: str
    tokens: tuple[str, ...]
    origin: str


_REFUSE_ROLE = "{{ raise_exception('this chat template has no role ' ~ message['role']) }}"
# A system message goes into the first user turn, where a format has no place of its own for it.
_LLAMA2 = (
    "{% set state = namespace(system='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% set state.system = '<<SYS>>\\n' ~ message['content'] ~ '\\n<</SYS>>\\n\\n' %}"
    "{% elif message['role'] == 'user' %}"
    "{{ bos_token ~ '[INST] ' ~ state.system ~ (message['content'] | trim) ~ ' [/INST]' }}"
    "{% set state.system = '' %}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ ' ' ~ (message['content'] | trim) ~ ' ' ~ eos_token }}"
    "{% else %}" + _REFUSE_ROLE + "{% endif %}"
    "{% endfor %}"
)
_LLAMA3 = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' ~ ('ipython' if message['role'] == 'tool' else message['role']) "
    "~ '<|end_header_id|>\\n\\n' ~ (message['content'] | trim) ~ '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
_CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' ~ message['role'] ~ '\\n' ~ message['content'] ~ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_VICUNA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}"
    "{% else %}{{ 'A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user\\'s questions.' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ ' USER: ' ~ (message['content'] | trim) }}"
    "{% elif message['role'] == 'assistant' %}{{ ' ASSISTANT: ' ~ (message['content'] | trim) ~ eos_token }}"
    "{% elif message['role'] != 'system' or not loop.first %}" + _REFUSE_ROLE + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)
_ALPACA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] ~ '\\n\\n' }}"
    "{% else %}{{ 'Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\\n\\n' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '### Instruction:\\n' ~ (message['content'] | trim) ~ '\\n\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '### Response:\\n' ~ (message['content'] | trim) ~ eos_token ~ '\\n\\n' }}"
    "{% elif message['role'] != 'system' or not loop.first %}" + _REFUSE_ROLE + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
)
FORMATS = {
    "llama-2": Format(_LLAMA2, (), "github.com/meta-llama/llama, llama/generation.py: chat_completion"),
    "llama-3": Format(
        _LLAMA3,
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "github.com/meta-llama/llama3, llama/tokenizer.py: ChatFormat",
    ),
    "chatml": Format(
        _CHATML, ("<|im_start|>", "<|im_end|>"), "github.com/openai/openai-python, chatml.md of version 0.27"
    ),
    "vicuna": Format(
        _VICUNA, (), "github.com/lm-sys/FastChat, docs/vicuna_weights_version.md: prompt template of v1.1"
    ),
    "alpaca": Format(_ALPACA, (), "github.com/tatsu-lab/stanford_alpaca, README: prompts without an input"),
}


def read_template(named: str, tokenizer: Tokenizer) -> str:
    """Return a chat template, Jinja: one of FORMATS by its name, or what a file holds.

    tokenizer: whose conversations it will write; it must have the special tokens.

    Raises TokenizerError when there is no such name or file, it is not Jinja, or a special token is missing.
    """
    if named not in FORMATS:
        return _read_file(Path(named), tokenizer)
    found = FORMATS[named]
    for token in found.tokens:
        if not tokenizer.has_token(token):
            raise TokenizerError(
                f"The chat template {named} writes {token}, which this tokenizer has not: the model never "
                f"saw it. Choose another of {', '.join(find_fitting(tokenizer))}."
            )
    return found.source


def find_fitting(tokenizer: Tokenizer) -> list[str]:
    """Return the names of the formats whose special tokens a tokenizer has, in alphabetical order."""
    return [name for name in sorted(FORMATS) if all(map(tokenizer.has_token, FORMATS[name].tokens))]


def _read_file(path: Path, tokenizer: Tokenizer) -> str:
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise TokenizerError(
            f"There is no chat template {str(path)!r}, neither a file nor a name."
            f"{suggest(str(path), FORMATS)}"
        ) from None
    _check(source, path)
    return source


def _check(source: str, path: Path) -> None:
    try:
        ChatTemplate(source).render([Message("user", "x")], add_generation_prompt=True)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    except RequestError:
        return  # it may want other messages than this one
