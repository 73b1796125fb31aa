"""Results as files: what was measured, by which command, when and on what machine."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from camelid.files import write_json

HOUSE = Path(__file__).parents[1]
RESULTS = HOUSE / "benchmarks" / "results"

_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")


def store(name: str, data: Any, *, packages: Sequence[str] = ()) -> Path:
    """Write a benchmark's data to results/NAME.json, with the command line and the machine; return the file.

    packages: whose versions matter to the figures, besides Python's.
    """
    path = RESULTS / f"{name}.json"
    write_json(path, describe(data, packages=packages))
    return path


def describe(data: Any, *, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return a benchmark's data with the command line, the date and the machine.

    Of a path from the root only the last part is told: the rest is this machine's own.
    """
    arguments = shlex.join(Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return {
        "command": f"python benchmarks/{Path(sys.argv[0]).name} {arguments}".rstrip(),
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **_versions(packages)},
        "data": data,
    }


def read(name: str) -> dict[str, Any] | None:
    """Return what is stored of a benchmark; None before its first run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def same_pair(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Tell whether two results are of one pair: by its models, or where one names none, by its training."""
    if "models" in one and "models" in two:
        return bool(one["models"] == two["models"])
    told = [
        {role: (entry["parameters"], entry["training_s"]) for role, entry in data.get("roles", {}).items()}
        for data in (one, two)
    ]
    return bool(told[0]) and told[0] == told[1]


def describe_machine() -> dict[str, Any]:
    """Return the processor, its cores and what it can do, and the memory."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    fields = dict(line.split(":", 1) for line in info.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name", platform.processor() or platform.machine()),
        "family": f"{fields.get('cpu family', '?')}/{fields.get('model', '?')}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "features": [name for name in _FEATURES if name in flags],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
    }


def caption(result: dict[str, Any]) -> str:
    """Return the lines that say where a result comes from."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    features = " ".join(machine["features"])
    return (
        f"`{result['command']}` · {result['date']} · {machine['processor']} (family {machine['family']}), "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, {features} · {versions}"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; columns after the first are numbers, to the right."""
    lines = [columns, ["---", *("---:" for _ in columns[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
