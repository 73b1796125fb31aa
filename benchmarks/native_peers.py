"""llama.cpp, CTranslate2 and transformers at their best, each in a process of its own; prints JSON.

    python benchmarks/native_peers.py '{"peer": "llama.cpp", "type": "Q8_0", "folder": …, "plan": {…}}'

Runs in the virtual environment that has the peer, so it must not import camelid. What is found: by variant of
the settings, by figure, one rate in tokens/s for each round; and the logits after a fixed prompt.
"""

import ctypes
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from native_formats import NUM_SPECIAL, Folder, vocabulary
from numpy.typing import NDArray

CHECKED_PROMPT, CHECKED_LOGITS = 48, 1024
UBATCH = 512  # tokens that llama.cpp computes at a time, its default
Found = dict[str, dict[str, list[float]]]


def prompts(vocab_size: int, length: int, seed: int) -> Iterator[list[int]]:
    """Yield random prompts, no two alike, so that no cache of prefixes helps."""
    random = np.random.default_rng([seed, length])
    while True:
        yield random.integers(NUM_SPECIAL, vocab_size, length).tolist()


def checked_prompt(vocab_size: int) -> list[int]:
    """Return the prompt whose logits tell whether all run the same model."""
    return next(prompts(vocab_size, CHECKED_PROMPT, seed=99))


def add(found: dict[str, list[float]], figure: str, rate: float) -> None:
    """Write down a rate."""
    found.setdefault(figure, []).append(rate)


# --- llama.cpp --------------------------------------------------------------------------------------------


