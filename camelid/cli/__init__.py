"""The command line: one verb per act, each in a module of its own, imported when it is called.

`main` runs a verb and turns whatever goes wrong into one line: exit 2 for a wrong command, 1 for a failure,
130 for Ctrl-C; a traceback only with --debug.
"""

import contextlib
import os
import sys
from collections.abc import Sequence

from camelid.cli.app import UsageError, command
from camelid.errors import CamelidError

__all__ = ["main", "run"]


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # replaced streams need not have this
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status."""
    words, debug = _take_debug(arguments)
    try:
        status = command().main(words, prog_name="camelid", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # our reader has enough
        return 0
    except KeyboardInterrupt:
        return _fail("Stopped.", 130)
    except Exception as error:
        if debug:
            raise
        return _explain(error)


def _explain(error: Exception) -> int:
    """Say in one line what went wrong, and return the exit status."""
    if isinstance(error, UsageError):
        verb = error.ctx.command_path if error.ctx else "camelid"
        return _fail(f"{error.format_message().rstrip('.')}. See: {verb} --help", 2)
    if isinstance(error, CamelidError):
        return _fail(str(error), 1)
    if isinstance(error, OSError) and error.strerror:
        return _fail(f"{error.strerror}: {error.filename or 'the system did not say where'}", 1)
    if isinstance(error, MemoryError):
        return _fail("There is not enough memory for this. Use a smaller model, or close other programs.", 1)
    what = f"{type(error).__name__}: {error}"
    return _fail(f"This should not have happened ({what}). With --debug the same command shows where.", 1)


def _fail(message: str, status: int) -> int:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    print(f"camelid: {' '.join(message.split())}", file=sys.stderr)
    return status


def _take_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return the arguments without --debug, which may stand anywhere before "--"; and whether it did."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--debug"]
    return kept + words[end:], len(kept) < end
