"""Low-rank adapters (LoRA): a model changed by small matrices, kept beside it or merged into it.

The change stands in the weights' place, W + α/r·B·A, so every form of a layer, compiled or not, computes with
it unaltered, and what is trained is to the bit what merging gives. An adapter on disk is what `peft` writes:
adapter_config.json and adapter_model.safetensors. Its tensors are named by the modules that they change, so
that an engine can also add α/r·B·(A·x) to a product, request by request.

Own code rather than `peft`: that wraps models of `transformers`, which ours is not, and torch's own
parametrizations leave little to write. Differs from it: the gradient of W itself is made on the way, and let
go, so that memory is saved in the optimizer and not in the backward pass.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from camelid.errors import CheckpointError, RecipeError, suggest
from camelid.files import write_folder, write_json
from camelid.model.decoder import Decoder, Linear

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

_PREFIX = "base_model.model."  # what peft puts before a module's name
_PLAIN: dict[str, Any] = {  # what an adapter's config must say, or not say, for camelid to compute with it
    "bias": "none", "use_dora": False, "use_rslora": False, "fan_in_fan_out": False, "modules_to_save": None,
    "rank_pattern": {}, "alpha_pattern": {},
}  # fmt: skip


@dataclass(frozen=True)
class LoraSettings:
    """How much of a model an adapter changes.

    rank: rows of A and columns of B. alpha: the change counts alpha / rank times.
    targets: which products of every layer, of TARGETS.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = TARGETS

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise RecipeError(f"The rank of an adapter must be at least 1; found {self.rank}.")
        if not 0 < self.alpha < math.inf:
            raise RecipeError(f"The alpha of an adapter must be above 0; found {self.alpha:g}.")
        if not self.targets:
            raise RecipeError(f"An adapter needs targets, some of {', '.join(TARGETS)}; found none.")
        for name in self.targets:
            if name not in TARGETS:
                raise RecipeError(f"An adapter cannot change {name!r}.{suggest(name, TARGETS)}")

    @property
    def scale(self) -> float:
        """Return how many times the change counts."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class Adapter:
    """An adapter as a folder has it.

    base: the model that it changes, as its maker named it. tensors: A (r, in) and B (out, r) by module.
    """

    settings: LoraSettings
    base: str
    tensors: Mapping[str, tuple[Tensor, Tensor]]


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
    for name, module in _targeted(decoder, settings.targets).items():
        rows, columns = module.weight.shape
        a = torch.empty(settings.rank, columns)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
        _change(name, module, a, torch.zeros(rows, settings.rank), settings.scale)


def attach_adapter(decoder: Decoder, adapter: Adapter) -> None:
    """Give a decoder an adapter that was read; from now on only the adapter learns.

    Raises CheckpointError when the adapter is of another model.
    """
    modules = _targeted(decoder, TARGETS)
    strangers = [name for name in adapter.tensors if name not in modules]
    if strangers:
        raise CheckpointError(
            f"The adapter changes {strangers[0]}, which the model lacks. It belongs to {adapter.base!r}."
        )
    decoder.requires_grad_(False)
    for name, (a, b) in adapter.tensors.items():
        _change(name, modules[name], a.clone(), b.clone(), adapter.settings.scale)


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
            tensors[f"{_PREFIX}{name}.lora_{letter}.weight"] = weight.detach().to("cpu").contiguous()

    def fill(fresh: Path) -> None:
        write_json(fresh / ADAPTER_CONFIG, _describe(settings, base))
        save_file(tensors, fresh / ADAPTER_WEIGHTS, metadata={"format": "pt"})
        (fresh / ADAPTER_WEIGHTS).chmod(0o644)

    write_folder(folder, fill)


def read_adapter(folder: Path | str) -> Adapter:
    """Return the adapter of a folder, ours or any that `peft` wrote for a Llama's products.

    Raises CheckpointError when there is none, a file is damaged, or it asks for more than low-rank changes.
    """
    folder = Path(folder)
    config = _read_config(folder)
    try:
        stored = load_file(folder / ADAPTER_WEIGHTS)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no {ADAPTER_WEIGHTS}. Copy it there.") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder / ADAPTER_WEIGHTS} is truncated or corrupt ({error}). Copy it anew."
        ) from None
    names = {name.removeprefix(_PREFIX).rpartition(".lora_")[0] for name in stored if ".lora_" in name}
    try:
        tensors = {
            name: tuple(stored.pop(f"{_PREFIX}{name}.lora_{x}.weight") for x in "AB") for name in names
        }
        targets = tuple(name for name in TARGETS if any(each.endswith(f".{name}") for each in names))
        settings = LoraSettings(int(config["r"]), float(config["lora_alpha"]), targets)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder} must hold pairs of lora_A and lora_B, with r and lora_alpha; found otherwise "
            f"({error}). Copy the adapter anew."
        ) from None
    if stored:
        raise CheckpointError(
            f"{folder} changes {min(stored)} too, which camelid cannot. Merge it with peft."
        )
    base = str(config.get("base_model_name_or_path") or "")
    return Adapter(settings, base, {name: (a.float(), b.float()) for name, (a, b) in sorted(tensors.items())})


def _targeted(decoder: Decoder, targets: tuple[str, ...]) -> dict[str, Linear]:
    return {
        name: module
        for name, module in decoder.named_modules()
        if isinstance(module, Linear) and name.rpartition(".")[2] in targets
    }


def _change(name: str, module: Linear, a: Tensor, b: Tensor, scale: float) -> None:
    rows, columns = module.weight.shape
    if a.shape[1:] != (columns,) or b.shape != (rows, len(a)):
        raise CheckpointError(
            f"The adapter's matrices for {name} must multiply to ({rows}, {columns}); found {tuple(b.shape)} "
            f"and {tuple(a.shape)}. The adapter belongs to another model."
        )
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
        **_PLAIN,
    }


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no adapter: it has no {ADAPTER_CONFIG}.") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not whole JSON ({error}). Copy it anew.") from None
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path} must describe a LoRA adapter (peft_type). Merge others with peft.")
    for key, plain in _PLAIN.items():
        if config.get(key) and config[key] != plain:
            raise CheckpointError(
                f"{path} sets {key} to {config[key]!r}, which camelid does not compute. Merge it with peft."
            )
    return config


__all__ = [
    "TARGETS",
    "Adapter",
    "LoraSettings",
    "attach",
    "attach_adapter",
    "detach",
    "find_changes",
    "merge",
    "read_adapter",
    "save_adapter",
]
