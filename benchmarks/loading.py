"""How long a pair takes to load, and whether its memory is what `camelid info` says it will be.

    python benchmarks/loading.py            a pair shaped as SmolLM2's 1.7B and 135M, with random weights
    python benchmarks/loading.py --quick    the same with two tiny shapes, in seconds; not stored

Both models load natively in int4, tokenizers read and a first token computed, in a process of its own: once
with nothing kept, so that the weights are packed, and then again, mapped from what was kept. The files were
written just before, so they are in the system's cache. Memory is what a process grows by from before loading
to after a prompt, in int8, which `camelid info` predicts: weights, and cache for as many tokens as that has.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import stored
import tokenizers
from native_models import write_model

import camelid
from camelid.cli.portrait import portray
from camelid.export.pairing import make_pair
from camelid.files import write_folder
from camelid.generate.speed import measure_speed
from camelid.model.config import DecoderConfig
from camelid.model.folder import CONFIG
from camelid.native.packing import KEPT_FOLDER
from camelid.text.tokenizer import Tokenizer, train_tokenizer
from camelid.text.world import build_world

FOLDER = stored.HOUSE / "runs" / "loading"
FIRST_S, AGAIN_S, MEMORY_SHARE = 10.0, 1.0, 0.05  # what is to be reached
TOKENS = 49_152


def _smollm2(
    width: int, inner: int, layers: int, heads: int, groups: int, theta: float, tokens: int = TOKENS
) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=tokens, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=8192,
        rope_theta=theta, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip


# Source: config.json of HuggingFaceTB/SmolLM2-1.7B-Instruct and SmolLM2-135M-Instruct.
SHAPES = {
    "llama": _smollm2(2048, 8192, 24, 32, 32, 130_000.0),
    "alpaca": _smollm2(576, 1536, 30, 9, 3, 100_000.0),
}
QUICK = {
    "llama": _smollm2(128, 320, 4, 4, 4, 1e4, tokens=2000),
    "alpaca": _smollm2(64, 160, 2, 2, 1, 1e4, tokens=2000),
}


def make_tokenizer(size: int) -> Tokenizer:
    """Return a tokenizer of a few learnt tokens, filled up with made-up ones: loading takes as long."""
    texts = [record.text or record.messages[0].content for record in build_world(seed=1, num_records=60)]
    table = train_tokenizer(texts, vocab_size=400).to_dict()
    known = len(table["model"]["vocab"])
    table["model"]["vocab"] |= {f"filler{number}": number for number in range(known, size)}
    core = tokenizers.Tokenizer.from_str(json.dumps(table))
    names = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
    return Tokenizer(core, names)


def make_models(folder: Path, shapes: Mapping[str, DecoderConfig]) -> Path:
    """Return a pair of random models of those shapes, written unless it is there."""
    pair = folder / "pair"
    for role, config in shapes.items():
        target = folder / role
        if not (target / CONFIG).is_file():
            tokenizer = make_tokenizer(config.vocab_size)

            def fill(fresh: Path, config: DecoderConfig = config, tokenizer: Tokenizer = tokenizer) -> None:
                write_model(fresh, config)
                tokenizer.save(fresh)

            write_folder(target, fill)
    make_pair(folder / "llama", folder / "alpaca", pair, chat_template="alpaca")
    return pair


def load(pair: Path, threads: int) -> dict[str, float]:
    """Return the seconds that loading both models takes in this process, from opening the folder on."""
    began = time.perf_counter()
    opened = camelid.load(pair, backend="native", weights="int4", threads=threads)
    for role in ("alpaca", "llama"):
        opened[role].load()
    return {"load_s": time.perf_counter() - began}


def run(pair: Path, role: str, threads: int) -> dict[str, float]:
    """Return the speed of one of the two, loaded in int4."""
    model = camelid.load(pair, backend="native", weights="int4", threads=threads, speculate=False)[role].model
    speed = measure_speed(model)
    return {"first_token_s": speed.first_token_s, "tokens_per_s": speed.tokens_per_s}


def grow(pair: Path, role: str, threads: int, prompt: int) -> dict[str, float]:
    """Return how much memory one of the two takes in this process, and what was predicted, in bytes."""
    portrait = portray(pair / role, measure=False)
    predicted = (
        portrait.weight_bytes + portrait.cache_bytes * prompt / portrait.config.max_position_embeddings
    )
    before = read_memory()
    model = camelid.load(pair, backend="native", threads=threads, speculate=False)[role].model
    ids = [300 + number * 7 % (portrait.config.vocab_size - 300) for number in range(prompt - 1)]
    next(model.generate(ids, max_tokens=1))
    return {"predicted_bytes": predicted, "grown_bytes": read_memory() - before}


def read_memory() -> int:
    """Return the memory that this process has now, mapped files included, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def forget(pair: Path) -> None:
    """Delete what was kept of packed weights."""
    for role in SHAPES:
        shutil.rmtree(pair / role / KEPT_FOLDER, ignore_errors=True)


