"""Rows into records: what a row means is recognised from its columns.

    text       text                                                a document
    alpaca     instruction, input (optional), output               question and answer
    sharegpt   conversations: [{"from": "human", "value": …}, …]   a conversation
    messages   messages: [{"role": "user", "content": …}, …]       a conversation; also a column turns,
               the keys "text" or "value", or plain texts that alternate between user and assistant
    pairs      two columns named by language, or translation: {"en": …, "de": …}; one record per direction
    rows       any columns, through the templates prompt and answer

A conversation ends with its last assistant turn; what comes after it teaches nothing and is cut off.
"""

import unicodedata
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from camelid.errors import DataError
from camelid.text.languages import UNKNOWN, is_language, language_code
from camelid.text.phrases import ask_translation, pick
from camelid.text.readers import Reading, Row
from camelid.text.records import Message, Record
from camelid.text.sources import Source
from camelid.text.template import RowError, Template, as_text, read_value

_EXPECTED = (
    "text · instruction, output · messages or turns · conversations · two language codes (en, de). "
    'Rename them (rename = {found = "expected"}), or use form = "rows" with the templates prompt and answer; '
    'a .csv or .tsv without a header line needs columns = ["…", "…"].'
)
_CHAT_COLUMNS = ("messages", "conversations", "turns")
_AMBIGUOUS = ("id", "no")  # far more often an identifier than Indonesian or Norwegian
_ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "customer"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "chatgpt", "model", "agent"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation"), "tool"),
    "system": "system",
}
_KEY_CHARS = 40


