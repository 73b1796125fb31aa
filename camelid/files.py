"""Files that are the old ones or the new ones, never half of each; and folders used by one run at a time.

Everything a command writes goes through here: a temporary neighbour, fsync, rename.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from camelid.errors import RunError

HIDDEN = ".partial-"  # what an unfinished write is called until it is renamed


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunError(
                f"The disk is full: {path} could not be written. "
                "Nothing that was there before is lost; make room and run the same command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise RunError(f"No permission to write {path}. Choose another folder with --out.") from error
        raise


@contextlib.contextmanager
def open_atomic(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path` that takes its place when the block ends well.

    Raises RunError when the disk is full or writing is not allowed.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=HIDDEN, dir=path.parent)
        try:
            encoding = None if "b" in mode else "utf-8"
            with os.fdopen(handle, mode, encoding=encoding) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    with open_atomic(path) as file:
        file.write(text)


def write_json(path: Path | str, value: object) -> None:
    """Write `value` to `path` atomically, as indented JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_folder(path: Path | str, fill: Callable[[Path], None]) -> None:
    """Let `fill` write a new folder beside `path`, then put it in the place of `path`.

    Between the two renames of a replacement `path` is absent for an instant; the old folder is then
    still whole beside it and `recover_folder` brings it back.
    """
    path = Path(path)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=HIDDEN, dir=path.parent))
        try:
            fresh.chmod(0o755)
            fill(fresh)
            for file in sorted(fresh.rglob("*")):
                if file.is_file():
                    _sync_file(file)
            _sync_folder(fresh)
            old = path.parent / f"{HIDDEN}old-{path.name}"
            if path.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.replace(path, old)
            os.replace(fresh, path)
            _sync_folder(path.parent)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            recover_folder(path)
            raise


def recover_folder(path: Path | str) -> None:
    """Undo a replacement of `path` that was cut off between its two renames, and sweep unfinished writes."""
    path = Path(path)
    old = path.parent / f"{HIDDEN}old-{path.name}"
    if old.exists():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(old, path)


def sweep(folder: Path | str) -> None:
    """Delete what killed runs left unfinished directly inside `folder`; call it holding the folder's lock."""
    for leftover in Path(folder).glob(f"{HIDDEN}*"):
        if leftover.name.startswith(f"{HIDDEN}old-"):
            recover_folder(leftover.parent / leftover.name.removeprefix(f"{HIDDEN}old-"))
        elif leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def lock_folder(folder: Path | str) -> Iterator[None]:
    """Hold `folder` for this process; the lock goes with the process, however it ends.

    Raises RunError when another run holds it.
    """
    folder = Path(folder)
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise RunError(
                f"{folder} is in use by another run (process {holder}). "
                "Wait for it, stop it, or choose another folder with --out."
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def hash_json(value: object) -> str:
    """Return 16 hexadecimal digits that stand for a JSON-like value."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def hash_file(path: Path | str) -> str:
    """Return 16 hexadecimal digits that stand for a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _sync_file(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
