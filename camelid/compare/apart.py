"""A measurement in a process of its own, because only then its peak memory is that of one model alone.

A module that measures is run by its name: it reads words and prints JSON, both through here.
"""

import contextlib
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camelid.errors import CheckpointError


def run_apart(module: str, words: Sequence[str], *, question: object = None, doing: str) -> Any:
    """Return what a module prints as JSON when it is run with these words, in a new process.

    question: what it reads from standard input, as JSON. doing: what the error says could not be done.

    Raises CheckpointError when it fails.
    """
    run = subprocess.run(
        [sys.executable, "-m", module, *words], capture_output=True, text=True, input=json.dumps(question)
    )
    if run.returncode:
        raise _explain(run.stderr, run.returncode, doing)
    return json.loads(run.stdout)


class Apart:
    """A module at work in a process of its own, which is asked one thing after the other.

    The module reads a line of JSON and prints a line of JSON, as often as it is asked.
    """

    def __init__(self, module: str, words: Sequence[str], *, doing: str) -> None:
        """Begin the process. doing: what an error says could not be done."""
        self._doing = doing
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ask(self, question: object) -> Any:
        """Return the answer to one question.

        Raises CheckpointError when the process has ended instead.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # why it is broken is told below
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        status = self._process.wait()
        self._errors.seek(0)
        raise _explain(self._errors.read(), status, self._doing)

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._errors.close()


def _explain(stderr: str, status: int, doing: str) -> CheckpointError:
    """Return the error of a process that failed: the last thing that it said."""
    found = stderr.strip().splitlines() or [f"exit status {status}"]
    return CheckpointError(f"{doing}: {found[-1].partition(': ')[2] or found[-1]}")


def answer(value: object) -> None:
    """Print what was measured, for `run_apart`; or one answer of several, for `Apart`."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def read_peak_bytes() -> int:
    """Return the most memory that this process has had, in bytes."""
    try:  # getrusage counts what the process was before exec, too
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
