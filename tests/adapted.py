"""Random adapters, and what merging makes of them."""

import copy
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from camelid.model.adapter import ADAPTER_WEIGHTS, PREFIX, TARGETS, Adapter, LoraSettings
from camelid.model.folder import ADAPTER_CONFIG
from camelid.model.tensors import tensor_shapes

DEPTH = 2  # layers of a tiny decoder


def make_adapter(config, *, seed=0, rank=4, alpha=8.0, targets=TARGETS, layers=None, base="base"):
    """Return an adapter that changes much of what a model says."""
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        module = name.removesuffix(".weight")
        if not module.endswith(tuple(targets)):
            continue
        if layers is not None and int(module.split(".")[2]) not in layers:
            continue
        outputs, inputs = shape
        a = random.normal(0, inputs**-0.5, (rank, inputs)).astype(np.float32)
        b = random.normal(0, 0.3 * rank**-0.5, (outputs, rank)).astype(np.float32)
        tensors[module] = (a, b)
    return Adapter(Path("nowhere"), LoraSettings(rank, alpha, tuple(targets)), base, tensors)


def merged(decoder, adapter):
    """Return a decoder with an adapter in its weights."""
    other = copy.deepcopy(decoder)
    modules = dict(other.named_modules())
    with torch.no_grad():
        for name, (a, b) in adapter.tensors.items():
            change = b.astype(np.float64) @ a.astype(np.float64) * adapter.settings.scale
            modules[name].weight += torch.from_numpy(change).float()
    return other


def write_adapter(folder, adapter, **config):
    """Write an adapter as peft does, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "peft_type": "LORA",
        "base_model_name_or_path": adapter.base,
        "r": adapter.settings.rank,
        "lora_alpha": adapter.settings.alpha,
        "target_modules": list(adapter.settings.targets),
    }
    (folder / ADAPTER_CONFIG).write_text(json.dumps({**told, **config}))
    tensors = {
        f"{PREFIX}{name}.lora_{letter}.weight": part
        for name, pair in adapter.tensors.items()
        for letter, part in zip("AB", pair, strict=True)
    }
    save_file(tensors, folder / ADAPTER_WEIGHTS)
    return folder
