"""What a person types, turn by turn; or the lines of a pipe."""

import contextlib
import sys
from collections.abc import Iterator

PROMPT = "you › "


def read_turns() -> Iterator[str]:
    """Yield turns until the end of the input; a line that ends in a backslash goes on in the next."""
    lines = _typed_lines() if sys.stdin.isatty() else _piped_lines()
    turn = ""
    for line in lines:
        if line.endswith("\\"):
            turn += line[:-1] + "\n"
        else:
            yield turn + line
            turn = ""
    if turn:
        yield turn.rstrip("\n")


def _piped_lines() -> Iterator[str]:
    return (line.rstrip("\r\n") for line in sys.stdin)


def _typed_lines() -> Iterator[str]:
    """Yield what is typed; Ctrl-C drops the line, Ctrl-D ends."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (input() then edits lines and remembers them)
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("\n(Ctrl-D or /quit leaves)")
