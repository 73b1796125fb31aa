"""Where something was measured, and with what: the machine, versions, and the hash of a model."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from camelid.files import hash_file, hash_json

_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
_PACKAGES = ("camelid", "numpy", "tokenizers", "sacrebleu", "rouge-score", "torch")
_MODEL_FILES = ("config.json", "generation_config.json", "tokenizer.json", "*.safetensors")


def describe_machine() -> dict[str, Any]:
    """Return the processor, how many cores may be used, what they can do, the memory, and the system."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "features": [name for name in _FEATURES if name in flags],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
    }


def list_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that figures depend on, as far as installed."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hash_model(folder: Path) -> str:
    """Return 16 hexadecimal digits that stand for what is in a model folder: weights, shape and tokenizer."""
    files = sorted({file for pattern in _MODEL_FILES for file in folder.glob(pattern)})
    return hash_json([[file.name, hash_file(file)] for file in files])
