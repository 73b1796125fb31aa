"""Low-rank adapters (LoRA) as folders have them, without torch: what changes a model, and which model.

An adapter is what `peft` writes: adapter_config.json and adapter_model.safetensors, whose tensors are named
by the modules that they change. A changed product of x is W x + α/r · B (A x). Another room trains it.
Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camelid.errors import CheckpointError, RecipeError, suggest
from camelid.model.config import DecoderConfig
from camelid.model.folder import ADAPTER_CONFIG, CONFIG, read_config, read_json_object
from camelid.model.tensors import read_floats, tensor_shapes

ADAPTER_WEIGHTS = "adapter_model.safetensors"
PREFIX = "base_model.model."  # what peft puts before a module's name
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RESERVED = ("auto", "blend")  # what a pair answers to besides its models' names
# The products that a layer is computed in, and the modules whose outputs follow each other in each.
PRODUCTS = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "gate_up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
PLAIN: dict[str, Any] = {  # what an adapter's config must say, or not say, for camelid to compute with it
    "bias": "none", "use_dora": False, "use_rslora": False, "fan_in_fan_out": False, "modules_to_save": None,
    "rank_pattern": {}, "alpha_pattern": {},
}  # fmt: skip
# Of newer versions of peft, which others would not know.
_NOT_SAID: dict[str, Any] = {
    "alora_invocation_tokens": None, "arrow_config": None, "kasa_config": None, "layer_replication": None,
    "lora_bias": False, "monteclora_config": None, "use_bdlora": None, "use_qalora": False,
}  # fmt: skip
# Beginnings that take something out of the base's weights, to which the change is then relative.
_MOVING = ("pissa", "olora", "corda", "lora_ga", "loftq")

Floats = NDArray[np.float32]


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

    folder: where it is. base: the model that it changes, as its maker named it.
    tensors: A (r, in) and B (out, r) by module, float32.
    """

    folder: Path
    settings: LoraSettings
    base: str
    tensors: Mapping[str, tuple[Floats, Floats]]


@dataclass(frozen=True)
class Change:
    """What an adapter adds to one product of one layer: b (a x), for a (r, in) and b (out, r).

    product: of PRODUCTS; where it has several modules their ranks follow each other, as their outputs do.
    """

    layer: int
    product: str
    a: Floats
    b: Floats


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter, and no model."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / CONFIG).is_file()


