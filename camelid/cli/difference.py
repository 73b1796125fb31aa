"""Portraits as tables: of one model, or of what tells the two models of a pair apart."""

from collections.abc import Callable
from statistics import mean
from typing import NamedTuple

from rich import box
from rich.table import Table

from camelid.cli.portrait import Portrait
from camelid.cli.screen import say_bytes, say_duration
from camelid.model.config import DecoderConfig
from camelid.text.languages import LANGUAGE_NAMES

NOTHING = "–"


class Row(NamedTuple):
    """One line of the difference: a number of each model, and the words for a smaller and a larger one."""

    label: str
    number: Callable[[Portrait], float | None]
    say: Callable[[float], str]
    smaller: str
    larger: str


def draw_difference(name: str, llama: Portrait, alpaca: Portrait) -> Table:
    """Return the difference between the two models of a pair."""
    table = Table(title=f"The difference: {name}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("Llama", style="magenta", justify="right")
    table.add_column("Alpaca", style="cyan", justify="right")
    table.add_column("difference", no_wrap=True)
    if llama.raised or alpaca.raised:
        focuses = (p.raised.focus if p.raised else NOTHING for p in (llama, alpaca))
        table.add_row("optimized for", *focuses, "")
    for row in _rows(llama, alpaca):
        one, two = row.number(llama), row.number(alpaca)
        if one is None and two is None:
            continue
        said = (row.say(number) if number is not None else NOTHING for number in (one, two))
        table.add_row(row.label, *said, _compare(one, two, row))
    return table


def say_difference(llama: Portrait, alpaca: Portrait) -> str:
    """Return in words which of the two is for what, and what the figures say of it."""
    use = (
        "Ask the Llama for stories, summaries, translation and sentiment, where accuracy counts; "
        "ask the Alpaca for chat, assistance and customer service, where speed counts."
    )
    if not (llama.raised or alpaca.raised):
        use = (
            "How the two were raised is not told, so which is better at what has to be measured: "
            "camelid compare, with --data or --task."
        )
    facts = [*_say_reading(llama, alpaca), *_say_speed(llama, alpaca)]
    if llama.tokenizer != alpaca.tokenizer:
        facts.append("Their tokenizers differ, so the Alpaca cannot guess ahead for the Llama.")
    return f"{use} {' '.join(facts)}".rstrip()


def draw_model(portrait: Portrait) -> Table:
    """Return one model's figures."""
    config = portrait.config
    table = Table(title=str(portrait.folder), title_justify="left", box=box.SIMPLE, show_header=False)
    for label, value in _shape(config):
        table.add_row(label, value)
    table.add_row("tokenizer", portrait.tokenizer or "none here")
    table.add_row("chat template", portrait.template or "none: it only goes on with a text")
    table.add_row("size on disk", f"{say_bytes(portrait.disk_bytes)}, weights in {portrait.dtype}")
    table.add_row("memory for weights", say_bytes(portrait.weight_bytes))
    table.add_row("memory for a full context", say_bytes(portrait.cache_bytes))
    if portrait.measured:
        table.add_row("memory of the whole process", say_bytes(portrait.measured.peak_bytes))
        table.add_row("time to the first token", _say_ms(portrait.measured.speed.first_token_s))
        table.add_row("tokens per second", f"{portrait.measured.speed.tokens_per_s:,.0f}")
    return table


def say_measured(portrait: Portrait) -> str:
    """Return how the speeds and the memory were measured."""
    if portrait.measured is None:
        return "Speed was not measured; memory is what loading the model here will take."
    speed = portrait.measured.speed
    return (
        f"Measured here and now, in a process of its own, in {portrait.measured.dtype} on "
        f"{portrait.measured.device}: medians of {speed.runs} prompts of {speed.prompt_tokens} tokens, each "
        f"answered by {speed.new_tokens}."
    )


def _rows(llama: Portrait, alpaca: Portrait) -> list[Row]:
    languages = dict.fromkeys(
        lang for portrait in (llama, alpaca) if portrait.raised for lang in portrait.raised.bits_per_byte
    )
    return [*_GIVEN, *(_reading_row(lang) for lang in languages), *_MEASURED]


def _reading_row(lang: str) -> Row:
    label = f"bits per byte, {LANGUAGE_NAMES.get(lang, lang)}"
    return Row(
        label, lambda p: p.raised.bits_per_byte.get(lang) if p.raised else None, "{:.3f}".format, "", ""
    )


def _compare(llama: float | None, alpaca: float | None, row: Row) -> str:
    if llama is None or alpaca is None:
        return ""
    if not row.smaller:
        return f"{alpaca - llama:+.3f}"
    if row.say(llama) == row.say(alpaca):
        return "the same"
    if not llama or not alpaca:
        return row.larger if alpaca > llama else row.smaller
    ratio = max(llama / alpaca, alpaca / llama)
    if ratio < 1.005:
        return "about the same"
    return f"{ratio:,.{2 if ratio < 1.95 else 1}f}× {row.larger if alpaca > llama else row.smaller}"


def _say_ms(seconds: float) -> str:
    return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"


def _count(number: float) -> str:
    return f"{number:,.0f}"


_GIVEN = (
    Row("parameters", lambda p: p.config.num_parameters, _count, "fewer", "more"),
    Row("layers", lambda p: p.config.num_hidden_layers, _count, "fewer", "more"),
    Row("width", lambda p: p.config.hidden_size, _count, "narrower", "wider"),
    Row(
        "unsupervised tokens seen",
        lambda p: p.raised.unsupervised_tokens if p.raised else None,
        _count,
        "fewer",
        "more",
    ),
    Row(
        "supervised tokens seen",
        lambda p: p.raised.supervised_tokens if p.raised else None,
        _count,
        "fewer",
        "more",
    ),
    Row(
        "training time",
        lambda p: p.raised.training_s if p.raised else None,
        say_duration,
        "shorter",
        "longer",
    ),
)
_MEASURED = (
    Row(
        "time to the first token",
        lambda p: p.measured.speed.first_token_s if p.measured else None,
        _say_ms,
        "sooner",
        "later",
    ),
    Row(
        "tokens per second",
        lambda p: p.measured.speed.tokens_per_s if p.measured else None,
        _count,
        "slower",
        "faster",
    ),
    Row("memory, weights and full cache", lambda p: p.memory_bytes, say_bytes, "less", "more"),
    Row(
        "memory, whole process at its peak",
        lambda p: p.measured.peak_bytes if p.measured else None,
        say_bytes,
        "less",
        "more",
    ),
    Row("size on disk", lambda p: p.disk_bytes, say_bytes, "smaller", "larger"),
)


def _say_reading(llama: Portrait, alpaca: Portrait) -> list[str]:
    """Return a sentence on who reads held-out text better, over the languages that both have."""
    if llama.raised is None or alpaca.raised is None:
        return []
    first, second = llama.raised.bits_per_byte, alpaca.raised.bits_per_byte
    both = [lang for lang in first if lang in second]
    if not both:
        return []
    means = {"Llama": mean(first[lang] for lang in both), "Alpaca": mean(second[lang] for lang in both)}
    better, other = sorted(means, key=lambda name: means[name])
    if f"{means[better]:.3f}" == f"{means[other]:.3f}":
        return [f"Both read held-out text equally well ({means[better]:.3f} bits per byte)."]
    return [
        f"The {better} reads held-out text better ({means[better]:.3f} bits per byte, the {other} "
        f"{means[other]:.3f})."
    ]


def _say_speed(llama: Portrait, alpaca: Portrait) -> list[str]:
    if llama.measured is None or alpaca.measured is None:
        return []
    ratio = alpaca.measured.speed.tokens_per_s / llama.measured.speed.tokens_per_s
    if ratio < 1.05:
        return ["Here the Alpaca is no faster."]
    return [f"The Alpaca writes {ratio:.1f}× as fast."]


def _shape(config: DecoderConfig) -> list[tuple[str, str]]:
    heads = f"{config.num_attention_heads} for queries, {config.num_key_value_heads} for keys and values"
    scaling = config.rope_scaling["rope_type"] if config.rope_scaling else "not scaled"
    return [
        ("parameters", _count(config.num_parameters)),
        ("layers", _count(config.num_hidden_layers)),
        ("width", _count(config.hidden_size)),
        ("feed-forward width", _count(config.intermediate_size)),
        ("heads", f"{heads}, {config.head_dim} wide"),
        ("vocabulary", f"{_count(config.vocab_size)} tokens"),
        ("context", f"{_count(config.max_position_embeddings)} tokens"),
        ("rotary positions", f"theta {config.rope_theta:,.0f}, {scaling}"),
        ("head", "tied to the embedding" if config.tie_word_embeddings else "its own"),
    ]
