"""Training throughput against Hugging Face's Trainer: same model, batches and optimizer, bf16, side by side.

    python benchmarks/throughput.py                            all shapes, under 20 minutes on two cores
    python benchmarks/throughput.py --shape 8m --repeats 1     a quick look, not stored

Every contender runs in a process of its own, in turn, so that its peak memory is its own. At first each
starts with an empty compiler cache, as on a fresh machine. The rate of bf16 products is measured in between.
The optimizer is AdamW, the Trainer's own; camelid's default, Muon, takes longer over a step, and learns more.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import stored

from camelid.model.config import DecoderConfig
from camelid.text.batches import Batch, Batches, MixPart
from camelid.text.corpus import build_corpus
from camelid.text.shards import write_shard
from camelid.text.sources import Source
from camelid.text.tokenizer import train_tokenizer

CONTEXT, ROWS, VOCAB = 256, 32, 8192  # 8,192 tokens in a step
LEARNING_RATE = 1e-3


def _shape(width: int, layers: int, heads: int, groups: int, feed_forward: int) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=VOCAB, hidden_size=width, intermediate_size=feed_forward, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=CONTEXT,
    )  # fmt: skip


SHAPES = {
    "8m": _shape(256, 8, 4, 2, 704),
    "15m": _shape(320, 10, 5, 5, 896),
    "30m": _shape(512, 9, 8, 4, 1408),
}
STEPS = {"8m": 7, "15m": 6, "30m": 5}  # the first one compiles, the second one warms up
CONTENDERS = ("camelid", "trainer", "trainer compiled")
PACKAGES = ("torch", "transformers", "accelerate")


# --- the workers, each in a process of its own ------------------------------------------------------------


def train_camelid(config: DecoderConfig, batches: list[Batch]) -> dict[str, Any]:
    """Return how long each step of camelid's own takes."""
    import torch

    from camelid.model.decoder import Decoder
    from camelid.train.precision import measure_plan
    from camelid.train.settings import StageSettings
    from camelid.train.stepper import Stepper

    decoder = Decoder(config)
    decoder.initialise(torch.Generator().manual_seed(0))
    settings = StageSettings(minutes=20.0, batch_tokens=ROWS * CONTEXT, optimizer="adamw")
    begin = time.perf_counter()
    plan = measure_plan(config, batch_rows=ROWS, context=CONTEXT, seconds=60 * settings.minutes)
    planned = time.perf_counter() - begin
    stepper = Stepper(decoder, settings, plan)
    losses, steps = [], []
    for batch in batches:
        begin = time.perf_counter()
        losses.append(stepper.step(batch, 1.0))
        steps.append(time.perf_counter() - begin)
    return {"step_s": steps, "plan_s": planned, "plan": str(plan), "losses": [losses[0], losses[-1]]}


