"""The record: what every reader yields and everything downstream takes.

A record is either a document (`text`) or a conversation (`messages`); a translation, a labelled review or
an Alpaca triple is a conversation of one question and one answer.
"""

from dataclasses import dataclass

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; the field names are OpenAI's."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Record:
    """One document or one conversation.

    text: the document; empty when there are messages.
    messages: the turns; empty when there is text.
    lang: ISO 639-1 code of the language that the text, or the answer, is in; "und" when unknown.
    task: what the record teaches, for instance "story", "translation", "sentiment"; "" when unknown.
    key: what the split hashes: records that share a key are never on both sides of the split.
    source_lang: the code of the language that a translation is from; "" when there is none or it is unknown.
    """

    text: str = ""
    messages: tuple[Message, ...] = ()
    lang: str = "und"
    task: str = ""
    key: str = ""
    source_lang: str = ""

    @property
    def is_chat(self) -> bool:
        """Tell whether this is a conversation."""
        return bool(self.messages)

    @property
    def answer(self) -> str:
        """Return the last assistant turn, the gold answer of a task; "" for a document."""
        return next((turn.content for turn in reversed(self.messages) if turn.role == "assistant"), "")
