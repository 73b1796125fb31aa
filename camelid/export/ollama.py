"""A Modelfile for Ollama beside a GGUF file: the template in Go's language, stop tokens, parameters.

A chat template is Jinja, a program; it is not translated line by line but watched: what it writes around the
words of a few conversations is taken down, put together again and compared. One that writes a turn in another
way when others stand beside it (Llama 2's) has no such parts, and Ollama is left to the GGUF file's own.
Source: Ollama's docs/modelfile.md and docs/template.md.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from camelid.errors import RequestError
from camelid.files import write_text
from camelid.model.folder import read_config
from camelid.text.records import Message
from camelid.text.tokenizer import Tokenizer
from camelid.text.turns import ChatTemplate

_WORDS = {"system": "Ksystemx", "user": "Kuserx", "assistant": "Kassistantx"}  # that no template writes
# What Ollama calls the settings that generation_config.json may have.
_PARAMETERS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p",
               "repetition_penalty": "repeat_penalty"}  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a template writes around the words: before and after those of each role.

    head: before everything, where there is no system message. tail: before the answer.
    """

    head: str
    around: dict[str, tuple[str, str]]
    tail: str

    def join(self, turns: Sequence[Message]) -> str:
        """Return a conversation as these parts make it."""
        head = "" if turns[0].role == "system" else self.head
        return head + "".join(f"{turn.content}".join(self.around[turn.role]) for turn in turns)

    def to_go(self) -> str:
        """Return them as a template of Ollama's."""
        before, after = self.around.get("system", ("", ""))
        system = f"{{{{ if .System }}}}{before}{{{{ .System }}}}{after}"
        start = f"{system}{{{{ else }}}}{self.head}{{{{ end }}}}" if "system" in self.around else self.head
        turns = "{{ else }}".join(
            f'if eq .Role "{role}" }}}}{"{{ .Content }}".join(self.around[role])}'
            for role in ("user", "assistant")
        ).replace("{{ else }}if", "{{ else if")
        return f"{start}{{{{ range .Messages }}}}{{{{ {turns}{{{{ end }}}}{{{{ end }}}}{self.tail}"


def find_parts(template: ChatTemplate) -> Parts | None:
    """Return what a template writes around the words; None when that depends on more than the role."""
    try:
        return _watch(template)
    except RequestError:
        return None


def write_modelfile(folder: Path | str, gguf: Path | str, out: Path | str) -> bool:
    """Write the Modelfile of a GGUF file that lies beside it; return whether the template was translated.

    folder: the model folder that the GGUF file was made of.

    Raises CheckpointError or TokenizerError when the folder is no whole model, RunError when it cannot be
    written.
    """
    folder, config = Path(folder), read_config(folder)
    tokenizer = Tokenizer.load(folder)
    parts = find_parts(tokenizer.template) if tokenizer.template else None
    go = _without_bos(parts, tokenizer).to_go() if parts else ""
    translated = bool(go) and '"""' not in go
    lines = [f"FROM ./{Path(gguf).name}"]
    if translated:
        lines.append(f'TEMPLATE """{go}"""')
    stops = [tokenizer.decode([stop], skip_special=False) for stop in tokenizer.stop_ids]
    lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in stops]
    lines += [f"PARAMETER {name} {value}" for name, value in _parameters(folder).items()]
    lines.append(f"PARAMETER num_ctx {config.max_position_embeddings}")
    write_text(out, "\n".join(lines) + "\n")
    return translated


def _watch(template: ChatTemplate) -> Parts | None:
    system, user, assistant = (Message(role, words) for role, words in _WORDS.items())
    first = template.render([user])
    whole = template.render([user], add_generation_prompt=True)
    second, third = template.render([user, assistant]), template.render([user, assistant, user])
    if not (whole.startswith(first) and second.startswith(first) and third.startswith(second)):
        return None
    around = {}
    for role, text in (("assistant", second[len(first) :]), ("user", third[len(second) :])):
        pieces = text.split(_WORDS[role])
        if len(pieces) != 2:
            return None
        around[role] = (pieces[0], pieces[1])
    turn = _WORDS["user"].join(around["user"])
    if not first.endswith(turn):
        return None
    parts = _with_system(template, Parts(first.removesuffix(turn), around, whole[len(first) :]), turn)
    if parts is None:
        return None
    talk = [user, assistant, user, assistant, user]
    for turns in (talk, [system, *talk]) if "system" in parts.around else (talk,):
        if parts.join(turns) != template.render(turns):
            return None
    return None if any("{{" in text for text in _texts(parts)) else parts


def _with_system(template: ChatTemplate, parts: Parts, turn: str) -> Parts | None:
    """Add what is written around a system message, if the template takes one; None if it goes into a turn."""
    try:
        text = template.render([Message(role, _WORDS[role]) for role in ("system", "user")])
    except RequestError:
        return parts
    pieces = text.removesuffix(turn).split(_WORDS["system"])
    if not text.endswith(turn) or len(pieces) != 2:
        return None
    return Parts(parts.head, {**parts.around, "system": (pieces[0], pieces[1])}, parts.tail)


def _texts(parts: Parts) -> list[str]:
    return [parts.head, parts.tail, *(text for pair in parts.around.values() for text in pair)]


def _without_bos(parts: Parts, tokenizer: Tokenizer) -> Parts:
    """Return parts without the beginning of the text, where whoever reads the GGUF file adds it."""
    if not tokenizer.begins_with_bos:
        return parts
    bos = tokenizer.decode([tokenizer.bos_id], skip_special=False)
    around = dict(parts.around)
    if "system" in around:
        around["system"] = (around["system"][0].removeprefix(bos), around["system"][1])
    return Parts(parts.head.removeprefix(bos), around, parts.tail)


def _parameters(folder: Path) -> dict[str, float]:
    """Return how the model's makers would have it sampled, in Ollama's words."""
    path = folder / "generation_config.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: told[key] for key, name in _PARAMETERS.items() if isinstance(told.get(key), int | float)}
