"""Quality for time against litgpt: the same minutes, text, tokenizer and shape; bits per byte of new stories.

    python benchmarks/litgpt_quality.py --data-root DATA --litgpt VENV
    python benchmarks/litgpt_quality.py --data-root DATA --litgpt VENV --minutes 1     a trial, not stored

DATA holds tinystories_en/train.jsonl and valid.jsonl. VENV is a virtual environment of litgpt's own, made by

    python3 -m venv VENV
    VENV/bin/pip install litgpt==0.5.13 litdata==0.2.59 'torch>=2.11,<=2.13.0'
    VENV/bin/pip uninstall torchvision        only if litgpt does not start: it may be built for another torch

litgpt trains as its own recipe for TinyStories says (config_hub/pretrain/tinystories.yaml), but with batches
of 8,192 tokens, as so short a run needs, and once with each learning rate of --lr; the best of these counts.
Its schedule needs to know how many tokens there will be, so a short run measures its rate first.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import stored

from camelid.model.config import DecoderConfig
from camelid.text.tokenizer import Tokenizer
from camelid.train.progress import Silent
from camelid.train.upbringing import Upbringing, read_upbringing

CONTEXT, ROWS, VOCAB = 256, 32, 4096
STRIDE = CONTEXT // 2  # how far the window moves over a story that is longer than the context
SHORT_TOKENS = 40 * CONTEXT * ROWS  # what litgpt's rate is measured on
PACKAGES = ("torch",)

RECIPE = """
name = "stories"
out = {out}
data_root = {data_root}
context = {context}
seed = {seed}
[[source]]
name = "stories"
path = "tinystories_en/train.jsonl"
lang = "en"
max_epochs = 1000
held_out = 0.0
[tokenizer]
vocab_size = {vocab_size}
[llama]
depth = {depth}
[llama.pretrain]
minutes = {minutes}
weight_decay = 1.5
evaluations = 0
checkpoint_minutes = 1000
[llama.finetune]
steps = 1
[alpaca]
depth = 1
[alpaca.distill]
steps = 1
[alpaca.finetune]
steps = 1
"""
PRETRAIN = """
import sys
from camelid.train.progress import Silent
from camelid.train.stages import raise_pair
from camelid.train.upbringing import read_upbringing
raise_pair(read_upbringing(sys.argv[1]), progress=Silent(), until="llama-pretrain")
"""


def write_recipe(folder: Path, options: argparse.Namespace) -> Path:
    """Write the recipe that camelid follows; return its file."""
    values = {
        "out": json.dumps(str(folder / "camelid")),
        "data_root": json.dumps(str(options.data_root.resolve())),
        "context": CONTEXT,
        "vocab_size": VOCAB,
        "seed": options.seed,
        "depth": options.depth,
        "minutes": float(options.minutes),
    }
    path = folder / "stories.toml"
    path.write_text(RECIPE.format(**values), encoding="utf-8")
    return path


def train_camelid(recipe: Path, upbringing: Upbringing) -> tuple[Path, dict[str, Any]]:
    """Pre-train with camelid; return the model folder, and how long the process took."""
    begin = time.perf_counter()
    run_logged([sys.executable, "-c", PRETRAIN, str(recipe)], recipe.parent / "camelid.log")
    seconds = time.perf_counter() - begin
    stage = upbringing.folder / "stages" / "llama-pretrain"
    done = json.loads((stage / "done.json").read_text())
    return stage / "model", {"process_s": seconds, "done": done}


# --- the peer ---------------------------------------------------------------------------------------------


def write_texts(folder: Path, data_root: Path) -> None:
    """Write one file for each story, so that litgpt puts a beginning-of-text token before each."""
    for side in ("train", "valid"):
        (folder / side).mkdir(parents=True)
        for number, text in enumerate(read_stories(data_root, side)):
            (folder / side / f"{number:05}.txt").write_text(text, encoding="utf-8")


def write_peer_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write camelid's tokenizer as litgpt reads it."""
    folder.mkdir()
    tokenizer.save(folder)