class LlamaContext:
    """A llama.cpp context, driven through its low-level batch call; chooses the likeliest tokens."""

    def __init__(
        self, model: Any, vocab_size: int, *, threads: int, flash: bool, sequences: int = 1,
        length: int, unified: bool = False,
    ) -> None:  # fmt: skip
        import llama_cpp

        self._lib = llama_cpp
        wishes = llama_cpp.llama_context_default_params()
        wishes.n_ctx = sequences * (-(-length // 256) * 256)
        wishes.n_batch = wishes.n_ubatch = UBATCH
        wishes.n_seq_max = sequences
        wishes.n_threads = wishes.n_threads_batch = threads
        if hasattr(wishes, "flash_attn_type"):
            wishes.flash_attn_type = int(flash)
        else:
            wishes.flash_attn = flash
        if hasattr(wishes, "kv_unified"):
            wishes.kv_unified = unified
        self._context = llama_cpp.llama_init_from_model(model, wishes)
        if not self._context:
            sys.exit("llama.cpp could not make a context.")
        self._vocab_size = vocab_size
        self._batch = llama_cpp.llama_batch_init(UBATCH, 0, 1)
        size = (UBATCH,)
        self._tokens = np.ctypeslib.as_array(self._batch.token, size)
        self._positions = np.ctypeslib.as_array(self._batch.pos, size)
        self._wanted = np.ctypeslib.as_array(self._batch.logits, size)
        np.ctypeslib.as_array(self._batch.n_seq_id, size)[:] = 1
        self._views: dict[tuple[int, int], NDArray[np.float32]] = {}

    def close(self) -> None:
        """Free everything."""
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)

    def clear(self) -> None:
        """Forget all sequences."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)

    def read(self, prompt: list[int], sequence: int = 0) -> NDArray[np.float32]:
        """Read a whole prompt and return the logits after it."""
        count = len(prompt)
        self._tokens[:count] = prompt
        self._positions[:count] = np.arange(count)
        self._wanted[:count] = 0
        self._wanted[count - 1] = 1
        for place in range(count):
            self._batch.seq_id[place][0] = sequence
        return self._decode(count, 1)[0]

    def begin(self, tokens: list[int], position: int) -> None:
        """Settle what `step` goes on from: one token of each sequence, all at one position."""
        count = len(tokens)
        self._tokens[:count] = tokens
        self._positions[:count] = position
        self._wanted[:count] = 1
        for place in range(count):
            self._batch.seq_id[place][0] = place

    def step(self, count: int) -> None:
        """Read the next token of each sequence and choose what follows."""
        chosen = self._decode(count, count).argmax(axis=1)
        self._tokens[:count] = chosen
        self._positions[:count] += 1

    def _decode(self, count: int, rows: int) -> NDArray[np.float32]:
        self._batch.n_tokens = count
        status = self._lib.llama_decode(self._context, self._batch)
        if status:
            sys.exit(f"llama_decode returned {status}.")
        logits = self._lib.llama_get_logits(self._context)
        address = ctypes.cast(logits, ctypes.c_void_p).value
        assert address
        view = self._views.get((address, rows))
        if view is None:
            numbers = (ctypes.c_float * (rows * self._vocab_size)).from_address(address)
            view = np.frombuffer(numbers, np.float32).reshape(rows, self._vocab_size)
            self._views[address, rows] = view
        return view


def measure_llama_cpp(folder: Path, type_: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the rates with flash attention on and off; many streams also with one cache and one for each."""
    import llama_cpp

    llama_cpp.llama_backend_init()
    wishes = llama_cpp.llama_model_default_params()
    wishes.n_gpu_layers = 0
    began = time.perf_counter()
    model = llama_cpp.llama_model_load_from_file(str(folder / f"{type_}.gguf").encode(), wishes)
    if not model:
        sys.exit(f"llama.cpp could not load {type_}.gguf.")
    load_s = time.perf_counter() - began
    size, threads = Folder(folder / "hf").config["vocab_size"], plan["threads"]
    found: Found = {"flash attention off": {}, "flash attention on": {}}
    logits: list[float] = []
    for flash, rates in enumerate(found.values()):
        context = LlamaContext(
            model, size, threads=threads, flash=bool(flash), length=plan["prompt"] + plan["new"]
        )
        logits = logits or context.read(checked_prompt(size))[:CHECKED_LOGITS].tolist()
        for length in (plan["short"], plan["prompt"]):
            _decode_alone(context, rates, size, length, plan)
        context.close()
    for flash, name in enumerate(list(found)):
        for unified, kind in enumerate(("a cache for each", "one cache")):
            context = LlamaContext(
                model, size, threads=threads, flash=bool(flash), sequences=plan["streams"],
                length=plan["stream_prompt"] + 4 + plan["steps"], unified=bool(unified),
            )  # fmt: skip
            _decode_together(context, found.setdefault(f"{name}, {kind}", {}), size, plan)
            context.close()
    return {"load_s": load_s, "found": found, "logits": logits, "version": _version("llama-cpp-python")}


def _decode_alone(
    context: LlamaContext, rates: dict[str, list[float]], size: int, length: int, plan: dict[str, Any]
) -> None:
    for number, prompt in zip(range(plan["rounds"] + 1), prompts(size, length, seed=1), strict=False):
        context.clear()
        began = time.perf_counter()
        first = int(context.read(prompt).argmax())
        read_s = time.perf_counter() - began
        context.begin([first], length)
        new = plan["new"] if number else 4
        began = time.perf_counter()
        for _ in range(new - 1):
            context.step(1)
        decode_s = time.perf_counter() - began
        if number:  # the first round warms up
            add(rates, f"decode_{length}", (new - 1) / decode_s)
            add(rates, f"prefill_{length}", length / read_s)


def _decode_together(
    context: LlamaContext, rates: dict[str, list[float]], size: int, plan: dict[str, Any]
) -> None:
    source = prompts(size, plan["stream_prompt"], seed=2)
    for _ in range(plan["rounds"]):
        context.clear()
        tokens = [int(context.read(next(source), place).argmax()) for place in range(plan["streams"])]
        context.begin(tokens, plan["stream_prompt"])
        context.step(len(tokens))
        began = time.perf_counter()
        for _ in range(plan["steps"]):
            context.step(len(tokens))
        add(rates, "streams", plan["steps"] * len(tokens) / (time.perf_counter() - began))


# --- CTranslate2 ------------------------------------------------------------------------------------------


def measure_ctranslate2(folder: Path, type_: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the rates of a Generator that reads prompts at once and takes the likeliest tokens."""
    import ctranslate2

    began = time.perf_counter()
    generator = ctranslate2.Generator(
        str(folder / "ctranslate2"), device="cpu", compute_type=type_, inter_threads=1,
        intra_threads=plan["threads"],
    )  # fmt: skip
    load_s = time.perf_counter() - began
    size = Folder(folder / "hf").config["vocab_size"]
    words = vocabulary(size)
    checked = generator.forward_batch([checked_prompt(size)], return_log_probs=False)
    rates: dict[str, list[float]] = {}
    for length in (plan["short"], plan["prompt"]):
        for number, prompt in zip(range(plan["rounds"] + 1), prompts(size, length, seed=1), strict=False):
            ticks: list[float] = []
            new = plan["new"] if number else 4
            began = time.perf_counter()
            generator.generate_batch(
                [[words[token] for token in prompt]], max_length=new, min_length=new,
                include_prompt_in_result=False, callback=lambda _, ticks=ticks: _tick(ticks),
            )  # fmt: skip
            if number:
                _add_ticks(rates, length, began, ticks, new)
    logits = np.asarray(checked)[0, -1, :CHECKED_LOGITS].astype(np.float32).tolist()
    return {"load_s": load_s, "found": {"": rates}, "logits": logits, "version": _version("ctranslate2")}


def _tick(ticks: list[float]) -> bool:
    ticks.append(time.perf_counter())
    return False


def _add_ticks(
    rates: dict[str, list[float]], length: int, began: float, ticks: list[float], new: int
) -> None:
    if len(ticks) != new:
        sys.exit(f"{len(ticks)} tokens came where {new} were asked for.")
    add(rates, f"decode_{length}", (new - 1) / (ticks[-1] - ticks[0]))
    add(rates, f"prefill_{length}", length / (ticks[0] - began))


# --- transformers -----------------------------------------------------------------------------------------


class Clock:
    """What `generate` hands each token to."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def put(self, value: object) -> None:
        """Note the time; the prompt comes first."""
        self.ticks.append(time.perf_counter())

    def end(self) -> None:
        """Do nothing."""


def measure_transformers(folder: Path, type_: str, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the rates of `generate` in bfloat16, greedily."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(plan["threads"])
    began = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(folder / "hf", dtype=torch.bfloat16).eval()
    load_s = time.perf_counter() - began
    model.generation_config.eos_token_id = None
    size = model.config.vocab_size
    rates: dict[str, list[float]] = {}
    with torch.inference_mode():
        checked = model(torch.tensor([checked_prompt(size)])).logits
        for length in (plan["short"], plan["prompt"]):
            for number, prompt in zip(range(plan["rounds"] + 1), prompts(size, length, seed=1), strict=False):
                clock, ids = Clock(), torch.tensor([prompt])
                new = plan["new"] if number else 4
                began = time.perf_counter()
                model.generate(
                    ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False,
                    pad_token_id=0, streamer=clock,
                )  # fmt: skip
                if number:
                    _add_ticks(rates, length, began, clock.ticks[1:], new)
    logits = checked[0, -1, :CHECKED_LOGITS].float().tolist()
    return {"load_s": load_s, "found": {"": rates}, "logits": logits, "version": _version("transformers")}


# --- all --------------------------------------------------------------------------------------------------


def peak_bytes() -> int:
    """Return the most memory that this process has had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def _version(package: str) -> dict[str, str]:
    return {package: importlib.metadata.version(package)}


MEASURES = {
    "llama.cpp": measure_llama_cpp,
    "ctranslate2": measure_ctranslate2,
    "transformers": measure_transformers,
}


def main() -> None:
    task = json.loads(sys.argv[1])
    found = MEASURES[task["peer"]](Path(task["folder"]), task["type"], task["plan"])
    print(json.dumps({**found, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