def measure(pair: Path, repeats: int, threads: int, prompt: int) -> dict[str, Any]:
    """Return everything, each in a process of its own."""

    def apart(what: str, role: str = "") -> dict[str, float]:
        words = {"what": what, "pair": str(pair), "role": role, "threads": threads, "prompt": prompt}
        command = [sys.executable, __file__, "--worker", json.dumps(words)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{what} {role} failed:\n{done.stderr}")
        return dict(json.loads(done.stdout.splitlines()[-1]))

    first, again = [], []
    for _ in range(repeats):
        forget(pair)
        first.append(apart("load")["load_s"])
        again.append(apart("load")["load_s"])
        print(f"  packed and loaded in {first[-1]:.2f} s, mapped in {again[-1]:.2f} s", flush=True)
    models = {}
    for role in ("llama", "alpaca"):
        apart("grow", role)  # packs; the next one maps, as every later start does
        models[role] = {**apart("run", role), **apart("grow", role)}
        models[role]["parameters"] = portray(pair / role, measure=False).config.num_parameters
    return {"first_s": first, "again_s": again, "models": models, "threads": threads, "prompt": prompt}


def render(data: dict[str, Any]) -> str:
    """Return the page's section."""
    first, again = statistics.median(data["first_s"]), statistics.median(data["again_s"])
    rows = [
        ["both, packed for the first time", f"{first:.2f} s", f"≤ {FIRST_S:g} s", _mark(first <= FIRST_S)],
        ["both, mapped after that", f"{again:.2f} s", f"≤ {AGAIN_S:g} s", _mark(again <= AGAIN_S)],
    ]
    for role, model in data["models"].items():
        off = model["predicted_bytes"] / model["grown_bytes"] - 1
        said = f"{model['grown_bytes'] / 1e6:,.0f} MB, predicted {off:+.1%}"
        rows.append([f"memory of the {role.capitalize()}, int8", said, f"± {MEMORY_SHARE:.0%}",
                     _mark(abs(off) <= MEMORY_SHARE)])  # fmt: skip
    for role, model in data["models"].items():
        what = f"the {role.capitalize()}, {model['parameters'] / 1e6:,.0f}M parameters, int4"
        rows.append([what, f"{model['tokens_per_s']:.1f} tokens/s", "", ""])
    spread = f"{min(data['first_s']):.2f}–{max(data['first_s']):.2f} s and {min(data['again_s']):.2f}–" \
             f"{max(data['again_s']):.2f} s"  # fmt: skip
    return (
        stored.table(["a pair of random weights", "found", "to reach", ""], rows)
        + f"\n\nMedians of {len(data['first_s'])} starts ({spread}), {data['threads']} threads, tokenizers "
        f"and a first token included; memory after a prompt of {data['prompt']} tokens."
    )


def _mark(reached: bool) -> str:
    return "reached" if reached else "missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the models lie, 6 GB of them")
    parser.add_argument("--repeats", type=int, default=3, help="how often the pair is loaded each way")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=512, help="tokens, where memory is measured")
    parser.add_argument("--quick", action="store_true", help="tiny shapes, once; not stored")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        words = json.loads(options.worker)
        pair, threads = Path(words["pair"]), words["threads"]
        if words["what"] == "load":
            found = load(pair, threads)
        elif words["what"] == "run":
            found = run(pair, words["role"], threads)
        else:
            found = grow(pair, words["role"], threads, words["prompt"])
        print(json.dumps(found))
        return
    shapes = QUICK if options.quick else SHAPES
    pair = make_models(options.folder / ("quick" if options.quick else "smollm2"), shapes)
    repeats = 1 if options.quick else options.repeats
    data = measure(pair, repeats, options.threads, options.prompt)
    print(render(data))
    if not options.quick:
        print(f"stored in {stored.store('loading', data, packages=['camelid', 'numpy', 'tokenizers'])}")


if __name__ == "__main__":
    main()
