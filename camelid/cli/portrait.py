"""What there is to say of a model: read from its folder and its pair's file, and measured."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from camelid.compare.measure import Measured, measure_apart
from camelid.generate.load import predict_memory
from camelid.model.config import DecoderConfig
from camelid.model.folder import read_config, read_dtype
from camelid.model.pairfile import ROLES, PairFile, RoleFile, read_pair_file
from camelid.text.tokenizer import Tokenizer, check_tokenizer_fits


@dataclass(frozen=True)
class Portrait:
    """One model.

    disk_bytes: of all files in its folder. dtype: what its weights are stored in.
    tokenizer: its fingerprint; "" when the folder has none. template: whose chat template it has.
    raised: how it was, where a pair says it. measured: None when that was not wanted.
    """

    folder: Path
    config: DecoderConfig
    disk_bytes: int
    dtype: str
    tokenizer: str
    template: str
    raised: RoleFile | None
    measured: Measured | None

    @property
    def weight_bytes(self) -> int:
        """Return the memory that the weights take when loaded, or will."""
        return self.measured.weight_bytes if self.measured else predict_memory(self.config)[0]

    @property
    def cache_bytes(self) -> int:
        """Return the memory that the cache of a full context takes, or will."""
        return self.measured.cache_bytes if self.measured else predict_memory(self.config)[1]

    @property
    def memory_bytes(self) -> int:
        """Return what weights and the cache of a full context take together, or will."""
        return self.weight_bytes + self.cache_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return the portrait as plain values; what was not measured or is not known is null."""
        shape = dataclasses.asdict(self.config)
        shape.pop("extra")
        return {
            "folder": str(self.folder),
            "parameters": self.config.num_parameters,
            "layers": self.config.num_hidden_layers,
            "width": self.config.hidden_size,
            "disk_bytes": self.disk_bytes,
            "weight_bytes": self.weight_bytes,
            "cache_bytes": self.cache_bytes,
            "dtype": self.dtype,
            "tokenizer": self.tokenizer or None,
            "chat_template": self.template or None,
            "config": shape,
            "raised": dataclasses.asdict(self.raised) if self.raised else None,
            "measured": dataclasses.asdict(self.measured) if self.measured else None,
        }


def portray(folder: Path, *, measure: bool, raised: RoleFile | None = None, name: str = "") -> Portrait:
    """Return the portrait of a model folder.

    Raises CheckpointError or TokenizerError when the folder is no whole model.
    """
    config = read_config(folder)
    fingerprint, template = _read_tokenizer(folder, config)
    dtype = read_dtype(folder) or "unknown"
    disk_bytes = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    measured = _measure(folder, name or folder.name) if measure else None
    return Portrait(folder, config, disk_bytes, dtype, fingerprint, template, raised, measured)


def portray_pair(folder: Path, *, measure: bool) -> tuple[PairFile, dict[str, Portrait]]:
    """Return what pair.json says, and the portraits of the two, measured one after the other.

    Raises CheckpointError or TokenizerError when the folder is no whole pair.
    """
    pair_file = read_pair_file(folder)
    portraits = {}
    for role in ROLES:
        entry = pair_file.roles[role]
        raised = entry if entry.is_told else None
        portraits[role] = portray(folder / entry.folder, measure=measure, raised=raised, name=role)
    return pair_file, portraits


def _read_tokenizer(folder: Path, config: DecoderConfig) -> tuple[str, str]:
    """Return the fingerprint of a tokenizer and whose chat template it has; "" for what is not there."""
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model")):
        return "", ""
    tokenizer = Tokenizer.load(folder)
    check_tokenizer_fits(tokenizer, config.vocab_size)
    if tokenizer.template is None:
        return tokenizer.fingerprint, ""
    return tokenizer.fingerprint, "camelid's" if tokenizer.template.is_ours else "its own"


def _measure(folder: Path, name: str) -> Measured:
    with Console(stderr=True).status(f"measuring the {name} …"):
        return measure_apart(folder)