def normalise(text: str) -> str:
    """Return what two texts must share to count as the same: NFC, without case, with single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(text.casefold().split())


def make_key(text: str) -> str:
    """Return the key of a text: itself, normalised, while short; else 32 hexadecimal digits for it."""
    plain = normalise(text)
    return plain if len(plain) <= _KEY_CHARS else blake2b(plain.encode(), digest_size=16).hexdigest()


class RecordMaker:
    """Turns the rows of one source into records; rows that it cannot use are counted in `reading`."""

    def __init__(self, source: Source, reading: Reading) -> None:
        self._source = source
        self._reading = reading
        self._prompts = [Template(prompt) for prompt in source.prompts]
        self._by_text = {prompt: Template(prompt) for prompt in source.prompts}
        self._answer = Template(source.answer)
        self._system = (Message("system", source.system),) if source.system else ()
        self._lang = language_code(source.lang) if source.lang else ""
        self._where = {
            name: set([value] if isinstance(value, str) else value) for name, value in source.where.items()
        }
        self._unseen = {*self._where, *source.relabel, *source.rename, *source.keys}
        self._unseen |= {source.lang_field} - {""}
        self._columns: tuple[str, ...] = ()
        self._file: str | None = None
        self._form: Callable[[Row, str, str], list[Record]] = self._from_text
        self._forms: dict[str, Callable[[Row, str, str], list[Record]]] = {
            "text": self._from_text,
            "alpaca": self._from_alpaca,
            "sharegpt": self._from_turns,
            "messages": self._from_turns,
            "pairs": self._from_pair,
            "rows": self._from_columns,
        }
        self._pair: tuple[tuple[str, str], tuple[str, str]] = (("", ""), ("", ""))

    def make(self, number: int, row: Row) -> list[Record]:
        """Return the records of one row: none when it is filtered, empty or bad, two for most pairs."""
        self._reading.rows += 1
        try:
            return self._make(row)
        except RowError as error:
            self._reading.complain(number, str(error))
            return []

    def check_columns(self) -> None:
        """Raise DataError when the source names a column that no row had."""
        if self._unseen and self._reading.rows:
            listed = ", ".join(repr(name) for name in sorted(self._unseen))
            raise DataError(
                f"Source {self._source.name!r} names columns that no row has: {listed}. "
                f"Found: {', '.join(self._columns)}."
            )

    def _make(self, row: Row) -> list[Record]:
        source = self._source
        if self._unseen or not self._columns:
            self._unseen -= row.keys()
            self._columns = self._columns or tuple(row)
        for name, wanted in self._where.items():
            if as_text(row.get(name)) not in wanted:
                self._reading.filtered += 1
                return []
        row = self._relabelled(row) if source.relabel else row
        key = make_key("\n".join(read_value(row, name) for name in source.keys)) if source.keys else ""
        lang = self._lang or self._language(row)
        if source.rename:
            row = {source.rename.get(name, name): value for name, value in row.items()}
        if self._reading.file is not self._file:
            self._recognise(row)
        records = self._form(row, key, lang)
        if not records:
            self._reading.empty += 1
        return records

    def _relabelled(self, row: Row) -> Row:
        row = dict(row)
        for name, labels in self._source.relabel.items():
            if name in row:
                value = as_text(row[name])
                row[name] = labels.get(value, labels.get("*", value))
        return row

    def _language(self, row: Row) -> str:
        word = (
            row.get(self._source.lang_field)
            if self._source.lang_field
            else row.get("lang") or row.get("language")
        )
        if not word:
            return UNKNOWN
        try:
            return language_code(as_text(word))
        except DataError as error:
            raise RowError(f"{error} Or give the source lang, or a relabel for this column.") from None

    def _recognise(self, row: Row) -> None:
        """Settle what the rows of the current file mean.

        Raises RowError when their columns are not recognised.
        """
        name = recognise_form(row, self._source)
        if name == "pairs":
            first, second = self._source.pair_langs or _language_columns(_unfolded(row))
            self._pair = ((first, language_code(first)), (second, language_code(second)))
        self._form = self._forms[name]
        self._file = self._reading.file
        known = self._reading.form.split(", ") if self._reading.form else []
        if name not in known:
            self._reading.form = ", ".join([*known, name])

    def _from_text(self, row: Row, key: str, lang: str) -> list[Record]:
        text = _clean(_texted(row, "text"))
        if not text or text.isspace():
            return []
        return [Record(text=text, lang=lang, task=self._source.task, key=key or make_key(text))]

    def _from_alpaca(self, row: Row, key: str, lang: str) -> list[Record]:
        question = _texted(row, "instruction").strip()
        extra = as_text(row.get("input")).strip()
        if extra:
            question = f"{question}\n\n{extra}"
        return self._ask(question, _texted(row, "output"), key, lang)

    def _from_columns(self, row: Row, key: str, lang: str) -> list[Record]:
        prompt = self._prompts[0]
        if len(self._prompts) > 1:
            filled = prompt.fill(row)
            prompt = self._by_text[pick(self._source.prompts, filled)]
        if not key:  # the columns asked about, so that the phrasing does not matter
            key = make_key("\n".join(read_value(row, name) for name in sorted(self._prompts[0].names)))
        return self._ask(prompt.fill(row), self._answer.fill(row), key, lang)

    def _from_pair(self, row: Row, key: str, lang: str) -> list[Record]:
        row = _unfolded(row)
        (first, first_lang), (second, second_lang) = self._pair
        one, two = _clean(_texted(row, first)).strip(), _clean(_texted(row, second)).strip()
        if not one or not two:
            return []
        if (
            not key
        ):  # English, else the first language of the alphabet: shared by all translations of a sentence
            is_first = first_lang == "en" or (second_lang != "en" and first_lang <= second_lang)
            key = make_key(one if is_first else two)
        records = []
        if self._source.directions != "backward":
            records += self._ask(
                self._translate(one, first_lang, second_lang), two, key, second_lang, first_lang
            )
        if self._source.directions != "forward":
            records += self._ask(
                self._translate(two, second_lang, first_lang), one, key, first_lang, second_lang
            )
        return records

    def _translate(self, text: str, source: str, target: str) -> str:
        if not self._prompts:
            return ask_translation(text, source, target)
        prompt = self._by_text[pick(self._source.prompts, text + target)]
        return prompt.fill({"text": text, "source": source, "target": target})

    def _ask(self, question: str, answer: str, key: str, lang: str, source_lang: str = "") -> list[Record]:
        """Return the record of one question and one answer, or none when either is empty."""
        question, answer = _clean(question).strip(), _clean(answer).strip()
        if not question or not answer:
            return []
        messages = (*self._system, Message("user", question), Message("assistant", answer))
        task = self._source.task or ("translation" if self._form == self._from_pair else "")
        key = key or make_key(question)
        return [Record(messages=messages, lang=lang, task=task, key=key, source_lang=source_lang)]

    def _from_turns(self, row: Row, key: str, lang: str) -> list[Record]:
        column = next((name for name in _CHAT_COLUMNS if name in row), None)
        if column is None:
            raise RowError(f"there is no column {' or '.join(_CHAT_COLUMNS)}; found {', '.join(row)}.")
        messages = _read_turns(row[column], column)
        if not messages:
            return []
        if self._system and messages[0].role != "system":
            messages = (*self._system, *messages)
        if not key:
            asked = [turn.content for turn in messages if turn.role != "system"]
            key = make_key(asked[0] if len(asked) == 2 else "\n".join(asked))
        return [Record(messages=messages, lang=lang, task=self._source.task, key=key)]


def recognise_form(row: Row, source: Source) -> str:
    """Return the name of the form that a row is in.

    Raises RowError when its columns are those of no form, naming them and what was expected.
    """
    if source.form != "auto":
        return source.form
    if source.answer:
        return "rows"
    if source.pair_langs:
        return "pairs"
    for name in _CHAT_COLUMNS:
        if isinstance(row.get(name), list):
            return "sharegpt" if name == "conversations" else "messages"
    if "instruction" in row and "output" in row:
        return "alpaca"
    if "text" in row:
        return "text"
    if len(_language_columns(_unfolded(row))) == 2:
        return "pairs"
    raise RowError(f"the columns are not recognised: {_listed(row)}. Expected {_EXPECTED}")


def _listed(row: Row) -> str:
    names = [name if len(name) <= 30 else f"{name[:30]}…" for name in map(str, row)]
    return ", ".join(names) or "none"


def _language_columns(row: Row) -> tuple[str, ...]:
    return tuple(
        name
        for name, value in row.items()
        if is_language(name) and isinstance(value, str) and name not in _AMBIGUOUS
    )


def _unfolded(row: Row) -> Row:
    """Return the row with {"translation": {"en": …}} opened, as Hugging Face writes sentence pairs."""
    inner = row.get("translation")
    return inner if isinstance(inner, dict) else row


def _texted(row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    if name not in row:
        raise RowError(f"there is no column {name!r}; found {_listed(row)}.")
    if value is None:
        return ""
    raise RowError(f"column {name!r} must be a text; found {str(value)[:40]}.")


def _clean(text: str) -> str:
    """Return the text with every line end as "\\n".

    Raises RowError for half of a surrogate pair, which JSON can spell and UTF-8 cannot.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            half = ord(text[error.start])
            raise RowError(f"half of a surrogate pair (\\u{half:04x}), which no text can hold.") from None
    return text


