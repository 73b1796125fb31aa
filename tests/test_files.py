import errno
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camelid.errors import RunError
from camelid.files import (
    HIDDEN,
    hash_file,
    hash_json,
    lock_folder,
    open_atomic,
    recover_folder,
    sweep,
    write_folder,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fill_with(text):
    def fill(folder):
        (folder / "inner").mkdir()
        (folder / "a.txt").write_text(text)
        (folder / "inner" / "b.txt").write_text(text)

    return fill


def contents(folder):
    return {(folder / "a.txt").read_text(), (folder / "inner" / "b.txt").read_text()}


# --- files --------------------------------------------------------------------------------------------


@given(st.text())
def test_what_is_written_is_read_again(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "deep" / "note.txt"
    write_text(path, text)
    assert path.read_bytes() == text.encode()


def test_json_is_readable_by_people(tmp_path):
    write_json(tmp_path / "a.json", {"größe": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n  "größe": [\n    1\n  ]\n}\n'


def test_bytes_are_written_too(tmp_path):
    with open_atomic(tmp_path / "a.bin", "wb") as file:
        file.write(b"\xff\x00")
    assert (tmp_path / "a.bin").read_bytes() == b"\xff\x00"


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with open_atomic(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("problem", [ZeroDivisionError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, problem):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(problem), open_atomic(path) as file:
        file.write("half of the n")
        raise problem
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "The disk is full: .*a could not be written. Nothing .* is lost; make room"),
        (errno.EDQUOT, "The disk is full"),
        (errno.EACCES, "No permission to write .*a. Choose another folder with --out."),
        (errno.EROFS, "No permission to write"),
    ],
)
def test_what_the_system_refuses_is_one_clear_line(tmp_path, number, message):
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(RunError, match=message), open_atomic(path):
        raise OSError(number, os.strerror(number))
    with pytest.raises(RunError, match=message):
        write_folder(path, lambda folder: open_refused(number))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def open_refused(number):
    raise OSError(number, os.strerror(number))


def test_other_errors_of_the_system_pass_unchanged(tmp_path):
    with pytest.raises(IsADirectoryError), open_atomic(tmp_path / "a"):
        raise IsADirectoryError


# --- folders ------------------------------------------------------------------------------------------


def test_a_folder_is_made_and_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "model"
    for text in ("first", "second"):
        write_folder(path, fill_with(text))
        assert contents(path) == {text}
        assert names(path.parent) == ["model"]
        assert path.stat().st_mode & 0o777 == 0o755


def test_a_replaced_folder_keeps_nothing_of_the_old_one(tmp_path):
    write_folder(tmp_path / "model", lambda folder: (folder / "old.txt").touch())
    write_folder(tmp_path / "model", fill_with("new"))
    assert names(tmp_path / "model") == ["a.txt", "inner"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path):
    def fail(folder):
        fill_with("new")(folder)
        raise ZeroDivisionError

    write_folder(tmp_path / "model", fill_with("old"))
    with pytest.raises(ZeroDivisionError):
        write_folder(tmp_path / "model", fail)
    assert contents(tmp_path / "model") == {"old"}
    assert names(tmp_path) == ["model"]


# A child writes over "old" and is killed at its k-th touch of the file system, for every k until it lives.
KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from camelid.files import recover_folder, sweep, write_folder, write_text

parent, act, before = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "before"
path = parent / "thing"
TOUCHES = ("open", "os.", "shutil.", "tempfile.")

def fill(folder, text):
    for name in ("a", "b"):
        (folder / name).write_text(text)

def write(text):
    write_text(path, text) if act == "file" else write_folder(path, lambda folder: fill(folder, text))

def state():
    files = [path] if path.is_file() else sorted(path.glob("*"))
    return ",".join(file.read_text() for file in files)

def child(kill_at):
    left = kill_at
    def hook(event, arguments):
        nonlocal left
        if event.startswith(TOUCHES):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    write("new")
    os._exit(0)

seen = []
for kill_at in range(1000):
    shutil.rmtree(parent)
    parent.mkdir()
    if before:
        write("old")
    pid = os.fork()
    if pid == 0:
        child(kill_at)
    alive = os.waitpid(pid, 0)[1] == 0
    recover_folder(path)
    sweep(parent)
    seen.append(state() if path.exists() else "nothing")
    leftovers = [file.name for file in parent.iterdir() if file != path]
    assert not leftovers, leftovers
    if alive:
        break
print(*seen, sep="\\n")
"""


@pytest.mark.parametrize(
    ("act", "before", "old", "new"),
    [
        ("file", "before", "old", "new"),
        ("file", "without", "nothing", "new"),
        ("folder", "before", "old,old", "new,new"),
        ("folder", "without", "nothing", "new,new"),
    ],
)
def test_killed_at_any_moment_leaves_the_old_or_the_new(tmp_path, act, before, old, new):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "here"), act, before]
    (tmp_path / "here").mkdir()
    run = subprocess.run(arguments, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    seen = run.stdout.split("\n")[:-1]
    assert seen == sorted(seen, key=[old, new].index)  # first the old, from some moment on the new
    assert {seen[0], seen[-1]} == {old, new}
    assert len(seen) > 5


def test_recovering_a_whole_folder_changes_nothing(tmp_path):
    write_folder(tmp_path / "model", fill_with("text"))
    recover_folder(tmp_path / "model")
    assert contents(tmp_path / "model") == {"text"}


def test_sweeping_takes_only_what_was_left_unfinished(tmp_path):
    (tmp_path / f"{HIDDEN}abc").mkdir()
    (tmp_path / f"{HIDDEN}file").touch()
    (tmp_path / ".lock").touch()
    write_folder(tmp_path / "model", fill_with("text"))
    sweep(tmp_path)
    assert names(tmp_path) == [".lock", "model"]


# --- locks --------------------------------------------------------------------------------------------


def test_a_folder_in_use_names_who_uses_it(tmp_path):
    message = f"{tmp_path} is in use by another run .process {os.getpid()}.. Wait for it, stop it, or"
    with lock_folder(tmp_path), pytest.raises(RunError, match=message), lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        pass


def test_the_lock_goes_with_a_killed_process(tmp_path):
    script = (
        "import os, signal, sys; from camelid.files import lock_folder\n"
        "with lock_folder(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    assert run.returncode == -signal.SIGKILL
    with lock_folder(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


# --- hashes -------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_hash_does_not_depend_on_the_order_of_keys(table):
    backwards = dict(reversed(table.items()))
    assert hash_json(table) == hash_json(backwards)


@given(VALUES, VALUES)
def test_different_values_have_different_hashes(first, second):
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (hash_json(first) == hash_json(second)) == same


def test_a_file_is_hashed_by_its_content(tmp_path):
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name).write_text(text)
    assert hash_file(tmp_path / "a") == hash_file(tmp_path / "b") != hash_file(tmp_path / "c")
