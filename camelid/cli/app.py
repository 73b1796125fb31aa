"""The verbs and what `camelid --help` says of them. What a verb does stands in the module of its name."""

from typing import Annotated, Any

import typer

from camelid.cli import (
    alpaca,
    bench,
    calibrate,
    chat,
    choose,
    compare,
    evaluate,
    export,
    generate,
    importing,
    info,
    pairing,
    samples,
    serve,
    show,
    training,
    tuning,
)

# typer's own base of all wrong usage; where the class lives differs from version to version.
UsageError: Any = typer.BadParameter.__mro__[1]

_EXAMPLES = {
    "train": ("camelid train recipes/quick.toml", "camelid train my/recipe.toml --out pairs/mine --seed 7"),
    "chat": (
        "camelid chat pairs/demo",
        "camelid chat pairs/demo --model llama --temperature 0.8",
        "camelid chat my/adapter",
        "echo 'When do you open?' | camelid chat pairs/demo",
    ),
    "generate": (
        "camelid generate pairs/demo 'Translate into German: The llama sleeps.' --model llama",
        "camelid generate pairs/demo 'Once upon a time' --continue --temperature 0.8 --seed 1",
        "camelid generate my/model 'Hello!' --adapter my/adapter",
    ),
    "samples": (
        "camelid samples pairs/demo",
        "camelid samples pairs/demo --task translation --lang de --count 5",
    ),
    "info": ("camelid info pairs/demo", "camelid info pairs/demo/llama --no-measure --json"),
    "compare": (
        "camelid compare pairs/demo",
        "camelid compare pairs/demo --only translation --limit 500 --lang de",
        "camelid compare my/model other/model --task questions.jsonl --metric chrf",
    ),
    "calibrate": (
        "camelid calibrate pairs/demo --llama-share 0.3",
        "camelid calibrate pairs/demo --p95-latency-ms 80",
        "camelid calibrate pairs/demo --max-quality-loss 0.02 --confidence 0.9",
        "camelid calibrate pairs/demo --votes votes.jsonl",
    ),
    "choose": (
        "camelid choose pairs/demo --task translation --max-latency-ms 50",
        "camelid choose pairs/demo --task summarization --max-memory-mb 200 --min-quality 0.6 --json",
        "camelid choose pairs/demo --task service --second-costs 0.5",
    ),
    "eval": (
        "camelid eval pairs/demo --harness my_task --include-path my/tasks --chat",
        "camelid eval my/model --harness arc_easy,piqa --limit 200",
    ),
    "bench": (
        "camelid bench pairs/demo",
        "camelid bench pairs/demo/llama --weights int4 --weights bf16 --threads 2 --json",
    ),
    "serve": (
        "camelid serve pairs/demo",
        "camelid serve pairs/demo --host 0.0.0.0 --api-keys keys.txt --votes votes.sqlite",
        "camelid serve my/model --port 0 --threads 2",
        "camelid serve pairs/demo --adapter kind=my/adapter --adapter terse=other/adapter",
    ),
    "pair": (
        "camelid pair --llama SmolLM2-1.7B-Instruct --alpaca SmolLM2-135M-Instruct --out pairs/smol",
        "camelid pair --llama Llama-2-7b-hf --alpaca TinyLlama-1.1B --out pairs/mine --chat-template llama-2",
        "camelid pair --llama my/large --alpaca my/small --out pairs/mine --data questions.jsonl",
    ),
    "export": (
        "camelid export pairs/demo --gguf --type q8_0 --out exported",
        "camelid export my/model --gguf --out model.gguf",
        "camelid export pairs/demo --ollama --model alpaca --type q4_0 --out alpaca.gguf",
    ),
    "import": (
        "camelid import model-Q8_0.gguf --out my/model",
        "camelid import stories260K.bin --tokenizer tok512.bin --out my/stories",
    ),
    "show": (
        "camelid show reviews.csv",
        "camelid show recipes/quick.toml --source world --limit 10",
        "camelid show talks.jsonl --tokenizer pairs/demo --plain",
    ),
    "tokenizer": ("camelid tokenizer recipes/quick.toml",),
    "pretrain": ("camelid pretrain recipes/quick.toml",),
    "distill": ("camelid distill recipes/quick.toml",),
    "finetune": (
        "camelid finetune --base my/model --data talks.jsonl",
        "camelid finetune --base my/model --data talks.jsonl --lora --keep-adapter --out my/adapter",
        "camelid finetune --base my/model --data votes.jsonl --preferences",
        "camelid finetune recipes/quick.toml --role llama",
    ),
    "alpaca": (
        "camelid alpaca --from my/model --layers 4 --data talks.jsonl",
        "camelid alpaca --from my/model --layers 4 --data talks.jsonl --minutes 30 --out pairs/mine",
    ),
    "merge": ("camelid merge my/adapter --out my/model",),
}
_STAGE_PANEL = "One stage of train, and whatever it needs before it"

app = typer.Typer(
    name="camelid",
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Errors are one line; with --debug, anywhere in a command, a traceback too.",
)


def _print_version(asked: bool) -> None:
    if asked:
        import camelid

        print(f"camelid {camelid.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Raise a pair of language models from your text: a deep Llama and a quick Alpaca."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def _register(name: str, function: Any, panel: str | None = None) -> None:
    examples = "\n\n".join(_EXAMPLES[name])
    word = "Example" if len(_EXAMPLES[name]) == 1 else "Examples"
    said = "\n\n".join(" ".join(part.split()) for part in function.__doc__.split("\n\n"))
    app.command(name, help=said, epilog=f"{word}:\n\n{examples}", rich_help_panel=panel)(function)


_register("train", training.train)
_register("chat", chat.chat)
_register("generate", generate.generate)
_register("samples", samples.samples)
_register("info", info.info)
_register("compare", compare.compare)
_register("choose", choose.choose)
_register("calibrate", calibrate.calibrate)
_register("eval", evaluate.evaluate)
_register("bench", bench.bench)
_register("serve", serve.serve)
_register("pair", pairing.pair)
_register("import", importing.import_)
_register("export", export.export)
_register("show", show.show)
_register("finetune", tuning.finetune)
_register("alpaca", alpaca.alpaca)
_register("merge", tuning.merge)
for _name in ("tokenizer", "pretrain", "distill"):
    _register(_name, getattr(training, _name), _STAGE_PANEL)


def command() -> Any:
    """Return the whole command line as one object that can be called."""
    return typer.main.get_command(app)
