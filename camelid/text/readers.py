"""Files into rows: .txt, .jsonl, .json, .csv, .tsv, .parquet, plain or packed, and Hugging Face datasets.

It knows nothing of what a row means (forms.py does). Whatever is wrong with a file becomes one clear line
with the file and, where there is one, the line. Text is UTF-8; line ends become "\\n".

A .tsv is taken literally, as its registration with IANA says: quotes are ordinary characters.
"""

import contextlib
import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camelid.errors import DataError, MissingExtraError
from camelid.text.lines import read_lines
from camelid.text.sources import Source, file_kind, find_files

Row = dict[str, Any]

_CHUNK = 1 << 20
_MAX_COMPLAINTS = 3


@dataclass
class Reading:
    """What reading one source met, filled in while it is read.

    form: the form or forms recognised; files: how many were read.
    rows: rows met; bad: not readable; empty: without text; filtered: left out by `where`; records: made.
    complaints: the first few lines about bad rows.
    """

    source: str
    skip_bad: bool = False
    form: str = ""
    files: int = 0
    rows: int = 0
    bad: int = 0
    empty: int = 0
    filtered: int = 0
    records: int = 0
    complaints: list[str] = field(default_factory=list)
    file: str = field(default="", repr=False)
    unit: str = field(default="line", repr=False)

    def complain(self, number: int, problem: str) -> None:
        """Count a bad row, or raise DataError when bad rows are not to be skipped."""
        message = f"{self.file}, {self.unit} {number}: {problem}"
        if not self.skip_bad:
            raise DataError(
                f"{message} (--skip-bad, skip_bad = true in a recipe, leaves such rows out and counts them.)"
            )
        self.bad += 1
        if len(self.complaints) < _MAX_COMPLAINTS:
            self.complaints.append(message)


def read_rows(source: Source, data_root: Path | str, reading: Reading) -> Iterator[tuple[int, Row]]:
    """Yield (line or record number, row) for everything the source's path or dataset holds.

    Raises DataError for a file that is missing, empty, binary, half-written, vanished, or badly written.
    """
    if source.dataset:
        reading.file, reading.unit = f"dataset {source.dataset}", "record"
        yield from enumerate(_read_dataset(source, Path(data_root)), 1)
        return
    for path in find_files(source, data_root):
        reading.files += 1
        reading.file, reading.unit = str(path), "line"
        with _explained(path):
            found = False
            for found_row in _read_file(path, source, reading):
                found = True
                yield found_row
        if not found and not reading.bad:
            raise DataError(f"{path} is empty. Remove it from the source, or write it again.")


