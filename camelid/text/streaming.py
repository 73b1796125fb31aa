"""Token ids into text one at a time, never a broken character.

A character may be split over several tokens; a decoder holds its bytes back until it is whole. What never
becomes whole comes out as U+FFFD, at `flush` at the latest, so that the joined pieces are what decoding all
ids at once gives.
"""

import codecs
import json
from collections.abc import Sequence
from typing import Protocol

import tokenizers

_BEFORE = 8  # ids of a text already given that are read again: more than the bytes of a character


class StreamDecoder(Protocol):
    """Takes token ids, gives text."""

    def push(self, token_id: int) -> str:
        """Return the text that this id completes; "" while a character is incomplete."""

    def flush(self) -> str:
        """Return what is left, and begin anew."""


class ByteDecoder:
    """A decoder for byte-level vocabularies."""

    def __init__(self, token_bytes: Sequence[bytes], skipped: frozenset[int]) -> None:
        """Decode with a table of bytes by id; the skipped ids give nothing."""
        self._token_bytes = token_bytes
        self._skipped = skipped
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """Return the text that this id completes; "" while a character is incomplete."""
        if token_id in self._skipped or not 0 <= token_id < len(self._token_bytes):
            return ""
        return self._utf8.decode(self._token_bytes[token_id])

    def flush(self) -> str:
        """Return what is left, U+FFFD for bytes that never became a character, and begin anew."""
        rest = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        return rest


class WindowDecoder:
    """A decoder for other vocabularies (SentencePiece's): decodes a short window and gives what it grew by.

    The window begins one token early, since a first token may lose its blank.
    """

    def __init__(
        self,
        core: tokenizers.Tokenizer,
        vocab_size: int,
        skipped: frozenset[int],
        after: Sequence[int] = (),
    ) -> None:
        """Decode with a `tokenizers.Tokenizer`; the skipped ids, and those from vocab_size on, give nothing.

        after: ids whose text was given already.
        """
        self._core = core
        self._skipped = skipped
        self._vocab_size = vocab_size
        known = [int(token_id) for token_id in after[-_BEFORE:] if self._is_text(token_id)]
        self._window: list[int] = known
        self._given = len(known)  # how many ids of the window have come out as text

    def push(self, token_id: int) -> str:
        """Return the text that this id completes; "" while a character is incomplete."""
        if not self._is_text(token_id):
            return ""
        self._window.append(int(token_id))
        if (self._core.id_to_token(token_id) or "").startswith("<0x"):
            return ""  # a run of bytes is read as a whole, when it is over
        return self._give()

    def flush(self) -> str:
        """Return what is left, U+FFFD for bytes that never became a character, and begin anew."""
        rest = self._give()
        self._window, self._given = [], 0
        return rest

    def _is_text(self, token_id: int) -> bool:
        return token_id not in self._skipped and 0 <= token_id < self._vocab_size

    def _give(self) -> str:
        before = self._decode(self._window[: self._given])
        grown = self._decode(self._window)[len(before) :]
        self._window = self._window[max(self._given - 1, 0) :] if not grown else self._window[-1:]
        self._given = len(self._window)
        return grown

    def _decode(self, token_ids: list[int]) -> str:
        return str(self._core.decode(token_ids, skip_special_tokens=False))


def read_token_bytes(core: tokenizers.Tokenizer, vocab_size: int) -> list[bytes] | None:
    """Return the bytes of each token by id; None when the vocabulary is not byte-level."""
    if (json.loads(core.to_str()).get("decoder") or {}).get("type") != "ByteLevel":
        return None
    byte_of = {char: byte for byte, char in enumerate(_byte_alphabet())}
    names = (core.id_to_token(token_id) or "" for token_id in range(vocab_size))
    return [_name_to_bytes(name, byte_of) for name in names]


def _name_to_bytes(name: str, byte_of: dict[str, int]) -> bytes:
    mapped = [byte_of.get(char) for char in name]
    return name.encode() if None in mapped else bytes(byte for byte in mapped if byte is not None)


def _byte_alphabet() -> list[str]:
    """Return the character that byte-level BPE writes for each byte.

    A byte that Latin-1 prints stands for itself, the others follow from U+0100 on, in order.
    Source: Radford et al. 2019 (GPT-2), as every byte-level tokenizer.json has it.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [chr(byte if byte in printed else next(others)) for byte in range(256)]
