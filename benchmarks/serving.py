"""The server under load: what HTTP costs, many clients at once beside llama_cpp.server, clients that vanish.

    python benchmarks/serving.py --peers ~/peers               all three, about ten minutes on two cores
    python benchmarks/serving.py --part overhead --part vanish only these, added to what is stored
    python benchmarks/serving.py --quick                       a look at each, not stored

The peer is llama-cpp-python's server on the same random weights in Q8_0, at its best of these settings: flash
attention on and off, two threads, no interruption of streams. Its environment is that of benchmarks/native.py
and the server's extras: ~/peers/bin/pip install 'llama-cpp-python[server]'

The clients run in this process and share the machine's cores with the server, as the peer's do.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import stored
from native import FOLDER, convert, find_pythons
from native_models import SHAPES, make_model
from native_peers import prompts
from serving_clients import Load, closed_loop, quantile, request, vanish
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import camelid
from camelid.files import write_folder, write_json

PARTS = ("overhead", "load", "vanish")
OVERHEAD_SHAPES = ("15m", "30m")
LOAD_SHAPE = "30m"
PEER_EXTRAS = ("llama_cpp", "uvicorn", "fastapi", "sse_starlette", "starlette_context", "pydantic_settings")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured: tokens and rounds of one stream, clients and seconds of a load."""

    tokens: int = 512
    rounds: int = 9
    clients: int = 64
    seconds: float = 120.0
    vanishing: int = 1000


QUICK = Plan(tokens=96, rounds=3, clients=8, seconds=6.0, vanishing=60)


# --- the model folder, with a tokenizer -------------------------------------------------------------------


def make_served(shape: str) -> Path:
    """Return the folder of a random model with a byte-level tokenizer of as many tokens."""
    weights = make_model(FOLDER / shape, SHAPES[shape])
    folder = FOLDER / shape / "served"
    if not folder.is_dir():
        write_folder(folder, lambda fresh: _write_served(fresh, weights, SHAPES[shape].vocab_size))
    return folder


def _write_served(folder: Path, weights: Path, size: int) -> None:
    for name in ("config.json", "model.safetensors"):
        os.link(weights / name, folder / name)
    special = ["<unk>", "<s>", "</s>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [f"Ġw{number}" for number in range(len(special) + len(letters), size)]
    vocabulary = {word: place for place, word in enumerate([*special, *letters, *words])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"bos_token": "<s>", "eos_token": "</s>"})


# --- servers ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(command: list[str], ready: Callable[[str], str | None]) -> Iterator[tuple[str, psutil.Process]]:
    """Run a server for a `with`; ready: its address, once a line of its output tells it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if address := ready(line):
                _drain(process)
                yield address, psutil.Process(process.pid)
                return
        sys.exit("The server ended:\n" + "".join(said[-30:]))
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(40)
        process.kill()


def _drain(process: "subprocess.Popen[str]") -> None:
    import threading

    threading.Thread(target=lambda: [None for _ in process.stdout or ()], daemon=True).start()


def serve_camelid(folder: Path, threads: int, *options: str) -> Any:
    """Run `camelid serve`."""
    command = [sys.executable, "-m", "camelid", "serve", str(folder), "--port", "0", "--quiet"]
    command += ["--backend", "native", "--threads", str(threads), *options]
    return serving(command, lambda line: (found := re.search(r" at (http://\S+)", line)) and found[1])


def serve_peer(python: str, gguf: Path, threads: int, *, flash: bool) -> Any:
    """Run llama-cpp-python's server."""
    command = [
        python,
        "-m",
        "llama_cpp.server",
        "--model",
        str(gguf),
        "--host",
        "127.0.0.1",
        "--port",
        "8771",
    ]
    command += ["--n_ctx", "2048", "--n_threads", str(threads), "--n_threads_batch", str(threads)]
    command += ["--flash_attn", str(flash), "--interrupt_requests", "False", "--verbose", "False"]
    return serving(command, lambda line: "http://127.0.0.1:8771" if "Uvicorn running" in line else None)


# --- the parts --------------------------------------------------------------------------------------------


def measure_bare(folder: Path, plan: Plan, threads: int) -> dict[str, list[float]]:
    """Return the engine's own rates in tokens/s, prompts included; run in a process of its own."""
    model = camelid.load_model(folder, backend="native", threads=threads)
    rates: list[float] = []
    for number, prompt in zip(range(plan.rounds + 1), prompts(model.vocab_size, 32, 5), strict=False):
        began = time.perf_counter()
        count = sum(1 for _ in model.generate(prompt, max_tokens=plan.tokens))
        if number:
            rates.append(count / (time.perf_counter() - began))
    return {"tokens_per_s": rates}


