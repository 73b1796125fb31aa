"""Token shards: one source's records, tokenised once, on disk and mapped into memory.

A shard is a folder of plain little-endian arrays and a meta.json with their sizes and hashes. Its name
carries a hash of what it was made from, so that a later run finds it again, and only when nothing changed.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import DataError
from camelid.files import hash_json, write_folder, write_json
from camelid.text.chat import Rendered, render_record, render_records
from camelid.text.records import Record
from camelid.text.tokenizer import Tokenizer

FORMAT = 1
CHUNK_CHARS = 4_000_000  # how much text is encoded at a time; bounds the memory
CHUNK_RECORDS = 8192


@dataclass(frozen=True)
class TokenShard:
    """One source's records as token ids, N tokens of R records; the large arrays are mapped, not read.

    token_ids: uint16 or uint32 (N,).
    supervised: bool (N,), whether the model learns to say this token when it is fine-tuned.
    offsets: int64 (R + 1,), where each record begins in the two above.
    langs: uint16 (R,), indices into `languages`.
    is_chat: bool (R,), conversation or document.
    num_bytes: int64 (R,), UTF-8 bytes of the supervised text: the document, or the assistant's words.
    token_bytes: uint16 (V,), UTF-8 bytes that each token of the vocabulary stands for.
    meta: what meta.json says: name, fingerprint, pad_id, and counts in all and by language.
    """

    folder: Path
    token_ids: NDArray[Any]
    supervised: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    langs: NDArray[np.uint16]
    is_chat: NDArray[np.bool_]
    num_bytes: NDArray[np.int64]
    token_bytes: NDArray[np.uint16]
    meta: dict[str, Any]

    @property
    def name(self) -> str:
        """The source's name."""
        return str(self.meta["name"])

    @property
    def languages(self) -> list[str]:
        """The languages of the records; `langs` counts along this list."""
        return list(self.meta["languages"])

    @property
    def num_records(self) -> int:
        """How many records there are."""
        return len(self.langs)

    @property
    def num_tokens(self) -> int:
        """How many tokens there are."""
        return len(self.token_ids)


_ARRAYS = ("token_ids", "supervised", "offsets", "langs", "is_chat", "num_bytes", "token_bytes")


def ensure_shard(
    root: Path | str,
    name: str,
    records: Iterable[Record] | Callable[[], Iterable[Record]],
    tokenizer: Tokenizer,
    *,
    inputs: object,
) -> TokenShard:
    """Return the shard of a source, the one on disk when it was made from the same inputs and is whole.

    records: the records, or a function that gives them, called only when the shard must be written.
    inputs: anything JSON-like that changes when the records do.
    """
    identity = hash_json([FORMAT, name, inputs, tokenizer.fingerprint])
    plain_name = re.sub(r"[^\w.-]+", "-", name)
    folder = Path(root) / f"{plain_name}-{identity}"
    if folder.exists():
        try:
            return open_shard(folder)
        except DataError:
            pass  # half a shard is written anew
    return write_shard(folder, records() if callable(records) else records, tokenizer, name=name)


def write_shard(
    folder: Path | str, records: Iterable[Record], tokenizer: Tokenizer, *, name: str
) -> TokenShard:
    """Tokenise records into a shard at `folder`, in bounded memory, and return it opened.

    Raises DataError for a record that cannot be rendered, saying which.
    """
    write_folder(folder, lambda fresh: _Writer(fresh, tokenizer, name).write(records))
    return open_shard(folder)