def peer_settings(
    config: DecoderConfig, folder: Path, name: str, *, tokens: int, lr: float, precision: str, seed: int
) -> dict[str, Any]:
    """Return what `litgpt pretrain --config` reads: its recipe for TinyStories, with our shape and budget."""
    steps = tokens // (CONTEXT * ROWS)
    return {
        "model_name": "stories",
        "model_config": {
            "name": "stories",
            "hf_config": {},
            "scale_embeddings": False,
            "block_size": CONTEXT,
            "padded_vocab_size": config.vocab_size,
            "vocab_size": config.vocab_size,
            "n_layer": config.num_hidden_layers,
            "n_head": config.num_attention_heads,
            "n_query_groups": config.num_key_value_heads,
            "n_embd": config.hidden_size,
            "head_size": config.head_dim,
            "rotary_percentage": 1.0,
            "parallel_residual": False,
            "bias": False,
            "norm_class_name": "RMSNorm",
            "norm_eps": config.rms_norm_eps,
            "mlp_class_name": "LLaMAMLP",
            "intermediate_size": config.intermediate_size,
        },
        "out_dir": str(folder / name),
        "precision": precision,
        "data": {
            "class_path": "litgpt.data.TextFiles",
            "init_args": {
                "train_data_path": str(folder / "texts" / "train"),
                "val_data_path": str(folder / "texts" / "valid"),
                "num_workers": 1,
            },
        },
        "train": {
            "save_interval": None,
            "log_interval": 1,
            "global_batch_size": ROWS,
            "micro_batch_size": ROWS,
            "lr_warmup_steps": max(1, min(100, steps // 10)),
            "max_tokens": tokens,
            "max_seq_length": CONTEXT,
            "tie_embeddings": config.tie_word_embeddings,
            "max_norm": 1.0,
            "min_lr": 0.0,
        },
        "eval": {"interval": 10**9, "max_iters": 1, "final_validation": False},
        "optimizer": {
            "class_path": "torch.optim.AdamW",
            "init_args": {"lr": lr, "weight_decay": 0.1, "betas": [0.9, 0.95]},
        },
        "devices": 1,
        "tokenizer_dir": str(folder / "tokenizer"),
        "logger_name": "csv",
        "seed": seed,
    }


def train_peer(venv: Path, folder: Path, name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run `litgpt pretrain`; return how long the process and its iterations took."""
    config = folder / f"{name}.yaml"
    config.write_text(json.dumps(settings, indent=1))  # every JSON is YAML
    log = folder / f"{name}.log"
    begin = time.perf_counter()
    run_logged([str(venv / "bin" / "litgpt"), "pretrain", "--config", str(config)], log)
    seconds = time.perf_counter() - begin
    times = [float(found) / 1000 for found in re.findall(r"iter time: ([\d.]+) ms", log.read_text())]
    return {
        "process_s": seconds,
        "iterations": len(times),
        "iteration_s": statistics.median(times[2:]),
        "tokens": len(times) * CONTEXT * ROWS,
        "lr": settings["optimizer"]["init_args"]["lr"],
        "precision": settings["precision"],
    }


def plan_tokens(short: dict[str, Any], minutes: float) -> int:
    """Return how many tokens fill the minutes, start and compiling included, from a short run."""
    overhead = short["process_s"] - short["iterations"] * short["iteration_s"]
    iterations = max(10, int((60 * minutes - overhead) / short["iteration_s"]))
    return iterations * CONTEXT * ROWS


def convert_peer(venv: Path, folder: Path, name: str) -> Path:
    """Let litgpt write its final checkpoint under Hugging Face's names; return the file."""
    out = folder / name / "converted"
    command = [str(venv / "bin" / "litgpt"), "convert_from_litgpt", str(folder / name / "final"), str(out)]
    run_logged(command, folder / f"{name}.convert.log")
    return out / "model.pth"


def run_logged(command: list[str], log: Path) -> None:
    """Run a command, its output in a file; a failure ends the benchmark with the output's end."""
    with open(log, "w") as file:
        run = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "NO_COLOR": "1"}
        )
    if run.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")


# --- the measure ------------------------------------------------------------------------------------------


def read_stories(data_root: Path, side: str) -> Iterator[str]:
    """Yield the stories of one side."""
    with open(data_root / "tinystories_en" / f"{side}.jsonl", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)["text"]


def bits_per_byte(decoder: Any, tokenizer: Tokenizer, texts: list[str]) -> float:
    """Return the bits that the decoder needs for each byte of the texts, each text on its own.

    A text stands behind the beginning-of-text token; of one longer than the context every token is read once,
    with at least half a context before it. What ends a text is not counted: litgpt's data have no such token.
    """
    import torch
    import torch.nn.functional as F

    nats = 0.0
    with torch.no_grad():
        for text in texts:
            ids = torch.tensor([tokenizer.bos_id, *tokenizer.encode(text)])
            done = 1
            while done < len(ids):
                last = min(len(ids), CONTEXT + 1 if done == 1 else done + STRIDE)
                window = ids[max(0, last - CONTEXT - 1) : last]
                logits = decoder(window[:-1].unsqueeze(0))[0].float()
                losses = F.cross_entropy(logits, window[1:], reduction="none")
                nats += float(losses[len(losses) - (last - done) :].sum())
                done = last
    return nats / math.log(2) / sum(len(text.encode()) for text in texts)


def load_peer(path: Path, config: DecoderConfig) -> Any:
    """Return litgpt's weights in camelid's decoder."""
    import torch

    from camelid.model.decoder import Decoder

    weights = torch.load(path, map_location="cpu")
    if config.tie_word_embeddings:
        head = weights.pop("lm_head.weight", None)
        assert head is None or torch.equal(head, weights["model.embed_tokens.weight"])
    decoder = Decoder(config)
    decoder.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return decoder.eval()


# --- the run ----------------------------------------------------------------------------------------------


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train both and measure both."""
    from camelid.model.checkpoint import load_decoder
    from camelid.train.stages import raise_pair

    recipe = write_recipe(folder, options)
    upbringing = read_upbringing(recipe)
    raise_pair(upbringing, progress=Silent(), until="corpus")
    tokenizer = Tokenizer.load(upbringing.folder / "stages" / "tokenizer")
    config = upbringing.llama_config(tokenizer.vocab_size)
    texts = list(read_stories(options.data_root, "valid"))
    write_texts(folder / "texts", options.data_root)
    write_peer_tokenizer(folder / "tokenizer", tokenizer)
    contenders = []

    model, found = train_camelid(recipe, upbringing)
    found["bits_per_byte"] = bits_per_byte(load_decoder(model), tokenizer, texts)
    contenders.append({"contender": "camelid", **found})
    say(contenders[-1])

    def settings(name: str, tokens: int, lr: float) -> dict[str, Any]:
        return peer_settings(
            config, folder, name, tokens=tokens, lr=lr, precision=options.precision, seed=options.seed
        )

    train_peer(options.litgpt, folder, "first", settings("first", 4 * CONTEXT * ROWS, 1e-3))  # tokenizes
    short = train_peer(options.litgpt, folder, "short", settings("short", SHORT_TOKENS, 1e-3))
    say({"contender": "litgpt, its rate", **short})
    for lr in options.lr:
        name = f"lr-{lr:g}"
        tokens = plan_tokens(short, options.minutes)
        found = train_peer(options.litgpt, folder, name, settings(name, tokens, lr))
        decoder = load_peer(convert_peer(options.litgpt, folder, name), config)
        found["bits_per_byte"] = bits_per_byte(decoder, tokenizer, texts)
        contenders.append({"contender": f"litgpt, lr {lr:g}", **found})
        say(contenders[-1])
    return {
        "minutes": options.minutes,
        "config": asdict(config),
        "parameters": config.num_parameters,
        "litgpt": peer_version(options.litgpt),
        "contenders": contenders,
    }


def peer_version(venv: Path) -> str:
    """Return litgpt's and its torch's versions."""
    script = (
        "from importlib.metadata import version as v; print('litgpt', v('litgpt') + ', torch', v('torch'))"
    )
    run = subprocess.run(
        [str(venv / "bin" / "python"), "-c", script], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def say(found: dict[str, Any]) -> None:
    print(json.dumps({key: value for key, value in found.items() if key != "done"}), flush=True)


def render(data: dict[str, Any]) -> str:
    """Return the table of docs/numbers.md."""
    rows = [
        [
            found["contender"],
            f"{found['bits_per_byte']:.4f}",
            f"{found['tokens'] / 1e6:.1f}" if "tokens" in found else f"{found['done']['tokens'] / 1e6:.1f}",
            f"{found['process_s'] / 60:.1f}",
        ]
        for found in data["contenders"]
    ]
    config = data["config"]
    return (
        f"{data['minutes']:g} minutes of pre-training each on two cores, on TinyStories (English, 5.4 MB); "
        f"{data['parameters'] / 1e6:.1f}M parameters, {config['num_hidden_layers']} layers, width "
        f"{config['hidden_size']}, vocabulary {config['vocab_size']}; {data['litgpt']}. Bits per byte of 250 "
        "unseen stories, lower is better.\n\n"
        + stored.table(["", "bits per byte", "million tokens seen", "minutes in all"], rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--litgpt", type=Path, required=True, help="a virtual environment with litgpt in it")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--lr", type=float, nargs="+", default=[5e-4, 2e-3], help="litgpt's learning rates")
    parser.add_argument("--precision", default="bf16-mixed", help="litgpt's")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps everything here, instead of a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        data = compare(folder.resolve(), options)
    print(render(data))
    if options.minutes == parser.get_default("minutes"):
        print(f"stored {stored.store('litgpt_quality', data, packages=PACKAGES)}; now: make docs")


if __name__ == "__main__":
    main()
