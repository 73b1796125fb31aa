"""A measurement in a process of its own, because only then its peak memory is that of one model alone.

A module that measures is run by its name: it reads words and prints JSON, both through here.
"""

import json
import re
import resource
import subprocess
import sys
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
        found = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise CheckpointError(f"{doing}: {found[-1].partition(': ')[2] or found[-1]}")
    return json.loads(run.stdout)


def answer(value: object) -> None:
    """Print what was measured, for `run_apart`."""
    sys.stdout.write(json.dumps(value))


def read_peak_bytes() -> int:
    """Return the most memory that this process has had, in bytes."""
    try:  # getrusage counts what the process was before exec, too
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
