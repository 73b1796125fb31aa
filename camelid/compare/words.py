"""Numbers of a sheet as a person reads them, the same in every rendering."""

from collections.abc import Mapping
from typing import Any

from camelid.compare.metrics import find_metric
from camelid.model.pairfile import ROLES

UNKNOWN = "–"
NOT_REPORTED = "not reported"


def call(name: str) -> str:
    """Return a model's name as it stands in a sentence."""
    return name.capitalize() if name in ROLES else name


def say_count(number: float | None) -> str:
    """Return a whole number with its thousands apart."""
    return UNKNOWN if number is None else f"{number:,.0f}"


def say_ms(milliseconds: float | None) -> str:
    """Return a time such as "0.42 ms", "8.1 ms" or "1.20 s"."""
    if milliseconds is None:
        return UNKNOWN
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.2f} s"
    return f"{milliseconds:.{2 if milliseconds < 1 else 1 if milliseconds < 100 else 0}f} ms"


def say_size(number: float | None) -> str:
    """Return a size in decimal units."""
    if number is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} GB"


def say_span(seconds: float | None) -> str:
    """Return a duration such as "48 s" or "3 min 20 s"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def say_percentiles(table: Mapping[str, float | None]) -> str:
    """Return the median and the 95th percentile of times in milliseconds."""
    return f"{say_ms(table['p50'])} · {say_ms(table['p95'])}"


def say_interval(judged: Mapping[str, Any], span: Mapping[str, Any], signed: bool = False) -> str:
    """Return "low to high" of a figure or a difference."""
    if span["low"] is None:
        return UNKNOWN
    metric = find_metric(judged["metric"])
    return f"{metric.say_number(span['low'], signed)} to {metric.say_number(span['high'], signed)}"


def say_p(p: float) -> str:
    """Return a p-value."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def list_costs(models: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return what the models cost, row by row: a label and a cell for each model."""

    def row(label: str, say: Any) -> tuple[str, list[str]]:
        return label, [say(model) for model in models]

    return [
        row("parameters", lambda model: say_count(model["parameters"])),
        row("layers", lambda model: say_count(model["layers"])),
        row("time to first token, p50 · p95", lambda model: say_percentiles(model["first_token_ms"])),
        row("per token after it, p50 · p95", lambda model: say_percentiles(model["token_ms"])),
        row("tokens per second", lambda model: say_count(model["tokens_per_s"])),
        row("bytes of text per second", lambda model: say_count(model["bytes_per_s"])),
        row("peak memory of the process", lambda model: say_size(model["peak_bytes"])),
        row("weights in memory", lambda model: say_size(model["weight_bytes"])),
        row("cache of a full context", lambda model: say_size(model["cache_bytes"])),
        row("size on disk", lambda model: say_size(model["disk_bytes"])),
        row("energy per answer", lambda model: _say_energy(model)),
        row("training time", lambda model: say_span(model["training_s"])),
        row("unsupervised tokens", lambda model: say_count(model["unsupervised_tokens"])),
        row("supervised tokens", lambda model: say_count(model["supervised_tokens"])),
        row("numbers and place", _say_place),
    ]


def list_provenance(sheet: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where a sheet's figures come from, row by row."""
    told = sheet["provenance"]
    machine = told["machine"]
    features = f", {' '.join(machine['features'])}" if machine["features"] else ""
    rows = [
        ("command", sheet["command"]),
        ("date", f"{sheet['date']}, {say_span(sheet['seconds'])}"),
        *(
            (f"model {model['name']}", f"{model['folder']}, hash {model['hash']}")
            for model in sheet["models"]
        ),
        *((f"tokenizer of {model['name']}", model["tokenizer"]) for model in sheet["models"]),
        *((f"data of {task['title']}", _say_data(task)) for task in sheet["tasks"]),
        (
            "statistics",
            f"{_say_tests(sheet)}; seed {told['seed']}, {told['resamples']:,} resamples, confidence "
            f"{100 * told['confidence']:.0f} %, p-values adjusted after {told['adjustment']}",
        ),
        (
            "timing",
            f"up to {told['timed_prompts']} prompts of each task, one at a time and each once, asked of both "
            "models in turns, each in a process of its own; how their times compare is the median of the "
            "ratios, prompt by prompt, with a 95 % interval of order statistics"
            if told["timed_prompts"]
            else "not timed",
        ),
        (
            "machine",
            f"{machine['processor']}, {machine['cores']} cores{features}, "
            f"{say_size(machine['memory_bytes'])}, {machine['system']}",
        ),
        ("versions", ", ".join(f"{name} {version}" for name, version in told["versions"].items())),
    ]
    signatures = {
        metric["title"]: metric["signature"]
        for task in sheet["tasks"]
        for metric in task["metrics"]
        if metric["signature"]
    }
    return [*rows, *((f"{title} signature", signature) for title, signature in signatures.items())]


def _say_tests(sheet: Mapping[str, Any]) -> str:
    tests: dict[str, list[str]] = {}
    for judged in (judged for task in sheet["tasks"] for judged in task["metrics"]):
        titles = tests.setdefault(judged["test"], [])
        titles += [judged["title"]] * (judged["title"] not in titles)
    return "; ".join(f"{test} for {', '.join(titles)}" for test, titles in tests.items())


def _say_data(task: Mapping[str, Any]) -> str:
    template = "chat template" if task["chat_template"] else "plain text"
    shots = f"{task['num_fewshot']} examples" if task["num_fewshot"] else "no examples"
    return f"{task['n']} items, hash {task['data']}, {template}, {shots}, at most {task['max_tokens']} tokens"


def _say_energy(model: Mapping[str, Any]) -> str:
    joules = model["energy_j_per_answer"]
    return NOT_REPORTED if joules is None else f"{joules:.2f} J"


def _say_place(model: Mapping[str, Any]) -> str:
    if model["dtype"] is None:
        return UNKNOWN
    threads = f", {model['threads']} thread{'s' * (model['threads'] > 1)}" if model["threads"] else ""
    return f"{model['dtype']} on {model['device']}{threads}"