def measure_overhead(plan: Plan, threads: int) -> dict[str, Any]:
    """Return, by shape, the rates of one stream with HTTP and without, and what the first byte took more."""
    found = {}
    for shape in OVERHEAD_SHAPES:
        folder = make_served(shape)
        bare = _measure_in_process(folder, plan, threads)
        with serve_camelid(folder, threads) as (address, _):
            rates, extra = asyncio.run(_measure_stream(address, shape, plan))
        bare["tokens_per_s"] += _measure_in_process(folder, plan, threads)["tokens_per_s"]
        found[shape] = {"bare": bare["tokens_per_s"], "http": rates, "first_byte_extra_ms": extra}
    return found


def _measure_in_process(folder: Path, plan: Plan, threads: int) -> dict[str, list[float]]:
    task = json.dumps({"folder": str(folder), "plan": dataclasses.asdict(plan), "threads": threads})
    command = [sys.executable, __file__, "--worker", task]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[float]] = json.loads(run.stdout.splitlines()[-1])
    return found


async def _measure_stream(address: str, shape: str, plan: Plan) -> tuple[list[float], list[float]]:
    rates, extra = [], []
    source = prompts(SHAPES[shape].vocab_size, 32, 6)
    for number in range(plan.rounds + 1):
        body = {"model": "served", "prompt": next(source), "max_tokens": plan.tokens, "stream": True}
        finding = await request(address, {**body, "stream_options": {"include_usage": True}})
        if number:
            rates.append(finding.tokens / (finding.times[-1] - finding.sent_s))
            extra.append(1000 * (finding.times[0] - finding.sent_s) - finding.account["first_token_ms"])
    return rates, extra


def measure_load(plan: Plan, threads: int, pythons: dict[str, str]) -> dict[str, Any]:
    """Return what many clients in a closed loop get, of camelid and of the peer."""
    folder = make_served(LOAD_SHAPE)
    load = Load(plan.clients, plan.seconds, SHAPES[LOAD_SHAPE].vocab_size)
    found: dict[str, Any] = {}
    with serve_camelid(folder, threads, "--max-running", str(plan.clients)) as (address, process):
        found["camelid"] = _press(address, process, load, words=False)
    python = _find_peer(pythons)
    if python:
        convert(FOLDER / LOAD_SHAPE, pythons, print)
        for flash in (False, True):
            gguf = FOLDER / LOAD_SHAPE / "Q8_0.gguf"
            with serve_peer(python, gguf, threads, flash=flash) as (address, process):
                name = f"llama_cpp.server, flash attention {'on' if flash else 'off'}"
                found[name] = _press(address, process, load, words=True)
    return found


def _find_peer(pythons: dict[str, str]) -> str | None:
    python = pythons.get("llama_cpp")
    script = "import sys, importlib.util as u; sys.exit(not all(u.find_spec(n) for n in sys.argv[1:]))"
    if python and subprocess.run([python, "-c", script, *PEER_EXTRAS], capture_output=True).returncode == 0:
        return python
    print("llama_cpp.server is left out: ~/peers/bin/pip install 'llama-cpp-python[server]'", flush=True)
    return None


