"""The native engine against llama.cpp, CTranslate2 and transformers: the same random weights, side by side.

    python benchmarks/native.py --peers ~/peers                all shapes, an hour on two cores
    python benchmarks/native.py --peers ~/peers --shape 15m    this one, added to what is stored
    python benchmarks/native.py --peers ~/peers --quick        a look at the smallest, not stored

The peers live in virtual environments of their own, one for all or several; what is in none is left out.
Where camelid's own has transformers, theirs need not. torch is pinned as camelid's is:

    python3 -m venv ~/peers
    CMAKE_ARGS="-DGGML_NATIVE=ON" ~/peers/bin/pip install --no-binary llama-cpp-python llama-cpp-python
    ~/peers/bin/pip install ctranslate2 gguf transformers "torch>=2.11,<=2.13.0"

Every contender runs in a process of its own, in turn; the memory's bandwidth is measured in between. All get
two threads. A model is written once, as Hugging Face has it, and converted from that for each peer.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import native_page
import numpy as np
import stored
from native_models import PLANS, SHAPES, Plan, make_model
from native_peers import CHECKED_LOGITS, add, checked_prompt, peak_bytes, prompts

import camelid
from camelid.generate.backend import Backend
from camelid.generate.bandwidth import bytes_per_token, measure_bandwidth
from camelid.generate.sampling import SamplingSettings
from camelid.native import _native

FOLDER = stored.HOUSE / "runs" / "native"
# In the order of their first turn; the first one's logits are what the others' must agree with.
CONTENDERS = (
    ("camelid", "bf16"),
    ("camelid", "int8"),
    ("llama.cpp", "Q8_0"),
    ("camelid", "int4"),
    ("llama.cpp", "Q4_0"),
    ("ctranslate2", "int8"),
    ("llama.cpp", "BF16"),
    ("transformers", "bf16"),
)
PACKAGES = {"llama.cpp": "llama_cpp", "ctranslate2": "ctranslate2", "transformers": "transformers"}
# Of logits. With queries and keys in the wrong order it is 0.6 at three layers already, and less with more.
LEAST_AGREEMENT = 0.9
LEAST_AGREEMENT_4BIT = 0.5  # random weights suffer most
QUICK = {"new": 17, "rounds": 1, "steps": 8}
Say = Callable[[str], None]


# --- camelid, as users have it ----------------------------------------------------------------------------


def measure_camelid(folder: Path, weights: Any, plan: Plan) -> dict[str, Any]:
    """Return the rates of the engine, and, as "bare", of the native step alone in a loop."""
    began = time.perf_counter()
    model = camelid.load_model(folder / "hf", backend="native", weights=weights, threads=plan.threads)
    load_s = time.perf_counter() - began
    logits = model.logits(checked_prompt(model.vocab_size))[-1, :CHECKED_LOGITS]
    engine: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {}
    for length in (plan.short, plan.prompt):
        decode_alone(model, engine, length, plan)
        step_alone(model, bare, length, plan)
    decode_together(model, engine, plan)
    return {
        "load_s": load_s,
        "found": {"engine": engine, "bare": bare},
        "logits": logits.tolist(),
        "isa": model.native.isa,  # type: ignore[attr-defined]
        "token_bytes": {
            f"decode_{length}": bytes_per_token(model.config, weights, positions=length + plan.new / 2)
            for length in (plan.short, plan.prompt)
        },
        "peak_bytes": peak_bytes(),
    }


def decode_alone(model: Backend, rates: dict[str, list[float]], length: int, plan: Plan) -> None:
    """Measure one stream after prompts of so many tokens; the first round warms up."""
    for number, prompt in zip(range(plan.rounds + 1), prompts(model.vocab_size, length, 1), strict=False):
        new = plan.new if number else 4
        began = time.perf_counter()
        tokens = model.generate(prompt, max_tokens=new)
        next(tokens)
        first = time.perf_counter()
        count = sum(1 for _ in tokens)
        ended = time.perf_counter()
        if number:
            add(rates, f"decode_{length}", count / (ended - first))
            add(rates, f"prefill_{length}", length / (first - began))


def step_alone(model: Any, rates: dict[str, list[float]], length: int, plan: Plan) -> None:
    """Measure the native step, called from a loop that does nothing else."""
    num_blocks = -(-(length + plan.new) // _native.BLOCK)
    cache = model.native.new_cache(num_blocks, True)
    for prompt, _ in zip(prompts(model.vocab_size, length, 3), range(plan.rounds), strict=False):
        sequence = _native.Sequence(prompt, _native.Sampling())
        sequence.blocks = list(range(num_blocks))
        model.native.step(cache, [sequence], [length])
        began = time.perf_counter()
        for _ in range(plan.new - 1):
            model.native.step(cache, [sequence], [1])
        add(rates, f"decode_{length}", (plan.new - 1) / (time.perf_counter() - began))


def decode_together(model: Any, rates: dict[str, list[float]], plan: Plan) -> None:
    """Measure many requests at once, from when the last has begun; each keeps on until all are timed."""
    engine, source = model.engine, prompts(model.vocab_size, plan.stream_prompt, 2)
    settings = SamplingSettings(max_tokens=model.context - plan.stream_prompt)
    for _ in range(plan.rounds):
        requests = [engine.submit(next(source), settings) for _ in range(plan.streams)]
        while not all(request.tokens for request in requests):
            engine.step()
        engine.step()
        before = sum(len(request.tokens) for request in requests)
        began = time.perf_counter()
        for _ in range(plan.steps):
            engine.step()
        took_s = time.perf_counter() - began
        assert not any(request.finished for request in requests)
        add(rates, "streams", (sum(len(request.tokens) for request in requests) - before) / took_s)
        for request in requests:
            engine.cancel(request)


def work(task: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker process found."""
    if task["peer"] == "memory":
        return {"bytes_per_s": measure_bandwidth(task["plan"]["threads"])}
    return measure_camelid(Path(task["folder"]), task["type"], Plan(**task["plan"]))