def read_adapter(folder: Path | str) -> Adapter:
    """Return the adapter of a folder, ours or any that `peft` wrote for a Llama's products.

    Raises CheckpointError when there is none, a file is damaged, or it asks for more than low-rank changes.
    """
    folder = Path(folder)
    config = _read_config(folder)
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise CheckpointError(f"{folder} has no {ADAPTER_WEIGHTS}. Copy it there.")
    stored = read_floats(folder / ADAPTER_WEIGHTS)
    names = {name.removeprefix(PREFIX).rpartition(".lora_")[0] for name in stored if ".lora_" in name}
    try:
        tensors = {
            name: (stored.pop(f"{PREFIX}{name}.lora_A.weight"), stored.pop(f"{PREFIX}{name}.lora_B.weight"))
            for name in sorted(names)
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
    _check_numbers(folder, tensors)
    return Adapter(folder, settings, str(config.get("base_model_name_or_path") or ""), tensors)


def check_fits(adapter: Adapter, config: DecoderConfig) -> None:
    """Check that an adapter changes what a model has.

    Raises CheckpointError when it belongs to another model.
    """
    shapes = tensor_shapes(config)
    for name, (a, b) in adapter.tensors.items():
        shape = shapes.get(f"{name}.weight") if name.endswith(TARGETS) else None
        if shape is None:
            raise CheckpointError(
                f"The adapter changes {name}, which the model lacks. It belongs to {adapter.base!r}."
            )
        if a.ndim != 2 or b.ndim != 2 or (len(b), a.shape[1]) != shape or b.shape[1] != len(a):
            raise CheckpointError(
                f"The adapter's matrices for {name} must multiply to {shape}; found {b.shape} "
                f"and {a.shape}. The adapter belongs to another model: {adapter.base!r}."
            )


def find_base(adapter: Adapter) -> Path:
    """Return the folder of the model that an adapter changes.

    Raises CheckpointError when it is not where the adapter says.
    """
    for place in (Path(adapter.base), adapter.folder / adapter.base):
        if adapter.base and (place / CONFIG).is_file():
            return place
    said = repr(adapter.base) if adapter.base else "no model"
    raise CheckpointError(
        f"The adapter in {adapter.folder} names {said} as its base, which is not here. Say where it is "
        "with --base FOLDER."
    )


def choose_owner(adapter: Adapter, models: Mapping[str, Path]) -> str:
    """Return the name of the model, one of several by folder, that an adapter changes.

    It is the one that the adapter names as its base, or the only one whose products it fits, or the only one
    of these whose last layer it changes.

    Raises CheckpointError when it fits none, or it cannot be told which.
    """
    configs = {name: read_config(folder) for name, folder in models.items()}
    named = {(place / adapter.base).resolve() for place in (Path(), adapter.folder) if adapter.base}
    problems: dict[str, CheckpointError] = {}
    for name, config in configs.items():
        if models[name].resolve() in named:
            check_fits(adapter, config)
            return name
        try:
            check_fits(adapter, config)
        except CheckpointError as error:
            problems[name] = error
    fitting = [name for name in models if name not in problems]
    if not fitting:
        first = next(iter(problems.values()))
        raise CheckpointError(
            f"The adapter in {adapter.folder} does not fit the {' nor the '.join(models)}. {first}"
        )
    whole = [name for name in fitting if _changes_last(adapter, configs[name])]
    for found in (fitting, whole):
        if len(found) == 1:
            return found[0]
    raise CheckpointError(
        f"The adapter in {adapter.folder} fits the {' and the '.join(fitting)}, so it cannot be told whose "
        f"it is. Name one of their folders in its {ADAPTER_CONFIG}, as base_model_name_or_path."
    )


def sort_adapters(
    folders: Mapping[str, Path | str], models: Mapping[str, Path]
) -> dict[str, dict[str, Path | str]]:
    """Return the adapters of each model, all by name and folder: whose each is `choose_owner` says.

    Raises CheckpointError for one that cannot be read or whose owner cannot be told, RecipeError for one that
    is called like a model.
    """
    taken = next((name for name in folders if name in (*models, *RESERVED)), None)
    if taken is not None:
        raise RecipeError(f"An adapter cannot be called {taken!r}, as a model is. Give it another name.")
    owned: dict[str, dict[str, Path | str]] = {name: {} for name in models}
    for name, folder in folders.items():
        owned[choose_owner(read_adapter(folder), models)][name] = folder
    return owned


def find_changes(adapter: Adapter, config: DecoderConfig) -> Iterator[Change]:
    """Yield what an adapter that fits adds to each product that it changes."""
    shapes = tensor_shapes(config)
    for layer in range(config.num_hidden_layers):
        for product, modules in PRODUCTS.items():
            names = [f"model.layers.{layer}.{module}" for module in modules]
            found = [adapter.tensors[name] for name in names if name in adapter.tensors]
            if not found:
                continue
            b = np.zeros(
                (sum(shapes[f"{name}.weight"][0] for name in names), sum(len(a) for a, _ in found)),
                np.float32,
            )
            row = column = 0
            for name in names:
                height = shapes[f"{name}.weight"][0]
                if name in adapter.tensors:
                    part = adapter.tensors[name][1]
                    width = part.shape[1]
                    b[row : row + height, column : column + width] = part * np.float32(adapter.settings.scale)
                    column += width
                row += height
            yield Change(layer, product, np.concatenate([a for a, _ in found]), b)


def _changes_last(adapter: Adapter, config: DecoderConfig) -> bool:
    last = f"model.layers.{config.num_hidden_layers - 1}."
    return any(name.startswith(last) for name in adapter.tensors)


def _check_numbers(folder: Path, tensors: Mapping[str, tuple[Floats, Floats]]) -> None:
    for name, pair in tensors.items():
        if not all(np.isfinite(part).all() for part in pair):
            raise CheckpointError(
                f"{folder} holds numbers for {name} that are infinite or none at all. The adapter is "
                "damaged: copy or train it anew."
            )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} is no adapter: it has no {ADAPTER_CONFIG}.")
    config = read_json_object(path)
    if config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path} must describe a LoRA adapter (peft_type). Merge others with peft.")
    for key, plain in {**PLAIN, **_NOT_SAID}.items():
        if config.get(key) and config[key] != plain:
            raise CheckpointError(
                f"{path} sets {key} to {config[key]!r}, which camelid does not compute. Merge it with peft."
            )
    begun = str(config.get("init_lora_weights") or "").lower()
    if begun.startswith(_MOVING):
        raise CheckpointError(
            f"{path} sets init_lora_weights to {begun!r}, so it changes no longer its base. Save it with "
            "peft's path_initial_model_for_weight_conversion, or merge it with peft."
        )
    return config