def open_shard(folder: Path | str) -> TokenShard:
    """Return a shard, its large arrays mapped.

    Raises DataError when it is missing, truncated or corrupt.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] != FORMAT:
            raise DataError(
                f"{folder} is a shard of format {meta['format']}; expected {FORMAT}. Write it anew."
            )
        arrays = {key: _map_array(folder / f"{key}.bin", meta["arrays"][key]) for key in _ARRAYS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder} is not a whole token shard ({error!r}). Delete it and run again."
        ) from error
    return TokenShard(folder=folder, meta=meta, **arrays)


def _map_array(path: Path, described: dict[str, Any]) -> NDArray[Any]:
    dtype = np.dtype(described["dtype"])
    expected = described["length"] * dtype.itemsize
    found = path.stat().st_size
    if found != expected:
        raise DataError(f"{path} is cut short: expected {expected} bytes, found {found}. Delete its folder.")
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != described["sha256"]:
            raise DataError(f"{path} is corrupt: its hash differs from meta.json's. Delete its folder.")
    if not expected:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype=dtype, mode="r")


class _Writer:
    """Fills one shard folder, chunk by chunk."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, name: str) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._name = name
        self._arrays: dict[str, dict[str, Any]] = {}
        self._token_bytes = np.minimum(tokenizer.num_bytes, 2**16 - 1).astype(np.uint16)
        self._languages: dict[str, int] = {}
        self._columns: dict[str, list[NDArray[Any]]] = {
            key: [] for key in ("lengths", "langs", "is_chat", "num_bytes", "num_supervised")
        }

    def write(self, records: Iterable[Record]) -> None:
        """Write every file of the shard."""
        dtype = np.dtype(np.uint16 if self._tokenizer.vocab_size <= 2**16 else np.uint32)
        with (
            open(self._folder / "token_ids.bin", "wb") as ids,
            open(self._folder / "supervised.bin", "wb") as marks,
        ):
            token_ids = _Column(ids, dtype)
            supervised = _Column(marks, np.dtype(np.bool_))
            num_seen = 0
            for chunk in _chunks(records):
                self._add(chunk, self._render(chunk, num_seen), token_ids, supervised)
                num_seen += len(chunk)
        self._arrays |= {"token_ids": token_ids.described(), "supervised": supervised.described()}
        columns = {
            key: np.concatenate(parts or [np.zeros(0, np.int64)]) for key, parts in self._columns.items()
        }
        offsets = np.concatenate([[0], np.cumsum(columns["lengths"])])
        self._save("offsets", offsets.astype(np.int64))
        self._save("langs", columns["langs"].astype(np.uint16))
        self._save("is_chat", columns["is_chat"].astype(np.bool_))
        self._save("num_bytes", columns["num_bytes"].astype(np.int64))
        self._save("token_bytes", self._token_bytes)
        write_json(self._folder / "meta.json", self._meta(columns))

    def _render(self, chunk: list[Record], num_seen: int) -> list[Rendered]:
        try:
            return render_records(self._tokenizer, chunk)
        except DataError:
            for number, record in enumerate(chunk, num_seen + 1):
                try:
                    render_record(self._tokenizer, record)
                except DataError as error:
                    raise DataError(f"Source {self._name!r}, record {number}: {error}") from error
            raise

    def _add(
        self, chunk: list[Record], rendered: list[Rendered], token_ids: "_Column", supervised: "_Column"
    ) -> None:
        lengths = np.array([len(each.token_ids) for each in rendered], np.int64)
        ids = np.fromiter(itertools.chain.from_iterable(each.token_ids for each in rendered), np.int64)
        marks = np.fromiter(itertools.chain.from_iterable(each.supervised for each in rendered), np.bool_)
        starts = np.cumsum(lengths) - lengths
        token_ids.append(ids)
        supervised.append(marks)
        numbers = [self._languages.setdefault(record.lang, len(self._languages)) for record in chunk]
        self._columns["lengths"].append(lengths)
        self._columns["langs"].append(np.array(numbers, np.int64))
        self._columns["is_chat"].append(np.array([record.is_chat for record in chunk], np.int64))
        self._columns["num_bytes"].append(
            np.add.reduceat(self._token_bytes[ids] * marks, starts, dtype=np.int64)
        )
        self._columns["num_supervised"].append(np.add.reduceat(marks, starts, dtype=np.int64))

    def _save(self, key: str, values: NDArray[Any]) -> None:
        with open(self._folder / f"{key}.bin", "wb") as file:
            column = _Column(file, values.dtype)
            column.append(values)
        self._arrays[key] = column.described()

    def _meta(self, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
        def count(chosen: NDArray[np.bool_]) -> dict[str, int]:
            return {
                "records": int(chosen.sum()),
                "tokens": int(columns["lengths"][chosen].sum()),
                "supervised_tokens": int(columns["num_supervised"][chosen].sum()),
                "bytes": int(columns["num_bytes"][chosen].sum()),
            }

        return {
            "format": FORMAT,
            "name": self._name,
            "fingerprint": self._tokenizer.fingerprint,
            "vocab_size": self._tokenizer.vocab_size,
            "pad_id": self._tokenizer.pad_id,
            **count(np.ones(len(columns["langs"]), np.bool_)),
            "languages": {
                lang: count(columns["langs"] == number) for lang, number in self._languages.items()
            },
            "arrays": self._arrays,
        }


class _Column:
    """An array that grows on disk."""

    def __init__(self, file: IO[bytes], dtype: np.dtype[Any]) -> None:
        self._file = file
        self._dtype = dtype.newbyteorder("<")
        self._hash = hashlib.sha256()
        self._length = 0

    def append(self, values: NDArray[Any]) -> None:
        """Write values behind those there are."""
        data = values.astype(self._dtype, copy=False).tobytes()
        self._file.write(data)
        self._hash.update(data)
        self._length += len(values)

    def described(self) -> dict[str, Any]:
        """Return what meta.json says of the array."""
        return {"dtype": self._dtype.str, "length": self._length, "sha256": self._hash.hexdigest()}


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += len(record.text) + sum(len(turn.content) for turn in record.messages)
        if size >= CHUNK_CHARS or len(chunk) >= CHUNK_RECORDS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
