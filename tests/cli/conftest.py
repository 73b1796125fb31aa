import io
from types import SimpleNamespace

import pytest
import tiny

from camelid.cli import run


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a pair folder with random models."""
    return tiny.make_pair(tmp_path_factory.mktemp("pairs") / "tiny")


@pytest.fixture
def camelid(capsys, monkeypatch):
    """Return a function that runs a command, as from a shell; text given is what a pipe brings."""

    def call(*words, text="", keyboard=None):
        monkeypatch.setattr("sys.stdin", keyboard or io.StringIO(text))
        monkeypatch.setenv("COLUMNS", "100")
        capsys.readouterr()
        status = run([str(word) for word in words])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err)

    return call


class Keyboard(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def type_in(camelid, monkeypatch):
    """Return a function that runs a command with somebody at the keyboard, who types these lines."""

    def call(*words, lines):
        typed = iter(lines)

        def read(prompt=""):
            line = next(typed, None)
            if line is None:
                raise EOFError
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setattr("builtins.input", read)
        return camelid(*words, keyboard=Keyboard())

    return call
