"""One model measured in a process of its own: `python -m camelid.cli.measure FOLDER` prints JSON.

A process of its own, because only then its peak memory is that of this model and nothing else.
"""

import dataclasses
import json
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from camelid.errors import CheckpointError
from camelid.generate.load import load_model
from camelid.generate.speed import Speed, measure_speed


@dataclass(frozen=True)
class Measured:
    """What running a model costs here.

    weight_bytes, cache_bytes: of the weights, and of the key/value cache of one full context.
    peak_bytes: the most memory that the process had, the libraries included.
    dtype, device: what was computed in, and where.
    """

    speed: Speed
    weight_bytes: int
    cache_bytes: int
    peak_bytes: int
    dtype: str
    device: str


def measure_apart(folder: Path) -> Measured:
    """Return what running a model costs, measured in a new process.

    Raises CheckpointError when the model cannot be loaded.
    """
    command = [sys.executable, "-m", "camelid.cli.measure", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        found = run.stderr.strip().splitlines() or [f"exit status {run.returncode}"]
        raise CheckpointError(f"{folder} could not be measured: {found[-1].partition(': ')[2] or found[-1]}")
    table = json.loads(run.stdout)
    return Measured(**{**table, "speed": Speed(**table["speed"])})


def measure(folder: Path) -> Measured:
    """Return what running a model costs, measured in this process."""
    model = load_model(folder)
    speed = measure_speed(model)
    return Measured(
        speed, model.weight_bytes, model.cache_bytes, read_peak_bytes(), model.dtype, model.device
    )


def read_peak_bytes() -> int:
    """Return the most memory that this process has had, in bytes."""
    try:  # getrusage counts what the process was before exec, too
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(measure(Path(sys.argv[1])))))
