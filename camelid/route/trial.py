"""Options, measured: the quality of both models in several weight types and at several settings of the dial.

Quality is measured here, times and memory in a process of their own. What was measured once of the same
weights, items and machine is kept in the pair folder and not measured again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from camelid.compare.latency import time_apart
from camelid.compare.machine import describe_machine, hash_model
from camelid.compare.metrics import find_metric
from camelid.compare.score import Score
from camelid.compare.scoring import fits, prompt_ids, score_items
from camelid.compare.task import Item, Task
from camelid.errors import CheckpointError, DataError
from camelid.files import hash_json, write_json
from camelid.generate.load import LoadOptions, load_model
from camelid.generate.native_backend import NativeModel
from camelid.model.folder import read_config, read_json_object
from camelid.native import is_built
from camelid.native.packing import Weights
from camelid.route.choice import Option
from camelid.text.tokenizer import Tokenizer

MEASURED = "measured.json"
WEIGHTS: tuple[Weights, ...] = ("int8", "int4", "bf16")
DIALS = (0.5, 0.1)
_TIMED = 24  # prompts that are timed

Say = Callable[[str], None]


def measure_options(
    pair: Path,
    folders: Mapping[str, Path],
    tokenizers: Mapping[str, Tokenizer],
    task: Task,
    *,
    limit: int,
    say: Say = lambda _: None,
) -> list[Option]:
    """Return each way to answer a task, measured on at most `limit` of its items.

    pair: where measurements are kept; folders: the model folders, by role. say: is told what is measured.

    Raises DataError when no item fits in both models' contexts.
    """
    known = _read(pair)
    contexts = {role: read_config(folder).max_position_embeddings for role, folder in folders.items()}
    items = [item for item in task.items(limit) if item.messages]
    items = [item for item in items if all(fits(contexts[role], tokenizers[role], item) for role in folders)]
    if not items:
        raise DataError(
            f"No item of the task {task.name} can be asked: none is a conversation that fits in the context."
        )
    asked = hash_json([task.name, task.metric, [item.fingerprint for item in items]])
    hashes = {role: hash_model(folder) for role, folder in folders.items()}
    machine = hash_json(describe_machine())
    native = is_built()
    kinds: list[tuple[str, str, float]] = [
        (role, weights, 1.0)
        for role in ("llama", "alpaca")
        for weights in (WEIGHTS if native else ("float32",))
    ]
    shared = tokenizers["llama"].fingerprint == tokenizers["alpaca"].fingerprint
    if native and shared and task.kind == "generate":
        kinds += [("llama", "int8", dial) for dial in DIALS]
    options: list[Option] = []
    for role, weights, dial in kinds:
        key = hash_json([asked, hashes, role, weights, dial, machine])
        option = Option(role, weights, dial, (), (), 0)
        if key not in known:
            say(option.name)
            known[key] = (
                _measure(folders[role], tokenizers[role], task, items, weights if native else "")
                if dial == 1
                else _turn_dial(folders, tokenizers[role], task, items, dial, options[0].memory_bytes)
            )
            write_json(pair / MEASURED, known)
        options.append(_as_option(option, known[key]))
    return options


def _measure(
    folder: Path, tokenizer: Tokenizer, task: Task, items: Sequence[Item], weights: str
) -> dict[str, Any]:
    """Return what one model gives. weights: of the native backend; "" for torch."""
    loading = LoadOptions(backend="native", weights=cast(Weights, weights)) if weights else LoadOptions()
    qualities = [
        score.quality for score in score_items(load_model(folder, **loading), tokenizer, task, items)
    ]
    cost = time_apart(
        folder,
        {task.name: [prompt_ids(tokenizer, item) for item in items[:_TIMED]]},
        {task.name: task.max_tokens},
        stop_ids=sorted(tokenizer.stop_ids),
        sizes=list(tokenizer.num_bytes),
        loading=loading,
    )
    seconds = [timing.total_s for timing in cost.timings[task.name]]
    return {"qualities": qualities, "seconds": seconds, "memory_bytes": cost.peak_bytes}


def _turn_dial(
    folders: Mapping[str, Path],
    tokenizer: Tokenizer,
    task: Task,
    items: Sequence[Item],
    dial: float,
    memory_bytes: int,
) -> dict[str, Any]:
    """Return what a setting of the dial gives. memory_bytes: of the Llama; the Alpaca's comes on top."""
    llama, alpaca = NativeModel(folders["llama"]), NativeModel(folders["alpaca"])
    llama.let_guess(alpaca)
    judge = find_metric(task.metric).quality
    qualities, seconds = [], []
    for item in items:
        prompt = prompt_ids(tokenizer, item)
        began = time.perf_counter()
        tokens = list(
            llama.generate(prompt, stop_ids=tokenizer.stop_ids, dial=dial, max_tokens=task.max_tokens)
        )
        seconds.append(time.perf_counter() - began)
        score = Score(item.id, reply=tokenizer.decode(tokens), tokens=len(tokens))
        qualities.append(float(judge(item, score)))
    memory_bytes += alpaca.weight_bytes + alpaca.cache_bytes
    return {"qualities": qualities, "seconds": seconds[:_TIMED], "memory_bytes": memory_bytes}


def _as_option(option: Option, found: Mapping[str, Any]) -> Option:
    return Option(
        option.role,
        option.weights,
        option.dial,
        tuple(found["qualities"]),
        tuple(found["seconds"]),
        int(found["memory_bytes"]),
    )


def _read(pair: Path) -> dict[str, Any]:
    """Return what was measured before; nothing when that is damaged."""
    try:
        return read_json_object(pair / MEASURED) if (pair / MEASURED).is_file() else {}
    except CheckpointError:
        return {}
