"""A file into lines of text: plain, .gz or .zst; UTF-8, or one clear line about what it is instead."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from camelid.errors import DataError, MissingExtraError

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a UTF-8 text file, plain or packed, each with its line end if it has one.

    Raises DataError when the file is binary, or packed without saying so in its name.
    """
    with _open(path) as file:
        for number, raw in enumerate(file, 1):
            if number == 1:
                raw = _check_start(path, raw)
            if b"\0" in raw:
                raise DataError(f"{path}, line {number}: a NUL byte; this is a binary file, not UTF-8 text.")
            yield number, _decode(path, number, raw)


def _check_start(path: Path, raw: bytes) -> bytes:
    """Return the first line without its byte-order mark; refuse what is no UTF-8 text from the start."""
    for magic, suffix in ((_GZIP, ".gz"), (_ZSTD, ".zst")):
        if raw.startswith(magic):
            raise DataError(f"{path} holds packed data, but its name does not end in {suffix}. Rename it.")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is written in UTF-16. Save it as UTF-8.")
    if raw.startswith(b"PAR1"):
        raise DataError(f"{path} is a parquet file, but its name does not end in .parquet. Rename it.")
    return raw.removeprefix(b"\xef\xbb\xbf")


def _decode(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not raw.endswith(b"\n"):
            raise DataError(
                f"{path} is half-written: it ends inside a character, in line {number}."
            ) from None
        raise DataError(
            f"{path}, line {number}: byte 0x{raw[error.start]:02x} is not UTF-8. "
            "The file is binary or in another encoding; convert it to UTF-8."
        ) from None


def _open(path: Path) -> IO[bytes]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return _checked(path, _GZIP, gzip.open(path, "rb"))  # type: ignore[arg-type]
    if suffix == ".zst":
        return _checked(path, _ZSTD, io.BufferedReader(_ZstdFile(path), _CHUNK))
    return open(path, "rb", _CHUNK)


def _checked(path: Path, magic: bytes, file: IO[bytes]) -> IO[bytes]:
    """Return the unpacking `file` when the packed one begins as its name says."""
    with open(path, "rb") as packed:
        start = packed.read(len(magic))
    if start and start != magic:
        file.close()
        raise DataError(
            f"{path} is not {path.suffix} data, though its name says so. Rename or write it again."
        )
    return file


class _ZstdFile(io.RawIOBase):
    """Unpacked Zstandard frames; unlike the library's own reader it notices that the last one is cut off."""

    def __init__(self, path: Path) -> None:
        try:
            import zstandard
        except ImportError:
            raise MissingExtraError("zstandard", "data") from None
        self._unpacker = zstandard.ZstdDecompressor()
        self._error: type[Exception] = zstandard.ZstdError
        self._name = str(path)
        self._packed = open(path, "rb")  # noqa: SIM115 - closed by close()
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._packed.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._advance():
                return 0
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _advance(self) -> bool:
        """Unpack the next chunk; return whether there was one."""
        packed = self._frame.unused_data if self._frame and self._frame.eof else b""
        packed = packed or self._packed.read(1 << 16)
        if not packed:
            if self._frame and not self._frame.eof:
                raise EOFError
            return False
        if self._frame is None or self._frame.eof:
            self._frame = self._unpacker.decompressobj()
        try:
            self._ready = self._frame.decompress(packed)
        except self._error as error:
            raise DataError(f"{self._name} is damaged: {error}. Write or fetch it again.") from None
        return True
