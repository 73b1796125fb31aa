"""Checkpoints of a running stage: whole or absent, the newest few kept, the newest whole one taken up again.

A checkpoint is a folder: the parameters, the optimizer's state, and what the loop needs to go on. No more
is needed to compute the same bits as a run that was never cut off: batches are a function of the step.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from camelid.files import write_folder, write_json
from camelid.model.decoder import Decoder
from camelid.train.optimizer import Optimizer

KEPT = 2


@dataclass
class LoopState:
    """Where the loop stands after `step` steps.

    seconds: wall-clock time of training so far. tokens: positions seen, without padding; targets: those
    counted in the loss. loss: smoothed, nats. bits_per_byte: of held-out text by language, as last
    measured; best_bits_per_byte: the lowest mean over the languages so far, after best_step.
    """

    step: int = 0
    seconds: float = 0.0
    tokens: int = 0
    targets: int = 0
    loss: float = 0.0
    bits_per_byte: dict[str, float] = field(default_factory=dict)
    best_bits_per_byte: float = 0.0
    best_step: int = 0


def save_checkpoint(root: Path, decoder: Decoder, optimizer: Optimizer, state: LoopState) -> None:
    """Write a checkpoint under `root`, then drop all but the newest few."""

    def fill(folder: Path) -> None:
        save_file(_plain(dict(decoder.named_parameters())), folder / "weights.safetensors")
        save_file(_plain(optimizer.tensors()), folder / "optimizer.safetensors")
        write_json(folder / "state.json", asdict(state))

    write_folder(root / f"step-{state.step:08d}", fill)
    for old in _folders(root)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def restore_checkpoint(
    root: Path, decoder: Decoder, optimizer: Optimizer, *, notify: Callable[[str], None]
) -> LoopState:
    """Put the newest whole checkpoint into decoder and optimizer; a fresh state when there is none.

    notify: told about a checkpoint that cannot be read; the one before it is taken then.
    """
    for folder in reversed(_folders(root)):
        try:
            state = LoopState(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
            weights = load_file(folder / "weights.safetensors")
            moments = load_file(folder / "optimizer.safetensors")
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            notify(f"{folder} cannot be read ({error}); taking the checkpoint before it.")
            shutil.rmtree(folder, ignore_errors=True)
            continue
        decoder.load_state_dict(weights)
        optimizer.restore({key: value.to(decoder.head_weight.device) for key, value in moments.items()})
        return state
    return LoopState()


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("step-*"))


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().contiguous() for name, value in tensors.items()}
