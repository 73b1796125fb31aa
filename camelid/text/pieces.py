"""A vocabulary of pieces, as SentencePiece and llama2.c keep it, made a tokenizer without their libraries.

A piece has a text, a score and a kind. Neighbours are joined, those whose piece scores best first.
Blanks are written "▁", and what no piece covers falls back on tokens that stand for one byte each. Source:
sentencepiece_model.proto of google/sentencepiece; the parts are those of Llama 2's published tokenizer.json.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, processors

from camelid.errors import TokenizerError

BLANK = "▁"
_UNIGRAM, _BPE = 1, 2  # of SentencePiece's kinds of models
_VARINT, _LONG, _BYTES, _SHORT = 0, 1, 2, 5  # protobuf's wire types


class Kind(IntEnum):
    """What a piece is; GGUF has the same numbers."""

    normal = 1
    unknown = 2
    control = 3
    user = 4
    unused = 5
    byte = 6


@dataclass(frozen=True)
class Piece:
    """One token."""

    text: str
    score: float = 0.0
    kind: Kind = Kind.normal


@dataclass(frozen=True)
class Pieces:
    """A whole vocabulary, by id.

    prefix: whether a blank is put before every text. charsmap: SentencePiece's compiled normalization, often
    empty. squeeze: whether runs of blanks become one. unigram: whether the best-scored cut of a whole text is
    taken, instead of joining neighbours.
    """

    pieces: tuple[Piece, ...]
    bos_id: int = 1
    eos_id: int = 2
    pad_id: int = -1
    unk_id: int = 0
    prefix: bool = True
    charsmap: bytes = b""
    squeeze: bool = False
    unigram: bool = False

    def special_tokens(self) -> dict[str, Any]:
        """Return what tokenizer_config.json says of the special tokens."""
        ids = {"bos_token": self.bos_id, "eos_token": self.eos_id, "unk_token": self.unk_id,
               "pad_token": self.pad_id}  # fmt: skip
        return {name: self.pieces[index].text for name, index in ids.items() if 0 <= index < len(self.pieces)}


def read_sentencepiece(path: Path | str) -> Pieces:
    """Return the vocabulary of a SentencePiece model, such as Llama 2's tokenizer.model.

    Raises TokenizerError when the file is something else, is cut off, or holds a kind of model that splits
    words or characters only.
    """
    path = Path(path)
    try:
        return _parse_model(path.read_bytes())
    except OSError as error:
        raise TokenizerError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, struct.error, IndexError) as error:
        raise TokenizerError(
            f"{path} is no SentencePiece model ({error}). If it is Llama 3's (a list of tokens in base64), "
            "use the tokenizer.json that is published beside it."
        ) from None


def read_core(
    path: Path, later: Mapping[int, str], *, add_bos: bool
) -> tuple[tokenizers.Tokenizer, dict[str, Any]]:
    """Return the library's tokenizer of a SentencePiece model, and its special tokens by their roles.

    later: tokens that were added to it, by id. add_bos: as for `build_core`.

    Raises TokenizerError when the file cannot be read, or an added token would get another id.
    """
    pieces = read_sentencepiece(path)
    core = build_core(pieces, add_bos=add_bos)
    for number in sorted(later):
        name = later[number]
        if core.token_to_id(name) is None:
            core.add_special_tokens([AddedToken(name, special=True, normalized=False)])
        if core.token_to_id(name) != number:
            raise TokenizerError(
                f"the added token {name!r} must have the id {number}, but comes out as "
                f"{core.token_to_id(name)}. Save the tokenizer as tokenizer.json with transformers."
            )
    return core, pieces.special_tokens()


def build_core(pieces: Pieces, *, add_bos: bool = True) -> tokenizers.Tokenizer:
    """Return the library's tokenizer of a vocabulary, with the ids of its own tool.

    add_bos: whether the library, asked for special tokens, begins a text with one.

    Raises TokenizerError when a text stands twice in it.
    """
    vocab = {piece.text: index for index, piece in enumerate(pieces.pieces)}
    if len(vocab) != len(pieces.pieces):
        raise TokenizerError(
            f"A vocabulary must not hold a token twice; found {len(pieces.pieces)} tokens, of which "
            f"{len(vocab)} differ. Use a tokenizer.json."
        )
    falls_back = any(piece.kind == Kind.byte for piece in pieces.pieces)
    unknown = pieces.pieces[pieces.unk_id].text
    model: models.Model
    if pieces.unigram:
        scored = [(piece.text, piece.score) for piece in pieces.pieces]
        model = models.Unigram(scored, unk_id=pieces.unk_id, byte_fallback=falls_back)
    else:
        model = models.BPE(
            vocab, find_merges(pieces.pieces), unk_token=unknown, fuse_unk=True, byte_fallback=falls_back
        )
    core = tokenizers.Tokenizer(model)
    core.normalizer = _normalizer(pieces)
    steps = [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse()]
    core.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if pieces.prefix else steps)
    special = (Kind.control, Kind.unknown)
    core.add_tokens(
        [
            AddedToken(piece.text, special=piece.kind in special, normalized=False)
            for piece in pieces.pieces
            if piece.kind in (*special, Kind.user)
        ]
    )
    if add_bos and 0 <= pieces.bos_id < len(pieces.pieces):
        bos = pieces.pieces[pieces.bos_id].text
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, pieces.bos_id)]
        )
    return core


def find_merges(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """Return which two tokens are joined to which third, the most urgent first.

    Each piece can come of any two that make it up; the higher its score, the sooner.
    """
    joined = {
        piece.text: index
        for index, piece in enumerate(pieces)
        if piece.kind in (Kind.normal, Kind.unused, Kind.user)
    }
    found = []
    for text, index in joined.items():
        if pieces[index].kind != Kind.normal:
            continue
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in joined and right in joined:
                found.append((-pieces[index].score, index, joined[left], left, right))
    return [(left, right) for *_, left, right in sorted(found)]


def _normalizer(pieces: Pieces) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = []
    if pieces.charsmap:
        steps.append(normalizers.Precompiled(pieces.charsmap))
    if pieces.squeeze:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if pieces.prefix:
        steps.append(normalizers.Prepend(BLANK))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", BLANK)])


# --- protobuf ---------------------------------------------------------------------------------------------


def _parse_model(raw: bytes) -> Pieces:
    """Read ModelProto: 1 the pieces, 2 how it was trained, 3 how text is normalized."""
    pieces, trainer, normalizer = [], dict[int, Any](), dict[int, Any]()
    for number, value in _fields(raw):
        if number == 1:
            fields = dict(_fields(value))
            (score,) = struct.unpack("<f", fields.get(2, bytes(4)))
            pieces.append(Piece(fields[1].decode("utf-8"), score, Kind(fields.get(3, Kind.normal))))
        elif number == 2:
            trainer = dict(_fields(value))
        elif number == 3:
            normalizer = dict(_fields(value))
    if not pieces:
        raise ValueError("it holds no pieces")
    kind = trainer.get(3, _UNIGRAM)
    if kind not in (_UNIGRAM, _BPE):
        raise ValueError(f"it is of kind {kind}; BPE and unigram are read")
    return Pieces(
        tuple(pieces),
        unk_id=_signed(trainer.get(40, 0)),
        bos_id=_signed(trainer.get(41, 1)),
        eos_id=_signed(trainer.get(42, 2)),
        pad_id=_signed(trainer.get(43, -1)),
        prefix=bool(normalizer.get(3, 1)),
        charsmap=normalizer.get(2, b""),
        squeeze=bool(normalizer.get(4, 1)),
        unigram=kind == _UNIGRAM,
    )


def _signed(number: int) -> int:
    """Return a protobuf int32: a negative one is written as 64 bits."""
    return number - (1 << 64) if number >> 63 else number


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protobuf message: numbers as int, everything else as bytes."""
    place = 0
    while place < len(raw):
        key, place = _varint(raw, place)
        wire = key & 7
        if wire == _VARINT:
            value, place = _varint(raw, place)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, place = _varint(raw, place)
        elif wire in (_LONG, _SHORT):
            size = 8 if wire == _LONG else 4
        else:
            raise ValueError(f"byte {place} is no field")
        if place + size > len(raw):
            raise ValueError("it is cut off")
        yield key >> 3, raw[place : place + size]
        place += size


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = raw[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
