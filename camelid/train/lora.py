"""Low-rank adapters (LoRA) that learn: a model changed by small matrices, kept beside it or merged into it.

The change stands in the weights' place, W + α/r·B·A, so every form of a layer, compiled or not, computes with
it unaltered, and what is trained is to the bit what merging gives. `model.adapter` says what one is on disk.

Own code rather than `peft`: that wraps models of `transformers`, which ours is not, and torch's own
parametrizations leave little to write. Differs from it: the gradient of W itself is made on the way, and let
go, so that memory is saved in the optimizer and not in the backward pass.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from camelid.errors import CheckpointError
from camelid.files import write_folder, write_json
from camelid.model.adapter import ADAPTER_WEIGHTS, PLAIN, PREFIX, TARGETS, Adapter, LoraSettings, check_fits
from camelid.model.decoder import Decoder, Linear
from camelid.model.folder import ADAPTER_CONFIG


class LowRank(nn.Module):
    """The change of one matrix."""

    def __init__(self, a: Tensor, b: Tensor, scale: float) -> None:
        super().__init__()
        self.lora_A = nn.Parameter(a)
        self.lora_B = nn.Parameter(b)
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight: (out, in)."""
        return torch.addmm(weight, self.lora_B, self.lora_A, alpha=self.scale)


def attach(decoder: Decoder, settings: LoraSettings, *, seed: int = 0) -> None:
    """Give a decoder an adapter that changes nothing yet; from now on only the adapter learns."""
    generator = torch.Generator().manual_seed(seed)
    decoder.requires_grad_(False)
    for module in _targeted(decoder, settings.targets).values():
        rows, columns = module.weight.shape
        a = torch.empty(settings.rank, columns)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        _change(module, a, torch.zeros(rows, settings.rank), settings.scale)


def attach_adapter(decoder: Decoder, adapter: Adapter) -> None:
    """Give a decoder an adapter that was read; from now on only the adapter learns.

    Raises CheckpointError when the adapter is of another model.
    """
    check_fits(adapter, decoder.config)
    modules = _targeted(decoder, TARGETS)
    decoder.requires_grad_(False)
    for name, pair in adapter.tensors.items():
        a, b = (torch.from_numpy(np.array(part)) for part in pair)
        _change(modules[name], a, b, adapter.settings.scale)


def find_changes(decoder: Decoder) -> dict[str, LowRank]:
    """Return what changes a decoder, by the module that is changed; nothing when no adapter is attached."""
    return {
        name: module.parametrizations["weight"][0]  # type: ignore[index, misc]
        for name, module in decoder.named_modules()
        if isinstance(module, Linear) and parametrize.is_parametrized(module, "weight")
    }


def merge(decoder: Decoder) -> None:
    """Make the adapter a part of the weights; all of them learn again."""
    _let_go(decoder, keep=True)


def detach(decoder: Decoder) -> None:
    """Take the adapter away, so that the decoder is what it was before; all weights learn again."""
    _let_go(decoder, keep=False)


def save_adapter(folder: Path | str, decoder: Decoder, settings: LoraSettings, *, base: str) -> None:
    """Write the adapter that is attached to a decoder as `peft` does, whole or not at all.

    base: where the model is that it changes.

    Raises CheckpointError when something else than an adapter is there.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / ADAPTER_CONFIG).is_file():
        raise CheckpointError(
            f"{folder} holds something else than an adapter, which saving would delete. "
            "Choose another folder."
        )
    tensors = {}
    for name, change in find_changes(decoder).items():
        for letter, weight in (("A", change.lora_A), ("B", change.lora_B)):
            tensors[f"{PREFIX}{name}.lora_{letter}.weight"] = weight.detach().to("cpu").contiguous()

    def fill(fresh: Path) -> None:
        write_json(fresh / ADAPTER_CONFIG, _describe(settings, base))
        save_file(tensors, fresh / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        (fresh / ADAPTER_WEIGHTS).chmod(0o644)

    write_folder(folder, fill)


def _targeted(decoder: Decoder, targets: tuple[str, ...]) -> dict[str, Linear]:
    return {
        name: module
        for name, module in decoder.named_modules()
        if isinstance(module, Linear) and name.rpartition(".")[2] in targets
    }


def _change(module: Linear, a: Tensor, b: Tensor, scale: float) -> None:
    device = module.weight.device
    parametrize.register_parametrization(module, "weight", LowRank(a.to(device), b.to(device), scale))


@torch.no_grad()
def _let_go(decoder: Decoder, *, keep: bool) -> None:
    modules = dict(decoder.named_modules())
    for name in find_changes(decoder):
        parametrize.remove_parametrizations(modules[name], "weight", leave_parametrized=keep)
    decoder.requires_grad_(True)


def _describe(settings: LoraSettings, base: str) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(settings.targets),
        "inference_mode": True,
        **PLAIN,
    }