def _read_turns(turns: Any, column: str) -> tuple[Message, ...]:
    """Return the turns up to the last answer; none when there is no answer.

    A turn without words ends the conversation before it.
    """
    if not isinstance(turns, list):
        raise RowError(f"column {column!r} must be a list of turns; found {str(turns)[:40]}.")
    messages: list[Message] = []
    for index, turn in enumerate(turns):
        message = _read_turn(turn, index)
        if not message.content or message.content.isspace():
            break
        messages.append(message)
    while messages and messages[-1].role != "assistant":
        messages.pop()
    return tuple(messages)


def _read_turn(turn: Any, index: int) -> Message:
    if isinstance(turn, str):
        return Message("assistant" if index % 2 else "user", _clean(turn))
    if not isinstance(turn, dict):
        raise RowError(f"turn {index + 1} must be a table or a text; found {str(turn)[:40]}.")
    word = turn.get("role") or turn.get("from")
    role = _ROLES.get(word.lower()) if isinstance(word, str) else None
    if role is None:
        known = ", ".join(sorted(_ROLES))
        raise RowError(f"turn {index + 1} has the role {word!r}. Known: {known}.")
    for name in ("content", "value", "text"):
        if name in turn:
            return Message(role, _clean(_content(turn[name], index)))
    raise RowError(f"turn {index + 1} has no content; found {', '.join(map(str, turn))}.")


def _content(value: Any, index: int) -> str:
    """Return a turn's text, which OpenAI also lets one write as a list of parts."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    parts: Iterable[Any] = value if isinstance(value, list) else [value]
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise RowError(f"turn {index + 1} must be text; found {str(value)[:40]}.")
    return "".join(text for text in texts if isinstance(text, str))