def train_with_trainer(config: DecoderConfig, batches: list[Batch], *, compiled: bool) -> dict[str, Any]:
    """Return how long each step of `transformers.Trainer` takes, otherwise with its defaults."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    ticks: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: object, **__: object) -> None:
            ticks.append(time.perf_counter())

        def on_step_end(self, *_: object, **__: object) -> None:
            ticks.append(time.perf_counter())

    torch.manual_seed(0)
    table = config.to_dict()
    model = LlamaForCausalLM(LlamaConfig(**{**table, "use_cache": False}))
    assert model.num_parameters() == config.num_parameters
    rows = [
        {"input_ids": ids, "labels": np.where(seen == 0, -100, ids)}
        for batch in batches
        for ids, seen in zip(batch.token_ids.astype(np.int64), batch.segments, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=len(batches), per_device_train_batch_size=ROWS, bf16=True,
            use_cpu=True, learning_rate=LEARNING_RATE, torch_compile=compiled, save_strategy="no",
            report_to="none", disable_tqdm=True,
        )  # fmt: skip
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[Clock()])
        trainer.train()
    losses = [entry["train_loss"] for entry in trainer.state.log_history if "train_loss" in entry]
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    return {"step_s": steps, "losses": losses}


def measure_matmul(config: DecoderConfig) -> dict[str, Any]:
    """Return the rate of bf16 products in GFLOP/s: of a large square, and of the model's own shapes.

    The model's own are the three products (output, input's gradient, weight's gradient) of every matrix.
    """
    import torch

    def rate(products: list[tuple[int, int, int]], repeats: int) -> float:
        pairs = [
            (torch.randn(m, k, dtype=torch.bfloat16), torch.randn(k, n, dtype=torch.bfloat16))
            for m, k, n in products
        ]
        for left, right in pairs:
            torch.mm(left, right)
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            for left, right in pairs:
                torch.mm(left, right)
            times.append(time.perf_counter() - begin)
        return sum(2 * m * k * n for m, k, n in products) / min(times) / 1e9

    tokens, width, head = CONTEXT * ROWS, config.hidden_size, config.head_dim
    matrices = [
        (width, head * (config.num_attention_heads + 2 * config.num_key_value_heads)),
        (head * config.num_attention_heads, width),
        (width, 2 * config.intermediate_size),
        (config.intermediate_size, width),
    ] * config.num_hidden_layers + [(width, config.vocab_size)]
    own = [
        product
        for inputs, outputs in sorted(set(matrices))
        for product in [(tokens, inputs, outputs), (tokens, outputs, inputs), (inputs, tokens, outputs)]
    ]
    return {"square": rate([(3072, 3072, 3072)], 4), "own": rate(own, 3)}


def work(contender: str, shape: str, folder: Path) -> dict[str, Any]:
    """Return what one process found, its peak memory included."""
    config = SHAPES[shape]
    if contender == "matmul":
        return measure_matmul(config)
    arrays = np.load(folder / "batches.npz")
    names = ("token_ids", "targets", "positions", "segments")
    batches = [Batch(*(arrays[name][step] for name in names)) for step in range(STEPS[shape])]
    if contender == "camelid":
        found = train_camelid(config, batches)
    else:
        found = train_with_trainer(config, batches, compiled=contender == "trainer compiled")
    return {**found, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


# --- the run ----------------------------------------------------------------------------------------------


def prepare(folder: Path) -> None:
    """Write the batches that every contender sees: the built-in corpus, packed in rows."""
    corpus = build_corpus([Source(name="world", builtin="world", records=6000, held_out=0.0)], seed=0)
    records = corpus.train["world"]
    texts = [record.text or "\n".join(turn.content for turn in record.messages) for record in records]
    tokenizer = train_tokenizer(texts, vocab_size=VOCAB)
    shard = write_shard(folder / "shard", records, tokenizer, name="world")
    batches = Batches([MixPart(shard)], batch_size=ROWS, context=CONTEXT)
    chosen = [asdict(batches.batch(step)) for step in range(max(STEPS.values()))]
    np.savez(folder / "batches.npz", **{key: np.stack([each[key] for each in chosen]) for key in chosen[0]})


def start(contender: str, shape: str, folder: Path) -> dict[str, Any]:
    """Return what a worker process found; its compiler's cache and headers lie in a folder of their own."""
    cache = folder / f"{shape}-{contender}".replace(" ", "-")
    cache.mkdir(exist_ok=True)
    command = [sys.executable, __file__, "--worker", contender, "--shape", shape, "--folder", str(folder)]
    environment = {**os.environ, "TMPDIR": str(cache), "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode:
        sys.exit(f"{contender} {shape} failed:\n{run.stderr[-3000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def compare(shape: str, repeats: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Return every run of a shape, the contenders in turn, the order rotating."""
    config = SHAPES[shape]
    runs: list[dict[str, Any]] = []
    rates: list[dict[str, Any]] = []
    for repeat in range(repeats):
        rates.append(start("matmul", shape, folder))
        say(
            f"{shape} bf16 products: {rates[-1]['square']:.0f} GFLOP/s square, {rates[-1]['own']:.0f} its own"
        )
        turn = repeat % len(CONTENDERS)
        for contender in CONTENDERS[turn:] + CONTENDERS[:turn]:
            found = start(contender, shape, folder)
            runs.append({"contender": contender, "repeat": repeat, **found})
            rate = CONTEXT * ROWS / steady(runs[-1])
            say(f"{shape} {contender}: {rate:,.0f} tokens/s, first step {found['step_s'][0]:.1f} s")
    return {
        "parameters": config.num_parameters,
        "layers": config.num_hidden_layers,
        "width": config.hidden_size,
        "flops_per_token": config.training_flops_per_token(CONTEXT),
        "matmul_gflops": rates,
        "runs": runs,
    }


def steady(run: dict[str, Any]) -> float:
    """Return the median seconds of a step once compiled and warm."""
    return statistics.median(run["step_s"][2:])


# --- the page ---------------------------------------------------------------------------------------------


def render(data: dict[str, Any]) -> str:
    """Return the tables of docs/numbers.md."""
    tokens = data["context"] * data["rows"]
    speed, cost = [], []
    for shape, found in data["shapes"].items():
        square = statistics.median(rate["square"] for rate in found["matmul_gflops"])
        own = statistics.median(rate["own"] for rate in found["matmul_gflops"])
        for contender in CONTENDERS:
            runs = [run for run in found["runs"] if run["contender"] == contender]
            rate = statistics.median(tokens / steady(run) for run in runs)
            gflops = rate * found["flops_per_token"] / 1e9
            name = f"{shape} ({found['parameters'] / 1e6:.1f}M, {found['layers']} layers) · {contender}"
            speed.append(
                [name, f"{rate:,.0f}", _ratio(found["runs"], contender), f"{gflops:.0f}",
                 f"{gflops / square:.0%}", f"{gflops / own:.0%}"]
            )  # fmt: skip
            first = next(run for run in runs if run["repeat"] == 0)
            compiling = "" if contender == "trainer" else f"{first['step_s'][0] - steady(first):.1f}"
            again = [run for run in runs if run["repeat"] and contender != "trainer"]
            warm = (
                f"{statistics.median(run['step_s'][0] - steady(run) for run in again):.1f}" if again else ""
            )
            memory = statistics.median(run["peak_bytes"] for run in runs) / 2**30
            planning = f"{first['plan_s']:.1f}" if "plan_s" in first else ""
            cost.append([name, compiling, warm, planning, f"{memory:.2f}"])
    speed_columns = [
        "",
        "tokens/s",
        "camelid is faster by",
        "GFLOP/s",
        "of a square product",
        "of its own products",
    ]
    cost_columns = ["", "compiling, s", "when cached, s", "measuring the plan, s", "peak memory, GiB"]
    return (
        f"Rows of {data['context']} tokens, {data['rows']} in a step, of the built-in corpus; "
        f"{data['repeats']} runs of each in turn, medians; ratios are of runs side by side, with the lowest "
        "and the highest. The Trainer runs with `bf16=True` and otherwise its defaults. The last two columns "
        "compare with bf16 matrix products measured in the same run, of 3072×3072 and of the model's own "
        "sizes.\n\n"
        f"{stored.table(speed_columns, speed)}\n\n{stored.table(cost_columns, cost)}"
    )


def _ratio(runs: list[dict[str, Any]], contender: str) -> str:
    if contender == "camelid":
        return ""
    pace = {(run["contender"], run["repeat"]): steady(run) for run in runs}
    ratios = [pace[contender, repeat] / pace["camelid", repeat] for name, repeat in pace if name == contender]
    spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.2f}×{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, action="append", help="only this shape; not stored")
    parser.add_argument("--repeats", type=int, default=2, help="how often each contender runs")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(options.worker, options.shape[0], options.folder)))
        return
    data: dict[str, Any] = {"context": CONTEXT, "rows": ROWS, "repeats": options.repeats, "shapes": {}}
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        for shape in options.shape or SHAPES:
            data["shapes"][shape] = compare(
                shape, options.repeats, Path(name), lambda text: print(text, flush=True)
            )
    print(render(data))
    if not options.shape:
        print(f"stored {stored.store('throughput', data, packages=PACKAGES)}; now: make docs")


if __name__ == "__main__":
    main()