def _read_file(path: Path, source: Source, reading: Reading) -> Iterator[tuple[int, Row]]:
    kind = file_kind(path)
    if kind == ".txt":
        return _read_text(path, source, reading)
    if kind == ".jsonl":
        return _read_json_lines(read_lines(path), reading)
    if kind == ".json":
        return _read_json(path, reading)
    if kind == ".parquet":
        return _read_parquet(path, reading)
    return _read_table(path, source, reading)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what can befall a file into one clear line."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path} vanished while the source was read. Bring it back and run again.") from None
    except PermissionError:
        raise DataError(f"No permission to read {path}. Change its permissions, or read a copy.") from None
    except EOFError:
        raise DataError(
            f"{path} is half-written: the packed data ends too early. Write or fetch it again."
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged: {error}. Write or fetch it again.") from None
    except OSError as error:
        raise DataError(f"{path} could not be read: {error.strerror or error}.") from None


def _read_text(path: Path, source: Source, reading: Reading) -> Iterator[tuple[int, Row]]:
    """Yield a .txt's documents: the whole file, or what stands between separators, or pieces."""
    reading.unit = "document"
    number = 0
    for document in _documents(path, source.separator):
        for piece in _cut(document, source.cut_chars):
            if piece.strip():
                number += 1
                yield number, {"text": piece.strip("\n")}


def _documents(path: Path, separator: str) -> Iterator[str]:
    waiting: list[str] = []
    size = 0
    for _, line in read_lines(path):
        waiting.append(line.replace("\r\n", "\n"))
        size += len(line)
        if separator and size >= _CHUNK:
            *whole, rest = "".join(waiting).split(separator)
            yield from whole
            waiting, size = [rest], 0
    rest = "".join(waiting)
    yield from rest.split(separator) if separator else [rest]


def _cut(document: str, cut_chars: int) -> Iterator[str]:
    """Yield pieces of about `cut_chars` characters, each ending at a blank line; 0 cuts nothing."""
    if not cut_chars:
        yield document
        return
    piece = ""
    for paragraph in re.split(r"(?<=\n)\n+", document):
        if piece and len(piece) + len(paragraph) > cut_chars:
            yield piece
            piece = ""
        piece += ("\n" if piece else "") + paragraph
    yield piece


def _read_json_lines(lines: Iterator[tuple[int, str]], reading: Reading) -> Iterator[tuple[int, Row]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            reading.rows += 1
            reading.complain(number, _json_problem(line, error))
            continue
        row = _as_row(value)
        if row is None:
            reading.rows += 1
            reading.complain(number, f"expected a JSON object or a text; found {line.strip()[:40]}.")
            continue
        yield number, row


def _json_problem(line: str, error: Exception) -> str:
    if not line.endswith("\n") and isinstance(error, json.JSONDecodeError):
        return f"bad JSON ({error.msg}); the line has no end, so the file is probably half-written."
    detail = f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
    return f"bad JSON ({detail})."


def _read_json(path: Path, reading: Reading) -> Iterator[tuple[int, Row]]:
    """Yield the objects of a JSON array; a .json that holds one object per line is read as such."""
    lines = list(read_lines(path))
    text = "".join(line for _, line in lines)
    if text.lstrip()[:1] == "{":
        yield from _read_json_lines(iter(lines), reading)
        return
    if not text.strip():
        return
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        cut = " The file is probably half-written." if error.pos >= len(text.rstrip()) else ""
        raise DataError(f"{path}, line {error.lineno}: bad JSON ({error.msg}).{cut}") from None
    if not isinstance(values, list):
        raise DataError(f"{path} must hold a JSON array of records; found {text.strip()[:40]}.")
    reading.unit = "record"
    for number, value in enumerate(values, 1):
        row = _as_row(value)
        if row is None:
            reading.rows += 1
            reading.complain(number, f"expected a JSON object or a text; found {str(value)[:40]}.")
            continue
        yield number, row


def _as_row(value: object) -> Row | None:
    if isinstance(value, dict):
        return value
    return {"text": value} if isinstance(value, str) else None


def _read_table(path: Path, source: Source, reading: Reading) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a .csv or .tsv; the first line names the columns unless the source does."""
    names = list(source.columns)
    for number, cells, whole in _cells(path, source, reading):
        if not names:
            names = [name.strip() for name in cells]
            if len(set(names)) < len(names):
                raise DataError(
                    f"{path}, line {number}: two columns have the same name: {', '.join(names)}. "
                    'If this is no header line, name the columns: columns = ["…", "…"].'
                )
            continue
        if len(cells) != len(names):
            reading.rows += 1
            cut = "" if whole else " The line has no end, so the file is probably half-written."
            problem = f"{len(cells)} columns, but {len(names)} are named: {', '.join(names)}.{cut}"
            reading.complain(number, problem)
            continue
        yield number, dict(zip(names, cells, strict=True))


def _cells(path: Path, source: Source, reading: Reading) -> Iterator[tuple[int, list[str], bool]]:
    """Yield (line number, cells, whether the line has its end) for each line that is not blank."""
    tabs = file_kind(path) == ".tsv"
    if tabs and not source.quoted:
        for number, line in read_lines(path):
            bare = line.rstrip("\r\n")
            if bare:
                yield number, bare.split("\t"), bare != line
        return
    csv.field_size_limit(1 << 30)
    last = ""

    def lines() -> Iterator[str]:
        nonlocal last
        for _, last in read_lines(path):
            yield last

    table = csv.reader(lines(), delimiter="\t" if tabs else ",", strict=True)
    while True:
        try:
            cells = next(table)
        except StopIteration:
            return
        except csv.Error as error:
            reading.rows += 1
            cut = " The file is probably half-written." if "end of data" in str(error) else ""
            reading.complain(table.line_num, f"the columns cannot be told apart ({error}).{cut}")
            continue
        if cells:
            yield table.line_num, cells, last.endswith("\n")


def _read_parquet(path: Path, reading: Reading) -> Iterator[tuple[int, Row]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "data") from None
    reading.unit = "record"
    if path.stat().st_size == 0:
        return
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pyarrow.ArrowException as error:
        problem = str(error).splitlines()[0][:120]
        raise DataError(
            f"{path} is half-written or no parquet file: {problem} Write or fetch it again."
        ) from None


def _read_dataset(source: Source, data_root: Path) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError("datasets", "data") from None
    folder = data_root / source.dataset
    try:
        if any((folder / name).is_file() for name in ("state.json", "dataset_dict.json")):
            loaded = datasets.load_from_disk(str(folder))
        else:
            name = str(folder) if folder.exists() else source.dataset
            loaded = datasets.load_dataset(name, source.subset or None)
    except Exception as error:  # whatever the library, its loaders or the network raise
        problem = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"The dataset {source.dataset!r} could not be loaded: {problem}") from None
    if isinstance(loaded, dict):
        if source.split not in loaded:
            known = ", ".join(loaded)
            raise DataError(f"The dataset {source.dataset!r} has no split {source.split!r}. Known: {known}.")
        loaded = loaded[source.split]
    for batch in loaded.iter(batch_size=1024):
        columns = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(columns, values, strict=True))