# --- the run ----------------------------------------------------------------------------------------------


def find_pythons(venvs: list[Path]) -> dict[str, str]:
    """Return, by package, the first interpreter that has it: of the virtual environments, then this one."""
    pythons = [str(venv / "bin" / "python") for venv in venvs] + [sys.executable]
    for python in pythons:
        if not Path(python).is_file():
            sys.exit(f"There is no {python}. The beginning of {Path(__file__).name} says how to make one.")
    script = "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    found: dict[str, str] = {}
    for python in pythons:
        run = subprocess.run(
            [python, "-c", script, "gguf", *PACKAGES.values()], capture_output=True, text=True, check=True
        )
        for package in run.stdout.split():
            found.setdefault(package, python)
    return found


def convert(folder: Path, pythons: dict[str, str], say: Say) -> None:
    """Write what the peers that are there read, unless it lies there already."""
    script = str(Path(__file__).with_name("native_formats.py"))
    tasks = [("ctranslate2", ["ctranslate2", str(folder / "hf"), str(folder / "ctranslate2")])]
    for peer, type_ in CONTENDERS:
        if peer == "llama.cpp" and PACKAGES[peer] in pythons:
            tasks.append(("gguf", ["gguf", str(folder / "hf"), str(folder / f"{type_}.gguf"), type_]))
    for package, words in tasks:
        if package in pythons and not Path(words[2]).exists():
            say(f"writing {words[2]}")
            subprocess.run([pythons[package], script, *words], check=True)