def _press(address: str, process: psutil.Process, load: Load, *, words: bool) -> dict[str, Any]:
    """Return the figures of one server; its memory is looked at all the while."""
    asyncio.run(
        closed_loop(address, dataclasses.replace(load, seconds=min(20.0, load.seconds / 4)), words=words)
    )
    memory: list[int] = []

    def look() -> None:
        memory.append(process.memory_info().rss)

    findings = asyncio.run(closed_loop(address, load, words=words, look=look))
    good = [finding for finding in findings if finding.status == 200]
    gaps = [gap for finding in good for gap in finding.gaps]
    firsts = [finding.first_s for finding in good if finding.times]  # a reply may be without text
    third = max(1, len(memory) // 3)
    return {
        "requests": len(good),
        "statuses": {str(code): count for code, count in Counter(f.status for f in findings).items()},
        "tokens_per_s": sum(finding.tokens for finding in good) / load.seconds,
        "gap_median_ms": 1000 * statistics.median(gaps) if gaps else None,
        "gap_p99_ms": 1000 * quantile(gaps, 0.99) if gaps else None,
        "first_token_median_ms": 1000 * statistics.median(firsts) if firsts else None,
        "memory_bytes": [statistics.median(memory[:third]), statistics.median(memory[-third:])],
    }


def measure_vanish(plan: Plan, threads: int) -> dict[str, Any]:
    """Return what is left of clients that ask for much and vanish, and how soon a fresh one is answered."""
    folder = make_served(LOAD_SHAPE)
    source = prompts(SHAPES[LOAD_SHAPE].vocab_size, 32, 8)
    options = ("--max-queue", str(plan.vanishing))
    with serve_camelid(folder, threads, *options) as (address, process):
        body = {"model": "served", "prompt": next(source), "max_tokens": 10_000, "stream": True}
        asyncio.run(vanish(address, body, plan.vanishing, after_s=0.05))  # the first allocates what is kept
        _settle(address)
        before = _look_at(process)
        asyncio.run(vanish(address, body, plan.vanishing, after_s=0.05))
        fresh = asyncio.run(request(address, {**body, "prompt": next(source), "max_tokens": 16}))
        settled_s = _settle(address)
        return {
            "clients": plan.vanishing,
            "fresh_status": fresh.status,
            "fresh_s": fresh.times[-1] - fresh.sent_s if fresh.times else None,
            "settled_s": settled_s,
            "before": before,
            "after": _look_at(process),
        }


def _look_at(process: psutil.Process) -> dict[str, int]:
    return {
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "memory_bytes": process.memory_info().rss,
    }


def _settle(address: str) -> float:
    """Return the seconds until nothing runs any more."""
    began = time.perf_counter()
    while time.perf_counter() - began < 60:
        with urllib.request.urlopen(address + "/health") as answer:
            told = json.load(answer)
        if told["running"] == told["waiting"] == 0:
            break
        time.sleep(0.05)
    return time.perf_counter() - began


# --- what it comes to -------------------------------------------------------------------------------------


def render(data: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    parts = []
    if overhead := data.get("overhead"):
        rows = []
        for shape, found in overhead.items():
            bare, http = statistics.median(found["bare"]), statistics.median(found["http"])
            extra = found["first_byte_extra_ms"]
            rows.append([shape, f"{bare:,.0f}", f"{http:,.0f}", f"{http / bare:.0%}", f"{max(extra):.1f}"])
        columns = ["one stream", "engine, tokens/s", "over HTTP", "share", "first byte later by, ms at most"]
        parts.append(stored.table(columns, rows))
    if load := data.get("load"):
        rows = []
        for name, found in load.items():
            gaps = [found["gap_median_ms"], found["gap_p99_ms"]]
            before, after = found["memory_bytes"]
            codes = ", ".join(f"{count}× {code}" for code, count in sorted(found["statuses"].items()))
            shown = ["—" if gap is None else f"{gap:.1f}" for gap in gaps]
            growth = f"{(after - before) / 1e6:+.0f}"
            rows.append([name, f"{found['tokens_per_s']:,.0f}", *shown, codes, growth])
        columns = ["many clients", "tokens/s", "gap, ms, median", "p99", "replies", "memory, MB"]
        parts.append(stored.table(columns, rows))
    if found := data.get("vanish"):
        fresh = "none" if found["fresh_s"] is None else f"{found['fresh_s']:.2f} s"
        parts.append(
            f"{found['clients']:,} clients vanished after 50 ms: a fresh request was answered in {fresh} "
            f"(status {found['fresh_status']}), nothing ran any more after {found['settled_s']:.2f} s; files "
            f"{found['before']['files']} → {found['after']['files']}, threads {found['before']['threads']} → "
            f"{found['after']['threads']}, memory {found['before']['memory_bytes'] / 1e6:.0f} → "
            f"{found['after']['memory_bytes'] / 1e6:.0f} MB."
        )
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="only this one; may be repeated")
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="VENV",
                        help="a virtual environment with llama_cpp.server; may be repeated")  # fmt: skip
    parser.add_argument("--threads", type=int, default=2, help="of the engine, and of the peer's")
    parser.add_argument("--quick", action="store_true", help="a short look at each; not stored")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        task = json.loads(options.worker)
        print(json.dumps(measure_bare(Path(task["folder"]), Plan(**task["plan"]), task["threads"])))
        return
    plan = QUICK if options.quick else Plan()
    before = stored.read("serving") if not options.quick else None
    data: dict[str, Any] = dict(before["data"]) if before else {}
    for part in options.part or PARTS:
        if part == "overhead":
            data[part] = measure_overhead(plan, options.threads)
        elif part == "load":
            data[part] = measure_load(plan, options.threads, find_pythons(options.peers))
        else:
            data[part] = measure_vanish(plan, options.threads)
        print(render({part: data[part]}), flush=True)
        if not options.quick:
            stored.store("serving", data, packages=["starlette", "uvicorn"])


if __name__ == "__main__":
    main()
