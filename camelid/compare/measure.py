"""One model measured in a process of its own: `python -m camelid.compare.measure FOLDER` prints JSON.

A process of its own, because only then its peak memory is that of this model and nothing else.
"""

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

from camelid.compare.apart import answer, read_peak_bytes, run_apart
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
    table = run_apart(__name__, [str(folder)], doing=f"{folder} could not be measured")
    return Measured(**{**table, "speed": Speed(**table["speed"])})


def measure(folder: Path) -> Measured:
    """Return what running a model costs, measured in this process."""
    model = load_model(folder)
    speed = measure_speed(model)
    return Measured(
        speed, model.weight_bytes, model.cache_bytes, read_peak_bytes(), model.dtype, model.device
    )


if __name__ == "__main__":
    answer(dataclasses.asdict(measure(Path(sys.argv[1]))))