def start(python: str, script: str, task: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker process found."""
    words = ["--worker"] if script == "native.py" else []
    command = [python, str(Path(__file__).with_name(script)), *words, json.dumps(task)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(task["plan"]["threads"])}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode:
        sys.exit(f"{task['peer']} {task['type']} failed:\n{run.stderr[-3000:]}")
    return json.loads(run.stdout.splitlines()[-1])


def agree(one: list[float], other: list[float]) -> float:
    """Return how much two models' logits agree: 1 when they are the same up to scale and shift."""
    return float(np.corrcoef(one, other)[0, 1])


def compare(
    shape: str, folder: Path, plan: Plan, repeats: int, pythons: dict[str, str], say: Say
) -> dict[str, Any]:
    """Return every run of a shape, the contenders in turn, the order rotating."""
    make_model(folder, SHAPES[shape])
    convert(folder, pythons, say)
    here = [each for each in CONTENDERS if each[0] == "camelid" or PACKAGES[each[0]] in pythons]
    runs: list[dict[str, Any]] = []
    bandwidths: list[float] = []
    reference: list[float] = []
    base = {"folder": str(folder), "plan": dataclasses.asdict(plan)}
    for repeat in range(repeats):
        turn = repeat % len(here)
        for place, (peer, type_) in enumerate(here[turn:] + here[:turn]):
            if place % 3 == 0:
                memory = start(sys.executable, "native.py", {"peer": "memory", "type": "", **base})
                bandwidths.append(memory["bytes_per_s"])
            python, script = (
                (sys.executable, "native.py")
                if peer == "camelid"
                else (pythons[PACKAGES[peer]], "native_peers.py")
            )
            found = start(python, script, {"peer": peer, "type": type_, **base})
            logits = found.pop("logits")
            reference = reference or logits
            found["agreement"] = agree(reference, logits)
            if found["agreement"] < (LEAST_AGREEMENT_4BIT if "4" in type_ else LEAST_AGREEMENT):
                sys.exit(
                    f"{peer} {type_} computes something else: its logits agree {found['agreement']:.2f}."
                )
            runs.append({"contender": f"{peer} {type_}", "repeat": repeat, **found})
            say(f"{shape} {peer} {type_}: {native_page.say_run(runs[-1], base['plan'])}")
    return {
        "parameters": SHAPES[shape].num_parameters,
        "plan": base["plan"],
        "repeats": repeats,
        "bandwidth_bytes_per_s": bandwidths,
        "runs": runs,
    }


def describe(found: dict[str, Any]) -> dict[str, Any]:
    """Return a shape's result with its command, machine and versions, the peers' included."""
    result = stored.describe(found, packages=["numpy"])
    for run in found["runs"]:
        result["versions"].update(run.pop("version", {}))
    return result


def merge(results: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored with new shapes put in, in the order of their sizes."""
    before = stored.read("native")
    shapes = {**(before["data"]["shapes"] if before else {}), **results}
    return {"shapes": {name: shapes[name] for name in SHAPES if name in shapes}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, action="append", help="only this one; may be repeated")
    parser.add_argument("--peers", type=Path, action="append", default=[], metavar="VENV",
                        help="a virtual environment with peers; may be repeated")  # fmt: skip
    parser.add_argument("--repeats", type=int, default=3, help="how often each contender runs")
    parser.add_argument("--threads", type=int, default=2, help="of every contender")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the models lie, 15 GB of them")
    parser.add_argument(
        "--quick", action="store_true", help="one short run of each, 15m by default; not stored"
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(work(json.loads(options.worker))))
        return
    pythons = find_pythons(options.peers)
    missing = [package for package in ("gguf", *PACKAGES.values()) if package not in pythons]
    if missing:
        print(f"left out, for want of an environment with it: {', '.join(missing)}", flush=True)
    if "gguf" not in pythons:
        pythons.pop("llama_cpp", None)
    results = {}
    for shape in options.shape or (["15m"] if options.quick else SHAPES):
        plan = dataclasses.replace(PLANS[shape], threads=options.threads, **(QUICK if options.quick else {}))
        repeats = 1 if options.quick else options.repeats
        found = compare(
            shape, options.folder / shape, plan, repeats, pythons, lambda text: print(text, flush=True)
        )
        results[shape] = describe(found)
        if not options.quick:  # each as soon as it is there
            stored.store("native", merge(results))
    print(native_page.render({"shapes": results}))
    if not options.quick:
        print(f"stored {stored.RESULTS / 'native.json'}; now: make docs")


if __name__ == "__main__":
    main()
