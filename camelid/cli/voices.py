"""Who can answer: both models of a pair and the router between them, or the one model of a model folder; and
any of these models with an adapter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from camelid.cli.options import find_model
from camelid.errors import RecipeError, RequestError, suggest
from camelid.generate.sampling import SamplingOptions
from camelid.model.adapter import RESERVED, find_base, is_adapter, read_adapter, sort_adapters
from camelid.model.pairfile import ROLES
from camelid.pair import AUTO, Messages, Pair, Speaker, Stream


class Chooser:
    """The router of a pair, asked like one of its models; contexts and tokens are the Alpaca's."""

    name, adapter = AUTO, ""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.alpaca = pair["alpaca"]
        self.config, self.tokenizer = self.alpaca.config, self.alpaca.tokenizer

    def load(self) -> None:
        """Read the router and both models now, so that no answer has to wait for them.

        Raises RequestError when the pair has no router, CheckpointError when something cannot be read.
        """
        _ = self.pair.router
        for speaker in self.pair.speakers.values():
            speaker.load()

    def count_tokens(self, messages: Messages) -> int:
        """Return how many tokens the prompt for an answer to `messages` has."""
        return self.alpaca.count_tokens(messages)

    def stream(self, messages: Messages, **options: Unpack[SamplingOptions]) -> Stream:
        """Return the answer of whom the router chooses, piece by piece."""
        return self.pair.stream(messages, model=AUTO, **options)

    def describe(self) -> str:
        """Return in a line what the router goes by."""
        router = self.pair.router
        found: dict[str, Any] = router.evidence
        kind = "what the Alpaca reads" if router.heads is not None else "the task table"
        wished = f", set so that {found['target']}" if "target" in found else ""
        return f"auto: the router chooses by {kind}{wished}"


Voice = Speaker | Chooser


def open_voices(
    folder: Path, *, adapter: Path | None = None, base: Path | None = None, weights: str | None = None
) -> dict[str, Voice]:
    """Return who can answer, by name; of a pair "auto" too, and the adapter by its folder's name.

    folder: a pair's, a model's, or an adapter's. adapter: one more to load, of a pair the model's that it
        belongs to. base: the pair or model of an adapter's folder, if not where the adapter says. weights:
        what they are packed in, see `load_model`.

    Raises CheckpointError when the folder is nothing of the kind or an adapter does not belong to it,
    RecipeError for a base where no adapter's folder is given.
    """
    if is_adapter(folder):
        if adapter:
            raise RecipeError(f"{folder} is an adapter itself. Leave out --adapter, or name a model instead.")
        folder, adapter = base or find_base(read_adapter(folder)), folder
    elif base:
        raise RecipeError(f"--base is for an adapter's folder; {folder} is none. Leave --base out.")
    loading: Any = {"weights": weights}
    model = find_model(folder)
    name = folder.resolve().name
    adapters = _name_apart(adapter, ROLES if model is None else (name,)) if adapter else {}
    if model is None:
        pair = Pair(folder, adapters=adapters, **loading)
        return {**pair.speakers, AUTO: Chooser(pair)}
    belonging = sort_adapters(adapters, {name: model})[name]
    speaker = Speaker(model, name=name, adapters=belonging, **loading)
    return {name: speaker, **{each: speaker.adapted(each) for each in adapters}}


def _name_apart(adapter: Path, models: Sequence[str]) -> dict[str, Path]:
    """Return an adapter by its folder's name, or by one more like it where a model is called so."""
    name = adapter.resolve().name
    return {name + "-adapter" * (name in (*models, *RESERVED)): adapter}


def choose_voice(voices: dict[str, Voice], name: str, default: str) -> Voice:
    """Return the voice of that name; without a name an adapter's, `default`, or the only one there is.

    Raises RequestError when there is no such voice.
    """
    if not name:
        adapted = next((voice for voice in voices.values() if voice.adapter), None)
        return adapted or voices.get(default) or next(iter(voices.values()))
    if name not in voices:
        raise RequestError(f"There is no model {name!r} here.{suggest(name, voices)}")
    return voices[name]
