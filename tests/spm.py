"""SentencePiece's file format, written: a tokenizer.model of given pieces."""

import struct


def varint(number):
    parts = []
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def write_model(pieces, trainer=None, normalizer=None):
    """Return a model's bytes; by default BPE, with a blank before every text and no other normalization."""
    trainer = field(3, 2) if trainer is None else trainer
    normalizer = field(3, 1) + field(4, 0) if normalizer is None else normalizer
    raw = b"".join(
        field(1, field(1, piece.text.encode()) + field(2, piece.score) + field(3, int(piece.kind)))
        for piece in pieces
    )
    return raw + field(2, trainer) + field(3, normalizer)
